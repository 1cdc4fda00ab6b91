#include "unwind/walk.h"

#include "base/limits.h"
#include "unwind/expression.h"
#include "unwind/memory.h"

// What differs between the architectures.
struct arch {
    uint8_t pc;
    uint8_t sp;
    uint8_t fp;
    uint64_t kept;      // registers that a function gives back as it found them, and the above
    uint64_t addr_bits; // of an address of code; the others may hold a signature of it
};

#define BIT(n) (1ULL << (n))

static const struct arch archs[] = {
    [UNWIND_X86_64] = {.pc = 16,
                       .sp = 7,
                       .fp = 6,
                       .kept = BIT(3) | BIT(6) | BIT(7) | BIT(12) | BIT(13) | BIT(14) | BIT(15) |
                               BIT(16),
                       .addr_bits = UINT64_MAX},
    [UNWIND_AARCH64] = {.pc = 32,
                        .sp = 31,
                        .fp = 29,
                        .kept = 0x1fff80000ULL | BIT(32), // x19-x30, sp
                        .addr_bits = BIT(48) - 1},
};

// Behind a frame without a rule the stack pointer is where it is when that frame was as expected:
// as one that uses no stack, or ends behind what its frame pointer points to.
enum sp { SP_KNOWN, SP_LIKELY, SP_UNLIKELY };

struct walk {
    const struct arch *arch;
    const uint8_t *slot_registers;
    const struct unwind_memory *memory;
    unwind_find_fn find;
    void *context;
    struct unwind_regs regs; // of the frame that the walk has come to
    bool exact;              // its pc is the next instruction to run, not a return address
    bool by_fp;              // it was found by the frame pointer
    enum sp sp;              // what its stack pointer is worth
    bool from_signal;        // the kernel has called the frame before it, to handle a signal
    bool made_by_hand;       // nobody called what it returns to: see find_code()
    uint32_t n_fp;           // how many were
    uint32_t budget;         // for expressions
    enum unwind_end end;     // why the last step failed
};

static bool fail(struct walk *walk, enum unwind_end end)
{
    walk->end = end;
    return false;
}

static bool load(struct walk *walk, uint64_t addr, uint64_t *ret)
{
    return memory_load(walk->memory, addr, sizeof *ret, ret, &walk->end);
}

static bool get(struct walk *walk, uint8_t reg, uint64_t *ret)
{
    return regs_get(&walk->regs, reg, ret) || fail(walk, UNWIND_UNREADABLE);
}

// ---- By a rule ---------------------------------------------------------------------------------

static bool run_expression(struct walk *walk, const struct unwind_code *code, int32_t number,
                           const uint64_t *cfa, uint64_t *ret)
{
    struct expression_input input = {
        .regs = &walk->regs,
        .memory = walk->memory,
        .from_cfa = cfa != NULL,
        .cfa = cfa != NULL ? *cfa : 0,
    };
    return expression_run(cfi_table_expression(code->table, number), &input, &walk->budget, ret,
                          &walk->end);
}

static bool cfa_by_rule(struct walk *walk, const struct unwind_code *code, uint64_t *ret)
{
    const struct cfi_rule *rule = code->rule;
    uint64_t off = (uint64_t)(int64_t)rule->cfa.off;
    switch ((enum cfi_how)rule->cfa.how) {
    case CFI_IN_REGISTER:
        if (!get(walk, rule->cfa.reg, ret)) {
            return false;
        }
        *ret += off;
        return true;
    case CFI_AT_REGISTER:
        if (!get(walk, rule->cfa.reg, ret) || !load(walk, *ret + off, ret)) {
            return false;
        }
        *ret += (uint64_t)(int64_t)rule->cfa_add;
        return true;
    case CFI_IS_EXPRESSION:
        return run_expression(walk, code, rule->cfa.off, NULL, ret);
    case CFI_SAME:
    case CFI_UNDEFINED:
    case CFI_AT_CFA:
    case CFI_IS_CFA:
    case CFI_AT_EXPRESSION:
        break;
    }
    return fail(walk, UNWIND_BAD_CFI);
}

static bool find_saved(struct walk *walk, const struct unwind_code *code, struct cfi_place place,
                       uint64_t cfa, uint64_t *ret)
{
    uint64_t off = (uint64_t)(int64_t)place.off;
    switch ((enum cfi_how)place.how) {
    case CFI_AT_CFA:
        return load(walk, cfa + off, ret);
    case CFI_IS_CFA:
        *ret = cfa + off;
        return true;
    case CFI_IN_REGISTER:
    case CFI_AT_REGISTER:
        if (!get(walk, place.reg, ret)) {
            return false;
        }
        *ret += off;
        return place.how == CFI_IN_REGISTER || load(walk, *ret, ret);
    case CFI_AT_EXPRESSION:
        return run_expression(walk, code, place.off, &cfa, ret) && load(walk, *ret, ret);
    case CFI_IS_EXPRESSION:
        return run_expression(walk, code, place.off, &cfa, ret);
    case CFI_SAME:
    case CFI_UNDEFINED:
        break;
    }
    return fail(walk, UNWIND_UNREADABLE);
}

