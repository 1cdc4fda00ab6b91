#include "image/symtab.h"

#include "base/limits.h"
#include "base/vec.h"

// The symbols are four parallel arrays sorted by address, and one blob of names:
//
//     starts    u64      searched: eight to a cache line
//     symbols   struct   what a search yields
//     outer     u32      the nearest earlier symbol that ends later: where to look when this one
//                        ends before the address. Following it skips everything between, none of
//                        which can cover the address, so nested functions cost one step per level
//     names     char     zero-terminated
//
// Slots are an array of their own, whose names follow those of the symbols.
enum { NO_SYMBOL = UINT32_MAX };

struct symtab {
    uint64_t *starts;
    struct symbol *symbols;
    uint32_t *outer;
    char *names;
    size_t names_bytes;
    size_t n;
    struct symtab_slot *slots; // by address
    size_t n_slots;
    VEC(struct symtab_segment) segments; // executable ones first
};

struct candidate {
    uint64_t addr;
    uint64_t size;
    size_t name_off; // in the builder's names
    uint32_t name_bytes;
    uint8_t binding;
    uint32_t module; // index into modules, plus one; 0: none
};

struct slot_candidate {
    uint64_t addr;
    size_t name_off; // later ones have larger ones
    size_t name_bytes;
};

struct symtab_builder {
    VEC(struct candidate) candidates;
    VEC(struct slot_candidate) slots;
    VEC(char) names;
    VEC(char *) modules;
    VEC(uint64_t) walls;
    VEC(struct symtab_segment) segments;
};

const char *symbol_lang_name(enum symbol_lang lang)
{
    static const char *const names[] = {
        [SYMBOL_C] = "c", [SYMBOL_CPP] = "c++",  [SYMBOL_RUST] = "rust",
        [SYMBOL_D] = "d", [SYMBOL_UNKNOWN] = "",
    };
    ASSERT(lang >= 0 && lang < ARRAY_LEN(names));
    return names[lang];
}

// ---- Building ----------------------------------------------------------------------------------

struct symtab_builder *symtab_builder_new(void)
{
    return NEW(struct symtab_builder);
}

void symtab_builder_free(struct symtab_builder *builder)
{
    if (builder == NULL) {
        return;
    }
    for (size_t i = 0; i < builder->modules.n; i++) {
        free(builder->modules.at[i]);
    }
    vec_fini(&builder->modules);
    vec_fini(&builder->candidates);
    vec_fini(&builder->slots);
    vec_fini(&builder->names);
    vec_fini(&builder->walls);
    vec_fini(&builder->segments);
    free(builder);
}

// `$d`, `$x.12`, `$xrv64i2p1`: where code and data alternate (ELF for the Arm Architecture 4.6.5,
// RISC-V ELF psABI "Mapping Symbol"). They would split every function that holds a literal pool.
static bool is_mapping_mark(struct slice name)
{
    if (name.n < 2 || name.data[0] != '$' || memchr("adtx", name.data[1], 4) == NULL) {
        return false;
    }
    return name.n == 2 || name.data[2] == '.' ||
           (name.n > 3 && memcmp(name.data + 1, "xrv", 3) == 0);
}

static uint32_t module_index(struct symtab_builder *builder, struct slice module)
{
    if (module.n == 0) {
        return 0;
    }
    // Symbols of one module come together, so only the last one is looked at.
    if (builder->modules.n > 0) {
        struct slice last = slice_of_text(*vec_last(&builder->modules));
        if (slice_equal(last, module)) {
            return (uint32_t)builder->modules.n;
        }
    }
    vec_push(&builder->modules, alloc_text((const char *)module.data, module.n));
    return (uint32_t)builder->modules.n;
}

// Where it stands in the builder's names.
static size_t add_name(struct symtab_builder *builder, struct slice name)
{
    size_t off = builder->names.n;
    vec_reserve(&builder->names, off + name.n);
    memcpy(builder->names.at + off, name.data, name.n);
    builder->names.n += name.n;
    return off;
}

bool symtab_builder_add(struct symtab_builder *builder, uint64_t addr, uint64_t size,
                        struct slice name, struct slice module, enum symbol_binding binding)
{
    if (name.n == 0 || is_mapping_mark(name) || builder->candidates.n >= LIMIT_SYMBOLS) {
        return false;
    }
    name.n = MIN(name.n, (size_t)LIMIT_SYMBOL_BYTES);
    size_t name_off = add_name(builder, name);
    vec_push(&builder->candidates, (struct candidate){
                                       .addr = addr,
                                       .size = size,
                                       .name_off = name_off,
                                       .name_bytes = (uint32_t)name.n,
                                       .binding = (uint8_t)binding,
                                       .module = module_index(builder, module),
                                   });
    return true;
}

