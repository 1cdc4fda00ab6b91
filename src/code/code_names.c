#include "code/code_names.h"

#include "image/demangle.h"

#include <inttypes.h>

void code_names_init(struct code_names *names, const struct listing_run *run,
                     const struct listing_wish *wish)
{
    *names = (struct code_names){
        .store = run->store, .library = run->library, .image = wish->image, .bias = wish->bias};
    const struct image_row *row = store_image(run->store, wish->image);
    if (image_row_is_binary(row)) {
        names->symtab = image_symtab(library_at(run->library, row->library));
    } else if (row->kind == IMAGE_ROW_ANONYMOUS && wish->ranges.n > 0) {
        jit_names_refresh(&names->jit, run->store);
    }
}

void code_names_fini(struct code_names *names)
{
    for (size_t i = 0; i < names->names.n; i++) {
        free(names->names.at[i]);
    }
    vec_fini(&names->names);
    map_fini(&names->by_name);
    jit_names_fini(&names->jit);
}

static void put(struct text *to, const char *name, size_t n, uint64_t distance)
{
    text_add_bytes(to, name, n);
    if (distance > 0) {
        text_addf(to, "+0x%" PRIx64, distance);
    }
}

// Symbols of a table are a few, targets many: each name is made readable once.
static const char *readable(struct code_names *names, const char *name)
{
    uint64_t key = (uint64_t)(uintptr_t)name;
    uint32_t known = map_find(&names->by_name, key);
    if (known == MAP_NONE) {
        enum symbol_lang lang;
        known = (uint32_t)names->names.n;
        vec_push(&names->names, demangle(name, &lang));
        map_set(&names->by_name, key, known);
    }
    return names->names.at[known];
}

// `addr` is the file's own.
static bool put_symbol(struct code_names *names, const struct symtab *symtab, uint64_t addr,
                       struct text *to)
{
    const struct symbol *symbol = symtab == NULL ? NULL : symtab_find(symtab, addr);
    if (symbol == NULL) {
        return false;
    }
    const char *name = readable(names, symbol->name);
    put(to, name, strlen(name), addr - symbol->addr);
    return true;
}

static bool put_jit(struct code_names *names, uint64_t addr, struct text *to)
{
    if (names->range.code == CODE_NONE) {
        return false;
    }
    const struct code_row *from = store_code(names->store, names->range.code);
    uint64_t ended_ns = atomic_load_explicit(&from->ended_ns, memory_order_acquire);
    uint32_t code = jit_names_find(&names->jit, names->store, from->process, addr, from->loaded_ns,
                                   ended_ns == 0 ? UINT64_MAX : ended_ns);
    if (code == CODE_NONE) {
        return false;
    }
    const struct code_row *row = store_code(names->store, code);
    struct slice name = strings_get(&names->store->strings, row->name);
    put(to, (const char *)name.data, name.n, addr - row->addr);
    return true;
}

static bool put_elsewhere(struct code_names *names, uint64_t addr, struct text *to)
{
    uint32_t n = atomic_load_explicit(&names->store->images.n, memory_order_acquire);
    for (image_id i = 1; i < n; i++) {
        const struct image_row *row = store_image(names->store, i);
        if (i == names->image || !image_row_is_binary(row)) {
            continue;
        }
        const struct symtab *symtab = image_symtab(library_at(names->library, row->library));
        uint64_t own;
        if (symtab != NULL && symtab_addr_of_off(symtab, addr - row->load_bias, &own) &&
            put_symbol(names, symtab, own, to)) {
            return true;
        }
    }
    return false;
}

bool code_names_put_slot(struct code_names *names, uint64_t addr, struct text *to)
{
    const struct symtab_slot *slot = names->symtab == NULL
                                         ? NULL
                                         : symtab_find_slot(names->symtab, addr - names->bias);
    if (slot != NULL) {
        text_add(to, readable(names, slot->name));
    }
    return slot != NULL;
}

bool code_names_put(struct code_names *names, uint64_t addr, struct text *to)
{
    return put_symbol(names, names->symtab, addr - names->bias, to) || put_jit(names, addr, to) ||
           put_elsewhere(names, addr, to);
}

void code_names_put_reference(void *context, uint64_t addr, struct text *to)
{
    struct code_names *names = context;
    CLEANUP(text_fini) struct text name = {0};
    if (addr >= names->range.addr && addr < names->range.end) {
        text_addf(to, " <+0x%" PRIx64 ">", addr - names->range.addr);
    } else if (code_names_put_slot(names, addr, &name)) {
        text_addf(to, " <%s@got>", text_get(&name));
    } else if (code_names_put(names, addr, &name)) {
        text_addf(to, " <%s>", text_get(&name));
    }
}
