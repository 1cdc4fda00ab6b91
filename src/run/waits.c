#include "run/waits.h"

#include "base/limits.h"

void waits_init(struct waits *waits, struct store *store)
{
    *waits = (struct waits){.store = store, .named_image = IMAGE_NONE};
}

static void forget(struct wait *wait)
{
    vec_fini(&wait->habits);
    vec_fini(&wait->reasons);
}

void waits_fini(struct waits *waits)
{
    for (size_t i = 0; i < waits->at.n; i++) {
        forget(&waits->at.at[i]);
    }
    vec_fini(&waits->at);
    map_fini(&waits->place_by_hash);
}

static bool is_off(const struct wait *wait)
{
    return wait->state == WAIT_RUNNABLE || wait->state == WAIT_BLOCKED;
}

// ---- Named frames -------------------------------------------------------------------------------

static image_id named_image(struct waits *w)
{
    if (w->named_image == IMAGE_NONE) {
        string_id path = strings_add(&w->store->strings, slice_of_text("[kernel]"));
        w->named_image = store_add_image(
            w->store,
            &(struct image_row){.kind = IMAGE_ROW_NAMED, .path = path, .library = UINT32_MAX});
    }
    return w->named_image;
}

static uint32_t find_place(const struct waits *w, uint64_t hash, struct slice name)
{
    size_t cursor = 0;
    uint32_t id;
    while ((id = map_find_from(&w->place_by_hash, hash, &cursor)) != MAP_NONE) {
        string_id string = (string_id)stacks_get_frame(&w->store->stacks, id)->off;
        struct slice known = strings_get(&w->store->strings, string);
        if (slice_equal(known, name)) {
            break;
        }
    }
    return id;
}

// The frame of a kernel function of which only the name is known; 0 beyond a limit.
static frame_id place_frame(struct waits *w, struct slice name)
{
    uint64_t hash = hash_bytes(name.data, name.n);
    uint32_t known = find_place(w, hash, name);
    if (known != MAP_NONE) {
        return known;
    }
    image_id image = named_image(w);
    if (w->place_by_hash.n >= LIMIT_PLACES || image == IMAGE_NONE) {
        return 0;
    }
    string_id string = strings_add(&w->store->strings, name);
    if (string == 0) {
        return 0;
    }
    frame_id frame = stacks_frame(&w->store->stacks,
                                  &(struct frame_row){.off = string, .image = image, .leaf = true});
    if (frame != 0) {
        map_add(&w->place_by_hash, hash, frame);
    }
    return frame;
}

// The function of that name, called by `caller`.
static stack_id push_place(struct waits *w, stack_id caller, struct slice name)
{
    frame_id frame = place_frame(w, name);
    if (frame == 0) {
        return caller;
    }
    bool cut = false;
    stack_id stack = stacks_push(&w->store->stacks, caller, frame, &cut);
    if (cut) {
        store_count(w->store, ACCOUNT_STACKS_CUT, 1);
    }
    return stack;
}

static stack_id unknown_stack(struct waits *w)
{
    if (w->unknown_stack == STACK_ROOT) {
        w->unknown_stack = push_place(w, STACK_ROOT, slice_of_text("[unknown]"));
    }
    return w->unknown_stack;
}

static stack_id last_stack(const struct waits *w, thread_id thread)
{
    return atomic_load_explicit(&store_thread(w->store, thread)->last_stack, memory_order_relaxed);
}

// Without the kernel's part: the thread is elsewhere in the kernel now.
static stack_id user_part(const struct waits *w, stack_id stack)
{
    while (stack != STACK_ROOT) {
        const struct stack_row *row = stacks_get(&w->store->stacks, stack);
        image_id image = stacks_get_frame(&w->store->stacks, row->frame)->image;
        if (store_image(w->store, image)->kind != IMAGE_ROW_KERNEL) {
            break;
        }
        stack = row->caller;
    }
    return stack;
}

// ---- Habits -------------------------------------------------------------------------------------

static uint8_t size_of(uint64_t duration_ns)
{
    return (uint8_t)(63 - __builtin_clzll(duration_ns | 1));
}

static void remember_in(struct wait_habit *place, const struct wait_habit *habit)
{
    if (habit->exact || !place->exact) {
        *place = *habit;
    }
}