bool symtab_builder_add_slot(struct symtab_builder *builder, uint64_t addr, struct slice name)
{
    if (name.n == 0 || builder->slots.n >= LIMIT_SYMBOLS) {
        return false;
    }
    name.n = MIN(name.n, (size_t)LIMIT_SYMBOL_BYTES);
    vec_push(&builder->slots, (struct slot_candidate){.addr = addr,
                                                      .name_off = add_name(builder, name),
                                                      .name_bytes = name.n});
    return true;
}

void symtab_builder_add_wall(struct symtab_builder *builder, uint64_t addr)
{
    vec_push(&builder->walls, addr);
}

void symtab_builder_add_segment(struct symtab_builder *builder, const struct symtab_segment *seg)
{
    if (builder->segments.n >= SYMTAB_SEGMENTS_MAX) {
        return;
    }
    struct symtab_segment kept = *seg;
    kept.size = MIN(kept.size, MIN(UINT64_MAX - kept.addr, UINT64_MAX - kept.file_off));
    if (kept.size == 0) {
        return;
    }
    // Executable ones in front, otherwise in the order of the file.
    size_t at = builder->segments.n;
    if (kept.executable) {
        for (at = 0; at < builder->segments.n && builder->segments.at[at].executable;) {
            at++;
        }
    }
    vec_insert_at(&builder->segments, at, kept);
    symtab_builder_add_wall(builder, kept.addr);
    symtab_builder_add_wall(builder, kept.addr + kept.size);
}

static int compare_u64(const void *left, const void *right)
{
    const uint64_t *a = left;
    const uint64_t *b = right;
    return (*a > *b) - (*a < *b);
}

// Small, so that sorting moves little; the index makes the order one of a kind.
struct key {
    uint64_t addr;
    uint64_t candidate;
};

static int compare_keys(const void *left, const void *right)
{
    const struct key *a = left;
    const struct key *b = right;
    int by_addr = (a->addr > b->addr) - (a->addr < b->addr);
    return by_addr != 0 ? by_addr : (a->candidate > b->candidate) - (a->candidate < b->candidate);
}

static struct key *sorted_keys(const struct symtab_builder *builder)
{
    size_t n = builder->candidates.n;
    struct key *keys = NEW_ARRAY(struct key, n);
    bool sorted = true;
    for (size_t i = 0; i < n; i++) {
        keys[i] = (struct key){.addr = builder->candidates.at[i].addr, .candidate = i};
        sorted = sorted && (i == 0 || keys[i - 1].addr <= keys[i].addr);
    }
    if (!sorted) {
        qsort(keys, n, sizeof *keys, compare_keys);
    }
    return keys;
}

static bool is_better(const struct symtab_builder *builder, const struct candidate *a,
                      const struct candidate *b)
{
    if (a->binding != b->binding) {
        return a->binding > b->binding;
    }
    if ((a->size != 0) != (b->size != 0)) {
        return a->size != 0;
    }
    if (a->name_bytes != b->name_bytes) {
        return a->name_bytes < b->name_bytes;
    }
    // The order of the file must not matter: .symtab and .dynsym list aliases differently.
    return memcmp(builder->names.at + a->name_off, builder->names.at + b->name_off, a->name_bytes) <
           0;
}

// Of the candidates of keys[from, to), all at one address, the best one.
static struct candidate best_of(const struct symtab_builder *builder, const struct key *keys,
                                size_t from, size_t to)
{
    const struct candidate *best = &builder->candidates.at[keys[from].candidate];
    uint64_t size = best->size;
    for (size_t i = from + 1; i < to; i++) {
        const struct candidate *other = &builder->candidates.at[keys[i].candidate];
        size = MAX(size, other->size);
        if (is_better(builder, other, best)) {
            best = other;
        }
    }
    struct candidate result = *best;
    if (result.size == 0) {
        result.size = size;
    }
    return result;
}

// Keeps the best candidate of each address, sorted; the rest is gone.
static void choose(struct symtab_builder *builder)
{
    CLEANUP(freep) struct key *keys = sorted_keys(builder);
    size_t n = builder->candidates.n;
    struct candidate *chosen = NEW_ARRAY(struct candidate, n);
    size_t n_chosen = 0;
    for (size_t from = 0; from < n;) {
        size_t to = from + 1;
        while (to < n && keys[to].addr == keys[from].addr) {
            to++;
        }
        chosen[n_chosen++] = best_of(builder, keys, from, to);
        from = to;
    }
    vec_fini(&builder->candidates);
    builder->candidates.at = chosen;
    builder->candidates.n = builder->candidates.room = n_chosen;
}

