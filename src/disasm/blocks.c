#include "disasm/blocks.h"

#include "base/alloc.h"

#include <stdlib.h>

const char *block_end_name(enum block_end end)
{
    static const char *const names[] = {
        [BLOCK_GOES_ON] = "goes_on",
        [BLOCK_BRANCHES] = "branches",
        [BLOCK_JUMPS] = "jumps",
        [BLOCK_SWITCHES] = "switches",
        [BLOCK_JUMPS_ANYWHERE] = "jumps_anywhere",
        [BLOCK_TAIL_CALLS] = "tail_calls",
        [BLOCK_RETURNS] = "returns",
        [BLOCK_CALLS_NORETURN] = "calls_noreturn",
        [BLOCK_STOPS] = "stops",
    };
    ASSERT((size_t)end < ARRAY_LEN(names));
    return names[end];
}

const char *edge_kind_name(enum edge_kind kind)
{
    static const char *const names[] = {
        [EDGE_NEXT] = "next",
        [EDGE_TAKEN] = "taken",
        [EDGE_JUMP] = "jump",
        [EDGE_SWITCH] = "switch",
    };
    ASSERT((size_t)kind < ARRAY_LEN(names));
    return names[kind];
}

struct maker {
    const struct instruction *instructions;
    size_t n;
    const struct jump_tables *tables;
    size_t next_table; // the first one whose jump was not met yet
    blocks_noreturn_fn *noreturn;
    void *context;
    bool *starts;     // of each instruction: whether a block begins there
    uint32_t *blocks; // of each instruction that begins one: which
    struct blocks *ret;
};

// ---- Where blocks begin ------------------------------------------------------------------------

enum place { PLACE_OUTSIDE, PLACE_MIDDLE, PLACE_START };

// Which instruction is at `addr`.
static enum place find_place(const struct maker *m, uint64_t addr, size_t *ret)
{
    size_t from = 0; // all before it begin at `addr` or below
    size_t to = m->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (m->instructions[middle].addr <= addr) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    if (from == 0 || addr - m->instructions[from - 1].addr >= m->instructions[from - 1].n_bytes) {
        return PLACE_OUTSIDE;
    }
    *ret = from - 1;
    return m->instructions[from - 1].addr == addr ? PLACE_START : PLACE_MIDDLE;
}

static bool is_direct_jump(const struct instruction *i)
{
    return (i->flow == FLOW_JUMP || i->flow == FLOW_BRANCH) && !i->is_indirect;
}

static bool never_returns(const struct maker *m, const struct instruction *i)
{
    return i->flow == FLOW_CALL && m->noreturn != NULL && m->noreturn(m->context, i);
}

// Data and padding are one stop behind the other: together one block.
static bool ends_block(const struct maker *m, size_t at)
{
    const struct instruction *i = &m->instructions[at];
    switch ((enum flow)i->flow) {
    case FLOW_NEXT:
        return false;
    case FLOW_CALL:
        return never_returns(m, i);
    case FLOW_STOP:
        return at + 1 < m->n && m->instructions[at + 1].flow != FLOW_STOP;
    case FLOW_BRANCH:
    case FLOW_JUMP:
    case FLOW_RETURN:
        break;
    }
    return true;
}

static void start_at(struct maker *m, uint64_t addr)
{
    size_t at;
    switch (find_place(m, addr, &at)) {
    case PLACE_START:
        m->starts[at] = true;
        break;
    case PLACE_MIDDLE:
        m->ret->n_into_middle++;
        break;
    case PLACE_OUTSIDE:
        break;
    }
}

static void find_starts(struct maker *m)
{
    m->starts[0] = true;
    for (size_t i = 0; i < m->n; i++) {
        if (i + 1 < m->n && ends_block(m, i)) {
            m->starts[i + 1] = true;
        }
        if (is_direct_jump(&m->instructions[i])) {
            start_at(m, m->instructions[i].target);
        }
    }
    for (size_t i = 0; m->tables != NULL && i < m->tables->targets.n; i++) {
        start_at(m, m->tables->targets.at[i]);
    }
}

static void cut(struct maker *m)
{
    for (size_t i = 0; i < m->n; i++) {
        if (m->starts[i]) {
            vec_push(&m->ret->blocks, (struct block){.first = (uint32_t)i});
        }
        m->blocks[i] = (uint32_t)(m->ret->blocks.n - 1);
        vec_last(&m->ret->blocks)->n++;
    }
}

// ---- How they end ------------------------------------------------------------------------------

static void add_edge(struct maker *m, uint32_t from, uint32_t to, enum edge_kind kind)
{
    vec_push(&m->ret->edges, (struct block_edge){.from = from, .to = to, .kind = kind});
}

