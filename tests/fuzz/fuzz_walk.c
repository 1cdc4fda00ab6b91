// Any registers, stack and rules make a walk that ends, with addresses of code.
//
// Input: a byte (1: AArch64, 2: the copy was cut, 4: no rules yet behind the middle of the code);
// for each register two bytes: where in the stack, or, with the highest bit, where in the code;
// the size of the .eh_frame in two bytes; the .eh_frame, the stack.

#include "base/limits.h"
#include "unwind/walk.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CODE_ADDR = 0x10000, CODE_BYTES = 0x8000, SECTION_ADDR = 0x20000, STACK_ADDR = 0x40000 };

struct target {
    struct cfi_table *table;
    bool pending;
};

static struct unwind_code find(void *context, uint64_t addr)
{
    const struct target *target = context;
    struct unwind_code code = {.is_code = addr - CODE_ADDR < CODE_BYTES};
    if (code.is_code) {
        code.owner = 1;
        code.table = target->table;
        code.rule = cfi_table_find(target->table, addr);
        code.pending = target->pending && addr >= CODE_ADDR + CODE_BYTES / 2;
    }
    return code;
}

static struct cfi_table *read_rules(struct reader *from, enum unwind_arch arch)
{
    size_t n = read_u16(from);
    struct cfi_segment segment = {
        .addr = CODE_ADDR, .size_bytes = CODE_BYTES, .file_off = CODE_ADDR};
    struct cfi_source source = {
        .arch = arch,
        .sections = {{.bytes = read_slice(from, MIN(n, reader_left(from))), .addr = SECTION_ADDR}},
        .n_sections = 1,
        .segments = &segment,
        .n_segments = 1,
    };
    struct cfi_facts facts;
    return cfi_table_build(&source, &facts);
}

static struct unwind_regs read_registers(struct reader *from)
{
    struct unwind_regs regs = {0};
    for (unsigned i = 0; i < UNWIND_REGS && reader_left(from) >= 2; i++) {
        uint16_t value = read_u16(from);
        bool is_code = (value & 0x8000) != 0;
        regs.at[i] = is_code ? CODE_ADDR + (value & 0x7fffU) : (uint64_t)STACK_ADDR + value;
        regs.valid |= (uint64_t)(value != UINT16_MAX) << i;
    }
    return regs;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader from = reader_of((struct slice){.data = data, .n = size});
    uint8_t kind = read_u8(&from);
    enum unwind_arch arch = (kind & 1) != 0 ? UNWIND_AARCH64 : UNWIND_X86_64;
    struct unwind_regs regs = read_registers(&from);
    struct target target = {.table = read_rules(&from, arch), .pending = (kind & 4) != 0};
    struct unwind_memory memory = {
        .start_addr = STACK_ADDR,
        .bytes = read_slice(&from, reader_left(&from)),
        .cut = (kind & 2) != 0,
    };
    uint64_t addrs[LIMIT_STACK_DEPTH];
    uint32_t max = 1 + size % LIMIT_STACK_DEPTH;
    struct unwind_result result = unwind_walk(arch, &regs, &memory, find, &target, addrs, max);
    ASSERT(result.n <= max && result.end <= UNWIND_PENDING && result.n_fp <= result.n);
    ASSERT(result.end != UNWIND_TOO_DEEP || result.n == max);
    unsigned pc = arch == UNWIND_X86_64 ? 16 : 32;
    ASSERT((result.n > 0) == (regs.valid >> pc & 1));
    for (uint32_t i = 1; i < result.n; i++) {
        ASSERT(addrs[i] - CODE_ADDR <= CODE_BYTES);
    }
    uint64_t again[LIMIT_STACK_DEPTH];
    struct unwind_result of_again = unwind_walk(arch, &regs, &memory, find, &target, again, max);
    ASSERT(of_again.n == result.n && of_again.end == result.end);
    ASSERT(result.n == 0 || memcmp(addrs, again, result.n * sizeof addrs[0]) == 0);
    cfi_table_free(target.table);
    return 0;
}