static uint64_t saturating_add(uint64_t addr, uint64_t size)
{
    return addr + MIN(size, UINT64_MAX - addr);
}

// One past the last byte of the candidate `i`; `wall` is the first wall beyond its start.
static uint64_t end_of(const struct symtab_builder *builder, size_t i, const uint64_t *wall)
{
    const struct candidate *candidate = &builder->candidates.at[i];
    bool is_last = i + 1 == builder->candidates.n;
    if (candidate->size > 0 || (is_last && wall == NULL)) {
        return saturating_add(candidate->addr, MAX(candidate->size, UINT64_C(1)));
    }
    uint64_t end = is_last ? UINT64_MAX : candidate[1].addr;
    return wall == NULL ? end : MIN(end, *wall);
}

static void fill_ranges(struct symtab *symtab, struct symtab_builder *builder)
{
    const uint64_t *wall = builder->walls.at;
    const uint64_t *walls_end = wall;
    if (builder->walls.n > 0) {
        qsort(builder->walls.at, builder->walls.n, sizeof *builder->walls.at, compare_u64);
        walls_end += builder->walls.n;
    }
    for (size_t i = 0; i < symtab->n; i++) {
        uint64_t addr = builder->candidates.at[i].addr;
        while (wall != walls_end && *wall <= addr) {
            wall++;
        }
        symtab->starts[i] = addr;
        symtab->symbols[i].addr = addr;
        symtab->symbols[i].end = end_of(builder, i, wall == walls_end ? NULL : wall);
    }
}

static void fill_outer(struct symtab *symtab)
{
    for (size_t i = 0; i < symtab->n; i++) {
        uint32_t outer = i == 0 ? (uint32_t)NO_SYMBOL : (uint32_t)(i - 1);
        while (outer != NO_SYMBOL && symtab->symbols[outer].end <= symtab->symbols[i].end) {
            outer = symtab->outer[outer];
        }
        symtab->outer[i] = outer;
    }
}

static int compare_slots(const void *left, const void *right)
{
    const struct slot_candidate *a = left;
    const struct slot_candidate *b = right;
    int by_addr = (a->addr > b->addr) - (a->addr < b->addr);
    return by_addr != 0 ? by_addr : (a->name_off > b->name_off) - (a->name_off < b->name_off);
}

// Sorted, and the first one of each address.
static void choose_slots(struct symtab_builder *builder)
{
    if (builder->slots.n > 1) {
        qsort(builder->slots.at, builder->slots.n, sizeof *builder->slots.at, compare_slots);
    }
    size_t kept = 0;
    for (size_t i = 0; i < builder->slots.n; i++) {
        if (kept == 0 || builder->slots.at[kept - 1].addr != builder->slots.at[i].addr) {
            builder->slots.at[kept++] = builder->slots.at[i];
        }
    }
    builder->slots.n = kept;
}

// Copies the names that are left, and each module's name once, into one block of exact size.
static void fill_names(struct symtab *symtab, const struct symtab_builder *builder)
{
    size_t bytes = 0;
    for (size_t i = 0; i < symtab->n; i++) {
        bytes += builder->candidates.at[i].name_bytes + 1;
    }
    for (size_t i = 0; i < builder->modules.n; i++) {
        bytes += strlen(builder->modules.at[i]) + 1;
    }
    for (size_t i = 0; i < builder->slots.n; i++) {
        bytes += builder->slots.at[i].name_bytes + 1;
    }
    symtab->names = NEW_ARRAY(char, bytes);
    symtab->names_bytes = bytes;
    char *at = symtab->names;
    CLEANUP(freep) const char **modules = NEW_ARRAY(const char *, builder->modules.n);
    for (size_t i = 0; i < builder->modules.n; i++) {
        size_t n = strlen(builder->modules.at[i]) + 1;
        memcpy(at, builder->modules.at[i], n);
        modules[i] = at;
        at += n;
    }
    for (size_t i = 0; i < symtab->n; i++) {
        const struct candidate *candidate = &builder->candidates.at[i];
        memcpy(at, builder->names.at + candidate->name_off, candidate->name_bytes);
        symtab->symbols[i].name = at;
        symtab->symbols[i].module = candidate->module == 0 ? NULL : modules[candidate->module - 1];
        at += candidate->name_bytes + 1; // the block was zeroed
    }
    for (size_t i = 0; i < builder->slots.n; i++) {
        const struct slot_candidate *slot = &builder->slots.at[i];
        memcpy(at, builder->names.at + slot->name_off, slot->name_bytes);
        symtab->slots[i] = (struct symtab_slot){.addr = slot->addr, .name = at};
        at += slot->name_bytes + 1;
    }
}

