#include "query/reasons.h"

#include "query/reasons_table.h"

// How a stack is read, from the leaf outwards (the roles are those of reasons_table.h):
//
//     do_futex             UNLESS lock        a lock, so far
//     ─────────────────────────────────────── from here on: the program
//     pthread_cond_wait    UNLESS lock        still
//     uv_cond_wait         UNLESS lock
//     worker               LOOP               waits for a lock, and itself: idle
//     start_thread         (unknown)
//
// The first function that decides ends it. What a kernel function says of files and sockets, the
// program cannot change; what it calls a lock, a semaphore or nothing, it can. A function of the
// program that is not in the table is `strange`: a worker's loop further out has called it to do
// some work, and it is that work which waits.

enum { NAME_GROUP_SHIFT = 16 }; // number of a name: its group << 16 | its place in the group

// ---- Names -------------------------------------------------------------------------------------

static bool begins_with(struct slice text, const char *prefix)
{
    size_t n = strlen(prefix);
    return text.n >= n && memcmp(text.data, prefix, n) == 0;
}

static bool take_prefix(struct slice *text, const char *prefix)
{
    if (!begins_with(*text, prefix)) {
        return false;
    }
    text->data += strlen(prefix);
    text->n -= strlen(prefix);
    return true;
}

static void take_underscores(struct slice *text)
{
    while (take_prefix(text, "_")) {
    }
}

// The `__x64_sys_read`, `__do_sys_read`, `ksys_read`, … of a kernel are all `sys_read`.
static void take_syscall_macro(struct slice *text)
{
    static const char *const around[] = {
        "x64_",    "ia32_", "ia32_compat_", "x64_compat_", "x32_compat_", "arm64_", "arm64_compat_",
        "compat_", "se_",   "se_compat_",   "do_",         "do_compat_",  "k",
    };
    for (size_t i = 0; i < ARRAY_LEN(around); i++) {
        struct slice rest = *text;
        if (take_prefix(&rest, around[i]) && begins_with(rest, "sys_")) {
            *text = rest;
            return;
        }
    }
}

static void cut_at(struct slice *text, const char *name, const char *mark)
{
    const char *found = *name == 0 ? NULL : strstr(name + 1, mark);
    if (found != NULL) {
        text->n = MIN(text->n, (size_t)(found - name));
    }
}

struct slice reasons_plain_name(const char *name, enum reasons_where where)
{
    struct slice text = slice_of_text(name);
    if (where == IN_KERNEL) {
        cut_at(&text, name, ".");
        take_underscores(&text);
        take_syscall_macro(&text);
        return text;
    }
    static const char *const suffixes[] = {
        "@",     ".constprop.", ".isra.",      ".part.", ".cold",
        ".llvm", ".lto_priv",   ".localalias", ".abi0",  " [clone ",
    };
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        cut_at(&text, name, suffixes[i]);
    }
    if (!take_prefix(&text, "void ")) {
        take_prefix(&text, "bool ");
    }
    take_underscores(&text);
    if (take_prefix(&text, "GI_")) {
        take_underscores(&text);
    }
    take_prefix(&text, "libc_");
    return text;
}

static const struct reasons_group *group_of(uint32_t number)
{
    return &reasons_table[number >> NAME_GROUP_SHIFT];
}

static const char *name_of(uint32_t number)
{
    return group_of(number)->names[number & ((1U << NAME_GROUP_SHIFT) - 1)];
}

static bool is_for(const struct reasons_group *group, const struct function *function)
{
    if ((group->where == IN_KERNEL) != function->is_kernel) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(group->binary_prefix); i++) {
        const char *prefix = group->binary_prefix[i];
        if (prefix != NULL && strncmp(function->binary, prefix, strlen(prefix)) == 0) {
            return true;
        }
    }
    return group->binary_prefix[0] == NULL;
}

