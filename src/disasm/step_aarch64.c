// The words themselves: Arm's manual (DDI 0487), C4.1. Their encoding is regular enough to say of
// any instruction which registers it may change: the one in the lowest five bits, of loads also the
// two behind it. What only stores is told apart, everything else may be held to change too much.

#include "disasm/step.h"

enum { SP = 31, LINK = 30 };

// x0 to x18 and the link register: what a callee may change (AAPCS64, 6.1.1).
static const uint32_t of_callee = 0x4007ffff;

static uint32_t bits(uint32_t word, unsigned from, unsigned n)
{
    return word >> from & ((UINT32_C(1) << n) - 1);
}

static uint64_t signed_bits(uint32_t word, unsigned from, unsigned n)
{
    uint64_t value = (uint64_t)bits(word, from, n) << (64 - n);
    return (uint64_t)((int64_t)value >> (64 - n));
}

// Register 31 is the stack pointer for some instructions, and always zero for the others.
static uint8_t not_zero(uint32_t reg)
{
    return reg == 31 ? REGISTER_NONE : (uint8_t)reg;
}

static void set_to(struct step *step, enum step_kind kind, uint32_t reg, bool is_64)
{
    step->kind = kind;
    step->to = (uint8_t)reg;
    step->to_bytes = is_64 ? 8 : 4;
    step->changes = UINT32_C(1) << reg;
}

// The numbers of "extended register": uxtb, uxth, uxtw, uxtx, and the same signed.
static struct step_part extended(uint32_t reg, uint32_t how, bool is_64)
{
    return (struct step_part){
        .reg = not_zero(reg),
        .bytes = (uint8_t)MIN(1u << (how & 3), is_64 ? 8u : 4u),
        .is_signed = how >= 4,
    };
}

// ---- Data processing, immediate ----------------------------------------------------------------

static void set_pc_relative(struct step *step, uint32_t w, uint64_t addr)
{
    set_to(step, STEP_ADDRESS, bits(w, 0, 5), true);
    uint64_t distance = signed_bits(w, 5, 19) << 2 | bits(w, 29, 2);
    bool is_page = bits(w, 31, 1) != 0;
    step->sum.number = is_page ? (addr & ~UINT64_C(0xfff)) + (distance << 12) : addr + distance;
}

// add, adds, sub, subs with a number; and so cmp, cmn, mov from and to the stack pointer
static void set_add_immediate(struct step *step, uint32_t w)
{
    bool is_64 = bits(w, 31, 1) != 0, subtracts = bits(w, 30, 1) != 0, sets = bits(w, 29, 1) != 0;
    uint64_t number = (uint64_t)bits(w, 10, 12) << (bits(w, 22, 1) != 0 ? 12 : 0);
    uint32_t to = bits(w, 0, 5), from = bits(w, 5, 5);
    step->changes_flags = sets;
    if (sets && subtracts && number != 0) {
        set_to(step, STEP_COMPARE, to, is_64);
        step->part = (struct step_part){(uint8_t)from, is_64 ? 8 : 4, false};
        step->number = number;
    } else if (number == 0) {
        set_to(step, STEP_COPY, to, is_64);
        step->part = (struct step_part){(uint8_t)from, is_64 ? 8 : 4, false};
    } else {
        set_to(step, STEP_ADDRESS, to, is_64);
        step->sum.base = (uint8_t)from;
        step->sum.number = subtracts ? 0 - number : number;
    }
    if (sets && to == 31) { // the result is thrown away
        step->changes = 0;
        step->kind = step->kind == STEP_COMPARE ? STEP_COMPARE : STEP_OTHER;
    }
}

// The immediate of and, orr, eor (DecodeBitMasks): ones, turned right, in an element that repeats.
// 0 when it is not one.
static uint64_t bit_mask(uint32_t w, bool is_64)
{
    uint32_t length = bits(w, 22, 1) << 6 | (~bits(w, 10, 6) & 0x3f);
    if (length < 2 || (length >= 64 && !is_64)) {
        return 0;
    }
    unsigned top = 31 - (unsigned)__builtin_clz(length);
    unsigned size = 1u << top;
    unsigned ones = (bits(w, 10, 6) & (size - 1)) + 1, turn = bits(w, 16, 6) & (size - 1);
    if (ones == size) {
        return 0;
    }
    uint64_t element = (UINT64_C(1) << ones) - 1;
    uint64_t whole = size == 64 ? UINT64_MAX : (UINT64_C(1) << size) - 1;
    if (turn != 0) {
        element = (element >> turn | element << (size - turn)) & whole;
    }
    for (unsigned filled = size; filled < 64; filled *= 2) {
        element |= element << filled;
    }
    return is_64 ? element : element & UINT32_MAX;
}

