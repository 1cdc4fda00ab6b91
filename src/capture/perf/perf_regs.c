#include "capture/perf/perf_regs.h"

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

// The number of DWARF for a kernel's number; PERF_REGS_NOBODY: there is none.
static uint8_t dwarf_number(enum event_arch arch, unsigned bit)
{
    static const uint8_t x86_64[] = {0, 3, 2, 1, 4, 5, 6, 7, 16};
    switch (arch) {
    case EVENT_ARCH_X86_64: // 9 to 15: flags and segments
        if (bit < ARRAY_LEN(x86_64)) {
            return x86_64[bit];
        }
        return bit >= 16 && bit <= 23 ? (uint8_t)(bit - 8) : PERF_REGS_NOBODY;
    case EVENT_ARCH_AARCH64:
        return bit <= 32 ? (uint8_t)bit : PERF_REGS_NOBODY;
    case EVENT_ARCH_NONE:
        break;
    }
    return PERF_REGS_NOBODY;
}

bool perf_regs_of_mask(enum event_arch arch, uint64_t mask, struct perf_regs *ret)
{
    *ret = (struct perf_regs){.arch = arch, .mask = mask};
    for (unsigned bit = 0; bit < PERF_REGS_MAX; bit++) {
        if ((mask >> bit & 1) != 0) {
            uint8_t number = dwarf_number(arch, bit);
            ret->dwarf[ret->n++] = number;
            ret->valid |= number == PERF_REGS_NOBODY ? 0 : UINT64_C(1) << number;
        }
    }
    return arch != EVENT_ARCH_NONE;
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
