#include "disasm/decoder_x86.h"

#include "base/alloc.h"
#include "disasm/x86_names.h"

#include <stdlib.h>

enum { TOKENS_BYTES = 512 }; // of the longest text that Zydis makes, with its marks

struct decoder_x86 {
    ZydisDecoder decoder;
    ZydisFormatter formatter;
    enum disasm_syntax syntax;

    // What was decoded last: whoever wants to know what an instruction does wants its text next.
    uint8_t bytes[DISASM_LONGEST];
    ZydisDecodedInstruction last; // its length is 0: none
    ZydisDecoderContext context;
};

static void set_property(ZydisFormatter *formatter, ZydisFormatterProperty property,
                         ZyanUPointer value)
{
    ZyanStatus status = ZydisFormatterSetProperty(formatter, property, value);
    ASSERT(ZYAN_SUCCESS(status));
}

struct decoder_x86 *decoder_x86_new(enum disasm_syntax syntax)
{
    struct decoder_x86 *d = NEW(struct decoder_x86);
    d->syntax = syntax;
    ZyanStatus status = ZydisDecoderInit(&d->decoder, ZYDIS_MACHINE_MODE_LONG_64,
                                         ZYDIS_STACK_WIDTH_64);
    ASSERT(ZYAN_SUCCESS(status));
    status = ZydisFormatterInit(&d->formatter, syntax == DISASM_ATT ? ZYDIS_FORMATTER_STYLE_ATT
                                                                    : ZYDIS_FORMATTER_STYLE_INTEL);
    ASSERT(ZYAN_SUCCESS(status));
    set_property(&d->formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
    // In AT&T's it would be said where no assembler knows it ("vaddpsz"): see x86_names.c.
    set_property(&d->formatter, ZYDIS_FORMATTER_PROP_FORCE_SIZE, syntax == DISASM_INTEL);
    set_property(&d->formatter, ZYDIS_FORMATTER_PROP_IMM_SIGNEDNESS, ZYDIS_SIGNEDNESS_UNSIGNED);
    set_property(&d->formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_PADDING_DISABLED);
    set_property(&d->formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_RELATIVE, ZYDIS_PADDING_DISABLED);
    set_property(&d->formatter, ZYDIS_FORMATTER_PROP_DISP_PADDING, ZYDIS_PADDING_DISABLED);
    set_property(&d->formatter, ZYDIS_FORMATTER_PROP_IMM_PADDING, ZYDIS_PADDING_DISABLED);
    return d;
}

void decoder_x86_free(struct decoder_x86 *decoder)
{
    free(decoder);
}

static bool decode(struct decoder_x86 *d, struct slice bytes)
{
    size_t n = d->last.length;
    if (n > 0 && n <= bytes.n && memcmp(d->bytes, bytes.data, n) == 0) {
        return true;
    }
    ZyanStatus status = ZydisDecoderDecodeInstruction(&d->decoder, &d->context, bytes.data, bytes.n,
                                                      &d->last);
    if (ZYAN_FAILED(status) || d->last.length == 0) {
        d->last.length = 0;
        return false;
    }
    ASSERT(d->last.length <= bytes.n && d->last.length <= DISASM_LONGEST);
    memcpy(d->bytes, bytes.data, d->last.length);
    if (d->last.mnemonic == ZYDIS_MNEMONIC_NOP && d->last.operand_count_visible > 1) {
        d->last.operand_count_visible = 1; // of a long one: the other is never written
    }
    return true;
}

static bool is_relative(const ZydisDecodedInstruction *i)
{
    return i->raw.imm[0].size > 0 && i->raw.imm[0].is_relative;
}

// `xabort` does nothing outside of a transaction, and inside goes to where its `xbegin` says.
static enum flow flow_of(const ZydisDecodedInstruction *i)
{
    switch ((int)i->mnemonic) { // an int: there are 1,700 more
    case ZYDIS_MNEMONIC_CALL:
        return FLOW_CALL;
    case ZYDIS_MNEMONIC_JMP:
        return FLOW_JUMP;
    case ZYDIS_MNEMONIC_RET:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
    case ZYDIS_MNEMONIC_UIRET:
    case ZYDIS_MNEMONIC_SYSRET:
    case ZYDIS_MNEMONIC_SYSEXIT:
    case ZYDIS_MNEMONIC_RSM:
        return FLOW_RETURN;
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_INT3:
        return FLOW_STOP;
    default: // jcc, jrcxz, loop, xbegin: no others have such an operand
        return is_relative(i) ? FLOW_BRANCH : FLOW_NEXT;
    }
}

static bool is_indirect(const ZydisDecodedInstruction *i)
{
    return !is_relative(i) &&
           (i->mnemonic == ZYDIS_MNEMONIC_CALL || i->mnemonic == ZYDIS_MNEMONIC_JMP);
}

// An operand `[rip+…]`: mod 00, r/m 101 (Intel's manual, volume 2, table 2-7). In a segment of a
// thread or, in the kernel, of a CPU it is no address.
static bool refers_to_itself(const ZydisDecodedInstruction *i)
{
    ZydisInstructionAttributes segment = ZYDIS_ATTRIB_HAS_SEGMENT_FS | ZYDIS_ATTRIB_HAS_SEGMENT_GS;
    return (i->attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && i->raw.modrm.mod == 0 &&
           i->raw.modrm.rm == 5 && i->raw.disp.size == 32 && (i->attributes & segment) == 0;
}

bool decoder_x86_next(struct decoder_x86 *d, struct slice bytes, uint64_t addr,
                      struct instruction *ret)
{
    if (addr == ZYDIS_RUNTIME_ADDRESS_NONE || !decode(d, bytes)) { // the last of all addresses
        return false;
    }
    const ZydisDecodedInstruction *i = &d->last;
    uint64_t end = addr + i->length;
    ret->n_bytes = i->length;
    ret->flow = (uint8_t)flow_of(i);
    ret->is_indirect = is_indirect(i);
    if (is_relative(i)) {
        ret->target = end + i->raw.imm[0].value.u;
    }
    if (refers_to_itself(i)) {
        ret->reference = end + (uint64_t)i->raw.disp.value;
        if (i->address_width == 32) {
            ret->reference &= UINT32_MAX;
        }
    }
    return true;
}

// ---- Text ---------------------------------------------------------------------------------------

// The address that the text shows whole and that has a name, or 0. Thread-local storage has none,
// though it looks alike: `fs:[0x28]`.
static uint64_t named_address(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *operands,
                              uint64_t addr)
{
    for (size_t k = 0; k < i->operand_count_visible; k++) {
        const ZydisDecodedOperand *o = &operands[k];
        uint64_t value;
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY &&
            (o->mem.segment == ZYDIS_REGISTER_FS || o->mem.segment == ZYDIS_REGISTER_GS)) {
            continue;
        }
        if (ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(i, o, addr, &value))) {
            return value;
        }
    }
    return 0;
}

