#include "unwind/cfi_program.h"

#include "unwind/dwarf_bytes.h"
#include "unwind/expression.h"

// DWARF 5 section 7.24; LSB Core 10.5.4 and DWARF for the Arm 64-bit Architecture for the vendors'.
enum {
    CFA_NOP = 0x00,
    CFA_SET_LOC,
    CFA_ADVANCE_LOC1,
    CFA_ADVANCE_LOC2,
    CFA_ADVANCE_LOC4,
    CFA_OFFSET_EXTENDED,
    CFA_RESTORE_EXTENDED,
    CFA_UNDEFINED,
    CFA_SAME_VALUE,
    CFA_REGISTER,
    CFA_REMEMBER_STATE,
    CFA_RESTORE_STATE,
    CFA_DEF_CFA,
    CFA_DEF_CFA_REGISTER,
    CFA_DEF_CFA_OFFSET,
    CFA_DEF_CFA_EXPRESSION,
    CFA_EXPRESSION,
    CFA_OFFSET_EXTENDED_SF,
    CFA_DEF_CFA_SF,
    CFA_DEF_CFA_OFFSET_SF,
    CFA_VAL_OFFSET,
    CFA_VAL_OFFSET_SF,
    CFA_VAL_EXPRESSION,
    CFA_MIPS_ADVANCE_LOC8 = 0x1d,
    CFA_AARCH64_NEGATE_RA_STATE_WITH_PC = 0x2c,
    CFA_AARCH64_NEGATE_RA_STATE = 0x2d, // the walk strips all return addresses, signed or not
    CFA_GNU_ARGS_SIZE = 0x2e,
    CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,

    // These three have their operand in the lower six bits.
    CFA_ADVANCE_LOC = 0x40,
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xc0,
    CFA_HIGH = 0xc0,
    CFA_LOW = 0x3f,
};

enum {
    REMEMBERED = 32, // states remembered at the same time; compilers need one or two
    NO_SLOT = CFI_SLOTS,
    X86_64_SP = 7,
    AARCH64_SP = 31,
};

static const uint8_t slot_registers[][CFI_SLOTS] = {
    [UNWIND_X86_64] = {16, X86_64_SP, 6, 3, 12, 13, 14, 15, UNWIND_REGS, UNWIND_REGS, UNWIND_REGS,
                       UNWIND_REGS, UNWIND_REGS, UNWIND_REGS},
    [UNWIND_AARCH64] = {32, AARCH64_SP, 29, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 30},
};

const uint8_t *cfi_slot_registers(enum unwind_arch arch)
{
    return slot_registers[arch];
}

// The inverse, without the slot of the return address: which register that is a CIE says.
static unsigned slot_of(enum unwind_arch arch, uint64_t reg)
{
    static const uint8_t slots[][UNWIND_REGS] = {
        [UNWIND_X86_64] = {[3] = 3,
                           [6] = CFI_SLOT_FP,
                           [X86_64_SP] = CFI_SLOT_SP,
                           [12] = 4,
                           [13] = 5,
                           [14] = 6,
                           [15] = 7},
        [UNWIND_AARCH64] = {[19] = 3,
                            [20] = 4,
                            [21] = 5,
                            [22] = 6,
                            [23] = 7,
                            [24] = 8,
                            [25] = 9,
                            [26] = 10,
                            [27] = 11,
                            [28] = 12,
                            [29] = CFI_SLOT_FP,
                            [30] = 13,
                            [AARCH64_SP] = CFI_SLOT_SP},
    };
    unsigned slot = reg < UNWIND_REGS ? slots[arch][reg] : 0;
    return slot == 0 ? NO_SLOT : slot;
}

struct run {
    const struct cfi_program *program;
    const struct cfi_state *initial; // NULL while it is being made
    struct reader code;
    uint64_t loc_addr;
    struct cfi_state state;
    struct cfi_state remembered[REMEMBERED];
    size_t n_remembered;
    bool over; // the program went to the end of the function, or `emit` has had enough
    bool refused;
};

// ---- Setting the rule --------------------------------------------------------------------------

static void put_slot(struct cfi_rule *rule, unsigned slot, struct cfi_place place)
{
    rule->saved[slot] = place;
    uint16_t bit = (uint16_t)(1U << slot);
    rule->told = place.how == CFI_SAME ? (uint16_t)(rule->told & ~bit)
                                       : (uint16_t)(rule->told | bit);
}

