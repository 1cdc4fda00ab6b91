// How a table is found.
//
//         ┌── cmp, ja ──┐  path 1          One path backwards from the jump is tried after the
//         other, │             ▼                  each a block longer, until path.h can say: the
//         target is
//      entry ────►  ┌───────┐              an entry of a table at a number, by an index between
//         ▲         │ … jmp │              bounds. All paths have to say the same table. One that
//         └─ … ◄────└───────┘  path 2      reaches the function's first instruction and still
//         cannot
//              (a case)                    say makes it unknown.
//
// Three kinds of paths say nothing, and are left out: into a block that the path has been through
// already, and from a block that nobody is known to lead to (the cases of this very switch, before
// it is resolved). What is still sought at their end was not changed on them, so it has the value
// that it has on the others. And from a call, when what is sought is in a register that callees
// change: who would leave it there? So the call never returns, and the block behind it is entered
// by jumps.
//
// Addresses of tables are often computed long before the jump, outside of a loop. They are looked
// for by themselves: all that a register can have been set to has to be one and the same number.

#include "disasm/jump_table.h"

#include "base/alloc.h"
#include "disasm/path.h"

#include <stdlib.h>

enum {
    PATHS_MAX = 64,            // of one jump
    STEPS_PER_INSTRUCTION = 2, // that all searches of a function may take together,
    STEPS_AT_LEAST = 200000,   // beside these
    SEARCH_STEPS_MAX = 50000,  // for one register
};

// A direct jump or branch within the function.
struct way {
    uint32_t to;
    uint32_t from;
};

// What a jump does: to `base` + the entry << `shift`, of a table at `addr`, by an index from `min`
// to `max`.
struct dispatch {
    uint64_t addr;
    uint64_t base;
    uint64_t min;
    uint64_t max;
    uint8_t entry_bytes;
    uint8_t part_bytes; // of the entry, that are added
    bool is_signed;
    uint8_t shift;
};

struct finder {
    const struct instruction *instructions;
    size_t n;
    jump_table_read_fn *read;
    void *context;
    struct jump_tables *ret;
    VEC(struct way) ways;  // by `to`
    VEC(uint64_t) outside; // where jumps and branches lead out of the function, ascending
    uint64_t n_steps_max;
    uint32_t *seen; // per instruction: the search for a register that was here last
    uint32_t n_searches;
    struct path *path;
    struct path *other; // for searches, while `path` is looked at

    // Of one jump:
    struct path_run runs[PATH_RUNS_MAX]; // from the jump backwards
    size_t n_paths;
    uint8_t sought;      // the register that the last path was too short for
    bool takes_any_byte; // an index of one byte may be all that a byte can be
    struct dispatch dispatch;
    bool is_found;
};

// ---- The ways between instructions -------------------------------------------------------------

// The instruction that begins at `addr`, or `n`.
static size_t instruction_at(const struct finder *f, uint64_t addr)
{
    size_t from = 0, to = f->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (f->instructions[middle].addr < addr) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from < f->n && f->instructions[from].addr == addr ? from : f->n;
}

static int compare_ways(const void *a, const void *b)
{
    const struct way *x = a, *y = b;
    if (x->to != y->to) {
        return x->to < y->to ? -1 : 1;
    }
    return (x->from > y->from) - (x->from < y->from);
}

static int compare_addrs(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool is_inside(const struct finder *f, uint64_t addr)
{
    const struct instruction *first = &f->instructions[0], *last = &f->instructions[f->n - 1];
    return addr - first->addr < last->addr - first->addr + last->n_bytes;
}

static void add_direct_ways(struct finder *f)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct instruction *from = &f->instructions[i];
        if ((from->flow != FLOW_JUMP && from->flow != FLOW_BRANCH) || from->is_indirect) {
            continue;
        }
        size_t to = instruction_at(f, from->target);
        if (to < f->n) {
            vec_push(&f->ways, (struct way){(uint32_t)to, (uint32_t)i});
        } else if (!is_inside(f, from->target)) {
            vec_push(&f->outside, from->target);
        }
    }
    if (f->ways.n > 0) {
        qsort(f->ways.at, f->ways.n, sizeof *f->ways.at, compare_ways);
    }
    if (f->outside.n > 0) {
        qsort(f->outside.at, f->outside.n, sizeof *f->outside.at, compare_addrs);
    }
}

// The first way to `to`, or where it would stand.
static size_t first_way(const struct finder *f, size_t to)
{
    size_t from = 0, end = f->ways.n;
    while (from < end) {
        size_t middle = from + (end - from) / 2;
        if (f->ways.at[middle].to < to) {
            from = middle + 1;
        } else {
            end = middle;
        }
    }
    return from;
}