// Those of the x87 are "st0" to Zydis and "st(0)" to assemblers.
static void put_register(const char *theirs, struct text *to)
{
    const char *number = strstr(theirs, "st");
    if (number != NULL && number[2] >= '0' && number[2] <= '7') {
        text_addf(to, "%sst(%c)", number == theirs ? "" : "%", number[2]);
    } else {
        text_add(to, theirs);
    }
}

static void put_token(const struct decoder_x86 *d, const ZydisDecodedOperand *operands,
                      ZydisTokenType type, const char *value, struct text *to)
{
    if (type == ZYDIS_TOKEN_MNEMONIC) {
        x86_name_put(&d->last, operands, d->syntax, to);
    } else if (type == ZYDIS_TOKEN_REGISTER) {
        put_register(value, to);
    } else {
        text_add(to, value);
    }
}

static void put_tokens(const struct decoder_x86 *d, const ZydisDecodedOperand *operands,
                       ZydisFormatterTokenConst *token, uint64_t named, disasm_name_fn *name,
                       void *context, struct text *to)
{
    // AT&T's "call *%rax", of which Zydis has the star only before some operands.
    bool needs_star = d->syntax == DISASM_ATT && is_indirect(&d->last);
    bool had_mnemonic = false;
    ZydisTokenType type;
    const char *value;
    while (ZYAN_SUCCESS(ZydisFormatterTokenGetValue(token, &type, &value))) {
        if (needs_star && had_mnemonic && type != ZYDIS_TOKEN_WHITESPACE) {
            text_add(to, value[0] == '*' ? "" : "*");
            needs_star = false;
        }
        put_token(d, operands, type, value, to);
        had_mnemonic |= type == ZYDIS_TOKEN_MNEMONIC;
        if (type == ZYDIS_TOKEN_ADDRESS_ABS && named != 0) {
            name(context, named, to);
        }
        if (ZYAN_FAILED(ZydisFormatterTokenNext(&token))) {
            return; // it was the last
        }
    }
}

bool decoder_x86_put_text(struct decoder_x86 *d, struct slice bytes, uint64_t addr,
                          disasm_name_fn *name, void *context, struct text *to)
{
    if (!decode(d, bytes)) {
        return false;
    }
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    const ZydisDecodedInstruction *i = &d->last;
    ZyanStatus status = ZydisDecoderDecodeOperands(&d->decoder, &d->context, i, operands,
                                                   i->operand_count_visible);
    if (ZYAN_FAILED(status)) {
        return false;
    }
    if (i->mnemonic == ZYDIS_MNEMONIC_ENTER && d->syntax == DISASM_ATT) {
        ZydisDecodedOperand size =
            operands[0]; // the one instruction that AT&T's does not turn round
        operands[0] = operands[1];
        operands[1] = size;
    }
    char tokens[TOKENS_BYTES];
    ZydisFormatterTokenConst *first;
    status = ZydisFormatterTokenizeInstruction(&d->formatter, i, operands, i->operand_count_visible,
                                               tokens, sizeof tokens, addr, &first, NULL);
    if (ZYAN_FAILED(status)) {
        return false;
    }
    put_tokens(d, operands, first, name == NULL ? 0 : named_address(i, operands, addr), name,
               context, to);
    return true;
}