static void set_logical_immediate(struct step *step, uint32_t w)
{
    bool is_64 = bits(w, 31, 1) != 0;
    uint32_t what = bits(w, 29, 2); // and, orr, eor, ands
    set_to(step, STEP_OTHER, bits(w, 0, 5), is_64);
    if (what == 3) {
        step->changes_flags = true;
        step->changes &= ~(UINT32_C(1) << 31); // tst
    }
    if (what == 1 && bits(w, 5, 5) == 31) { // mov
        step->kind = STEP_ADDRESS;
        step->sum.number = bit_mask(w, is_64);
    } else if ((what == 0 || what == 3) && step->changes != 0) {
        step->kind = STEP_MASK;
        step->part = (struct step_part){not_zero(bits(w, 5, 5)), is_64 ? 8 : 4, false};
        step->number = bit_mask(w, is_64);
    }
}

static void set_move_wide(struct step *step, uint32_t w)
{
    bool is_64 = bits(w, 31, 1) != 0;
    uint64_t number = (uint64_t)bits(w, 5, 16) << (16 * bits(w, 21, 2));
    uint32_t what = bits(w, 29, 2); // movn, -, movz, movk
    set_to(step, STEP_OTHER, bits(w, 0, 5), is_64);
    if (what == 0 || what == 2) {
        step->kind = STEP_ADDRESS;
        step->sum.number = what == 0 ? ~number : number;
    }
}

// ubfm and sbfm as uxtb, uxth, sxtb, sxth, sxtw, lsr, and ubfx from bit 0 on
static void set_bitfield(struct step *step, uint32_t w)
{
    bool is_64 = bits(w, 31, 1) != 0;
    uint32_t what = bits(w, 29, 2), from = bits(w, 16, 6), to = bits(w, 10, 6);
    set_to(step, STEP_OTHER, bits(w, 0, 5), is_64);
    step->part = (struct step_part){not_zero(bits(w, 5, 5)), is_64 ? 8 : 4, what == 0};
    if (what == 1) { // bfm keeps what was there
        return;
    }
    if (from == 0 && (to == 7 || to == 15 || to == 31)) {
        step->kind = STEP_COPY;
        step->part.bytes = (uint8_t)((to + 1) / 8);
    } else if (what == 2 && from == 0 && to < 63) {
        step->kind = STEP_MASK;
        step->number = (UINT64_C(2) << to) - 1;
    } else if (what == 2 && to == (is_64 ? 63u : 31u)) {
        step->kind = STEP_SHIFT;
        step->number = from;
    } else if (what == 2 && from <= to) { // ubfx
        step->kind = STEP_SHIFT;
        step->number = (is_64 ? 64 : 32) - (to - from + 1);
    }
}

static void set_immediate(struct step *step, uint32_t w, uint64_t addr)
{
    switch (bits(w, 23, 3)) {
    case 0:
    case 1:
        set_pc_relative(step, w, addr);
        break;
    case 2:
        set_add_immediate(step, w);
        break;
    case 4:
        set_logical_immediate(step, w);
        break;
    case 5:
        set_move_wide(step, w);
        break;
    case 6:
        set_bitfield(step, w);
        break;
    default: // with tags, extr
        set_to(step, STEP_OTHER, bits(w, 0, 5), true);
        break;
    }
}

// ---- Data processing, register -----------------------------------------------------------------

