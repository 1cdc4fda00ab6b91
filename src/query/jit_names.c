#include "query/jit_names.h"

// A version of the function at one address, while the epoch lasts.
struct candidate {
    uint64_t from_ns;
    uint64_t to_ns;
    uint32_t code;
};

struct candidates {
    struct candidate at[JIT_NAMES_CANDIDATES];
    size_t n; // by from_ns, then by code
};

void jit_names_fini(struct jit_names *names)
{
    vec_fini(&names->entries);
    vec_fini(&names->fresh);
}

// ---- The index ---------------------------------------------------------------------------------

static int compare_entries(const void *a, const void *b)
{
    const struct jit_names_entry *x = a;
    const struct jit_names_entry *y = b;
    if (x->process != y->process) {
        return x->process < y->process ? -1 : 1;
    }
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return x->code < y->code ? -1 : x->code > y->code;
}

static void set_reaches(struct jit_names_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool same = i > 0 && entries[i - 1].process == entries[i].process;
        entries[i].reach = same ? MAX(entries[i - 1].reach, entries[i].end) : entries[i].end;
    }
}

// Merges the fresh entries with the old ones, from the back.
static void merge(struct jit_names *names)
{
    size_t n_old = names->entries.n;
    size_t n_fresh = names->fresh.n;
    vec_reserve(&names->entries, n_old + n_fresh);
    names->entries.n += n_fresh;
    struct jit_names_entry *all = names->entries.at;
    const struct jit_names_entry *fresh = names->fresh.at;
    for (size_t to = names->entries.n; n_fresh > 0; to--) {
        bool old = n_old > 0 && compare_entries(&all[n_old - 1], &fresh[n_fresh - 1]) > 0;
        all[to - 1] = old ? all[--n_old] : fresh[--n_fresh];
    }
}

bool jit_names_refresh(struct jit_names *names, const struct store *store)
{
    uint32_t n = atomic_load_explicit(&store->codes.n, memory_order_acquire);
    vec_clear(&names->fresh);
    names->fresh_ns = UINT64_MAX;
    for (; names->n_codes < n; names->n_codes++) {
        const struct code_row *code = store_code(store, names->n_codes);
        if (code->name == 0) {
            continue;
        }
        names->fresh_ns = MIN(names->fresh_ns, code->loaded_ns);
        vec_push(&names->fresh, (struct jit_names_entry){
                                    .start = code->addr,
                                    .end = code->addr + code->size_bytes,
                                    .process = code->process,
                                    .code = names->n_codes,
                                });
    }
    if (names->fresh.n == 0) {
        return false;
    }
    qsort(names->fresh.at, names->fresh.n, sizeof *names->fresh.at, compare_entries);
    merge(names);
    set_reaches(names->fresh.at, names->fresh.n);
    set_reaches(names->entries.at, names->entries.n);
    return true;
}

// ---- Looking up --------------------------------------------------------------------------------

// One past the last of the entries that belong to the process and start at `addr` or before.
static size_t end_of_starts(const struct jit_names_entry *entries, size_t n, process_id process,
                            uint64_t addr)
{
    size_t from = 0;
    while (n > 0) {
        size_t half = n / 2;
        const struct jit_names_entry *entry = &entries[from + half];
        if (entry->process < process || (entry->process == process && entry->start <= addr)) {
            from += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return from;
}

bool jit_names_is_touched(const struct jit_names *names, process_id process, uint64_t addr,
                          uint64_t until_ns)
{
    if (until_ns < names->fresh_ns) {
        return false;
    }
    size_t at = end_of_starts(names->fresh.at, names->fresh.n, process, addr);
    return at > 0 && names->fresh.at[at - 1].process == process &&
           names->fresh.at[at - 1].reach > addr;
}

static bool is_before(const struct candidate *a, const struct candidate *b)
{
    return a->from_ns != b->from_ns ? a->from_ns < b->from_ns : a->code < b->code;
}

static void insert(struct candidates *to, struct candidate fresh)
{
    size_t at = to->n;
    while (at > 0 && is_before(&fresh, &to->at[at - 1])) {
        at--;
    }
    memmove(to->at + at + 1, to->at + at, (to->n - at) * sizeof *to->at);
    to->at[at] = fresh;
    to->n++;
}

static uint32_t longest(const struct candidates *of, uint64_t since_ns, uint64_t until_ns)
{
    uint32_t best = CODE_NONE;
    uint64_t best_ns = 0;
    for (size_t i = 0; i < of->n; i++) {
        const struct candidate *c = &of->at[i];
        uint64_t to_ns = MIN(c->to_ns, until_ns);
        to_ns = i + 1 < of->n ? MIN(to_ns, of->at[i + 1].from_ns) : to_ns;
        uint64_t from_ns = MAX(c->from_ns, since_ns);
        if (to_ns > from_ns && to_ns - from_ns > best_ns) {
            best = c->code;
            best_ns = to_ns - from_ns;
        }
    }
    return best;
}

uint32_t jit_names_find(const struct jit_names *names, const struct store *store,
                        process_id process, uint64_t addr, uint64_t since_ns, uint64_t until_ns)
{
    until_ns = MAX(until_ns, since_ns + 1); // an epoch is at least a moment
    struct candidates candidates = {0};
    struct candidate before = {.code = CODE_NONE}; // the last one that was there when it began
    size_t at = end_of_starts(names->entries.at, names->entries.n, process, addr);
    for (int step = 0; at > 0 && step < JIT_NAMES_STEPS; step++) {
        const struct jit_names_entry *entry = &names->entries.at[--at];
        if (entry->process != process || entry->reach <= addr) {
            break;
        }
        const struct code_row *code = store_code(store, entry->code);
        uint64_t ended_ns = atomic_load_explicit(&code->ended_ns, memory_order_acquire);
        struct candidate c = {.from_ns = code->loaded_ns,
                              .to_ns = ended_ns == 0 ? UINT64_MAX : ended_ns,
                              .code = entry->code};
        if (entry->end <= addr || c.from_ns >= until_ns) {
            continue;
        }
        if (c.from_ns > since_ns) {
            if (candidates.n + 1 < JIT_NAMES_CANDIDATES) {
                insert(&candidates, c);
            }
        } else if (before.code == CODE_NONE || is_before(&before, &c)) {
            before = c;
        }
    }
    if (before.code != CODE_NONE) {
        insert(&candidates, before);
    }
    return longest(&candidates, since_ns, until_ns);
}

uint32_t jit_names_next_at(const struct jit_names *names, process_id process, uint64_t addr,
                           size_t *cursor)
{
    size_t end = end_of_starts(names->entries.at, names->entries.n, process, addr);
    for (int step = 0; *cursor < end && step < JIT_NAMES_STEPS; step++) {
        const struct jit_names_entry *entry = &names->entries.at[end - ++*cursor];
        if (entry->process != process || entry->reach <= addr) {
            break;
        }
        if (entry->end > addr) {
            return entry->code;
        }
    }
    return CODE_NONE;
}
