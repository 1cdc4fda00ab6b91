#include "disasm/decoder_aarch64.h"

#include "base/alloc.h"

#include <stdlib.h>

#include <capstone/capstone.h>

struct decoder_aarch64 {
    csh capstone;
    cs_insn *insn; // what was decoded last: capstone makes the text at once
    uint32_t word;
    uint64_t addr;
    bool decoded;
};

struct decoder_aarch64 *decoder_aarch64_new(void)
{
    struct decoder_aarch64 *d = NEW(struct decoder_aarch64);
    cs_err error = cs_open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, &d->capstone);
    ASSERT(error == CS_ERR_OK);
    d->insn = cs_malloc(d->capstone);
    ASSERT(d->insn != NULL);
    return d;
}

void decoder_aarch64_free(struct decoder_aarch64 *decoder)
{
    if (decoder != NULL) {
        cs_free(decoder->insn, 1);
        cs_close(&decoder->capstone);
        free(decoder);
    }
}

static uint32_t word_of(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static bool decode(struct decoder_aarch64 *d, struct slice bytes, uint64_t addr)
{
    if (bytes.n < 4) {
        return false;
    }
    uint32_t word = word_of(bytes.data);
    if (d->decoded && d->word == word && d->addr == addr) {
        return true;
    }
    const uint8_t *at = bytes.data;
    size_t left = 4;
    uint64_t next = addr;
    d->decoded = cs_disasm_iter(d->capstone, &at, &left, &next, d->insn);
    d->word = word;
    d->addr = addr;
    return d->decoded;
}

// ---- What it does
// --------------------------------------------------------------------------------
//
// By the words themselves (Arm's manual, DDI 0487, C4.1): they are regular, and capstone would have
// to be asked for details of all instructions to have them of these.

// The field of `n` bits from bit `from` on, as a signed number.
static int64_t field(uint32_t word, unsigned from, unsigned n)
{
    uint64_t bits = (uint64_t)word >> from << (64 - n);
    return (int64_t)bits >> (64 - n);
}

static void set_branch(struct instruction *ret, enum flow flow, int64_t words)
{
    ret->flow = (uint8_t)flow;
    ret->target = ret->addr + (uint64_t)words * 4;
}

static void set_indirect(struct instruction *ret, enum flow flow)
{
    ret->flow = (uint8_t)flow;
    ret->is_indirect = flow != FLOW_RETURN;
}

// "Unconditional branch (register)": with and without pointer authentication.
static void set_register_branch(uint32_t word, struct instruction *ret)
{
    switch (word >> 21 & 0xf) {
    case 0: // br
    case 8: // braa, brab
        set_indirect(ret, FLOW_JUMP);
        break;
    case 1: // blr
    case 9:
        set_indirect(ret, FLOW_CALL);
        break;
    default: // ret, eret, drps
        set_indirect(ret, FLOW_RETURN);
        break;
    }
}

static void set_flow(uint32_t word, struct instruction *ret)
{
    ret->flow = FLOW_NEXT;
    if ((word & 0xfc000000) == 0x14000000) { // b
        set_branch(ret, FLOW_JUMP, field(word, 0, 26));
    } else if ((word & 0xfc000000) == 0x94000000) { // bl
        set_branch(ret, FLOW_CALL, field(word, 0, 26));
    } else if ((word & 0xff000000) == 0x54000000) { // b.cond; b.al and b.nv always
        set_branch(ret, (word & 0xe) == 0xe ? FLOW_JUMP : FLOW_BRANCH, field(word, 5, 19));
    } else if ((word & 0x7e000000) == 0x34000000) { // cbz, cbnz
        set_branch(ret, FLOW_BRANCH, field(word, 5, 19));
    } else if ((word & 0x7e000000) == 0x36000000) { // tbz, tbnz
        set_branch(ret, FLOW_BRANCH, field(word, 5, 14));
    } else if ((word & 0xfe000000) == 0xd6000000) {
        set_register_branch(word, ret);
    } else if ((word & 0xffe0001f) == 0xd4200000 || // brk
               (word & 0xffe0001f) == 0xd4400000 || // hlt
               (word & 0xffff0000) == 0) {          // udf
        ret->flow = FLOW_STOP;
    }
}

static void set_reference(uint32_t word, struct instruction *ret)
{
    uint64_t offset = (uint64_t)field(word, 5, 19) << 2;
    if ((word & 0x9f000000) == 0x10000000) { // adr
        ret->reference = ret->addr + (offset | (word >> 29 & 3));
    } else if ((word & 0x9f000000) == 0x90000000) { // adrp
        ret->reference = (ret->addr & ~0xfffull) + ((offset | (word >> 29 & 3)) << 12);
    } else if ((word & 0x3b000000) == 0x18000000) { // ldr, ldrsw, prfm: literals
        ret->reference = ret->addr + offset;
    }
}

bool decoder_aarch64_next(struct decoder_aarch64 *d, struct slice bytes, uint64_t addr,
                          struct instruction *ret)
{
    if (!decode(d, bytes, addr)) {
        return false;
    }
    ret->n_bytes = 4;
    set_flow(d->word, ret);
    set_reference(d->word, ret);
    return true;
}

// ---- Text
// ----------------------------------------------------------------------------------------

// System registers come in capitals.
static void put_lower(const char *from, size_t n, struct text *to)
{
    for (size_t i = 0; i < n; i++) {
        char c = from[i];
        text_add_char(to, c == '\t' ? ' ' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
    }
}

// An address is always the last operand, and written as a number: "#0x401136".
bool decoder_aarch64_put_text(struct decoder_aarch64 *d, struct slice bytes, uint64_t addr,
                              disasm_name_fn *name, void *context, struct text *to)
{
    struct instruction what = {.addr = addr};
    if (!decoder_aarch64_next(d, bytes, addr, &what)) {
        return false;
    }
    const char *operands = d->insn->op_str;
    put_lower(d->insn->mnemonic, strlen(d->insn->mnemonic), to);
    if (operands[0] == '\0') {
        return true;
    }
    text_add_char(to, ' ');
    uint64_t address = what.target != 0 ? what.target : what.reference;
    const char *number = address == 0 ? NULL : strrchr(operands, '#');
    if (number == NULL) {
        put_lower(operands, strlen(operands), to);
        return true;
    }
    put_lower(operands, (size_t)(number - operands), to);
    text_addf(to, "0x%llx", (unsigned long long)address);
    if (name != NULL) {
        name(context, address, to);
    }
    return true;
}