// add, sub, adds, subs: `index` is the second operand, shifted to the left
static void set_add_register(struct step *step, uint32_t w, uint8_t base, struct step_part index,
                             uint8_t shift)
{
    bool is_64 = bits(w, 31, 1) != 0, subtracts = bits(w, 30, 1) != 0, sets = bits(w, 29, 1) != 0;
    set_to(step, STEP_OTHER, bits(w, 0, 5), is_64);
    step->changes_flags = sets;
    if (!subtracts) {
        step->kind = STEP_ADDRESS;
        step->sum = (struct step_sum){.base = base, .index = index, .shift = shift};
    } else if (sets && shift == 0 && base != REGISTER_NONE && index.reg != REGISTER_NONE) {
        step->kind = STEP_COMPARE;
        step->part = (struct step_part){base, is_64 ? 8 : 4, false};
        step->other = index.reg;
    }
    if (sets && step->to == 31) {
        step->changes = 0;
        step->kind = step->kind == STEP_COMPARE ? STEP_COMPARE : STEP_OTHER;
    }
}

static void set_register(struct step *step, uint32_t w)
{
    bool is_64 = bits(w, 31, 1) != 0;
    uint8_t wide = is_64 ? 8 : 4;
    struct step_part second = {not_zero(bits(w, 16, 5)), wide, false};
    set_to(step, STEP_OTHER, bits(w, 0, 5), is_64);
    if (bits(w, 24, 5) == 0x0b && bits(w, 21, 1) != 0) { // extended
        second = extended(bits(w, 16, 5), bits(w, 13, 3), is_64);
        set_add_register(step, w, (uint8_t)bits(w, 5, 5), second, (uint8_t)bits(w, 10, 3));
    } else if (bits(w, 24, 5) == 0x0b && bits(w, 22, 2) == 0) { // shifted to the left
        set_add_register(step, w, not_zero(bits(w, 5, 5)), second, (uint8_t)bits(w, 10, 6));
    } else if ((w & 0x7fe0ffe0) == 0x2a0003e0) { // mov
        step->kind = STEP_COPY;
        step->part = second;
        if (second.reg == REGISTER_NONE) {
            step->kind = STEP_ADDRESS;
        }
    } else {
        // Those that set flags, and the conditional comparisons, which have no result.
        step->changes_flags = bits(w, 29, 1) != 0;
        if ((w & 0x3fe00000) == 0x3a400000) {
            step->changes = 0;
        }
    }
    if (step->to == 31 && step->kind != STEP_ADDRESS) {
        step->changes = 0; // the zero register
    }
}

// ---- Loads and stores --------------------------------------------------------------------------

// One register at a base with an offset: `size` and `opc` say what.
static void set_one(struct step *step, uint32_t w)
{
    uint32_t size = bits(w, 30, 2), opc = bits(w, 22, 2), reg = bits(w, 0, 5);
    bool is_vector = bits(w, 26, 1) != 0, is_prefetch = size == 3 && opc >= 2;
    bool is_store = is_vector ? (opc & 1) == 0 : opc == 0;
    if (is_vector || is_prefetch) {
        bool is_stack = bits(w, 5, 5) == SP;
        step->changes_memory = !is_vector || !is_store ? MEMORY_KEPT
                               : is_stack              ? MEMORY_OF_STACK
                                                       : MEMORY_ANYWHERE;
        return;
    }
    step->part = (struct step_part){not_zero(reg), (uint8_t)(1u << size), opc >= 2};
    if (is_store) {
        step->kind = STEP_STORE;
        return;
    }
    set_to(step, STEP_LOAD, reg, size == 3 || opc == 2);
    step->part.reg = REGISTER_NONE;
    if (reg == 31) {
        *step = (struct step){.kind = STEP_OTHER, .to = REGISTER_NONE, .other = REGISTER_NONE};
    }
}

// Whether the addressing of `w` is one of those that leave the base as it is; then *sum is set.
static bool find_address(uint32_t w, struct step_sum *sum)
{
    uint32_t size = bits(w, 30, 2);
    sum->base = (uint8_t)bits(w, 5, 5);
    if (bits(w, 24, 1) != 0) { // unsigned offset
        sum->number = (uint64_t)bits(w, 10, 12) << size;
        return true;
    }
    if (bits(w, 21, 1) == 0) { // unscaled; with a change of the base; unprivileged
        sum->number = signed_bits(w, 12, 9);
        return bits(w, 10, 2) == 0;
    }
    sum->index = extended(bits(w, 16, 5), bits(w, 13, 3), true);
    sum->shift = bits(w, 12, 1) != 0 ? (uint8_t)size : 0;
    return bits(w, 10, 2) == 2;
}