static uint32_t find_exact(const struct reasons *reasons, const struct function *function,
                           struct slice plain)
{
    uint64_t hash = hash_bytes(plain.data, plain.n);
    size_t cursor = 0;
    uint32_t number;
    while ((number = map_find_from(&reasons->exact, hash, &cursor)) != MAP_NONE) {
        if (slice_equal(slice_of_text(name_of(number)), plain) &&
            is_for(group_of(number), function)) {
            return number;
        }
    }
    return MAP_NONE;
}

static uint32_t find_longest_prefix(const struct reasons *reasons, const struct function *function,
                                    struct slice plain)
{
    uint32_t best = MAP_NONE;
    size_t best_n = 0;
    for (size_t i = 0; i < reasons->prefixes.n; i++) {
        const char *name = name_of(reasons->prefixes.at[i]);
        size_t n = strlen(name) - 1;
        if (n > best_n && n <= plain.n && plain.data[0] == (uint8_t)name[0] &&
            memcmp(plain.data, name, n) == 0 &&
            is_for(group_of(reasons->prefixes.at[i]), function)) {
            best = reasons->prefixes.at[i];
            best_n = n;
        }
    }
    return best;
}

static uint32_t find(const struct reasons *reasons, const struct function *function)
{
    struct slice plain = reasons_plain_name(function->name,
                                            function->is_kernel ? IN_KERNEL : IN_PROGRAM);
    uint32_t number = find_exact(reasons, function, plain);
    return number == MAP_NONE ? find_longest_prefix(reasons, function, plain) : number;
}

// What the table says of this function; NULL: nothing.
static const struct reasons_group *look_up(struct reasons *reasons, function_id id)
{
    vec_grow_zeroed(&reasons->of_function, reasons->names->functions.n);
    uint8_t *known = &reasons->of_function.at[id];
    if (*known == 0) {
        const struct function *function = names_function(reasons->names, id);
        uint32_t number = function->resolved ? find(reasons, function) : MAP_NONE;
        *known = number == MAP_NONE ? 1 : (uint8_t)((number >> NAME_GROUP_SHIFT) + 2);
    }
    return *known == 1 ? NULL : &reasons_table[*known - 2];
}

void reasons_init(struct reasons *reasons, const struct names *names)
{
    ASSERT(reasons_table_n <= UINT8_MAX - 2);
    *reasons = (struct reasons){.names = names};
    for (uint32_t group = 0; group < reasons_table_n; group++) {
        for (uint32_t i = 0; reasons_table[group].names[i] != NULL; i++) {
            const char *name = reasons_table[group].names[i];
            size_t n = strlen(name);
            uint32_t number = group << NAME_GROUP_SHIFT | i;
            if (name[n - 1] == '*') {
                vec_push(&reasons->prefixes, number);
            } else {
                map_add(&reasons->exact, hash_bytes(name, n), number);
            }
        }
    }
}

void reasons_fini(struct reasons *reasons)
{
    map_fini(&reasons->exact);
    vec_fini(&reasons->prefixes);
    vec_fini(&reasons->of_function);
    vec_fini(&reasons->of_stack);
    vec_fini(&reasons->waiting);
}

static void notice_names(struct reasons *reasons)
{
    if (reasons->names_version != reasons->names->version) {
        reasons->names_version = reasons->names->version;
        vec_clear(&reasons->of_function);
        vec_clear(&reasons->of_stack);
        vec_clear(&reasons->waiting);
    }
}

// ---- Walking a stack ---------------------------------------------------------------------------

struct step {
    stack_id stack;
    const struct function *function;
    const struct reasons_group *group; // NULL: the table does not know it
    enum reasons_role role;
};

