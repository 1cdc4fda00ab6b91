// Any bytes as code, of either machine, with memory that answers with anything or nothing: blocks
// cut the instructions into pieces without gaps, edges lead from block to block in order, and
// targets of tables are instructions, or outside.

#include "base/map.h"
#include "disasm/blocks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BASE = 0x401000, CODE_MAX = 1 << 20 };

struct fuzz {
    struct slice bytes; // of the code, which is also what memory answers with
    uint8_t mood;
    VEC(struct instruction) all;
};

// Own bytes from anywhere, or a failure; sometimes too few, which is a failure as well.
static bool read_hostile(void *context, uint64_t addr, uint64_t end, struct text *to)
{
    const struct fuzz *f = context;
    ASSERT(end > addr && end - addr <= 8 * JUMP_TABLE_ENTRIES_MAX);
    if (f->mood % 4 == 3) {
        return false;
    }
    uint64_t n = end - addr - (f->mood % 4 == 2 ? 1 : 0);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = f->mood % 4 == 1 ? addr - BASE + i : hash_pair(addr, i / 8);
        text_add_char(to, (char)f->bytes.data[at % f->bytes.n]);
    }
    return true;
}

static bool never_returns(void *context, const struct instruction *call)
{
    (void)context;
    return hash_u64(call->target) % 4 == 0;
}

static void check_blocks(const struct fuzz *f, const struct blocks *b)
{
    size_t next = 0;
    for (size_t i = 0; i < b->blocks.n; i++) {
        ASSERT(b->blocks.at[i].first == next && b->blocks.at[i].n > 0);
        ASSERT(block_end_name(b->blocks.at[i].end)[0] != 0);
        next += b->blocks.at[i].n;
    }
    ASSERT(next == f->all.n);
    for (size_t i = 0; i < b->edges.n; i++) {
        const struct block_edge *e = &b->edges.at[i], *before = e - 1;
        ASSERT(e->from < b->blocks.n && e->to < b->blocks.n);
        ASSERT(e->kind != EDGE_NEXT || e->to == e->from + 1);
        ASSERT(i == 0 || before->from < e->from ||
               (before->from == e->from &&
                (before->to < e->to || (before->to == e->to && before->kind < e->kind))));
    }
}

static bool is_instruction(const struct fuzz *f, uint64_t addr)
{
    size_t from = 0, to = f->all.n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (f->all.at[middle].addr < addr) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from < f->all.n && f->all.at[from].addr == addr && !f->all.at[from].is_data;
}

static void check_tables(const struct fuzz *f, const struct jump_tables *t)
{
    uint32_t n_targets = 0;
    for (size_t i = 0; i < t->tables.n; i++) {
        const struct jump_table *table = &t->tables.at[i];
        ASSERT(i == 0 || t->tables.at[i - 1].jump < table->jump);
        ASSERT(table->jump < f->all.n && f->all.at[table->jump].flow == FLOW_JUMP);
        ASSERT(table->first_target == n_targets && table->n_targets > 0);
        ASSERT(table->end > table->addr);
        n_targets += table->n_targets;
        for (uint32_t k = 0; k < table->n_targets; k++) {
            const uint64_t *target = &t->targets.at[table->first_target + k];
            ASSERT(k == 0 || target[-1] < *target);
            ASSERT(*target - BASE >= f->bytes.n || is_instruction(f, *target));
        }
    }
    ASSERT(n_targets == t->targets.n);
}

static void sweep(struct fuzz *f, enum arch arch)
{
    struct disasm *disasm;
    int status = disasm_open(arch, DISASM_INTEL, &disasm, NULL);
    ASSERT(status == 0);
    for (size_t at = 0; at < f->bytes.n;) {
        struct instruction i;
        struct slice rest = {f->bytes.data + at, f->bytes.n - at};
        disasm_next(disasm, rest, BASE + at, &i);
        vec_push(&f->all, i);
        at += i.n_bytes;
    }
    disasm_close(disasm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    enum arch arch = data[0] % 2 == 0 ? ARCH_X86_64 : ARCH_AARCH64;
    struct fuzz f = {.bytes = {data + 1, MIN(size - 1, (size_t)CODE_MAX)}, .mood = data[0] / 2};
    struct jump_tables tables;
    struct blocks blocks;
    sweep(&f, arch);
    jump_tables_find(arch, f.all.at, f.all.n, f.bytes, read_hostile, &f, &tables);
    check_tables(&f, &tables);
    blocks_make(f.all.at, f.all.n, &tables, never_returns, NULL, &blocks);
    check_blocks(&f, &blocks);
    blocks_fini(&blocks);
    jump_tables_fini(&tables);
    vec_fini(&f.all);
    return 0;
}