static bool is_led_to(const struct finder *f, size_t i)
{
    size_t way = first_way(f, i);
    return way < f->ways.n && f->ways.at[way].to == i;
}

static bool goes_on(const struct finder *f, size_t i)
{
    enum flow flow = (enum flow)f->instructions[i].flow;
    return flow == FLOW_NEXT || flow == FLOW_CALL || flow == FLOW_BRANCH;
}

// The first instruction of the block that `i` is in.
static size_t block_start(const struct finder *f, size_t i)
{
    size_t n = 0;
    while (i > 0 && n++ < PATH_INSTRUCTIONS_MAX && goes_on(f, i - 1) &&
           f->instructions[i - 1].flow != FLOW_BRANCH && !is_led_to(f, i)) {
        i--;
    }
    return i;
}

// ---- A register's number, from wherever it was set ----------------------------------------------

struct search {
    VEC(uint32_t) todo; // instructions: what the register is before them
    uint8_t reg;
    bool is_found;
    uint64_t number;
};

static uint64_t n_steps(const struct finder *f)
{
    return f->path->n_steps + f->other->n_steps;
}

// What `i` sets the register to, which has to be a number, and the one of all others.
static bool take_number(struct finder *f, struct search *s, uint32_t i)
{
    struct path_run run = {(uint32_t)block_start(f, i), i};
    if (!path_go(f->other, &run, 1)) {
        return false;
    }
    const struct path_value *value = &f->other->registers[s->reg];
    if (!path_is_number(value) || (s->is_found && s->number != value->number)) {
        return false;
    }
    s->is_found = true;
    s->number = value->number;
    return true;
}

// Comes to `i` from behind.
static bool look_at(struct finder *f, struct search *s, uint32_t i)
{
    if (f->seen[i] == f->n_searches) {
        return true;
    }
    f->seen[i] = f->n_searches;
    if ((path_step(f->other, i).changes >> s->reg & 1) != 0) {
        return f->instructions[i].flow == FLOW_CALL || take_number(f, s, i);
    }
    vec_push(&s->todo, i);
    return true;
}

static bool look_before(struct finder *f, struct search *s, uint32_t i)
{
    if (i == 0) {
        return false;
    }
    if (goes_on(f, i - 1) && !look_at(f, s, i - 1)) {
        return false;
    }
    for (size_t way = first_way(f, i); way < f->ways.n && f->ways.at[way].to == i; way++) {
        if (!look_at(f, s, f->ways.at[way].from)) {
            return false;
        }
    }
    return true;
}

// The number that register `reg` has before instruction `i`.
static bool find_number(struct finder *f, uint32_t i, uint8_t reg, uint64_t *ret)
{
    struct search s = {.reg = reg};
    uint64_t steps_max = MIN(n_steps(f) + SEARCH_STEPS_MAX, f->n_steps_max);
    f->n_searches++;
    vec_push(&s.todo, i);
    bool is_good = true;
    while (is_good && s.todo.n > 0) {
        uint32_t next = vec_pop(&s.todo);
        is_good = n_steps(f) < steps_max && look_before(f, &s, next);
    }
    vec_fini(&s.todo);
    *ret = s.number;
    return is_good && s.is_found;
}

// A value that is a number, once it is known what its base register was.
static bool settle(struct finder *f, uint32_t start, const struct path_value *value, uint64_t *ret)
{
    uint64_t base = 0;
    if (value->base != REGISTER_NONE && !find_number(f, start, value->base, &base)) {
        return false;
    }
    *ret = value->number + base;
    return true;
}

// ---- What a path says --------------------------------------------------------------------------

enum says { SAYS_NOTHING_YET, SAYS_TABLE, SAYS_NONE };

// The register that more could be known of a value by, if the path began earlier: it is what that
// was at the start, or was loaded from where that pointed to. REGISTER_NONE: more is not to be
// known.
static uint8_t find_sought(const struct path *path, const struct path_value *value)
{
    struct path_value v = *value;
    while (v.atom != ATOM_NONE && v.atom >= STEP_REGISTERS && v.base == REGISTER_NONE &&
           path->atoms[v.atom].load_bytes > 0) {
        v = path->atoms[v.atom].address; // whose atom is an older one
    }
    if (v.base != REGISTER_NONE) {
        return v.base;
    }
    return v.atom < STEP_REGISTERS ? (uint8_t)v.atom : REGISTER_NONE;
}

static enum says seek(struct finder *f, const struct path_value *value)
{
    f->sought = find_sought(f->path, value);
    return f->sought == REGISTER_NONE ? SAYS_NONE : SAYS_NOTHING_YET;
}