// Whether that CFA leads to a return address that is one. Where code may be is not enough: what is
// mapped as code is often more than that, and pointers to it are common.
static bool returns_to_code(struct walk *walk, const struct cfi_rule *rule, uint64_t cfa)
{
    uint64_t off = (uint64_t)(int64_t)rule->saved[CFI_SLOT_RA].off;
    uint64_t ra;
    if (cfa <= walk->regs.at[walk->arch->sp] || !load(walk, cfa + off, &ra)) {
        return false;
    }
    struct unwind_code caller = walk->find(walk->context, (ra & walk->arch->addr_bits) - 1);
    return caller.rule != NULL || (caller.is_code && caller.pending);
}

// The CFA of a function that keeps its caller's frame pointer and return address side by side: its
// own frame pointer is where they are. False: it does not, or its frame pointer is something else.
static bool cfa_by_record(struct walk *walk, const struct cfi_rule *rule, uint64_t *ret)
{
    struct cfi_place fp = rule->saved[CFI_SLOT_FP];
    struct cfi_place ra = rule->saved[CFI_SLOT_RA];
    if (fp.how != CFI_AT_CFA || ra.how != CFI_AT_CFA || ra.off - 8 != fp.off ||
        !regs_get(&walk->regs, walk->arch->fp, ret)) {
        return false;
    }
    *ret -= (uint64_t)(int64_t)fp.off;
    return returns_to_code(walk, rule, *ret);
}

static bool cfa_by_guess(struct walk *walk, const struct unwind_code *code, uint64_t *ret)
{
    return code->rule->saved[CFI_SLOT_RA].how == CFI_AT_CFA && cfa_by_rule(walk, code, ret) &&
           returns_to_code(walk, code->rule, *ret);
}

// Where the stack pointer is not known for certain, what depends on it has to be confirmed by what
// it leads to.
static bool find_cfa(struct walk *walk, const struct unwind_code *code, uint64_t *ret)
{
    const struct cfi_rule *rule = code->rule;
    bool by_sp = rule->cfa.how == CFI_IN_REGISTER && rule->cfa.reg == walk->arch->sp;
    if (walk->sp == SP_KNOWN || !by_sp) {
        return cfa_by_rule(walk, code, ret);
    }
    walk->end = UNWIND_NO_CFI;
    bool found = walk->sp == SP_LIKELY
                     ? cfa_by_guess(walk, code, ret) || cfa_by_record(walk, rule, ret)
                     : cfa_by_record(walk, rule, ret) || cfa_by_guess(walk, code, ret);
    return found || fail(walk, walk->end == UNWIND_TOO_SHORT ? UNWIND_TOO_SHORT : UNWIND_NO_CFI);
}

// A caller's frame is further out, so a walk comes to an end. Where a function has not used its
// stack yet and nobody pushed a return address, the caller's stack pointer is its own.
static bool goes_outwards(const struct walk *walk, uint64_t from_sp, uint64_t to_sp)
{
    return (to_sp > from_sp || (walk->exact && to_sp == from_sp)) && to_sp % 8 == 0;
}

static bool step_by_rule(struct walk *walk, const struct unwind_code *code)
{
    const struct cfi_rule *rule = code->rule;
    const struct arch *arch = walk->arch;
    if (rule->saved[CFI_SLOT_RA].how == CFI_UNDEFINED) {
        return fail(walk, UNWIND_COMPLETE);
    }
    if ((rule->told >> CFI_SLOT_RA & 1) == 0) {
        return fail(walk, UNWIND_BAD_CFI); // it would return to where it is
    }
    uint64_t cfa;
    uint64_t from_sp = walk->regs.at[arch->sp];
    if (!find_cfa(walk, code, &cfa)) {
        return false;
    }
    // Nearly always; but longjmp() has its caller's registers in a buffer, and the CFA there.
    bool cfa_is_sp = rule->saved[CFI_SLOT_SP].how == CFI_IS_CFA;
    if (cfa_is_sp && !rule->signal_frame && !goes_outwards(walk, from_sp, cfa)) {
        return fail(walk, UNWIND_BAD_CFI);
    }
    // All are found before any changes: one may be where another one was.
    uint64_t values[CFI_SLOTS];
    unsigned found = 0;
    for (unsigned left = rule->told; left != 0; left &= left - 1) {
        unsigned slot = (unsigned)__builtin_ctz(left);
        bool ok = find_saved(walk, code, rule->saved[slot], cfa, &values[slot]);
        if (!ok && slot <= CFI_SLOT_SP) {
            return false;
        }
        found |= (unsigned)ok << slot;
    }
    walk->regs.valid &= arch->kept;
    for (unsigned left = rule->told; left != 0; left &= left - 1) {
        unsigned slot = (unsigned)__builtin_ctz(left);
        unsigned reg = walk->slot_registers[slot];
        walk->regs.at[reg] = values[slot];
        if ((found >> slot & 1) == 0) {
            walk->regs.valid &= ~BIT(reg);
        } else {
            walk->regs.valid |= BIT(reg);
        }
    }
    if (!rule->signal_frame && !goes_outwards(walk, from_sp, walk->regs.at[arch->sp])) {
        return fail(walk, UNWIND_BAD_CFI);
    }
    walk->exact = rule->signal_frame;
    walk->sp = SP_KNOWN;
    return true;
}

