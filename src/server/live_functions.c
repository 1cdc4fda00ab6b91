#include "server/live_functions.h"

enum { KIND_MAIN, KIND_LIBRARY, KIND_KERNEL, KIND_JIT, KIND_TRUNCATION };

void live_functions_fini(struct live_functions *functions)
{
    vec_fini(&functions->all);
    vec_fini(&functions->number_of);
    map_fini(&functions->by_looks);
}

// ---- Numbers -----------------------------------------------------------------------------------

static uint64_t hash_looks(const struct function *function)
{
    uint64_t hash = hash_bytes(function->name, strlen(function->name));
    hash = hash_pair(hash, hash_bytes(function->binary, strlen(function->binary)));
    return hash_pair(hash, function->addr << 1 | function->inlined);
}

static bool looks_same(const struct function *a, const struct function *b)
{
    return function_is(a, b->name, b->binary) && a->addr == b->addr && a->inlined == b->inlined;
}

// The number of one that looks the same, and is not in this answer: it has been replaced, or it
// gets another number when it comes back. MAP_NONE: there is none.
static uint32_t find_free(const struct live_functions *functions, const struct names *names,
                          const struct function *function, uint64_t hash)
{
    size_t cursor = 0;
    uint32_t number;
    while ((number = map_find_from(&functions->by_looks, hash, &cursor)) != MAP_NONE) {
        const struct live_function *known = &functions->all.at[number];
        if (known->used != functions->n_answers &&
            looks_same(names_function(names, known->function), function)) {
            return number;
        }
    }
    return MAP_NONE;
}

static void give_number(struct live_functions *functions, const struct names *names, function_id id)
{
    const struct function *function = names_function(names, id);
    uint64_t hash = hash_looks(function);
    uint32_t number = find_free(functions, names, function, hash);
    if (number == MAP_NONE) {
        number = (uint32_t)functions->all.n;
        vec_push(&functions->all, (struct live_function){0});
        map_add(&functions->by_looks, hash, number);
    } else {
        functions->number_of.at[functions->all.at[number].function] = 0;
    }
    functions->all.at[number] = (struct live_function){id, functions->n_answers};
    functions->number_of.at[id] = number + 1;
}

void live_functions_number(struct live_functions *functions, const struct names *names,
                           const function_id *ids, size_t n, uint32_t *ret_numbers)
{
    functions->n_answers++;
    vec_grow_zeroed(&functions->number_of, names->functions.n);
    for (size_t i = 0; i < n; i++) { // first those that have one, so that nobody takes it
        uint32_t number = functions->number_of.at[ids[i]];
        if (number != 0) {
            functions->all.at[number - 1].used = functions->n_answers;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (functions->number_of.at[ids[i]] == 0) {
            give_number(functions, names, ids[i]);
        }
        ret_numbers[i] = functions->number_of.at[ids[i]] - 1;
    }
}

// ---- JSON --------------------------------------------------------------------------------------

static uint64_t kind_of(const struct names *names, const struct function *function)
{
    if (function->is_truncation) {
        return KIND_TRUNCATION;
    }
    if (function->is_kernel) {
        return KIND_KERNEL;
    }
    if (store_image(names->store, function->image)->kind == IMAGE_ROW_ANONYMOUS) {
        return KIND_JIT;
    }
    return function->is_main ? KIND_MAIN : KIND_LIBRARY;
}

enum function_column {
    FUNCTION_NAME,
    FUNCTION_BINARY,
    FUNCTION_KIND,
    FUNCTION_LANGUAGE,
    FUNCTION_INLINED,
    FUNCTION_ADDRESS,
    FUNCTION_COLUMNS
};

static void put_cell(struct json *j, const struct names *names, const struct function *function,
                     enum function_column column)
{
    switch (column) {
    case FUNCTION_NAME:
        json_cstr(j, function->name);
        break;
    case FUNCTION_BINARY:
        json_cstr(j, function->binary);
        break;
    case FUNCTION_KIND:
        json_u64(j, kind_of(names, function));
        break;
    case FUNCTION_LANGUAGE:
        json_cstr(j, symbol_lang_name(function->lang));
        break;
    case FUNCTION_INLINED:
        json_bool(j, function->inlined);
        break;
    case FUNCTION_ADDRESS:
        json_hex(j, function->addr);
        break;
    case FUNCTION_COLUMNS:
        ASSERT(false);
    }
}

void live_functions_put(struct json *j, const struct live_functions *functions,
                        const struct names *names, uint32_t first)
{
    static const char *const keys[FUNCTION_COLUMNS] = {
        [FUNCTION_NAME] = "name",       [FUNCTION_BINARY] = "binary",
        [FUNCTION_KIND] = "kind",       [FUNCTION_LANGUAGE] = "language",
        [FUNCTION_INLINED] = "inlined", [FUNCTION_ADDRESS] = "address",
    };
    json_key(j, "functions");
    json_object_begin(j);
    json_u64_field(j, "first", first);
    for (enum function_column column = 0; column < FUNCTION_COLUMNS; column++) {
        json_key(j, keys[column]);
        json_array_begin(j);
        for (uint32_t number = first; number < functions->all.n; number++) {
            function_id id = functions->all.at[number].function;
            put_cell(j, names, names_function(names, id), column);
        }
        json_array_end(j);
    }
    json_object_end(j);
}
