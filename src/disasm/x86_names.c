#include "disasm/x86_names.h"

struct name {
    ZydisMnemonic mnemonic;
    const char *ours;
};

// Of conditions, Zydis takes the other name.
static const struct name names[] = {
    {ZYDIS_MNEMONIC_JZ, "je"},         {ZYDIS_MNEMONIC_JNZ, "jne"},
    {ZYDIS_MNEMONIC_JNB, "jae"},       {ZYDIS_MNEMONIC_JNBE, "ja"},
    {ZYDIS_MNEMONIC_JNL, "jge"},       {ZYDIS_MNEMONIC_JNLE, "jg"},
    {ZYDIS_MNEMONIC_SETZ, "sete"},     {ZYDIS_MNEMONIC_SETNZ, "setne"},
    {ZYDIS_MNEMONIC_SETNB, "setae"},   {ZYDIS_MNEMONIC_SETNBE, "seta"},
    {ZYDIS_MNEMONIC_SETNL, "setge"},   {ZYDIS_MNEMONIC_SETNLE, "setg"},
    {ZYDIS_MNEMONIC_CMOVZ, "cmove"},   {ZYDIS_MNEMONIC_CMOVNZ, "cmovne"},
    {ZYDIS_MNEMONIC_CMOVNB, "cmovae"}, {ZYDIS_MNEMONIC_CMOVNBE, "cmova"},
    {ZYDIS_MNEMONIC_CMOVNL, "cmovge"}, {ZYDIS_MNEMONIC_CMOVNLE, "cmovg"},
};

static const struct name att_names[] = {
    {ZYDIS_MNEMONIC_CBW, "cbtw"}, {ZYDIS_MNEMONIC_CWDE, "cwtl"}, {ZYDIS_MNEMONIC_CDQE, "cltq"},
    {ZYDIS_MNEMONIC_CWD, "cwtd"}, {ZYDIS_MNEMONIC_CDQ, "cltd"},  {ZYDIS_MNEMONIC_CQO, "cqto"},
};

// AT&T's assembler for the first Unix had these the wrong way round when the result does not go to
// the top of the stack, and so it has remained.
static const struct name swapped_names[] = {
    {ZYDIS_MNEMONIC_FSUB, "fsubr"},   {ZYDIS_MNEMONIC_FSUBR, "fsub"},
    {ZYDIS_MNEMONIC_FSUBP, "fsubrp"}, {ZYDIS_MNEMONIC_FSUBRP, "fsubp"},
    {ZYDIS_MNEMONIC_FDIV, "fdivr"},   {ZYDIS_MNEMONIC_FDIVR, "fdiv"},
    {ZYDIS_MNEMONIC_FDIVP, "fdivrp"}, {ZYDIS_MNEMONIC_FDIVRP, "fdivp"},
};

static const char *find_name(const struct name *table, size_t n, ZydisMnemonic mnemonic)
{
    for (size_t k = 0; k < n; k++) {
        if (table[k].mnemonic == mnemonic) {
            return table[k].ours;
        }
    }
    return NULL;
}

static bool is_swapped(const ZydisDecodedInstruction *i)
{
    return i->meta.isa_ext == ZYDIS_ISA_EXT_X87 && (i->opcode == 0xdc || i->opcode == 0xde) &&
           i->raw.modrm.mod == 3;
}

static const char *name_of(const ZydisDecodedInstruction *i, enum disasm_syntax syntax)
{
    const char *ours = find_name(names, ARRAY_LEN(names), i->mnemonic);
    if (ours == NULL && syntax == DISASM_ATT) {
        ours = is_swapped(i) ? find_name(swapped_names, ARRAY_LEN(swapped_names), i->mnemonic)
                             : find_name(att_names, ARRAY_LEN(att_names), i->mnemonic);
    }
    return ours != NULL ? ours : ZydisMnemonicGetString(i->mnemonic);
}

// A `mov` with a number or an address of 8 bytes, which no other instruction has.
static bool is_wide_move(const ZydisDecodedInstruction *i)
{
    return i->mnemonic == ZYDIS_MNEMONIC_MOV &&
           (i->raw.imm[0].size == 64 || i->raw.disp.size == 64);
}

// ---- AT&T's: the size of what is in memory, where nothing else says it --------------------------

// 0: nothing is in memory.
static unsigned memory_bits(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *operands)
{
    for (size_t k = 0; k < i->operand_count_visible; k++) {
        if (operands[k].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            return operands[k].size;
        }
    }
    return 0;
}

static const char *integer_size(unsigned bits)
{
    return bits == 8 ? "b" : bits == 16 ? "w" : bits == 32 ? "l" : bits == 64 ? "q" : "";
}

// Whether a register says the size. The count of a shift, in cl, does not.
static bool has_register(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *operands)
{
    size_t n = i->operand_count_visible;
    bool shifts = i->meta.category == ZYDIS_CATEGORY_SHIFT ||
                  i->meta.category == ZYDIS_CATEGORY_ROTATE;
    for (size_t k = 0; k < (shifts ? MIN(n, 1u) : n); k++) {
        if (operands[k].type == ZYDIS_OPERAND_TYPE_REGISTER) {
            return true;
        }
    }
    return false;
}