static void remember(struct wait *wait, const struct wait_habit *habit)
{
    remember_in(&wait->last[habit->runnable], habit);
    for (size_t i = 0; i < wait->habits.n; i++) {
        struct wait_habit *known = &wait->habits.at[i];
        if (known->size == habit->size && known->runnable == habit->runnable) {
            remember_in(known, habit);
            return;
        }
    }
    vec_push(&wait->habits, *habit);
}

// Where it was in its last stay of about that length; NULL if it has had none of the kind. Of two
// that are as near, the shorter.
static const struct wait_habit *find_habit(const struct wait *wait, uint8_t size, bool runnable)
{
    const struct wait_habit *best = NULL;
    int best_apart = 0;
    for (size_t i = 0; i < wait->habits.n; i++) {
        const struct wait_habit *habit = &wait->habits.at[i];
        int apart = habit->size > size ? habit->size - size : size - habit->size;
        bool nearer = best == NULL || apart < best_apart ||
                      (apart == best_apart && habit->size < best->size);
        if (habit->runnable == runnable && nearer) {
            best = habit;
            best_apart = apart;
        }
    }
    return best;
}

// What is told of a stay while all that is known of its stack is `habit` (may be NULL).
static struct wait_habit guess(struct waits *w, thread_id thread, const struct wait_habit *habit)
{
    if (habit != NULL && habit->stack != STACK_ROOT) {
        return *habit;
    }
    stack_id stack = last_stack(w, thread);
    return (struct wait_habit){.stack = stack != STACK_ROOT ? stack : unknown_stack(w),
                               .reason = REASON_BY_STACK};
}

// ---- Reasons ------------------------------------------------------------------------------------

static struct wait_reason *find_reason(struct wait *wait, stack_id stack)
{
    for (size_t i = 0; i < wait->reasons.n; i++) {
        if (wait->reasons.at[i].stack == stack) {
            return &wait->reasons.at[i];
        }
    }
    return NULL;
}

static void learn_reason(struct wait *wait, stack_id stack, uint8_t reason)
{
    struct wait_reason *known = find_reason(wait, stack);
    if (known != NULL) {
        known->reason = reason;
    } else if (wait->reasons.n < LIMIT_REASONED_STACKS) {
        vec_push(&wait->reasons, (struct wait_reason){.stack = stack, .reason = reason});
    }
}

// The reason of a stay that is told as `told`: its own, or that of the thread's other stays with
// this stack.
static uint8_t reason_of(struct wait *wait, const struct wait_habit *told)
{
    if (wait->state == WAIT_RUNNABLE) {
        return REASON_BY_STACK;
    }
    if (wait->reason != REASON_BY_STACK) {
        return wait->reason;
    }
    if (told->reason != REASON_BY_STACK || !told->exact) {
        return told->reason;
    }
    const struct wait_reason *known = find_reason(wait, told->stack);
    return known == NULL ? REASON_BY_STACK : known->reason;
}

// ---- Stays --------------------------------------------------------------------------------------

static uint8_t flags_of(const struct wait *wait)
{
    uint8_t flags = wait->state == WAIT_RUNNABLE ? INTERVAL_RUNNABLE : 0;
    return wait->known == WAIT_STACK_EXACT ? flags : flags | INTERVAL_APPROXIMATE;
}

// Shows readers what the thread does.
static void show(struct waits *w, thread_id thread, struct wait *wait)
{
    if (!is_off(wait)) {
        store_set_off(w->store, thread, NULL);
        return;
    }
    bool runnable = wait->state == WAIT_RUNNABLE;
    struct wait_habit told = {
        .stack = wait->stack, .reason = REASON_BY_STACK, .exact = wait->known == WAIT_STACK_EXACT};
    if (wait->known == WAIT_STACK_NONE && !wait->woken) {
        told = guess(w, thread, &wait->last[runnable]);
    }
    store_set_off(w->store, thread,
                  &(struct thread_off){.since_ns = MAX(wait->since_ns, UINT64_C(1)),
                                       .stack = told.stack,
                                       .reason = reason_of(wait, &told),
                                       .flags = flags_of(wait)});
}