// What it means that nobody touched the register that the return address is in: it is still there
// (AArch64's x30), or there is no such register.
static struct cfi_place same_ra(const struct cfi_program *program)
{
    uint64_t column = program->cie->ra_column;
    if (slot_of(program->arch, column) == NO_SLOT) {
        return (struct cfi_place){.how = CFI_SAME};
    }
    return (struct cfi_place){.how = CFI_IN_REGISTER, .reg = (uint8_t)column};
}

static void put(struct run *run, uint64_t column, struct cfi_place place)
{
    unsigned slot = slot_of(run->program->arch, column);
    if (slot != NO_SLOT) {
        put_slot(&run->state.rule, slot, place);
    }
    if (column == run->program->cie->ra_column) {
        bool same = place.how == CFI_SAME;
        put_slot(&run->state.rule, CFI_SLOT_RA, same ? same_ra(run->program) : place);
    }
}

static bool put_off(struct run *run, uint64_t column, enum cfi_how how, int64_t off)
{
    if (off != (int32_t)off) {
        return false;
    }
    put(run, column, (struct cfi_place){.how = (uint8_t)how, .off = (int32_t)off});
    return true;
}

// An offset in units of the CIE.
static bool put_factored(struct run *run, uint64_t column, enum cfi_how how, int64_t factored)
{
    int64_t off;
    return !__builtin_mul_overflow(factored, run->program->cie->data_align, &off) &&
           put_off(run, column, how, off);
}

// As put_factored(), of an offset that the program can only write without a sign.
static bool put_unsigned(struct run *run, uint64_t column, enum cfi_how how, uint64_t factored)
{
    return factored <= INT64_MAX && put_factored(run, column, how, (int64_t)factored);
}

static uint8_t short_register(uint64_t reg)
{
    return reg < UNWIND_REGS ? (uint8_t)reg : CFI_REG_OTHER;
}

static bool restore(struct run *run, uint64_t column)
{
    if (run->initial == NULL) {
        return false; // to what?
    }
    unsigned slot = slot_of(run->program->arch, column);
    if (slot != NO_SLOT) {
        put_slot(&run->state.rule, slot, run->initial->rule.saved[slot]);
    }
    if (column == run->program->cie->ra_column) {
        put_slot(&run->state.rule, CFI_SLOT_RA, run->initial->rule.saved[CFI_SLOT_RA]);
    }
    return true;
}

static bool remember(struct run *run)
{
    if (run->n_remembered == REMEMBERED) {
        return false;
    }
    run->remembered[run->n_remembered++] = run->state;
    return true;
}

static bool restore_state(struct run *run)
{
    if (run->n_remembered == 0) {
        return false;
    }
    run->state = run->remembered[--run->n_remembered];
    return true;
}

// ---- The CFA -----------------------------------------------------------------------------------

static bool set_cfa(struct run *run, uint64_t reg, int64_t off)
{
    if (off != (int32_t)off) {
        return false;
    }
    run->state.rule.cfa = (struct cfi_place){
        .how = CFI_IN_REGISTER, .reg = short_register(reg), .off = (int32_t)off};
    run->state.rule.cfa_add = 0;
    run->state.cfa_off = (int32_t)off;
    return true;
}

static bool set_cfa_unsigned(struct run *run, uint64_t reg, uint64_t off)
{
    return off <= INT32_MAX && set_cfa(run, reg, (int64_t)off);
}

static bool set_cfa_factored(struct run *run, uint64_t reg, int64_t factored)
{
    int64_t off;
    return !__builtin_mul_overflow(factored, run->program->cie->data_align, &off) &&
           set_cfa(run, reg, off);
}

// One half of the CFA changes: there has to be one.
static bool set_cfa_register(struct run *run, uint64_t reg)
{
    return run->state.rule.cfa.how != CFI_UNDEFINED && set_cfa(run, reg, run->state.cfa_off);
}

static bool set_cfa_off(struct run *run, int64_t off)
{
    const struct cfi_place *cfa = &run->state.rule.cfa;
    if (cfa->how == CFI_IN_REGISTER) {
        return set_cfa(run, cfa->reg, off);
    }
    run->state.cfa_off = (int32_t)off; // for the next one that is a register
    return cfa->how != CFI_UNDEFINED && off == (int32_t)off;
}

static bool set_cfa_off_factored(struct run *run, int64_t factored)
{
    int64_t off;
    return !__builtin_mul_overflow(factored, run->program->cie->data_align, &off) &&
           set_cfa_off(run, off);
}

// ---- Expressions -------------------------------------------------------------------------------

static bool fits(const struct expression_shape *shape)
{
    return shape->off == (int32_t)shape->off && shape->add == (int32_t)shape->add;
}