// ---- Without a rule ----------------------------------------------------------------------------

// The longest copy of a stack that there is: a frame pointer that leads further does not look like
// one.
enum { LONGEST_COPY_BYTES = 1 << 16 };

static bool load_by_fp(struct walk *walk, uint64_t addr, uint64_t *ret)
{
    if (load(walk, addr, ret)) {
        return true;
    }
    bool near = addr - walk->memory->start_addr < LONGEST_COPY_BYTES;
    return fail(walk, walk->end == UNWIND_TOO_SHORT && near ? UNWIND_TOO_SHORT : UNWIND_NO_CFI);
}

// Both architectures have the caller's frame pointer and the return address where it points to. On
// x86-64 a call has pushed the latter, so the frame ends behind it. On AArch64 compilers put the
// two at the other end of a frame, hand-written code mostly at that one.
static bool step_by_fp(struct walk *walk)
{
    const struct arch *arch = walk->arch;
    struct unwind_regs *regs = &walk->regs;
    uint64_t fp;
    if (!regs_get(regs, arch->fp, &fp)) {
        return fail(walk, UNWIND_NO_CFI);
    }
    if (fp == 0) { // of code that runs, it may be any number that is 0 now
        return fail(walk, walk->exact ? UNWIND_NO_CFI : UNWIND_COMPLETE);
    }
    uint64_t next_fp;
    uint64_t ra;
    if (fp % 8 != 0 || fp < regs->at[arch->sp]) {
        return fail(walk, UNWIND_NO_CFI);
    }
    if (!load_by_fp(walk, fp, &next_fp) || !load_by_fp(walk, fp + 8, &ra)) {
        return false;
    }
    regs->valid = BIT(arch->pc) | BIT(arch->sp) | BIT(arch->fp);
    regs->at[arch->pc] = ra;
    regs->at[arch->sp] = fp + 16;
    regs->at[arch->fp] = next_fp;
    walk->sp = arch == &archs[UNWIND_AARCH64] ? SP_UNLIKELY : SP_KNOWN;
    walk->exact = false;
    walk->by_fp = true;
    walk->n_fp++;
    return true;
}

// AArch64: a function that has not called anybody can return by x30, and on the stack pointer that
// it was called with, if it has not moved it. So do the stubs of a procedure linkage table, for
// which linkers write no rules there, and the kernel's vdso. Its caller has rules: in one that has
// none, x30 may be left from a call that is over.
static bool step_by_link(struct walk *walk)
{
    struct unwind_regs *regs = &walk->regs;
    enum { X30 = 30 };
    uint64_t link;
    uint64_t fp;
    uint64_t ra;
    if (walk->arch != &archs[UNWIND_AARCH64] || !walk->exact || !regs_get(regs, X30, &link)) {
        return false;
    }
    link &= walk->arch->addr_bits;
    struct unwind_code caller = walk->find(walk->context, link - 1);
    if (caller.rule == NULL && !(caller.is_code && caller.pending)) {
        return false;
    }
    if (regs_get(regs, walk->arch->fp, &fp) && load(walk, fp + 8, &ra) &&
        (ra & walk->arch->addr_bits) == link) {
        return false; // it has a frame of its own by now
    }
    regs->at[walk->arch->pc] = link;
    regs->valid &= walk->arch->kept & ~BIT(X30);
    walk->sp = SP_LIKELY;
    walk->exact = false;
    return true;
}

// AArch64 kernels have no rule for the code that a signal handler returns to, and its frame pointer
// leads to the caller of the interrupted function, past that one. But what the kernel pushed can be
// known by what it says twice (arch/arm64/kernel/signal.c):
//
//     sp ─► siginfo, ucontext: … x0-x30, sp, pc …       struct rt_sigframe
//     fp ─► x29, x30                                     the same two once more
enum {
    SIGNAL_X0_OFF = 128 + 176 + 8, // siginfo; ucontext up to uc_mcontext; fault_address
    SIGNAL_SP_OFF = SIGNAL_X0_OFF + 31 * 8,
    SIGNAL_PC_OFF = SIGNAL_SP_OFF + 8,
};