// To the block at an address, if one begins there.
static void add_edge_to(struct maker *m, uint32_t from, uint64_t addr, enum edge_kind kind)
{
    size_t at;
    if (find_place(m, addr, &at) == PLACE_START) {
        add_edge(m, from, m->blocks[at], kind);
    }
}

static void add_next(struct maker *m, uint32_t from)
{
    if (from + 1 < m->ret->blocks.n) {
        add_edge(m, from, from + 1, EDGE_NEXT);
    }
}

static const struct jump_table *table_of(struct maker *m, size_t jump)
{
    if (m->tables == NULL) {
        return NULL;
    }
    while (m->next_table < m->tables->tables.n && m->tables->tables.at[m->next_table].jump < jump) {
        m->next_table++;
    }
    const struct jump_table *table = m->next_table < m->tables->tables.n
                                         ? &m->tables->tables.at[m->next_table]
                                         : NULL;
    return table != NULL && table->jump == jump ? table : NULL;
}

static enum block_end end_indirect(struct maker *m, uint32_t block, size_t last)
{
    const struct jump_table *table = table_of(m, last);
    if (table == NULL) {
        m->ret->n_unknown++;
        return BLOCK_JUMPS_ANYWHERE;
    }
    for (size_t i = 0; i < table->n_targets; i++) {
        add_edge_to(m, block, m->tables->targets.at[table->first_target + i], EDGE_SWITCH);
    }
    return BLOCK_SWITCHES;
}

static enum block_end end_direct(struct maker *m, uint32_t block, const struct instruction *jump)
{
    size_t at;
    bool is_branch = jump->flow == FLOW_BRANCH;
    if (is_branch) {
        add_next(m, block);
    }
    if (find_place(m, jump->target, &at) == PLACE_OUTSIDE) {
        return BLOCK_TAIL_CALLS;
    }
    add_edge_to(m, block, jump->target, is_branch ? EDGE_TAKEN : EDGE_JUMP);
    return is_branch ? BLOCK_BRANCHES : BLOCK_JUMPS;
}

static enum block_end end_of(struct maker *m, uint32_t block)
{
    size_t last = m->ret->blocks.at[block].first + m->ret->blocks.at[block].n - 1;
    const struct instruction *i = &m->instructions[last];
    switch ((enum flow)i->flow) {
    case FLOW_BRANCH:
    case FLOW_JUMP:
        return i->is_indirect ? end_indirect(m, block, last) : end_direct(m, block, i);
    case FLOW_RETURN:
        return BLOCK_RETURNS;
    case FLOW_STOP:
        return BLOCK_STOPS;
    case FLOW_CALL:
        if (never_returns(m, i)) {
            return BLOCK_CALLS_NORETURN;
        }
        break;
    case FLOW_NEXT:
        break;
    }
    add_next(m, block);
    return last + 1 < m->n ? BLOCK_GOES_ON : BLOCK_STOPS;
}

static int compare_edges(const void *a, const void *b)
{
    const struct block_edge *x = a, *y = b;
    if (x->from != y->from) {
        return x->from < y->from ? -1 : 1;
    }
    if (x->to != y->to) {
        return x->to < y->to ? -1 : 1;
    }
    return (x->kind > y->kind) - (x->kind < y->kind);
}

static void sort_edges(struct blocks *b)
{
    if (b->edges.n == 0) {
        return;
    }
    qsort(b->edges.at, b->edges.n, sizeof *b->edges.at, compare_edges);
    size_t n = 1;
    for (size_t i = 1; i < b->edges.n; i++) {
        if (compare_edges(&b->edges.at[n - 1], &b->edges.at[i]) != 0) {
            b->edges.at[n++] = b->edges.at[i];
        }
    }
    b->edges.n = n;
}

void blocks_make(const struct instruction *instructions, size_t n, const struct jump_tables *tables,
                 blocks_noreturn_fn *noreturn, void *context, struct blocks *ret)
{
    ASSERT(n < UINT32_MAX);
    *ret = (struct blocks){0};
    if (n == 0) {
        return;
    }
    CLEANUP(freep) bool *starts = NEW_ARRAY(bool, n);
    CLEANUP(freep) uint32_t *blocks = NEW_ARRAY(uint32_t, n);
    struct maker m = {
        .instructions = instructions,
        .n = n,
        .tables = tables,
        .noreturn = noreturn,
        .context = context,
        .starts = starts,
        .blocks = blocks,
        .ret = ret,
    };
    find_starts(&m);
    cut(&m);
    for (uint32_t i = 0; i < ret->blocks.n; i++) {
        ret->blocks.at[i].end = end_of(&m, i);
    }
    sort_edges(ret);
}

void blocks_fini(struct blocks *blocks)
{
    vec_fini(&blocks->blocks);
    vec_fini(&blocks->edges);
}
