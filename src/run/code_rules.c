#include "run/code_rules.h"

#include "base/limits.h"

enum { EH_FRAME_ALIGN = 8 };

// The first range that ends beyond `addr`; ranges.n when there is none.
static size_t first_beyond(const struct code_rules *rules, uint64_t addr)
{
    size_t from = 0;
    for (size_t n = rules->ranges.n; n > 0;) {
        size_t half = n / 2;
        if (rules->ranges.at[from + half].end <= addr) {
            from += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return from;
}

static void remove_between(struct code_rules *rules, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        rules->n_bytes -= rules->ranges.at[i].n_bytes;
        cfi_table_free(rules->ranges.at[i].table);
    }
    if (from < to) {
        memmove(rules->ranges.at + from, rules->ranges.at + to,
                (rules->ranges.n - to) * sizeof *rules->ranges.at);
        rules->ranges.n -= to - from;
        rules->generation++;
    }
}

void code_rules_clear(struct code_rules *rules)
{
    remove_between(rules, 0, rules->ranges.n);
}

void code_rules_fini(struct code_rules *rules)
{
    code_rules_clear(rules);
    vec_fini(&rules->ranges);
}

static struct cfi_table *build(enum unwind_arch arch, uint64_t size_bytes, struct slice eh_frame)
{
    struct cfi_segment code = {.size_bytes = size_bytes};
    struct cfi_source source = {
        .arch = arch,
        .sections = {{.bytes = eh_frame,
                      .addr = (size_bytes + EH_FRAME_ALIGN - 1) / EH_FRAME_ALIGN * EH_FRAME_ALIGN}},
        .n_sections = 1,
        .segments = &code,
        .n_segments = 1,
    };
    struct cfi_facts facts;
    return cfi_table_build(&source, &facts);
}

bool code_rules_add(struct code_rules *rules, enum unwind_arch arch, uint64_t addr,
                    uint64_t size_bytes, struct slice eh_frame)
{
    if (size_bytes == 0 || size_bytes > UINT64_MAX - EH_FRAME_ALIGN ||
        addr > UINT64_MAX - size_bytes) {
        return false;
    }
    size_t from = first_beyond(rules, addr);
    size_t to = from;
    while (to < rules->ranges.n && rules->ranges.at[to].start < addr + size_bytes) {
        to++;
    }
    remove_between(rules, from, to);
    if (eh_frame.n == 0) {
        return true;
    }
    if (rules->ranges.n >= LIMIT_JIT_RULES || eh_frame.n > LIMIT_JIT_RULES_BYTES - rules->n_bytes) {
        return false;
    }
    struct code_range range = {.start = addr,
                               .end = addr + size_bytes,
                               .n_bytes = (uint32_t)eh_frame.n,
                               .table = build(arch, size_bytes, eh_frame)};
    vec_insert_at(&rules->ranges, from, range);
    rules->n_bytes += eh_frame.n;
    rules->generation++;
    return true;
}

const struct cfi_table *code_rules_find(const struct code_rules *rules, uint64_t addr,
                                        uint64_t *ret_off)
{
    size_t at = first_beyond(rules, addr);
    if (at == rules->ranges.n || rules->ranges.at[at].start > addr) {
        return NULL;
    }
    *ret_off = addr - rules->ranges.at[at].start;
    return rules->ranges.at[at].table;
}