// What is told of a stay that lasted this long, for good. Learns from it.
static struct wait_habit settle(struct waits *w, thread_id thread, struct wait *wait,
                                uint64_t duration_ns)
{
    bool runnable = wait->state == WAIT_RUNNABLE;
    struct wait_habit told = {.stack = wait->stack,
                              .size = size_of(duration_ns),
                              .reason = runnable ? REASON_BY_STACK : wait->reason,
                              .runnable = runnable,
                              .exact = wait->known == WAIT_STACK_EXACT};
    if (wait->woken) {
        return told;
    }
    if (wait->known == WAIT_STACK_NONE) {
        return guess(w, thread, find_habit(wait, told.size, runnable));
    }
    remember(wait, &told);
    return told;
}

// The stay is over: adds its row. One that took no time at all (woken in the nanosecond in which it
// left the CPU, or when the run ended) is none.
static void close_stay(struct waits *w, thread_id thread, struct wait *wait, uint64_t now_ns,
                       uint8_t flags)
{
    uint64_t duration_ns = now_ns - wait->since_ns;
    if (wait->presumed && duration_ns == 0) { // its first mention is its coming back
        return;
    }
    struct wait_habit told = settle(w, thread, wait, duration_ns);
    if (duration_ns > 0) {
        store_add_interval(w->store, &(struct interval){.start_ns = wait->since_ns,
                                                        .duration_ns = duration_ns,
                                                        .reason = reason_of(wait, &told),
                                                        .flags = flags_of(wait) | flags,
                                                        .thread = thread,
                                                        .stack = told.stack});
    }
    wait->stack = told.stack;
}

static void put_on(struct waits *w, thread_id thread, struct wait *wait, uint64_t now_ns)
{
    wait->state = WAIT_ON_CPU;
    wait->since_ns = now_ns;
    wait->presumed = false;
    show(w, thread, wait);
}

// ---- A thread's life ----------------------------------------------------------------------------

// NULL where switches are not recorded: then nothing is known of waiting.
static struct wait *get(struct waits *w, thread_id thread)
{
    if (!w->store->has_switches) {
        return NULL;
    }
    vec_grow_zeroed(&w->at, (size_t)thread + 1);
    struct wait *wait = &w->at.at[thread];
    if (wait->state == WAIT_UNSEEN) {
        wait->state = WAIT_BLOCKED;
        wait->since_ns = wait->out_ns = store_thread(w->store, thread)->started_ns;
        wait->cpu = UINT32_MAX;
        wait->reason = REASON_BY_STACK;
        wait->presumed = true;
        show(w, thread, wait);
    }
    return wait;
}

void waits_meet(struct waits *w, thread_id thread)
{
    get(w, thread);
}

void waits_begin(struct waits *w, thread_id thread, enum wait_begin how)
{
    struct wait *wait = get(w, thread);
    if (wait == NULL || !wait->presumed) {
        return;
    }
    wait->state = how == WAIT_BEGIN_ASLEEP ? WAIT_BLOCKED : WAIT_RUNNABLE;
    wait->presumed = how != WAIT_BEGIN_BORN;
    show(w, thread, wait);
}

void waits_end(struct waits *w, thread_id thread, uint64_t now_ns)
{
    struct wait *wait = get(w, thread);
    if (wait == NULL) {
        return;
    }
    if (is_off(wait)) {
        close_stay(w, thread, wait, now_ns, 0);
    }
    wait->state = WAIT_ENDED;
    forget(wait);
    show(w, thread, wait);
}

void waits_end_run(struct waits *w, uint64_t now_ns)
{
    uint32_t n = atomic_load_explicit(&w->store->threads.n, memory_order_relaxed);
    for (thread_id thread = 0; w->store->has_switches && thread < n; thread++) {
        if (store_thread(w->store, thread)->foreign) {
            continue;
        }
        struct wait *wait = get(w, thread);
        if (is_off(wait)) {
            close_stay(w, thread, wait, now_ns, INTERVAL_ENDED_BY_RUN);
            put_on(w, thread, wait, now_ns);
        }
    }
}

// ---- Events -------------------------------------------------------------------------------------

