// Zydis knows of each instruction which registers it reads and writes, the hidden ones too. That is
// what makes a search over instructions that nobody thought of safe.

#include "disasm/step.h"

#include <Zydis/Zydis.h>

enum { RSP = 4 };

// rax, rcx, rdx, rsi, rdi, r8 to r11: what a callee may change (System V ABI, AMD64, 3.2.1).
static const uint32_t of_callee = 0x0fc7;

struct decoded {
    ZydisDecodedInstruction i;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    uint64_t addr;
};

// The general purpose register that `reg` is or is a part of.
static uint8_t number_of(ZydisRegister reg)
{
    ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    return whole >= ZYDIS_REGISTER_RAX && whole <= ZYDIS_REGISTER_R15
               ? (uint8_t)(whole - ZYDIS_REGISTER_RAX)
               : REGISTER_NONE;
}

static bool is_gpr(const ZydisDecodedOperand *o)
{
    bool is_high = o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->reg.value >= ZYDIS_REGISTER_AH &&
                   o->reg.value <= ZYDIS_REGISTER_BH;
    return o->type == ZYDIS_OPERAND_TYPE_REGISTER && !is_high &&
           number_of(o->reg.value) != REGISTER_NONE;
}

static bool is_immediate(const ZydisDecodedOperand *o)
{
    return o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

// Memory whose address is made of general purpose registers. With `fs:` and `gs:` it is elsewhere.
static bool is_plain_memory(const ZydisDecodedOperand *o)
{
    const ZydisDecodedOperandMem *m = &o->mem;
    return o->type == ZYDIS_OPERAND_TYPE_MEMORY && m->segment != ZYDIS_REGISTER_FS &&
           m->segment != ZYDIS_REGISTER_GS &&
           (m->type == ZYDIS_MEMOP_TYPE_MEM || m->type == ZYDIS_MEMOP_TYPE_AGEN) &&
           (m->base == ZYDIS_REGISTER_NONE || m->base == ZYDIS_REGISTER_RIP ||
            (m->base >= ZYDIS_REGISTER_RAX && m->base <= ZYDIS_REGISTER_R15)) &&
           (m->index == ZYDIS_REGISTER_NONE ||
            (m->index >= ZYDIS_REGISTER_RAX && m->index <= ZYDIS_REGISTER_R15));
}

static struct step_part part_of(const ZydisDecodedOperand *o)
{
    return (struct step_part){
        .reg = is_gpr(o) ? number_of(o->reg.value) : REGISTER_NONE,
        .bytes = (uint8_t)(o->size / 8),
    };
}

static struct step_sum sum_of(const struct decoded *d, const ZydisDecodedOperand *o)
{
    const ZydisDecodedOperandMem *m = &o->mem;
    struct step_sum sum = {
        .base = number_of(m->base),
        .index = {.reg = number_of(m->index), .bytes = 8},
        .number = (uint64_t)m->disp.value,
    };
    if (m->base == ZYDIS_REGISTER_RIP) {
        sum.number += d->addr + d->i.length;
    }
    for (unsigned scale = m->scale; scale > 1; scale /= 2) {
        sum.shift++;
    }
    return sum;
}

static void set_to(struct step *step, enum step_kind kind, const ZydisDecodedOperand *o)
{
    step->kind = kind;
    step->to = number_of(o->reg.value);
    step->to_bytes = (uint8_t)(o->size / 8);
}

// ---- What is not known any more ----------------------------------------------------------------

static bool is_written(const ZydisDecodedOperand *o)
{
    return (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
}

// The operand that an instruction usually writes to.
static void set_first(struct step *step, const struct decoded *d)
{
    const ZydisDecodedOperand *o = &d->operands[0];
    if (d->i.operand_count_visible == 0 || !is_written(o)) {
        return;
    }
    if (is_gpr(o)) {
        set_to(step, STEP_OTHER, o);
    } else if (is_plain_memory(o) && o->size > 0 && o->size <= 512) {
        step->kind = STEP_STORE;
        step->part = (struct step_part){.reg = REGISTER_NONE, .bytes = (uint8_t)(o->size / 8)};
        step->sum = sum_of(d, o);
        step->changes_memory = MEMORY_KEPT;
    }
}

static void add_changes(struct step *step, const struct decoded *d)
{
    for (size_t k = 0; k < d->i.operand_count; k++) {
        const ZydisDecodedOperand *o = &d->operands[k];
        if (!is_written(o)) {
            continue;
        }
        if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && number_of(o->reg.value) != REGISTER_NONE) {
            step->changes |= UINT32_C(1) << number_of(o->reg.value);
        } else if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            bool is_stack = o->mem.base == ZYDIS_REGISTER_RSP &&
                            o->mem.segment != ZYDIS_REGISTER_FS &&
                            o->mem.segment != ZYDIS_REGISTER_GS;
            enum step_memory changed = is_stack ? MEMORY_OF_STACK : MEMORY_ANYWHERE;
            step->changes_memory = MAX(step->changes_memory, changed);
        }
    }
    set_first(step, d);
    const ZydisAccessedFlags *flags = d->i.cpu_flags;
    step->changes_flags = flags != NULL &&
                          (flags->modified | flags->set_0 | flags->set_1 | flags->undefined) != 0;
    switch ((int)d->i.mnemonic) {
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_INT:
        step->changes |= of_callee;
        step->changes_flags = true;
        step->changes_memory = MEMORY_ANYWHERE;
        break;
    default:
        break;
    }
}

// ---- What is ----------------------------------------------------------------------------------