static const char *x87_size(ZydisMnemonic mnemonic, unsigned bits)
{
    switch ((int)mnemonic) {
    case ZYDIS_MNEMONIC_FLD:
    case ZYDIS_MNEMONIC_FST:
    case ZYDIS_MNEMONIC_FSTP:
    case ZYDIS_MNEMONIC_FADD:
    case ZYDIS_MNEMONIC_FSUB:
    case ZYDIS_MNEMONIC_FSUBR:
    case ZYDIS_MNEMONIC_FMUL:
    case ZYDIS_MNEMONIC_FDIV:
    case ZYDIS_MNEMONIC_FDIVR:
    case ZYDIS_MNEMONIC_FCOM:
    case ZYDIS_MNEMONIC_FCOMP:
        return bits == 32 ? "s" : bits == 64 ? "l" : "t";
    case ZYDIS_MNEMONIC_FILD:
    case ZYDIS_MNEMONIC_FIST:
    case ZYDIS_MNEMONIC_FISTP:
    case ZYDIS_MNEMONIC_FISTTP:
    case ZYDIS_MNEMONIC_FIADD:
    case ZYDIS_MNEMONIC_FISUB:
    case ZYDIS_MNEMONIC_FISUBR:
    case ZYDIS_MNEMONIC_FIMUL:
    case ZYDIS_MNEMONIC_FIDIV:
    case ZYDIS_MNEMONIC_FIDIVR:
    case ZYDIS_MNEMONIC_FICOM:
    case ZYDIS_MNEMONIC_FICOMP:
        return bits == 16 ? "s" : bits == 32 ? "l" : "ll";
    default: // one size only
        return "";
    }
}

static const char *memory_size(const ZydisDecodedInstruction *i,
                               const ZydisDecodedOperand *operands)
{
    unsigned bits = memory_bits(i, operands);
    if (bits == 0) {
        return "";
    }
    switch ((int)i->mnemonic) {
    case ZYDIS_MNEMONIC_ADC:
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_CMP:
    case ZYDIS_MNEMONIC_DEC:
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
    case ZYDIS_MNEMONIC_IMUL:
    case ZYDIS_MNEMONIC_INC:
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MUL:
    case ZYDIS_MNEMONIC_NEG:
    case ZYDIS_MNEMONIC_NOP:
    case ZYDIS_MNEMONIC_NOT:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_SBB:
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SUB:
    case ZYDIS_MNEMONIC_TEST:
    case ZYDIS_MNEMONIC_XOR:
        return has_register(i, operands) ? "" : integer_size(bits);
    case ZYDIS_MNEMONIC_POP:
    case ZYDIS_MNEMONIC_PUSH:
        return bits == 64 ? "" : integer_size(bits); // 64 go without saying
    case ZYDIS_MNEMONIC_CRC32:
    case ZYDIS_MNEMONIC_CVTSI2SD:
    case ZYDIS_MNEMONIC_CVTSI2SS:
    case ZYDIS_MNEMONIC_VCVTSI2SD:
    case ZYDIS_MNEMONIC_VCVTSI2SS:
    case ZYDIS_MNEMONIC_VCVTUSI2SD:
    case ZYDIS_MNEMONIC_VCVTUSI2SS:
        return integer_size(bits); // the register is of another size
    case ZYDIS_MNEMONIC_VCVTPD2DQ:
    case ZYDIS_MNEMONIC_VCVTPD2PS:
    case ZYDIS_MNEMONIC_VCVTPD2UDQ:
    case ZYDIS_MNEMONIC_VCVTQQ2PS:
    case ZYDIS_MNEMONIC_VCVTTPD2DQ:
    case ZYDIS_MNEMONIC_VCVTTPD2UDQ:
    case ZYDIS_MNEMONIC_VCVTUQQ2PS:
    case ZYDIS_MNEMONIC_VFPCLASSPD:
    case ZYDIS_MNEMONIC_VFPCLASSPS:
        return bits == 128 ? "x" : bits == 256 ? "y" : bits == 512 ? "z" : "";
    default:
        return i->meta.isa_ext == ZYDIS_ISA_EXT_X87 ? x87_size(i->mnemonic, bits) : "";
    }
}

// What is made larger: "movzbl", from 8 to 32 bits.
static bool put_extension(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *operands,
                          struct text *to)
{
    bool is_zero = i->mnemonic == ZYDIS_MNEMONIC_MOVZX;
    if (!is_zero && i->mnemonic != ZYDIS_MNEMONIC_MOVSX && i->mnemonic != ZYDIS_MNEMONIC_MOVSXD) {
        return false;
    }
    text_add(to, is_zero ? "movz" : "movs");
    text_add(to, integer_size(operands[1].size));
    text_add(to, integer_size(operands[0].size));
    return true;
}

static void put_intel(const ZydisDecodedInstruction *i, struct text *to)
{
    text_add(to, name_of(i, DISASM_INTEL));
    if (i->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
        text_add(to, i->mnemonic == ZYDIS_MNEMONIC_RET ? "f" : " far");
    }
}

static void put_att(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *operands,
                    struct text *to)
{
    const char *name = name_of(i, DISASM_ATT);
    size_t n = strlen(name);
    bool is_string = i->meta.category == ZYDIS_CATEGORY_STRINGOP ||
                     i->meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
    if (put_extension(i, operands, to)) {
        return;
    }
    if (is_string && name[n - 1] == 'd') {
        text_add_bytes(to, name, n - 1);
        text_add_char(to, 'l'); // "movsl": movsd moves a double
    } else {
        bool is_far = i->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
        text_add(to, is_far ? "l" : "");
        text_add(to, name);
        text_add(to, memory_size(i, operands));
    }
}

void x86_name_put(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *operands,
                  enum disasm_syntax syntax, struct text *to)
{
    if (is_wide_move(i)) {
        text_add(to, "movabs");
    } else if (syntax == DISASM_INTEL) {
        put_intel(i, to);
    } else {
        put_att(i, operands, to);
    }
}
