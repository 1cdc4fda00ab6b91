#include "run/unwinder.h"

#include "base/arch.h"
#include "base/clock.h"

enum { LOOK_UP_MS = 2 }; // from waiting, to see whether that may go on

_Static_assert((int)EVENT_REGS_MAX >= (int)UNWIND_REGS, "a place for every register");

void unwinder_init(struct unwinder *unwinder, const struct store *store, struct library *library)
{
    unwinder->store = store;
    unwinder->library = library;
    unwinder->patience_ns = UNWINDER_PATIENCE_MS * NS_PER_MS;
    unwinder->arch = ARCH_IS_AARCH64 ? UNWIND_AARCH64 : UNWIND_X86_64;
}

void unwinder_fini(struct unwinder *unwinder)
{
    map_fini(&unwinder->waited_for);
}

bool unwinder_add_code(const struct unwinder *unwinder, struct process *process, uint64_t addr,
                       uint64_t size_bytes, struct slice eh_frame)
{
    return code_rules_add(&process->code_rules, unwinder->arch, addr, size_bytes, eh_frame);
}

// ---- The rules of a place ----------------------------------------------------------------------

static void wait_for(struct unwinder *u, uint32_t library_id)
{
    uint64_t now_ns = clock_now_ns();
    if (now_ns - u->second_ns >= NS_PER_S) {
        u->second_ns = now_ns;
        u->waited_then_ns = 0;
    }
    if (u->waited_then_ns >= u->patience_ns) {
        return; // later, if it is still needed
    }
    map_set(&u->waited_for, library_id, 1);
    uint64_t most_ns = MIN(u->patience_ns - u->waited_then_ns, u->patience_ns / 2 + 1);
    uint64_t until_ns = now_ns;
    bool done = false;
    while (!done && until_ns < now_ns + most_ns &&
           (u->may_wait == NULL || u->may_wait(u->context))) {
        until_ns = MIN(until_ns + (uint64_t)LOOK_UP_MS * NS_PER_MS, now_ns + most_ns);
        done = library_await_cfi(u->library, library_id, until_ns);
    }
    uint64_t waited_ns = clock_now_ns() - now_ns;
    u->waited_then_ns += waited_ns;
    u->counts.waited_ns += waited_ns;
}

static void ask_for_rules(struct unwinder *u, const struct image *image)
{
    library_want_cfi(u->library, image->id);
    if (!image_cfi_is_done(image) && map_find(&u->waited_for, image->id) == MAP_NONE) {
        wait_for(u, image->id);
    }
}

// By its file.
static void find_in_image(struct unwinder *u, const struct mapping *mapping, uint64_t addr,
                          struct unwind_code *ret)
{
    const struct image_row *row = store_image(u->store, mapping->image);
    if (row->kind != IMAGE_ROW_FILE && row->kind != IMAGE_ROW_VDSO) {
        return;
    }
    const struct image *image = library_at(u->library, row->library);
    ask_for_rules(u, image);
    ret->pending = !image_cfi_is_done(image);
    ret->table = image_cfi(image);
    if (ret->table != NULL) {
        ret->rule = cfi_table_find(ret->table, addr - mapping->start + mapping->off);
    }
}

// By what the process said of code that it made.
static void find_in_made(const struct process *process, uint64_t addr, struct unwind_code *ret)
{
    uint64_t off;
    const struct cfi_table *table = code_rules_find(&process->code_rules, addr, &off);
    if (table != NULL) {
        ret->table = table;
        ret->rule = cfi_table_find(table, off);
        ret->pending = false;
    }
}

// Rises when there may be rules that were not there before.
static uint64_t generation_now(const struct unwinder *u)
{
    return atomic_load_explicit(&u->library->cfi_generation, memory_order_acquire) +
           u->process->code_rules.generation;
}

static void look_up(struct unwinder *u, uint64_t addr, struct unwinder_slot *ret)
{
    u->counts.n_missed++;
    *ret = (struct unwinder_slot){
        .version = u->process->space.version,
        .addr = addr,
        .generation = generation_now(u), // before the look: what arrives in between is new
    };
    const struct mapping *mapping = space_find(&u->process->space, addr);
    if (mapping == NULL) {
        return;
    }
    ret->code.is_code = true;
    ret->code.owner = mapping->image;
    find_in_image(u, mapping, addr, &ret->code);
    if (ret->code.rule != NULL) {
        ret->generation = UINT64_MAX; // files do not change; the space would get a new version
    } else {
        find_in_made(u->process, addr, &ret->code);
    }
}

