#include "export/firefox_tables.h"

#include "export/export_timeline.h"

void firefox_tables_fini(struct firefox_tables *tables)
{
    vec_fini(&tables->stacks);
    vec_fini(&tables->frames);
    vec_fini(&tables->functions);
    vec_fini(&tables->symbols);
    vec_fini(&tables->libraries);
    vec_fini(&tables->strings);
    for (size_t i = 0; i < tables->copies.n; i++) {
        free(tables->copies.at[i]);
    }
    vec_fini(&tables->copies);
    vec_fini(&tables->stack_of);
    vec_fini(&tables->frame_of);
    vec_fini(&tables->function_of);
    vec_fini(&tables->symbol_of);
    vec_fini(&tables->library_of);
    map_fini(&tables->string_by_hash);
    vec_fini(&tables->waiting);
}

// FIREFOX_NONE: not there yet.
static uint32_t find_string(const struct firefox_tables *tables, struct slice string, uint64_t hash)
{
    size_t cursor = 0;
    for (uint32_t at; (at = map_find_from(&tables->string_by_hash, hash, &cursor)) != MAP_NONE;) {
        if (slice_equal(tables->strings.at[at], string)) {
            return at;
        }
    }
    return FIREFOX_NONE;
}

static uint32_t add_string(struct firefox_tables *tables, struct slice string, uint64_t hash)
{
    uint32_t row = (uint32_t)tables->strings.n;
    vec_push(&tables->strings, string);
    map_add(&tables->string_by_hash, hash, row);
    return row;
}

uint32_t firefox_tables_string(struct firefox_tables *tables, struct slice string)
{
    uint64_t hash = hash_bytes(string.data, string.n);
    uint32_t row = find_string(tables, string, hash);
    return row != FIREFOX_NONE ? row : add_string(tables, string, hash);
}

uint32_t firefox_tables_copy(struct firefox_tables *tables, struct slice string)
{
    uint64_t hash = hash_bytes(string.data, string.n);
    uint32_t row = find_string(tables, string, hash);
    if (row != FIREFOX_NONE) {
        return row;
    }
    char *copy = alloc_text((const char *)string.data, string.n);
    vec_push(&tables->copies, copy);
    return add_string(tables, (struct slice){(const uint8_t *)copy, string.n}, hash);
}

// The profiler keeps addresses in 32 bits; those of the kernel do not fit.
static uint32_t fit_addr(bool is_known, uint64_t addr)
{
    return is_known && addr < FIREFOX_NONE ? (uint32_t)addr : FIREFOX_NONE;
}

static struct slice last_part(struct slice path)
{
    const uint8_t *slash = path.n == 0 ? NULL : memrchr(path.data, '/', path.n);
    if (slash == NULL) {
        return path;
    }
    return (struct slice){slash + 1, (size_t)(path.data + path.n - (slash + 1))};
}

static uint32_t add_library(struct firefox_tables *tables, const struct export *export,
                            image_id image)
{
    if (image == 0 || !image_row_is_binary(store_image(export->source->store, image))) {
        return FIREFOX_NONE;
    }
    vec_grow_zeroed(&tables->library_of, (size_t)image + 1);
    if (tables->library_of.at[image] == 0) {
        struct slice name = last_part(export_image_path(export, image));
        struct firefox_library row = {.image = image, .name = firefox_tables_string(tables, name)};
        vec_push(&tables->libraries, row);
        tables->library_of.at[image] = (uint32_t)tables->libraries.n;
    }
    return tables->library_of.at[image] - 1;
}

static uint32_t add_function(struct firefox_tables *tables, const struct export *export,
                             function_id id)
{
    vec_grow_zeroed(&tables->function_of, (size_t)id + 1);
    if (tables->function_of.at[id] == 0) {
        const struct function *function = names_function(export->source->names, id);
        struct firefox_function row = {
            .name = firefox_tables_string(tables, slice_of_text(function->name)),
            .library = add_library(tables, export, function->image),
        };
        vec_push(&tables->functions, row);
        tables->function_of.at[id] = (uint32_t)tables->functions.n;
    }
    return tables->function_of.at[id] - 1;
}