// A place for one of the simple expressions. `is_value`: it yields the value itself, not where it
// is in memory.
static bool place_of_shape(const struct expression_shape *shape, bool is_value,
                           struct cfi_place *ret)
{
    if (!fits(shape) || (shape->loaded && (!is_value || shape->add != 0))) {
        return false;
    }
    bool in_memory = !is_value || shape->loaded;
    uint8_t how = shape->of_cfa ? (in_memory ? CFI_AT_CFA : CFI_IS_CFA)
                                : (in_memory ? CFI_AT_REGISTER : CFI_IN_REGISTER);
    *ret = (struct cfi_place){.how = how,
                              .reg = shape->of_cfa ? 0 : short_register(shape->reg),
                              .off = (int32_t)shape->off};
    return true;
}

static bool put_expression(struct run *run, uint64_t column, bool is_value)
{
    struct slice code = read_slice(&run->code, (size_t)read_uleb(&run->code));
    if (run->code.bad) {
        return false;
    }
    struct expression_shape shape;
    struct cfi_place place;
    if (!expression_simplify(code, true, &shape) || !place_of_shape(&shape, is_value, &place)) {
        place = (struct cfi_place){.how = is_value ? CFI_IS_EXPRESSION : CFI_AT_EXPRESSION};
        if (!cfi_expressions_add(run->program->expressions, code, &place.off)) {
            return false;
        }
    }
    put(run, column, place);
    return true;
}

static bool set_cfa_expression(struct run *run)
{
    struct slice code = read_slice(&run->code, (size_t)read_uleb(&run->code));
    if (run->code.bad) {
        return false;
    }
    struct cfi_rule *rule = &run->state.rule;
    rule->cfa_add = 0;
    struct expression_shape shape;
    if (expression_simplify(code, false, &shape) && fits(&shape)) {
        rule->cfa = (struct cfi_place){.how = shape.loaded ? CFI_AT_REGISTER : CFI_IN_REGISTER,
                                       .reg = short_register(shape.reg),
                                       .off = (int32_t)shape.off};
        rule->cfa_add = (int32_t)shape.add;
        return true;
    }
    rule->cfa = (struct cfi_place){.how = CFI_IS_EXPRESSION};
    return cfi_expressions_add(run->program->expressions, code, &rule->cfa.off);
}

// ---- Moving on ---------------------------------------------------------------------------------

// What was set up so far holds up to `to_addr`.
static bool move_to(struct run *run, uint64_t to_addr)
{
    if (run->initial == NULL || to_addr < run->loc_addr) {
        return false;
    }
    if (to_addr == run->loc_addr) {
        return true;
    }
    if (!run->program->emit(run->program->context, run->loc_addr, &run->state.rule)) {
        run->refused = run->over = true;
        return true;
    }
    run->loc_addr = to_addr;
    run->over = to_addr >= run->program->end_addr;
    return true;
}

static bool advance(struct run *run, uint64_t factored)
{
    uint64_t by;
    uint64_t to_addr;
    if (__builtin_mul_overflow(factored, run->program->cie->code_align, &by) ||
        __builtin_add_overflow(run->loc_addr, by, &to_addr)) {
        to_addr = UINT64_MAX; // further than the end in any case
    }
    return move_to(run, to_addr);
}

static bool set_loc(struct run *run)
{
    uint64_t to_addr;
    return pointer_read(&run->code, run->program->cie->pointer_encoding, &run->program->bases,
                        &to_addr) &&
           move_to(run, to_addr);
}

// ---- The instructions --------------------------------------------------------------------------

// Those that have a register's number first.
static bool run_with_register(struct run *run, uint8_t op)
{
    uint64_t column = read_uleb(&run->code);
    struct reader *code = &run->code;
    switch (op) {
    case CFA_OFFSET_EXTENDED:
        return put_unsigned(run, column, CFI_AT_CFA, read_uleb(code));
    case CFA_OFFSET_EXTENDED_SF:
        return put_factored(run, column, CFI_AT_CFA, read_sleb(code));
    case CFA_GNU_NEGATIVE_OFFSET_EXTENDED: {
        uint64_t factored = read_uleb(code);
        return factored <= INT64_MAX && put_factored(run, column, CFI_AT_CFA, -(int64_t)factored);
    }
    case CFA_VAL_OFFSET:
        return put_unsigned(run, column, CFI_IS_CFA, read_uleb(code));
    case CFA_VAL_OFFSET_SF:
        return put_factored(run, column, CFI_IS_CFA, read_sleb(code));
    case CFA_RESTORE_EXTENDED:
        return restore(run, column);
    case CFA_UNDEFINED:
        return put_off(run, column, CFI_UNDEFINED, 0);
    case CFA_SAME_VALUE:
        return put_off(run, column, CFI_SAME, 0);
    case CFA_REGISTER:
        put(run, column,
            (struct cfi_place){.how = CFI_IN_REGISTER, .reg = short_register(read_uleb(code))});
        return true;
    case CFA_EXPRESSION:
        return put_expression(run, column, false);
    case CFA_VAL_EXPRESSION:
        return put_expression(run, column, true);
    case CFA_DEF_CFA:
        return set_cfa_unsigned(run, column, read_uleb(code));
    case CFA_DEF_CFA_SF:
        return set_cfa_factored(run, column, read_sleb(code));
    case CFA_DEF_CFA_REGISTER:
        return set_cfa_register(run, column);
    default:
        return false;
    }
}

