// Any bytes, at any address, on both machines and in both syntaxes: every byte lies in exactly one
// line of plain text, and what it says agrees with what it does.

#include "disasm/disasm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct named {
    unsigned n;
    uint64_t addr;
};

static void put_name(void *context, uint64_t addr, struct text *to)
{
    struct named *named = context;
    named->n++;
    named->addr = addr;
    text_add(to, " <a>");
}

static void check_text(const struct text *text, bool is_data)
{
    const char *at = text_get(text);
    ASSERT(text->n > 0 && text->n < 200 && at[text->n - 1] != ' ');
    ASSERT((strncmp(at, ".byte", 5) == 0 || strncmp(at, ".word", 5) == 0) == is_data);
    for (size_t i = 0; i < text->n; i++) {
        ASSERT(at[i] >= ' ' && at[i] <= '~' && (at[i] < 'A' || at[i] > 'Z'));
    }
}

// `farthest` in bytes, from the end of a branch on x86-64, from its beginning on AArch64.
static void check_instruction(const struct instruction *i, size_t n_left, uint64_t addr,
                              int64_t farthest)
{
    ASSERT(i->addr == addr && i->n_bytes > 0 && i->n_bytes <= DISASM_LONGEST &&
           i->n_bytes <= n_left);
    ASSERT(i->flow <= FLOW_STOP && (!i->is_data || i->flow == FLOW_STOP));
    bool goes = i->flow == FLOW_CALL || i->flow == FLOW_BRANCH || i->flow == FLOW_JUMP;
    ASSERT(goes || (i->target == 0 && !i->is_indirect));
    ASSERT(!i->is_indirect || (i->target == 0 && i->flow != FLOW_BRANCH));
    if (i->target != 0) {
        int64_t distance = (int64_t)(i->target - addr);
        ASSERT(distance >= -farthest && distance <= farthest + DISASM_LONGEST);
    }
}

static void sweep(enum arch arch, enum disasm_syntax syntax, struct slice bytes, uint64_t addr)
{
    struct disasm *disasm = NULL;
    ASSERT(disasm_open(arch, syntax, &disasm, NULL) == 0);
    CLEANUP(text_fini) struct text text = {0};
    size_t least = arch == ARCH_X86_64 ? 1 : 4;
    while (bytes.n > 0) {
        struct instruction i;
        disasm_next(disasm, bytes, addr, &i);
        check_instruction(&i, bytes.n, addr, arch == ARCH_X86_64 ? 1ll << 31 : 1ll << 27);
        ASSERT(!i.is_data || i.n_bytes == (bytes.n < least ? bytes.n : least));
        ASSERT(arch == ARCH_X86_64 || i.n_bytes == 4 || i.is_data);

        struct slice own = {.data = bytes.data, .n = i.n_bytes};
        struct named named = {0};
        text_clear(&text);
        disasm_put_text(disasm, &i, own, put_name, &named, &text);
        check_text(&text, i.is_data);
        ASSERT(named.n <= 1);
        ASSERT(i.target == 0 || (named.n == 1 && named.addr == i.target));
        ASSERT(!i.is_data || named.n == 0);

        addr += own.n;
        bytes = (struct slice){.data = bytes.data + own.n, .n = bytes.n - own.n};
    }
    disasm_close(disasm);
}

// The first 8 bytes are the address.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader = reader_of((struct slice){.data = data, .n = size});
    uint64_t addr = read_u64(&reader);
    struct slice code = read_slice(&reader, reader_left(&reader));
    sweep(ARCH_X86_64, DISASM_INTEL, code, addr);
    sweep(ARCH_X86_64, DISASM_ATT, code, addr);
    sweep(ARCH_AARCH64, DISASM_INTEL, code, addr);
    return 0;
}