static struct unwind_code find(void *context, uint64_t addr)
{
    struct unwinder *u = context;
    uint64_t version = u->process->space.version;
    struct unwinder_slot *slot = &u->slots[hash_pair(version, addr) >> (64 - UNWINDER_BITS)];
    if (slot->addr != addr || slot->version != version ||
        (slot->generation != UINT64_MAX && slot->generation != generation_now(u))) {
        look_up(u, addr, slot);
    }
    return slot->code;
}

// ---- The walk ----------------------------------------------------------------------------------

static enum truncation truncation_of(enum unwind_end end)
{
    switch (end) {
    case UNWIND_NO_CFI:
        return TRUNCATED_NO_UNWIND_INFO;
    case UNWIND_TOO_SHORT:
        return TRUNCATED_COPY_TOO_SHORT;
    case UNWIND_UNREADABLE:
        return TRUNCATED_UNREADABLE;
    case UNWIND_BAD_CFI:
        return TRUNCATED_BAD_UNWIND_INFO;
    case UNWIND_NO_CODE:
        return TRUNCATED_LOST;
    case UNWIND_TOO_DEEP:
        return TRUNCATED_TOO_DEEP;
    case UNWIND_PENDING:
        return TRUNCATED_NOT_LOADED;
    case UNWIND_COMPLETE:
        break;
    }
    ASSERT(false);
    return TRUNCATED_LOST;
}

static enum unwind_arch arch_of(const struct event_regs *regs)
{
    return regs->arch == EVENT_ARCH_AARCH64 ? UNWIND_AARCH64 : UNWIND_X86_64;
}

static unsigned frame_pointer_of(enum unwind_arch arch)
{
    return arch == UNWIND_AARCH64 ? 29 : 6;
}

static unsigned stack_pointer_of(enum unwind_arch arch)
{
    return arch == UNWIND_AARCH64 ? 31 : 7;
}

static bool can_walk(const struct event_stack *stack)
{
    if (stack->regs == NULL || stack->regs->arch == EVENT_ARCH_NONE || stack->copy.n == 0) {
        return false;
    }
    return (stack->regs->valid >> stack_pointer_of(arch_of(stack->regs)) & 1) != 0;
}

static struct unwind_result walk(struct unwinder *u, const struct event_stack *stack)
{
    const struct event_regs *from = stack->regs;
    u->arch = arch_of(from);
    struct unwind_regs regs = {.valid = from->valid & ((UINT64_C(1) << UNWIND_REGS) - 1)};
    memcpy(regs.at, from->at, sizeof regs.at);
    struct unwind_memory memory = {
        .start_addr = from->at[stack_pointer_of(u->arch)],
        .bytes = stack->copy,
        .cut = stack->copy_cut,
    };
    return unwind_walk(u->arch, &regs, &memory, find, u, u->addrs, ARRAY_LEN(u->addrs));
}

// ---- Together with the kernel's chain ----------------------------------------------------------

// Where the chain has the last address of the walk; n_user when it has not. The same address may be
// there many times (recursion): the function that keeps no frame pointer is missing from the chain
// each time, the one that does is there each time. So the last of k in the walk is number k in the
// chain.
static uint32_t find_in_chain(const struct event_stack *stack, const uint64_t *addrs, uint32_t n)
{
    uint64_t last = addrs[n - 1];
    if (n == 1) { // the leaf
        return stack->n_user > 0 && stack->user[0] == last ? 0 : stack->n_user;
    }
    uint32_t left = 0;
    for (uint32_t i = 1; i < n; i++) {
        left += addrs[i] == last;
    }
    for (uint32_t i = 1; i < stack->n_user; i++) {
        left -= stack->user[i] == last;
        if (left == 0) {
            return i;
        }
    }
    return stack->n_user;
}

// Whether the call that returns to `addr` was made by an outermost function.
static bool is_outermost(struct unwinder *u, uint64_t addr)
{
    struct unwind_code code = find(u, addr - 1);
    return code.rule != NULL && code.rule->saved[CFI_SLOT_RA].how == CFI_UNDEFINED;
}

bool unwinder_keeps_frame(enum unwind_arch arch, const struct cfi_rule *rule)
{
    const struct cfi_place *fp = &rule->saved[CFI_SLOT_FP];
    const struct cfi_place *ra = &rule->saved[CFI_SLOT_RA];
    bool by_fp = (rule->cfa.how == CFI_IN_REGISTER || rule->cfa.how == CFI_AT_REGISTER) &&
                 rule->cfa.reg == frame_pointer_of(arch);
    bool has_record = fp->how == CFI_AT_CFA && ra->how == CFI_AT_CFA && fp->off < 0 &&
                      ra->off == fp->off + 8; // not in front of the CFA: longjmp()'s buffer
    return by_fp || (arch == UNWIND_AARCH64 && has_record);
}

