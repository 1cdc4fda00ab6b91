#include "capture/linux/perf_regs.h"

#include "base/arch.h"

#define BITS(first, last) ((UINT64_MAX >> (63 - (last) + (first))) << (first))

const struct perf_regs perf_regs_x86_64 = {
    .arch = EVENT_ARCH_X86_64,
    .mask = BITS(0, 8) | BITS(16, 23),
    .valid = BITS(0, 16),
    .n = 17,
    .dwarf = {0, 3, 2, 1, 4, 5, 6, 7, 16, 8, 9, 10, 11, 12, 13, 14, 15},
};

const struct perf_regs perf_regs_aarch64 = {
    .arch = EVENT_ARCH_AARCH64,
    .mask = BITS(0, 32),
    .valid = BITS(0, 32),
    .n = 33,
    .dwarf = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
              17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32},
};

const struct perf_regs *perf_regs_of_host(void)
{
    return ARCH_IS_X86_64 ? &perf_regs_x86_64 : ARCH_IS_AARCH64 ? &perf_regs_aarch64 : NULL;
}

void perf_regs_convert(const struct perf_regs *table, struct slice values, struct event_regs *ret)
{
    ASSERT(values.n == table->n * sizeof(uint64_t));
    ret->arch = table->arch;
    ret->valid = table->valid;
    for (unsigned i = 0; i < table->n; i++) {
        memcpy(&ret->at[table->dwarf[i]], values.data + i * sizeof(uint64_t), sizeof(uint64_t));
    }
}
