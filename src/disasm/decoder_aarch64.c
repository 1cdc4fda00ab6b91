#include "disasm/decoder_aarch64.h"

#include "base/alloc.h"
#include "disasm/aarch64_words.h"

#include <inttypes.h>
#include <stdlib.h>

#include <capstone/capstone.h>

struct decoder_aarch64 {
    csh capstone;
    cs_insn *insn; // what it decoded last: it makes the text at once, and slowly
    uint32_t word; // of `insn`, and its address
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

// One line, without capitals: system registers come in them.
static void make_plain(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\t') {
            *text = ' ';
        } else if (*text >= 'A' && *text <= 'Z') {
            *text = (char)(*text - 'A' + 'a');
        }
    }
}

static bool capstone_knows(struct decoder_aarch64 *d, uint32_t word, uint64_t addr)
{
    if (d->word == word && d->addr == addr && d->decoded) {
        return true;
    }
    uint8_t bytes[4] = {(uint8_t)word, (uint8_t)(word >> 8), (uint8_t)(word >> 16),
                        (uint8_t)(word >> 24)};
    const uint8_t *at = bytes;
    size_t left = sizeof bytes;
    uint64_t next = addr;
    d->decoded = cs_disasm_iter(d->capstone, &at, &left, &next, d->insn);
    d->word = word;
    d->addr = addr;
    if (d->decoded) {
        make_plain(d->insn->mnemonic);
        make_plain(d->insn->op_str);
    }
    return d->decoded;
}

// ---- What it does -------------------------------------------------------------------------------
//
// By the words themselves (Arm's manual, DDI 0487, C4.1): they are regular, and capstone would have
// to be asked for details of all instructions to have them of these.

// The field of `n` bits from bit `from` on, as a signed number.
static int64_t field(uint32_t word, unsigned from, unsigned n)
{
    uint64_t bits = (uint64_t)word >> from << (64 - n);
    return (int64_t)bits >> (64 - n);
}

// Whether it goes to an address that it says.
static bool goes_to(uint32_t word, uint64_t addr, enum flow *flow, uint64_t *ret)
{
    int64_t n_words;
    if ((word & 0x7c000000) == 0x14000000) { // b, bl
        *flow = word >> 31 == 0 ? FLOW_JUMP : FLOW_CALL;
        n_words = field(word, 0, 26);
    } else if ((word & 0xff000000) == 0x54000000) { // b.cond; b.al and b.nv always
        *flow = (word & 0xe) == 0xe ? FLOW_JUMP : FLOW_BRANCH;
        n_words = field(word, 5, 19);
    } else if ((word & 0x7e000000) == 0x34000000) { // cbz, cbnz
        *flow = FLOW_BRANCH;
        n_words = field(word, 5, 19);
    } else if ((word & 0x7e000000) == 0x36000000) { // tbz, tbnz
        *flow = FLOW_BRANCH;
        n_words = field(word, 5, 14);
    } else {
        return false;
    }
    *ret = addr + (uint64_t)n_words * 4;
    return true;
}

static bool is_page(uint32_t word) // adrp
{
    return (word & 0x9f000000) == 0x90000000;
}

static bool refers_to(uint32_t word, uint64_t addr, uint64_t *ret)
{
    uint64_t offset = (uint64_t)field(word, 5, 19) * 4;
    if (is_page(word)) {
        *ret = (addr & ~0xfffull) + ((offset | (word >> 29 & 3)) << 12);
    } else if ((word & 0x9f000000) == 0x10000000) { // adr
        *ret = addr + (offset | (word >> 29 & 3));
    } else if ((word & 0x3b000000) == 0x18000000) { // ldr, ldrsw, prfm: literals
        *ret = addr + offset;
    } else {
        return false;
    }
    return true;
}

// Of what does not say an address. "Unconditional branch (register)": with signed addresses, bit 24
// is set too.
static enum flow other_flow(uint32_t word)
{
    if ((word & 0xfe000000) == 0xd6000000) {
        switch (word >> 21 & 7) {
        case 0:
            return FLOW_JUMP; // br
        case 1:
            return FLOW_CALL; // blr
        default:
            return FLOW_RETURN; // ret, eret, drps
        }
    }
    bool stops = (word & 0xffe0001f) == 0xd4200000 || // brk
                 (word & 0xffe0001f) == 0xd4400000 || // hlt
                 (word & 0xffff0000) == 0;            // udf
    return stops ? FLOW_STOP : FLOW_NEXT;
}

bool decoder_aarch64_next(struct decoder_aarch64 *d, struct slice bytes, uint64_t addr,
                          struct instruction *ret)
{
    if (bytes.n < 4) {
        return false;
    }
    uint32_t word = word_of(bytes.data);
    bool is_known = aarch64_word_put(word, NULL) || capstone_knows(d, word, addr);
    if (!is_known && !aarch64_word_goes_on(word)) {
        return false;
    }
    enum flow flow;
    if (!goes_to(word, addr, &flow, &ret->target)) {
        flow = other_flow(word);
        ret->is_indirect = flow == FLOW_CALL || flow == FLOW_JUMP;
        (void)(is_known && refers_to(word, addr, &ret->reference));
    }
    ret->n_bytes = 4;
    ret->flow = (uint8_t)flow;
    return true;
}

// ---- Text ---------------------------------------------------------------------------------------

// Adds the mnemonic, and returns where the operands go on that are still to be added. What capstone
// writes as an operation on register 31, or on a part of a vector, people know as `mov`.
static const char *put_mnemonic(const cs_insn *insn, uint32_t word, struct text *to)
{
    bool is_number = (word & 0x7f8003e0) == 0x320003e0 && strcmp(insn->mnemonic, "orr") == 0;
    const char *number = is_number ? strstr(insn->op_str, "zr, ") : NULL; // behind "x0, x"
    if (number != NULL) {
        text_add(to, "mov ");
        text_add_bytes(to, insn->op_str, (size_t)(number - 1 - insn->op_str));
        return number + strlen("zr, ");
    }
    text_add(to, strcmp(insn->mnemonic, "ins") == 0 ? "mov" : insn->mnemonic);
    if (insn->op_str[0] != '\0') {
        text_add_char(to, ' ');
    }
    return insn->op_str;
}

// An address is always the last operand, and written as a number: "#0x401136".
bool decoder_aarch64_put_text(struct decoder_aarch64 *d, struct slice bytes, uint64_t addr,
                              disasm_name_fn *name, void *context, struct text *to)
{
    if (bytes.n < 4) {
        return false;
    }
    uint32_t word = word_of(bytes.data);
    if (aarch64_word_put(word, to)) {
        return true;
    }
    if (!capstone_knows(d, word, addr)) {
        text_addf(to, ".inst 0x%08" PRIx32, word);
        return true;
    }
    const char *operands = put_mnemonic(d->insn, word, to);
    enum flow flow;
    uint64_t address;
    bool has_address = goes_to(word, addr, &flow, &address) || refers_to(word, addr, &address);
    const char *number = has_address ? strrchr(operands, '#') : NULL;
    if (number == NULL) {
        text_add(to, operands);
        return true;
    }
    text_add_bytes(to, operands, (size_t)(number - operands));
    text_addf(to, "0x%" PRIx64, address);
    if (name != NULL && !is_page(word)) { // of a page, what is meant lies somewhere in it
        name(context, address, to);
    }
    return true;
}