// The function that is innermost in `stack`; false for the empty stack.
static bool step_at(struct reasons *reasons, stack_id stack, struct step *ret)
{
    if (stack == STACK_ROOT) {
        return false;
    }
    const struct stack_row *row = stacks_get(&reasons->names->store->stacks, stack);
    function_id id = names_of_frame(reasons->names, row->frame);
    ret->stack = stack;
    ret->function = names_function(reasons->names, id);
    ret->group = look_up(reasons, id);
    ret->role = ret->group == NULL ? ROLE_NONE : ret->group->role;
    return true;
}

static bool step_out(struct reasons *reasons, struct step *step)
{
    return step_at(reasons, stacks_get(&reasons->names->store->stacks, step->stack)->caller, step);
}

// ---- Why it waits ------------------------------------------------------------------------------

struct verdict {
    enum event_reason so_far; // EVENT_REASON_COUNT: nothing yet
    bool in_program;
    bool strange; // a function of the program that is not known stands further in
};

// A lock or a semaphore: what a worker may be waiting for its work with.
static bool may_be_idle(enum event_reason reason)
{
    return reason == EVENT_REASON_LOCK || reason == EVENT_REASON_SEMAPHORE;
}

static bool says_nothing(enum event_reason reason)
{
    return reason == EVENT_REASON_COUNT || reason == EVENT_REASON_OTHER;
}

// A lock is the least that can be said of a futex: it may be the one inside of a semaphore.
static bool may_change(enum event_reason so_far)
{
    return says_nothing(so_far) || so_far == EVENT_REASON_LOCK;
}

// True when `so_far` is the answer.
static bool judge(struct verdict *verdict, const struct step *step)
{
    if (!step->function->is_kernel && !verdict->in_program) {
        verdict->in_program = true;
        if (!says_nothing(verdict->so_far) && !may_be_idle(verdict->so_far)) {
            return true;
        }
    }
    enum event_reason reason = step->group == NULL ? EVENT_REASON_COUNT : step->group->reason;
    bool decides = false;
    switch (step->role) {
    case ROLE_DECIDES:
        decides = true;
        break;
    case ROLE_INNERMOST:
        decides = !verdict->strange && says_nothing(verdict->so_far);
        break;
    case ROLE_WORKER:
        decides = may_be_idle(verdict->so_far);
        break;
    case ROLE_LOOP:
        decides = may_be_idle(verdict->so_far) && !verdict->strange;
        break;
    case ROLE_UNLESS:
    case ROLE_SWITCHES:
        if (reason != EVENT_REASON_COUNT && may_change(verdict->so_far)) {
            verdict->so_far = reason;
        }
        return false;
    case ROLE_STOPS:
        return true;
    case ROLE_NONE:
        verdict->strange |= !step->function->is_kernel && step->function->resolved;
        return false;
    case ROLE_PASSES:
    case ROLE_ENTRY:
    case ROLE_RETURN:
    case ROLE_INTERRUPT:
    case ROLE_WAKES:
    case ROLE_COUNT:
        return false;
    }
    verdict->so_far = decides ? reason : verdict->so_far;
    return decides;
}

static enum event_reason tell(struct reasons *reasons, stack_id stack)
{
    struct verdict verdict = {.so_far = EVENT_REASON_COUNT};
    struct step step;
    bool more = step_at(reasons, stack, &step);
    while (more && !judge(&verdict, &step)) {
        more = step_out(reasons, &step);
    }
    return verdict.so_far == EVENT_REASON_COUNT ? EVENT_REASON_OTHER : verdict.so_far;
}

enum event_reason reasons_of_stack(struct reasons *reasons, stack_id stack)
{
    notice_names(reasons);
    vec_grow_zeroed(&reasons->of_stack, (size_t)stack + 1);
    if (reasons->of_stack.at[stack] == 0) {
        reasons->of_stack.at[stack] = (uint8_t)(tell(reasons, stack) + 1);
    }
    return (enum event_reason)(reasons->of_stack.at[stack] - 1);
}

// ---- Where it waits, and who wakes -------------------------------------------------------------