// The run that begins the path is `start`.
static enum says ask(struct finder *f, uint32_t start, struct dispatch *ret)
{
    const struct path_value target = f->path->target;
    if (target.atom == ATOM_NONE) {
        return SAYS_NONE;
    }
    const struct path_atom entry = f->path->atoms[target.atom];
    if (entry.load_bytes == 0) {
        return seek(f, &target);
    }
    const struct path_value index = entry.address;
    if (index.atom == ATOM_NONE) {
        return SAYS_NONE;
    }
    if (!path_bounds(f->path, &index, &ret->min, &ret->max) &&
        !(f->takes_any_byte && index.bytes == 1 && !index.is_signed)) {
        return seek(f, &index);
    }
    if (ret->min > ret->max || ret->max - ret->min >= JUMP_TABLE_ENTRIES_MAX ||
        1u << index.shift != entry.load_bytes || target.bytes > entry.load_bytes) {
        return SAYS_NONE;
    }
    ret->entry_bytes = entry.load_bytes;
    ret->part_bytes = target.bytes;
    ret->is_signed = target.is_signed;
    ret->shift = target.shift;
    return settle(f, start, &index, &ret->addr) && settle(f, start, &target, &ret->base)
               ? SAYS_TABLE
               : SAYS_NONE;
}

static bool agree(struct finder *f, const struct dispatch *d)
{
    struct dispatch *all = &f->dispatch;
    if (!f->is_found) {
        *all = *d;
        f->is_found = true;
        return true;
    }
    all->min = MIN(all->min, d->min);
    all->max = MAX(all->max, d->max);
    return all->addr == d->addr && all->base == d->base && all->shift == d->shift &&
           all->entry_bytes == d->entry_bytes && all->part_bytes == d->part_bytes &&
           all->is_signed == d->is_signed && all->max - all->min < JUMP_TABLE_ENTRIES_MAX;
}

static bool follow(struct finder *f, size_t n);

// The path before its `n` runs, by way of `last`.
static bool follow_from(struct finder *f, size_t n, size_t last)
{
    for (size_t i = 0; i < n; i++) {
        if (f->runs[i].first <= last && last <= f->runs[i].last) {
            return true;
        }
    }
    if (n == PATH_RUNS_MAX) {
        return false;
    }
    f->runs[n] = (struct path_run){(uint32_t)block_start(f, last), (uint32_t)last};
    return follow(f, n + 1);
}

static bool follow_all(struct finder *f, size_t n)
{
    uint32_t start = f->runs[n - 1].first;
    uint8_t sought = f->sought;
    if (start == 0) {
        return false;
    }
    bool is_lost = f->instructions[start - 1].flow == FLOW_CALL &&
                   (path_step(f->path, start - 1).changes >> sought & 1) != 0;
    if (goes_on(f, start - 1) && !is_lost && !follow_from(f, n, start - 1)) {
        return false;
    }
    for (size_t way = first_way(f, start); way < f->ways.n && f->ways.at[way].to == start; way++) {
        if (!follow_from(f, n, f->ways.at[way].from)) {
            return false;
        }
    }
    return true;
}

// Whether all paths that end with the `n` runs lead to a table, and to the same one. The recursion
// is as deep as a path has runs.
static bool follow(struct finder *f, size_t n)
{
    struct path_run forwards[PATH_RUNS_MAX];
    for (size_t i = 0; i < n; i++) {
        forwards[i] = f->runs[n - 1 - i];
    }
    if (++f->n_paths > PATHS_MAX || n_steps(f) > f->n_steps_max || !path_go(f->path, forwards, n)) {
        return false;
    }
    struct dispatch d = {0};
    switch (ask(f, forwards[0].first, &d)) {
    case SAYS_TABLE:
        return agree(f, &d);
    case SAYS_NOTHING_YET:
        return follow_all(f, n);
    case SAYS_NONE:
        break;
    }
    return false;
}

// ---- The table itself --------------------------------------------------------------------------

static uint64_t entry_at(const struct dispatch *d, const uint8_t *at)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < d->part_bytes; i++) {
        value |= (uint64_t)at[i] << 8 * i;
    }
    if (d->is_signed) {
        unsigned unused = 64 - 8u * d->part_bytes;
        value = (uint64_t)((int64_t)(value << unused) >> unused);
    }
    return d->base + (value << d->shift);
}

static bool is_known_outside(const struct finder *f, uint64_t addr)
{
    return f->outside.n > 0 && bsearch(&addr, f->outside.at, f->outside.n, sizeof *f->outside.at,
                                       compare_addrs) != NULL;
}

