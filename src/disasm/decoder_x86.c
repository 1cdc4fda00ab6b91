#include "disasm/decoder_x86.h"

#include "base/alloc.h"

#include <stdlib.h>

#include <Zydis/Zydis.h>

enum { TOKENS_BYTES = 512 }; // of the longest text that Zydis makes, with its marks

struct decoder_x86 {
    ZydisDecoder decoder;
    ZydisFormatter formatter;

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
    ZyanStatus status = ZydisDecoderInit(&d->decoder, ZYDIS_MACHINE_MODE_LONG_64,
                                         ZYDIS_STACK_WIDTH_64);
    ASSERT(ZYAN_SUCCESS(status));
    status = ZydisFormatterInit(&d->formatter, syntax == DISASM_ATT ? ZYDIS_FORMATTER_STYLE_ATT
                                                                    : ZYDIS_FORMATTER_STYLE_INTEL);
    ASSERT(ZYAN_SUCCESS(status));
    set_property(&d->formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
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
    return true;
}

static bool is_relative(const ZydisDecodedInstruction *i)
{
    return i->raw.imm[0].size > 0 && i->raw.imm[0].is_relative;
}

// Whether a transaction is aborted by `xabort` is not to be seen here: without one it does nothing.
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

// An operand `[rip+…]`: mod 00, r/m 101 (Intel's manual, volume 2, table 2-7).
static bool refers_to_itself(const ZydisDecodedInstruction *i)
{
    return (i->attributes & ZYDIS_ATTRIB_HAS_MODRM) != 0 && i->raw.modrm.mod == 0 &&
           i->raw.modrm.rm == 5 && i->raw.disp.size == 32;
}

bool decoder_x86_next(struct decoder_x86 *d, struct slice bytes, uint64_t addr,
                      struct instruction *ret)
{
    if (!decode(d, bytes)) {
        return false;
    }
    const ZydisDecodedInstruction *i = &d->last;
    uint64_t end = addr + i->length;
    ret->n_bytes = i->length;
    ret->flow = (uint8_t)flow_of(i);
    if (is_relative(i)) {
        ret->target = end + i->raw.imm[0].value.u;
    } else {
        ret->is_indirect = ret->flow == FLOW_CALL || ret->flow == FLOW_JUMP;
    }
    if (refers_to_itself(i)) {
        ret->reference = end + (uint64_t)i->raw.disp.value;
        if (i->address_width == 32) {
            ret->reference &= UINT32_MAX;
        }
    }
    return true;
}

// ---- Text
// ----------------------------------------------------------------------------------------

// Zydis has one name for each condition, and often not the one that compilers, debuggers and
// objdump use.
static const struct {
    ZydisMnemonic mnemonic;
    const char *theirs, *ours;
} renamed[] = {
    {ZYDIS_MNEMONIC_JZ, "jz", "je"},
    {ZYDIS_MNEMONIC_JNZ, "jnz", "jne"},
    {ZYDIS_MNEMONIC_JNB, "jnb", "jae"},
    {ZYDIS_MNEMONIC_JNBE, "jnbe", "ja"},
    {ZYDIS_MNEMONIC_JNL, "jnl", "jge"},
    {ZYDIS_MNEMONIC_JNLE, "jnle", "jg"},
    {ZYDIS_MNEMONIC_SETZ, "setz", "sete"},
    {ZYDIS_MNEMONIC_SETNZ, "setnz", "setne"},
    {ZYDIS_MNEMONIC_SETNB, "setnb", "setae"},
    {ZYDIS_MNEMONIC_SETNBE, "setnbe", "seta"},
    {ZYDIS_MNEMONIC_SETNL, "setnl", "setge"},
    {ZYDIS_MNEMONIC_SETNLE, "setnle", "setg"},
    {ZYDIS_MNEMONIC_CMOVZ, "cmovz", "cmove"},
    {ZYDIS_MNEMONIC_CMOVNZ, "cmovnz", "cmovne"},
    {ZYDIS_MNEMONIC_CMOVNB, "cmovnb", "cmovae"},
    {ZYDIS_MNEMONIC_CMOVNBE, "cmovnbe", "cmova"},
    {ZYDIS_MNEMONIC_CMOVNL, "cmovnl", "cmovge"},
    {ZYDIS_MNEMONIC_CMOVNLE, "cmovnle", "cmovg"},
};

// AT&T's has the size of the operand behind it.
static void put_mnemonic(ZydisMnemonic mnemonic, const char *text, struct text *to)
{
    for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
        if (renamed[i].mnemonic == mnemonic) {
            text_add(to, renamed[i].ours);
            text_add(to, text + strlen(renamed[i].theirs));
            return;
        }
    }
    text_add(to, text);
}

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

bool decoder_x86_put_text(struct decoder_x86 *d, struct slice bytes, uint64_t addr,
                          disasm_name_fn *name, void *context, struct text *to)
{
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    char tokens[TOKENS_BYTES];
    ZydisFormatterTokenConst *token;
    const ZydisDecodedInstruction *i = &d->last;
    if (!decode(d, bytes) ||
        ZYAN_FAILED(ZydisDecoderDecodeOperands(&d->decoder, &d->context, i, operands,
                                               i->operand_count_visible)) ||
        ZYAN_FAILED(ZydisFormatterTokenizeInstruction(&d->formatter, i, operands,
                                                      i->operand_count_visible, tokens,
                                                      sizeof tokens, addr, &token, NULL))) {
        return false;
    }
    uint64_t named = name == NULL ? 0 : named_address(i, operands, addr);
    do {
        ZydisTokenType type;
        const char *value;
        if (ZYAN_FAILED(ZydisFormatterTokenGetValue(token, &type, &value))) {
            break;
        }
        if (type == ZYDIS_TOKEN_MNEMONIC) {
            put_mnemonic(i->mnemonic, value, to);
        } else {
            text_add(to, value);
        }
        if (type == ZYDIS_TOKEN_ADDRESS_ABS && named != 0) {
            name(context, named, to);
        }
    } while (ZYAN_SUCCESS(ZydisFormatterTokenNext(&token)));
    return true;
}