// Whether the caller of the function at `addr` is the next one of a chain of frame pointers. Code
// without rules is believed to keep them.
static bool keeps_frame(struct unwinder *u, uint64_t addr)
{
    const struct cfi_rule *rule = find(u, addr).rule;
    return rule == NULL || unwinder_keeps_frame(u->arch, rule);
}

// How many of the `n` addresses of a chain are callers of each other: where a register that was
// taken for a frame pointer holds something else, the chain ends in nonsense; and where a function
// leaves it alone, the chain leaves out that one's caller.
static uint32_t count_callers(struct unwinder *u, const uint64_t *chain, uint32_t n)
{
    uint32_t n_callers = 0;
    while (n_callers < n && find(u, chain[n_callers] - 1).is_code) {
        n_callers++;
        if (!keeps_frame(u, chain[n_callers - 1] - 1)) {
            break;
        }
    }
    return n_callers;
}

// Puts the rest of the chain behind a walk that ended early.
static void join(struct unwinder *u, const struct event_stack *stack, struct unwound *ret)
{
    uint32_t at = find_in_chain(stack, u->addrs, ret->n);
    if (at >= stack->n_user || !keeps_frame(u, u->addrs[ret->n - 1] - (ret->n > 1))) {
        return;
    }
    const uint64_t *rest = stack->user + at + 1;
    uint32_t n_rest = stack->n_user - at - 1;
    uint32_t n_fit = MIN(n_rest, (uint32_t)ARRAY_LEN(u->addrs) - ret->n);
    uint32_t n_more = count_callers(u, rest, n_fit);
    if (n_more == 0) {
        return;
    }
    memcpy(u->addrs + ret->n, rest, n_more * sizeof *u->addrs);
    ret->n += n_more;
    u->counts.n_joined++;
    if (n_more < n_fit) {
        return;
    }
    if (n_fit < n_rest || stack->chain_cut) {
        ret->why = TRUNCATED_TOO_DEEP;
        ret->image = 0;
    } else if (is_outermost(u, u->addrs[ret->n - 1])) {
        ret->is_truncated = false;
    }
}

static struct unwound take_chain(const struct event_stack *stack)
{
    uint32_t n = MIN(stack->n_user, (uint32_t)LIMIT_STACK_DEPTH);
    return (struct unwound){
        .addrs = stack->user,
        .n = n,
        .is_truncated = n > 0 && (stack->chain_cut || n < stack->n_user),
        .why = TRUNCATED_TOO_DEEP,
    };
}

// Of a run whose stacks are copied, one without a copy: there were too many of them. Of the chain
// that is kept which the functions' own rules vouch for; it is whole when it comes to an end there.
static struct unwound take_uncopied(struct unwinder *u, const struct process *process,
                                    const struct event_stack *stack)
{
    struct unwound unwound = take_chain(stack);
    if (unwound.n == 0) {
        return unwound;
    }
    u->process = process;
    uint32_t n_callers = keeps_frame(u, stack->user[0])
                             ? count_callers(u, stack->user + 1, unwound.n - 1)
                             : 0;
    bool is_cut = unwound.is_truncated && n_callers + 1 == unwound.n;
    bool is_whole = n_callers > 0 && !is_cut && is_outermost(u, stack->user[n_callers]);
    unwound.n = n_callers + 1;
    unwound.is_truncated = !is_whole;
    unwound.why = is_cut ? TRUNCATED_TOO_DEEP : TRUNCATED_NOT_COPIED;
    return unwound;
}

struct unwound unwinder_walk(struct unwinder *unwinder, const struct process *process,
                             const struct event_stack *stack, bool copied)
{
    if (process == NULL || !can_walk(stack)) {
        bool others_are_copied = process != NULL && unwinder->counts.n_walks > 0;
        return others_are_copied && copied ? take_uncopied(unwinder, process, stack)
                                           : take_chain(stack);
    }
    unwinder->process = process;
    struct unwind_result result = walk(unwinder, stack);
    if (result.n == 0) {
        return take_chain(stack);
    }
    struct unwound unwound = {.addrs = unwinder->addrs, .n = result.n};
    if (result.end != UNWIND_COMPLETE) {
        unwound.is_truncated = true;
        unwound.why = truncation_of(result.end);
        unwound.image = result.end == UNWIND_TOO_DEEP ? 0 : result.owner;
        join(unwinder, stack, &unwound);
    }
    unwinder->counts.n_walks++;
    unwinder->counts.n_fp_steps += result.n_fp;
    unwinder->counts.n_complete += !unwound.is_truncated;
    return unwound;
}