static void set_load_or_store(struct step *step, uint32_t w)
{
    uint32_t base = UINT32_C(1) << bits(w, 5, 5);
    if (bits(w, 27, 3) == 7 && bits(w, 25, 1) == 0) {
        struct step_sum sum = step->sum;
        if (find_address(w, &sum)) {
            set_one(step, w);
            step->sum = sum;
            return;
        }
    }
    // Pairs, exclusive and atomic ones, changes of the base.
    bool is_pair = bits(w, 27, 3) == 5, is_load = bits(w, 22, 1) != 0;
    bool is_vector = bits(w, 26, 1) != 0;
    bool is_plain_pair = is_pair && bits(w, 23, 2) % 2 == 0; // no change of the base
    uint32_t both = UINT32_C(1) << bits(w, 0, 5) | UINT32_C(1) << bits(w, 10, 5);
    step->changes = is_plain_pair ? 0 : base;
    if (!is_vector && (is_load || !is_pair)) {
        step->changes |= both | UINT32_C(1) << bits(w, 16, 5);
    }
    bool is_stack = bits(w, 5, 5) == SP;
    step->changes_memory = is_pair && is_load ? MEMORY_KEPT
                           : is_stack         ? MEMORY_OF_STACK
                                              : MEMORY_ANYWHERE;
    if (is_plain_pair) {
        step->changes &= ~(UINT32_C(1) << 31); // the zero register
    }
}

// ---- Vectors and floating point ----------------------------------------------------------------

// Conversions to integers and moves out of a vector end in a general register.
static void set_vector(struct step *step, uint32_t w)
{
    bool converts = (w & 0x5f20fc00) == 0x1e200000 || (w & 0x5f200000) == 0x1e000000;
    bool moves = (w & 0xbfe0f400) == 0x0e002400; // umov, smov
    step->changes = converts || moves ? UINT32_C(1) << bits(w, 0, 5) : 0;
    step->changes_flags = true;
}

// ---- Branches and the system -------------------------------------------------------------------

static void set_branch(struct step *step, uint32_t w)
{
    static const enum step_condition conditions[16] = {
        [2] = CONDITION_ABOVE_EQUAL,
        [3] = CONDITION_BELOW,
        [8] = CONDITION_ABOVE,
        [9] = CONDITION_BELOW_EQUAL,
    };
    bool calls = bits(w, 26, 6) == 0x25 || (w & 0xfeff0000) == 0xd63f0000; // bl, blr, blraa…
    if ((w & 0xff000010) == 0x54000000) {                                  // b.cond
        step->kind = STEP_BRANCH;
        step->condition = conditions[bits(w, 0, 4)];
    } else if ((w & 0xfffffc1f) == 0xd61f0000) { // br
        step->kind = STEP_JUMP;
        step->part = (struct step_part){not_zero(bits(w, 5, 5)), 8, false};
    } else if (calls || bits(w, 24, 8) == 0xd4) { // also svc
        step->changes = of_callee;
        step->changes_flags = true;
        step->changes_memory = MEMORY_ANYWHERE;
    } else if ((w & 0xfff00000) == 0xd5300000) { // mrs
        step->changes = UINT32_C(1) << bits(w, 0, 5);
    }
}

struct step step_aarch64(struct slice bytes, uint64_t addr)
{
    if (bytes.n < 4) {
        return step_unknown();
    }
    const uint8_t *b = bytes.data;
    uint32_t w = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    struct step step = step_unknown();
    step.changes = 0;
    step.changes_flags = false;
    step.changes_memory = MEMORY_KEPT;
    step.stack = SP;
    uint32_t group = bits(w, 25, 4);
    if ((group & 0xe) == 8) {
        set_immediate(&step, w, addr);
    } else if ((group & 0xe) == 10) {
        set_branch(&step, w);
    } else if ((group & 5) == 4) {
        set_load_or_store(&step, w);
    } else if ((group & 7) == 5) {
        set_register(&step, w);
    } else if ((group & 7) == 7) {
        set_vector(&step, w);
    } else {
        return step_unknown();
    }
    return step;
}