// FIREFOX_NONE for what is no symbol of a binary.
static uint32_t add_symbol(struct firefox_tables *tables, const struct export *export,
                           function_id id)
{
    const struct function *function = names_function(export->source->names, id);
    uint32_t library = add_library(tables, export, function->image);
    uint32_t addr = fit_addr(function->resolved && library != FIREFOX_NONE, function->key);
    if (addr == FIREFOX_NONE) {
        return FIREFOX_NONE;
    }
    vec_grow_zeroed(&tables->symbol_of, (size_t)id + 1);
    if (tables->symbol_of.at[id] == 0) {
        struct slice name = slice_of_text(function->name);
        struct firefox_symbol row = {
            .name = firefox_tables_string(tables, name),
            .library = library,
            .addr = addr,
        };
        vec_push(&tables->symbols, row);
        tables->symbol_of.at[id] = (uint32_t)tables->symbols.n;
    }
    return tables->symbol_of.at[id] - 1;
}

static enum firefox_category category_of(const struct export *export,
                                         const struct function *function, image_id image)
{
    if (function->is_kernel) {
        return FIREFOX_KERNEL;
    }
    switch (store_image(export->source->store, image)->kind) {
    case IMAGE_ROW_FILE:
    case IMAGE_ROW_VDSO:
        return FIREFOX_USER;
    case IMAGE_ROW_ANONYMOUS:
        return function->resolved ? FIREFOX_JIT : FIREFOX_USER;
    case IMAGE_ROW_KERNEL:
    case IMAGE_ROW_NAMED:
        return FIREFOX_KERNEL;
    case IMAGE_ROW_TRUNCATED:
        break;
    }
    return FIREFOX_OTHER;
}

static struct inlined_list inlined_at(const struct export *export, frame_id frame)
{
    return export->source->tree->physical ? (struct inlined_list){0}
                                          : names_inlined_at(export->source->names, frame);
}

// The outermost of the frame's rows; those of inlined functions follow.
static uint32_t add_frame(struct firefox_tables *tables, const struct export *export,
                          frame_id frame)
{
    vec_grow_zeroed(&tables->frame_of, (size_t)frame + 1);
    if (tables->frame_of.at[frame] != 0) {
        return tables->frame_of.at[frame] - 1;
    }
    const struct names *names = export->source->names;
    function_id function = names_of_frame(names, frame);
    image_id image = stacks_get_frame(&export->source->store->stacks, frame)->image;
    uint64_t addr = 0;
    bool has_addr = export_frame_addr(export, frame, &addr);
    struct firefox_frame row = {
        .frame = frame,
        .addr = fit_addr(has_addr, addr),
        .function = add_function(tables, export, function),
        .symbol = add_symbol(tables, export, function),
        .category = (uint8_t)category_of(export, names_function(names, function), image),
    };
    vec_push(&tables->frames, row);
    uint32_t outermost = (uint32_t)tables->frames.n;
    tables->frame_of.at[frame] = outermost;
    struct inlined_list inlined = inlined_at(export, frame);
    for (uint32_t i = 0; i < inlined.n; i++) {
        row.function = add_function(tables, export, inlined.at[i]);
        row.inline_depth = (uint8_t)(i + 1); // LIMIT_INLINE_DEPTH
        vec_push(&tables->frames, row);
    }
    return outermost - 1;
}

// `stack`, whose caller is there.
static void add_stack(struct firefox_tables *tables, const struct export *export, stack_id stack)
{
    const struct stack_row *row = stacks_get(&export->source->store->stacks, stack);
    uint32_t frame = add_frame(tables, export, row->frame);
    uint32_t n = 1 + inlined_at(export, row->frame).n;
    uint32_t caller = row->caller == STACK_ROOT ? FIREFOX_NONE
                                                : tables->stack_of.at[row->caller] - 1;
    for (uint32_t i = 0; i < n; i++) {
        vec_push(&tables->stacks, (struct firefox_stack){.caller = caller, .frame = frame + i});
        caller = (uint32_t)tables->stacks.n - 1;
    }
    tables->stack_of.at[stack] = caller + 1;
}

uint32_t firefox_tables_stack(struct firefox_tables *tables, const struct export *export,
                              stack_id stack)
{
    vec_grow_zeroed(&tables->stack_of, (size_t)stack + 1);
    stack_id next = stack;
    while (next != STACK_ROOT && tables->stack_of.at[next] == 0) {
        vec_push(&tables->waiting, next);
        next = stacks_get(&export->source->store->stacks, next)->caller;
    }
    while (tables->waiting.n > 0) {
        add_stack(tables, export, vec_pop(&tables->waiting));
    }
    return stack == STACK_ROOT ? FIREFOX_NONE : tables->stack_of.at[stack] - 1;
}