enum event_reason reasons_of_place(struct reasons *reasons, struct slice place)
{
    CLEANUP(text_fini) struct text name = {0};
    text_add_bytes(&name, place.data, place.n);
    struct function function = {.name = name.at, .binary = "[kernel]", .is_kernel = true};
    uint32_t number = place.n == 0 ? MAP_NONE : find(reasons, &function);
    const struct reasons_group *group = number == MAP_NONE ? NULL : group_of(number);
    bool tells = group != NULL && (group->role == ROLE_DECIDES || group->role == ROLE_UNLESS);
    return tells ? group->reason : EVENT_REASON_OTHER;
}

static bool is_never_the_place(enum reasons_role role)
{
    return role == ROLE_SWITCHES || role == ROLE_ENTRY || role == ROLE_RETURN;
}

static stack_id find_waiting_stack(struct reasons *reasons, stack_id stack)
{
    struct step step;
    bool more = step_at(reasons, stack, &step);
    while (more && is_never_the_place(step.role)) {
        more = step_out(reasons, &step);
    }
    return more ? step.stack : stack;
}

stack_id reasons_waiting_stack(struct reasons *reasons, stack_id stack)
{
    notice_names(reasons);
    vec_grow_zeroed(&reasons->waiting, (size_t)stack + 1);
    if (reasons->waiting.at[stack] == 0) {
        reasons->waiting.at[stack] = find_waiting_stack(reasons, stack) + 1;
    }
    return reasons->waiting.at[stack] - 1;
}

// The way in of the interrupt in which this stack's leaf ran; false when it ran for the thread.
static bool find_interrupt(struct reasons *reasons, stack_id stack, stack_id *ret_entry)
{
    struct step step;
    bool more = step_at(reasons, stack, &step);
    while (more && step.function->is_kernel && step.role != ROLE_RETURN) {
        if (step.role == ROLE_INTERRUPT) {
            *ret_entry = step.stack;
            return true;
        }
        more = step_out(reasons, &step);
    }
    return false;
}

bool reasons_is_interrupt(struct reasons *reasons, stack_id stack)
{
    notice_names(reasons);
    stack_id entry;
    return find_interrupt(reasons, stack, &entry);
}

bool reasons_in_interrupt(struct reasons *reasons, stack_id stack)
{
    notice_names(reasons);
    struct step step;
    bool more = step_at(reasons, stack, &step);
    while (more && step.function->is_kernel && step.role != ROLE_INTERRUPT) {
        more = step_out(reasons, &step);
    }
    return more && step.function->is_kernel;
}

// How well a function names a waker; the innermost of the best ones does.
static int rank_of_waker(const struct step *step)
{
    if (step->function->is_kernel) {
        return step->role == ROLE_WAKES || is_never_the_place(step->role) ? 1 : 2;
    }
    if (step->function->is_main) {
        return 4;
    }
    return step->function->image == 0 ? 0 : 3; // image 0: nothing was mapped there
}

const struct function *reasons_waker_function(struct reasons *reasons, stack_id stack)
{
    notice_names(reasons);
    stack_id entry = STACK_ROOT; // what an interrupt interrupted has not woken anybody
    find_interrupt(reasons, stack, &entry);
    const struct function *best = NULL;
    stack_id best_stack = STACK_ROOT;
    int best_rank = -1;
    struct step step;
    bool more = step_at(reasons, stack, &step);
    while (more && step.stack != entry) {
        int rank = rank_of_waker(&step);
        if (rank > best_rank) {
            best = step.function;
            best_stack = step.stack;
            best_rank = rank;
        }
        more = step_out(reasons, &step);
    }
    if (best != NULL && best->is_main) { // the caller may be inlined there
        const struct names *names = reasons->names;
        frame_id frame = stacks_get(&names->store->stacks, best_stack)->frame;
        return names_function(names, names_innermost(names, frame));
    }
    return best != NULL || entry == STACK_ROOT ? best : step.function;
}