// Two sets of kernel events may report the same switch, and only one of them the stack.
static bool is_same_switch(const struct wait *wait, const struct event *event, uint64_t now_ns)
{
    return wait->cpu == event->cpu && now_ns - wait->out_ns <= WAITS_HAIR_NS;
}

static void know_stack(struct wait *wait, stack_id stack)
{
    wait->stack = stack;
    wait->known = stack != STACK_ROOT ? WAIT_STACK_EXACT : WAIT_STACK_NONE;
}

void waits_out(struct waits *w, thread_id thread, const struct event *event, stack_id stack,
               uint64_t now_ns)
{
    struct wait *wait = get(w, thread);
    if (wait == NULL || wait->state == WAIT_ENDED) {
        return;
    }
    if (is_off(wait) && !wait->presumed) {
        if (is_same_switch(wait, event, now_ns)) {
            if (wait->known != WAIT_STACK_EXACT && stack != STACK_ROOT && !wait->woken) {
                know_stack(wait, stack);
                show(w, thread, wait);
            }
            return;
        }
        store_count(w->store, ACCOUNT_SWITCHES_UNPAIRED, 1);
        close_stay(w, thread, wait, now_ns, 0);
    }
    wait->state = event->switch_out.preempted ? WAIT_RUNNABLE : WAIT_BLOCKED;
    wait->since_ns = wait->out_ns = now_ns;
    wait->cpu = event->cpu;
    wait->reason = event->switch_out.has_reason ? (uint8_t)event->switch_out.reason
                                                : REASON_BY_STACK;
    wait->presumed = false;
    wait->woken = false;
    know_stack(wait, stack);
    show(w, thread, wait);
}

void waits_in(struct waits *w, thread_id thread, uint64_t now_ns)
{
    struct wait *wait = get(w, thread);
    if (wait == NULL) {
        return;
    }
    if (is_off(wait)) {
        close_stay(w, thread, wait, now_ns, 0);
        put_on(w, thread, wait, now_ns);
    } else if (wait->state == WAIT_ON_CPU && now_ns - wait->since_ns > WAITS_HAIR_NS) {
        store_count(w->store, ACCOUNT_SWITCHES_UNPAIRED, 1);
    }
}

void waits_runs(struct waits *w, thread_id thread, uint64_t time_ns, uint64_t now_ns)
{
    struct wait *wait = get(w, thread);
    if (wait == NULL || !is_off(wait)) {
        return;
    }
    if (wait->presumed) {
        put_on(w, thread, wait, now_ns);
    } else if (time_ns > wait->out_ns && time_ns - wait->out_ns > WAITS_HAIR_NS) {
        store_count(w->store, ACCOUNT_SWITCHES_UNPAIRED, 1);
        close_stay(w, thread, wait, now_ns, 0);
        put_on(w, thread, wait, now_ns);
    }
}

void waits_woken(struct waits *w, thread_id thread, uint64_t now_ns)
{
    struct wait *wait = get(w, thread);
    if (wait == NULL || wait->state != WAIT_BLOCKED) {
        return;
    }
    close_stay(w, thread, wait, now_ns, 0);
    if (wait->stack == STACK_ROOT) {
        wait->stack = guess(w, thread, NULL).stack;
    }
    wait->state = WAIT_RUNNABLE;
    wait->since_ns = now_ns;
    wait->presumed = false;
    wait->woken = true;
    show(w, thread, wait);
}

void waits_seen(struct waits *w, thread_id thread, const struct event *event)
{
    struct wait *wait = get(w, thread);
    if (wait == NULL || wait->state != WAIT_BLOCKED || wait->since_ns > event->wait_seen.since_ns) {
        return;
    }
    if (event->wait_seen.has_reason) {
        wait->reason = (uint8_t)event->wait_seen.reason;
    }
    if (wait->known == WAIT_STACK_EXACT) {
        if (event->wait_seen.has_reason) {
            learn_reason(wait, wait->stack, wait->reason);
        }
    } else if (event->wait_seen.place.n > 0) {
        stack_id user = user_part(w, last_stack(w, thread));
        stack_id stack = push_place(w, user, event->wait_seen.place);
        if (stack != STACK_ROOT) {
            wait->stack = stack;
            wait->known = WAIT_STACK_SEEN;
        }
    }
    show(w, thread, wait);
}