struct symtab *symtab_builder_finish(struct symtab_builder *builder)
{
    choose(builder);
    struct symtab *symtab = NEW(struct symtab);
    symtab->n = builder->candidates.n;
    symtab->starts = NEW_ARRAY(uint64_t, symtab->n);
    symtab->symbols = NEW_ARRAY(struct symbol, symtab->n);
    symtab->outer = NEW_ARRAY(uint32_t, symtab->n);
    choose_slots(builder);
    symtab->n_slots = builder->slots.n;
    symtab->slots = NEW_ARRAY(struct symtab_slot, symtab->n_slots);
    fill_ranges(symtab, builder);
    fill_outer(symtab);
    fill_names(symtab, builder);
    for (size_t i = 0; i < builder->segments.n; i++) {
        vec_push(&symtab->segments, builder->segments.at[i]);
    }
    symtab_builder_free(builder);
    return symtab;
}

void symtab_free(struct symtab *symtab)
{
    if (symtab == NULL) {
        return;
    }
    free(symtab->starts);
    free(symtab->symbols);
    free(symtab->outer);
    free(symtab->slots);
    free(symtab->names);
    vec_fini(&symtab->segments);
    free(symtab);
}

// ---- Asking ------------------------------------------------------------------------------------

size_t symtab_count(const struct symtab *symtab)
{
    return symtab->n;
}

uint64_t symtab_bytes(const struct symtab *symtab)
{
    size_t each = sizeof *symtab->starts + sizeof *symtab->symbols + sizeof *symtab->outer;
    return sizeof *symtab + symtab->n * each + symtab->names_bytes +
           symtab->n_slots * sizeof *symtab->slots +
           symtab->segments.room * sizeof *symtab->segments.at;
}

// The last symbol that starts at or before `addr`; NO_SYMBOL when all start after it.
static uint32_t last_start(const struct symtab *symtab, uint64_t addr)
{
    const uint64_t *base = symtab->starts;
    size_t n = symtab->n;
    if (n == 0 || base[0] > addr) {
        return NO_SYMBOL;
    }
    // base[0] <= addr holds throughout; without a branch that the processor could mispredict.
    while (n > 1) {
        size_t half = n / 2;
        base += base[half] <= addr ? half : 0;
        n -= half;
    }
    return (uint32_t)(base - symtab->starts);
}

const struct symbol *symtab_find(const struct symtab *symtab, uint64_t addr)
{
    uint32_t at = last_start(symtab, addr);
    for (int i = 0; i < SYMTAB_NESTING_MAX && at != NO_SYMBOL; i++) {
        if (addr < symtab->symbols[at].end) {
            return &symtab->symbols[at];
        }
        at = symtab->outer[at];
    }
    return NULL;
}

const struct symbol *symtab_at(const struct symtab *symtab, size_t n)
{
    ASSERT(n < symtab->n);
    return &symtab->symbols[n];
}

static int compare_slot_addr(const void *key, const void *slot)
{
    const uint64_t *addr = key;
    uint64_t other = ((const struct symtab_slot *)slot)->addr;
    return (*addr > other) - (*addr < other);
}

const struct symtab_slot *symtab_find_slot(const struct symtab *symtab, uint64_t addr)
{
    return symtab->n_slots == 0 ? NULL
                                : bsearch(&addr, symtab->slots, symtab->n_slots,
                                          sizeof *symtab->slots, compare_slot_addr);
}

size_t symtab_slots(const struct symtab *symtab, const struct symtab_slot **ret)
{
    *ret = symtab->slots;
    return symtab->n_slots;
}

size_t symtab_segments(const struct symtab *symtab, const struct symtab_segment **ret)
{
    *ret = symtab->segments.at;
    return symtab->segments.n;
}

bool symtab_addr_of_off(const struct symtab *symtab, uint64_t file_off, uint64_t *ret_addr)
{
    for (size_t i = 0; i < symtab->segments.n; i++) {
        const struct symtab_segment *seg = &symtab->segments.at[i];
        if (file_off - seg->file_off < seg->size) {
            *ret_addr = seg->addr + (file_off - seg->file_off);
            return true;
        }
    }
    return false;
}

bool symtab_off_of_addr(const struct symtab *symtab, uint64_t addr, uint64_t *ret_file_off)
{
    for (size_t i = 0; i < symtab->segments.n; i++) {
        const struct symtab_segment *seg = &symtab->segments.at[i];
        if (addr - seg->addr < seg->size) {
            *ret_file_off = seg->file_off + (addr - seg->addr);
            return true;
        }
    }
    return false;
}