static bool run_extended(struct run *run, uint8_t op)
{
    struct reader *code = &run->code;
    switch (op) {
    case CFA_NOP:
        return true;
    case CFA_SET_LOC:
        return set_loc(run);
    case CFA_ADVANCE_LOC1:
        return advance(run, read_u8(code));
    case CFA_ADVANCE_LOC2:
        return advance(run, read_u16(code));
    case CFA_ADVANCE_LOC4:
        return advance(run, read_u32(code));
    case CFA_MIPS_ADVANCE_LOC8:
        return advance(run, read_u64(code));
    case CFA_REMEMBER_STATE:
        return remember(run);
    case CFA_RESTORE_STATE:
        return restore_state(run);
    case CFA_DEF_CFA_OFFSET:
        return set_cfa_off(run, (int64_t)MIN(read_uleb(code), (uint64_t)INT64_MAX));
    case CFA_DEF_CFA_OFFSET_SF:
        return set_cfa_off_factored(run, read_sleb(code));
    case CFA_DEF_CFA_EXPRESSION:
        return set_cfa_expression(run);
    case CFA_AARCH64_NEGATE_RA_STATE:
    case CFA_AARCH64_NEGATE_RA_STATE_WITH_PC:
        return run->program->arch == UNWIND_AARCH64;
    case CFA_GNU_ARGS_SIZE:
        read_uleb(code);
        return true;
    default:
        return run_with_register(run, op);
    }
}

static bool run_one(struct run *run)
{
    uint8_t op = read_u8(&run->code);
    uint8_t low = op & CFA_LOW;
    switch (op & CFA_HIGH) {
    case CFA_ADVANCE_LOC:
        return advance(run, low);
    case CFA_OFFSET:
        return put_unsigned(run, low, CFI_AT_CFA, read_uleb(&run->code));
    case CFA_RESTORE:
        return restore(run, low);
    default:
        return run_extended(run, op);
    }
}

static bool run_all(struct run *run)
{
    while (reader_left(&run->code) > 0 && !run->over) {
        if (!run_one(run) || run->code.bad) {
            return false;
        }
    }
    return !run->refused;
}

bool cfi_program_run_cie(const struct cfi_program *program, struct cfi_cie *cie)
{
    struct run run;
    run.program = program;
    run.initial = NULL;
    run.code = program->code;
    run.loc_addr = 0;
    run.n_remembered = 0;
    run.over = run.refused = false;
    run.state = (struct cfi_state){.rule.cfa.how = CFI_UNDEFINED};
    run.state.rule.signal_frame = cie->signal_frame;
    // Both ABIs leave it to the unwinder to know that the caller's stack pointer is the CFA.
    put_slot(&run.state.rule, CFI_SLOT_SP, (struct cfi_place){.how = CFI_IS_CFA});
    struct cfi_place ra = same_ra(program);
    put_slot(&run.state.rule, CFI_SLOT_RA,
             ra.how == CFI_SAME ? (struct cfi_place){.how = CFI_UNDEFINED} : ra);
    if (!run_all(&run)) {
        return false;
    }
    cie->initial = run.state;
    return true;
}

bool cfi_program_run(const struct cfi_program *program)
{
    struct run run; // the states to remember stay uninitialised: most programs need none
    run.program = program;
    run.initial = &program->cie->initial;
    run.code = program->code;
    run.loc_addr = program->start_addr;
    run.state = program->cie->initial;
    run.n_remembered = 0;
    run.over = run.refused = false;
    if (!run_all(&run)) {
        return false;
    }
    return run.over ? !run.refused : program->emit(program->context, run.loc_addr, &run.state.rule);
}