static bool step_by_signal_frame(struct walk *walk)
{
    struct unwind_regs *regs = &walk->regs;
    uint64_t frame = regs->at[walk->arch->sp];
    uint64_t fp;
    uint64_t record[2];
    struct unwind_regs of_caller = {.valid = BIT(33) - 1};
    if (walk->arch != &archs[UNWIND_AARCH64] || !regs_get(regs, walk->arch->fp, &fp) ||
        !load(walk, fp, &record[0]) || !load(walk, fp + 8, &record[1])) {
        return false;
    }
    for (unsigned i = 0; i < UNWIND_REGS; i++) {
        if (!load(walk, frame + SIGNAL_X0_OFF + 8ULL * i, &of_caller.at[i])) {
            return false;
        }
    }
    uint64_t sp = of_caller.at[31];
    uint64_t pc = of_caller.at[32];
    if (of_caller.at[29] != record[0] || of_caller.at[30] != record[1] || sp == 0 || sp % 16 != 0 ||
        !walk->find(walk->context, pc).is_code) {
        return false;
    }
    walk->regs = of_caller;
    walk->sp = SP_KNOWN;
    walk->exact = true;
    walk->from_signal = true;
    return true;
}

// ---- The walk ----------------------------------------------------------------------------------

static bool step(struct walk *walk, const struct unwind_code *code)
{
    walk->by_fp = false;
    walk->from_signal = false;
    if (walk->made_by_hand) {
        return fail(walk, UNWIND_COMPLETE);
    }
    if (!regs_get(&walk->regs, walk->arch->sp, &(uint64_t){0})) {
        return fail(walk, UNWIND_UNREADABLE);
    }
    if (code->rule == NULL && code->pending) {
        return fail(walk, UNWIND_PENDING);
    }
    bool found = code->rule != NULL
                     ? step_by_rule(walk, code)
                     : step_by_signal_frame(walk) || step_by_link(walk) || step_by_fp(walk);
    if (!found) {
        return false;
    }
    uint64_t *pc = &walk->regs.at[walk->arch->pc];
    *pc &= walk->arch->addr_bits;
    return *pc != 0 || walk->exact || fail(walk, UNWIND_COMPLETE);
}

// Of the call before a return address. Where no code is known before it and a function begins at
// it, there was no call: makecontext() and others who make a stack by hand push the address of a
// function that is to run in the end, and the one above was the outermost on that stack.
static struct unwind_code find_code(struct walk *walk, uint64_t pc)
{
    struct unwind_code code = walk->find(walk->context, walk->exact ? pc : pc - 1);
    if (walk->exact || code.rule != NULL || code.pending || !code.is_code) {
        return code;
    }
    struct unwind_code next = walk->find(walk->context, pc);
    if (next.rule == NULL || next.owner != code.owner) {
        return code;
    }
    walk->exact = true;
    walk->made_by_hand = true;
    return next;
}

struct unwind_result unwind_walk(enum unwind_arch arch, const struct unwind_regs *regs,
                                 const struct unwind_memory *memory, unwind_find_fn find,
                                 void *context, uint64_t *addrs, uint32_t max)
{
    struct walk walk = {
        .arch = &archs[arch],
        .slot_registers = cfi_slot_registers(arch),
        .memory = memory,
        .find = find,
        .context = context,
        .regs = *regs,
        .exact = true,
        .budget = LIMIT_EXPRESSION_STEPS,
    };
    struct unwind_result result = {.end = UNWIND_UNREADABLE};
    uint64_t pc;
    if (!regs_get(regs, walk.arch->pc, &pc)) {
        return result;
    }
    for (;;) {
        struct unwind_code code = find_code(&walk, pc);
        if (result.n > 0 && !code.is_code) {
            result.end = walk.by_fp ? UNWIND_NO_CFI : UNWIND_NO_CODE;
            walk.n_fp -= walk.by_fp;
            break;
        }
        if (result.n == max) {
            result.end = UNWIND_TOO_DEEP;
            walk.n_fp -= walk.by_fp;
            break;
        }
        addrs[result.n] = result.n > 0 && walk.exact ? pc + 1 : pc;
        result.n++;
        result.owner = code.owner;
        if (!step(&walk, &code)) {
            result.end = walk.end;
            break;
        }
        if (walk.from_signal && result.n > 1) {
            addrs[result.n - 1] = pc + 1; // nobody called what a handler returns to
        }
        pc = walk.regs.at[walk.arch->pc];
    }
    result.n_fp = walk.n_fp;
    return result;
}