// mov, movzx, movsx, movsxd
static void set_move(struct step *step, const struct decoded *d, bool is_signed)
{
    const ZydisDecodedOperand *to = &d->operands[0], *from = &d->operands[1];
    if (is_gpr(to) && is_gpr(from)) {
        set_to(step, STEP_COPY, to);
        step->part = part_of(from);
        step->part.is_signed = is_signed;
    } else if (is_gpr(to) && is_plain_memory(from)) {
        set_to(step, STEP_LOAD, to);
        step->part = (struct step_part){REGISTER_NONE, (uint8_t)(from->size / 8), is_signed};
        step->sum = sum_of(d, from);
    } else if (is_gpr(to) && is_immediate(from)) {
        set_to(step, STEP_ADDRESS, to);
        step->sum.number = from->imm.value.u;
    } else if (is_plain_memory(to) && is_gpr(from)) {
        step->part = part_of(from); // of the store that it is already
    }
}

static void set_lea(struct step *step, const struct decoded *d)
{
    if (is_gpr(&d->operands[0]) && is_plain_memory(&d->operands[1]) && d->i.address_width == 64) {
        set_to(step, STEP_ADDRESS, &d->operands[0]);
        step->sum = sum_of(d, &d->operands[1]);
    }
}

static void set_add(struct step *step, const struct decoded *d)
{
    const ZydisDecodedOperand *to = &d->operands[0], *other = &d->operands[1];
    if (!is_gpr(to)) {
        return;
    }
    if (is_gpr(other)) {
        set_to(step, STEP_ADDRESS, to);
        step->sum.base = step->to;
        step->sum.index = part_of(other);
    } else if (is_immediate(other)) {
        set_to(step, STEP_ADDRESS, to);
        step->sum.base = step->to;
        step->sum.number = other->imm.value.u;
    }
}

// cmp; and sub, which also changes its first operand
static void set_compare(struct step *step, const struct decoded *d)
{
    const ZydisDecodedOperand *left = &d->operands[0], *right = &d->operands[1];
    bool is_known = (is_gpr(left) || is_plain_memory(left)) &&
                    (is_gpr(right) || is_immediate(right));
    if (!is_known || step->kind == STEP_STORE) { // `sub [rax], 1`
        return;
    }
    step->kind = STEP_COMPARE;
    step->part = part_of(left);
    if (!is_gpr(left)) {
        step->sum = sum_of(d, left);
    }
    if (is_gpr(right)) {
        step->other = number_of(right->reg.value);
    } else {
        step->number = right->imm.value.u;
    }
}

static void set_by_number(struct step *step, enum step_kind kind, const struct decoded *d)
{
    if (is_gpr(&d->operands[0]) && is_immediate(&d->operands[1])) {
        set_to(step, kind, &d->operands[0]);
        step->part = part_of(&d->operands[0]);
        step->number = d->operands[1].imm.value.u;
    }
}

static void set_jump(struct step *step, const struct decoded *d)
{
    const ZydisDecodedOperand *o = &d->operands[0];
    if (is_gpr(o) && o->size == 64) {
        step->kind = STEP_JUMP;
        step->part = part_of(o);
    } else if (is_plain_memory(o) && o->size == 64) {
        step->kind = STEP_JUMP;
        step->part = (struct step_part){.reg = REGISTER_NONE, .bytes = 8};
        step->sum = sum_of(d, o);
    }
}

static void set_branch(struct step *step, enum step_condition condition)
{
    step->kind = STEP_BRANCH;
    step->condition = condition;
}

static void set_meaning(struct step *step, const struct decoded *d)
{
    switch ((int)d->i.mnemonic) { // an int: there are 1,700 more
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVZX:
        set_move(step, d, false);
        break;
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD:
        set_move(step, d, true);
        break;
    case ZYDIS_MNEMONIC_CDQE:
        *step = (struct step){.kind = STEP_COPY,
                              .to_bytes = 8,
                              .part = {.bytes = 4, .is_signed = true},
                              .other = REGISTER_NONE,
                              .changes = 1,
                              .stack = RSP};
        break;
    case ZYDIS_MNEMONIC_LEA:
        set_lea(step, d);
        break;
    case ZYDIS_MNEMONIC_ADD:
        set_add(step, d);
        break;
    case ZYDIS_MNEMONIC_CMP:
    case ZYDIS_MNEMONIC_SUB:
        set_compare(step, d);
        break;
    case ZYDIS_MNEMONIC_AND:
        set_by_number(step, STEP_MASK, d);
        break;
    case ZYDIS_MNEMONIC_SHR:
        set_by_number(step, STEP_SHIFT, d);
        break;
    case ZYDIS_MNEMONIC_JMP:
        set_jump(step, d);
        break;
    case ZYDIS_MNEMONIC_JNBE:
        set_branch(step, CONDITION_ABOVE);
        break;
    case ZYDIS_MNEMONIC_JNB:
        set_branch(step, CONDITION_ABOVE_EQUAL);
        break;
    case ZYDIS_MNEMONIC_JB:
        set_branch(step, CONDITION_BELOW);
        break;
    case ZYDIS_MNEMONIC_JBE:
        set_branch(step, CONDITION_BELOW_EQUAL);
        break;
    default:
        break;
    }
}

struct step step_x86(struct slice bytes, uint64_t addr)
{
    ZydisDecoder decoder;
    struct decoded d = {.addr = addr};
    if (ZYAN_FAILED(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
        ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes.data, bytes.n, &d.i, d.operands))) {
        return step_unknown();
    }
    struct step step = step_unknown();
    step.changes = 0;
    step.changes_memory = MEMORY_KEPT;
    step.stack = RSP;
    add_changes(&step, &d);
    set_meaning(&step, &d);
    return step;
}