// Whether these, ascending and each once, can be the targets of a switch. Compilers move what is
// hardly ever done out of the function, so some may be elsewhere: any, when a bound was checked;
// else only where the function jumps to anyway, and a few more. Tables of functions look alike, but
// lead to nothing inside.
static bool are_targets(const struct finder *f, const uint64_t *addrs, size_t n)
{
    size_t n_inside = 0, n_unknown = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_inside(f, addrs[i])) {
            size_t at = instruction_at(f, addrs[i]);
            if (at == f->n || f->instructions[at].is_data) {
                return false;
            }
            n_inside++;
        } else if (!is_known_outside(f, addrs[i])) {
            n_unknown++;
        }
    }
    return n_inside > 0 && (!f->takes_any_byte || n_unknown <= 1 + n_inside / 8);
}

// The targets are behind `first`: sorted, and each left once.
static void sort_targets(struct jump_tables *tables, size_t first)
{
    uint64_t *at = tables->targets.at + first;
    size_t n = tables->targets.n - first;
    qsort(at, n, sizeof *at, compare_addrs);
    size_t n_kept = 1;
    for (size_t i = 1; i < n; i++) {
        if (at[i] != at[n_kept - 1]) {
            at[n_kept++] = at[i];
        }
    }
    tables->targets.n = first + n_kept;
}

static bool read_table(struct finder *f, uint32_t jump)
{
    const struct dispatch *d = &f->dispatch;
    size_t n = (size_t)(d->max - d->min) + 1;
    uint64_t addr = d->addr + d->min * d->entry_bytes;
    uint64_t end = addr + n * d->entry_bytes;
    CLEANUP(text_fini) struct text bytes = {0};
    if (end < addr || !f->read(f->context, addr, end, &bytes) || bytes.n != n * d->entry_bytes) {
        return false;
    }
    size_t first = f->ret->targets.n;
    for (size_t i = 0; i < n; i++) {
        vec_push(&f->ret->targets, entry_at(d, (const uint8_t *)bytes.at + i * d->entry_bytes));
    }
    sort_targets(f->ret, first);
    if (!are_targets(f, f->ret->targets.at + first, f->ret->targets.n - first)) {
        f->ret->targets.n = first;
        return false;
    }
    struct jump_table table = {
        .jump = jump,
        .first_target = (uint32_t)first,
        .n_targets = (uint32_t)(f->ret->targets.n - first),
        .n_entries = (uint32_t)n,
        .addr = addr,
        .end = end,
    };
    vec_push(&f->ret->tables, table);
    return true;
}

// ---- All of a function -------------------------------------------------------------------------

// Bytes need no bound to be checked, interpreters switch by them as they are. But then none may
// have been checked earlier either: all 256 entries have to be there.
static bool find_table(struct finder *f, uint32_t jump)
{
    f->runs[0] = (struct path_run){(uint32_t)block_start(f, jump), jump};
    for (unsigned i = 0; i < 2; i++) {
        f->takes_any_byte = i == 0;
        f->n_paths = 0;
        f->is_found = false;
        if (follow(f, 1) && f->is_found && read_table(f, jump)) {
            return true;
        }
    }
    return false;
}

static struct path *new_path(enum arch arch, const struct instruction *instructions,
                             struct slice bytes)
{
    struct path *path = NEW(struct path);
    path->arch = arch;
    path->instructions = instructions;
    path->bytes = bytes;
    return path;
}

static bool is_indirect_jump(const struct instruction *i)
{
    return i->flow == FLOW_JUMP && i->is_indirect;
}

void jump_tables_find(enum arch arch, const struct instruction *instructions, size_t n,
                      struct slice bytes, jump_table_read_fn *read, void *context,
                      struct jump_tables *ret)
{
    ASSERT(n < UINT32_MAX);
    *ret = (struct jump_tables){0};
    size_t first = 0;
    while (first < n && !is_indirect_jump(&instructions[first])) {
        first++;
    }
    if (read == NULL || first == n) {
        return;
    }
    CLEANUP(freep) struct path *path = new_path(arch, instructions, bytes);
    CLEANUP(freep) struct path *other = new_path(arch, instructions, bytes);
    CLEANUP(freep) uint32_t *seen = NEW_ARRAY(uint32_t, n);
    struct finder f = {
        .instructions = instructions,
        .n = n,
        .read = read,
        .context = context,
        .ret = ret,
        .n_steps_max = STEPS_AT_LEAST + STEPS_PER_INSTRUCTION * (uint64_t)n,
        .seen = seen,
        .path = path,
        .other = other,
    };
    add_direct_ways(&f);
    for (size_t i = first; i < n; i++) {
        if (is_indirect_jump(&instructions[i])) {
            find_table(&f, (uint32_t)i);
        }
    }
    vec_fini(&f.ways);
    vec_fini(&f.outside);
}

void jump_tables_fini(struct jump_tables *tables)
{
    vec_fini(&tables->tables);
    vec_fini(&tables->targets);
}
