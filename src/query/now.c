#include "query/now.h"

#include "query/keep.h"

#include <stdlib.h>

// Three passes: the state of every thread at one moment; the edges from what was looked up, and
// the cycles among them; the details of those waits that are shown.

const char *now_state_name(enum now_state state)
{
    static const char *const names[] = {
        [NOW_RUNNING] = "running",
        [NOW_RUNNABLE] = "runnable",
        [NOW_WAITING] = "waiting",
        [NOW_ENDED] = "ended",
    };
    ASSERT((size_t)state < ARRAY_LEN(names));
    return names[state];
}

// ---- The state of every thread -----------------------------------------------------------------

struct thread_now {
    enum now_state state;
    struct thread_off off;       // of a waiting or runnable one
    const struct now_look *look; // at this very wait; NULL when there is none
    thread_id owner;             // of what it waits for; THREAD_NONE
    uint32_t seen_by;            // the walk that came here, for find_cycles()
    bool in_deadlock;
};

struct moment {
    const struct store *store;
    struct view_window window;
    uint64_t time_ns;
    uint32_t n;
    struct thread_now *threads; // by thread_id
};

static enum now_state state_at(const struct store *store, thread_id id, uint64_t time_ns,
                               struct thread_off *ret_off)
{
    if (atomic_load(&store_thread(store, id)->ended_ns) != 0) {
        return NOW_ENDED;
    }
    // A stay that began later says that it was on a CPU at this moment, or in a stay before.
    if (!store_thread_off(store, id, ret_off) || ret_off->since_ns > time_ns) {
        return NOW_RUNNING;
    }
    return (ret_off->flags & INTERVAL_RUNNABLE) != 0 ? NOW_RUNNABLE : NOW_WAITING;
}

// Nothing is open in a run that is over: then there is not one thread.
static struct moment look_at_threads(const struct store *store, const struct view *view)
{
    struct moment moment = {.store = store, .window = view_window(view, store)};
    uint64_t ended_ns = atomic_load_explicit(&store->ended_ns, memory_order_acquire);
    moment.time_ns = ended_ns != 0 ? ended_ns
                                   : atomic_load_explicit(&store->last_ns, memory_order_acquire);
    moment.n = ended_ns != 0 ? 0 : atomic_load_explicit(&store->threads.n, memory_order_acquire);
    moment.threads = NEW_ARRAY(struct thread_now, MAX(moment.n, 1U));
    for (thread_id id = 0; id < moment.n; id++) {
        struct thread_now *thread = &moment.threads[id];
        thread->owner = THREAD_NONE;
        thread->state = state_at(store, id, moment.time_ns, &thread->off);
    }
    return moment;
}

static bool is_in_view(const struct moment *moment, const struct view *view, thread_id id)
{
    const struct thread_row *row = store_thread(moment->store, id);
    return !row->foreign && (!view->has_tid || row->tid == view->tid);
}

// A wait counts when it reaches into the view's time.
static bool is_in_window(const struct moment *moment, const struct thread_now *thread)
{
    return thread->off.since_ns < moment->window.end_ns &&
           moment->time_ns >= moment->window.start_ns;
}

// ---- Who stands in whose way -------------------------------------------------------------------

static uint64_t key_of(uint32_t pid, uint32_t tid)
{
    return (uint64_t)pid << 32 | tid;
}

// A tid that was used again is the newest thread that lives; if none does, the newest.
static void index_threads(const struct moment *moment, struct map *ret)
{
    for (thread_id id = 0; id < moment->n; id++) {
        const struct thread_row *row = store_thread(moment->store, id);
        uint64_t key = key_of(row->pid, row->tid);
        uint32_t known = map_find(ret, key);
        if (row->foreign) {
            continue;
        }
        if (known == MAP_NONE || moment->threads[id].state != NOW_ENDED ||
            moment->threads[known].state == NOW_ENDED) {
            map_set(ret, key, id);
        }
    }
}

static void match_looks(struct moment *moment, const struct now_look *looks, size_t n_looks)
{
    struct map by_tid = {0};
    index_threads(moment, &by_tid);
    for (size_t i = 0; i < n_looks; i++) {
        const struct now_look *look = &looks[i];
        uint32_t id = map_find(&by_tid, key_of(look->pid, look->tid));
        struct thread_now *thread = id == MAP_NONE ? NULL : &moment->threads[id];
        if (!look->waits || thread == NULL || thread->state != NOW_WAITING ||
            (look->since_ns != 0 && look->since_ns != thread->off.since_ns)) {
            continue;
        }
        thread->look = look;
        uint32_t owner = look->owner_tid == 0
                             ? MAP_NONE
                             : map_find(&by_tid, key_of(look->pid, look->owner_tid));
        thread->owner = owner == MAP_NONE ? THREAD_NONE : owner;
    }
    map_fini(&by_tid);
}

// Whom it waits for, if that one waits too.
static thread_id next_of(const struct moment *moment, thread_id id)
{
    thread_id owner = moment->threads[id].owner;
    return owner != THREAD_NONE && moment->threads[owner].state == NOW_WAITING ? owner
                                                                               : THREAD_NONE;
}

static void add_cycle(struct now *ret, struct moment *moment, const struct view *view,
                      thread_id somewhere)
{
    const struct store *store = moment->store;
    thread_id first = somewhere;
    thread_id at = somewhere;
    bool in_view = false;
    do {
        moment->threads[at].in_deadlock = true;
        in_view = in_view || is_in_view(moment, view, at);
        if (store_thread(store, at)->tid < store_thread(store, first)->tid) {
            first = at;
        }
        at = next_of(moment, at);
    } while (at != somewhere);
    if (!in_view) {
        return;
    }
    struct now_deadlock deadlock = {0};
    at = first;
    do {
        vec_push(&deadlock.threads, at);
        at = next_of(moment, at);
    } while (at != first);
    vec_push(&ret->deadlocks, deadlock);
}

// Each thread has at most one edge. A walk along the edges ends where there is none, or where a
// walk has been: if that was this one, it has just gone round a cycle.
static void find_cycles(struct now *ret, struct moment *moment, const struct view *view)
{
    for (thread_id start = 0; start < moment->n; start++) {
        uint32_t walk = start + 1;
        thread_id at = moment->threads[start].state == NOW_WAITING ? start : THREAD_NONE;
        while (at != THREAD_NONE && moment->threads[at].seen_by == 0) {
            moment->threads[at].seen_by = walk;
            at = next_of(moment, at);
        }
        if (at != THREAD_NONE && moment->threads[at].seen_by == walk) {
            add_cycle(ret, moment, view, at);
        }
    }
}

// ---- The waits that are shown ------------------------------------------------------------------

struct candidate {
    thread_id thread;
    uint32_t tid;
    uint64_t since_ns;
    uint8_t turn; // 0 first
};

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    if (x->turn != y->turn) {
        return x->turn < y->turn ? -1 : 1;
    }
    if (x->since_ns != y->since_ns) {
        return x->since_ns < y->since_ns ? -1 : 1;
    }
    if (x->tid != y->tid) {
        return x->tid < y->tid ? -1 : 1;
    }
    return x->thread < y->thread ? -1 : x->thread > y->thread;
}

typedef VEC(struct candidate) candidates;

static void add_candidate(candidates *to, const struct moment *moment, thread_id id, bool first)
{
    vec_push(to, (struct candidate){
                     .thread = id,
                     .tid = store_thread(moment->store, id)->tid,
                     .since_ns = moment->threads[id].off.since_ns,
                     .turn = !first,
                 });
}

static void sort_candidates(candidates *all)
{
    if (all->n > 0) {
        qsort(all->at, all->n, sizeof *all->at, compare_candidates);
    }
}

static uint64_t since_start(const struct store *store, uint64_t time_ns)
{
    return time_ns > store->started_ns ? time_ns - store->started_ns : 0;
}

// The part of a stack that `names` covers: what was recorded since the last refresh may be newer.
static stack_id covered(const struct names *names, stack_id stack)
{
    stack_id ret = stack;
    while (stack != STACK_ROOT) {
        const struct stack_row *row = stacks_get(&names->store->stacks, stack);
        ret = row->frame < names->of_frame.n ? ret : row->caller;
        stack = row->caller;
    }
    return ret;
}

// What was looked up about the object is certain. A worker that has nothing to do waits for a
// condition or a semaphore just the same: that it is idle says more.
static enum event_reason reason_of_object(const char *object, enum event_reason reason)
{
    static const struct {
        const char *object;
        enum event_reason reason;
    } known[] = {
        {"mutex", EVENT_REASON_LOCK},     {"lock", EVENT_REASON_LOCK},
        {"condition", EVENT_REASON_LOCK}, {"semaphore", EVENT_REASON_SEMAPHORE},
        {"thread", EVENT_REASON_OTHER},
    };
    for (size_t i = 0; i < ARRAY_LEN(known) && reason != EVENT_REASON_IDLE; i++) {
        if (object != NULL && strcmp(known[i].object, object) == 0) {
            return known[i].reason;
        }
    }
    return reason;
}

static struct slice place_of(const struct now_wait *wait, const struct names *names)
{
    if (wait->look != NULL && wait->look->place.n > 0) {
        return wait->look->place;
    }
    if (wait->stack == STACK_ROOT) {
        return (struct slice){0};
    }
    const struct stack_row *row = stacks_get(&names->store->stacks, wait->stack);
    const struct function *leaf = names_function(names, names_of_frame(names, row->frame));
    return leaf->is_kernel ? slice_of_text(leaf->name) : (struct slice){0};
}

static void set_waker(struct now_wait *wait, const struct store *store, const struct names *names,
                      struct reasons *reasons)
{
    wait->waker = THREAD_NONE;
    uint64_t row = atomic_load_explicit(&store_thread(store, wait->thread)->last_wakeup,
                                        memory_order_acquire);
    if (row == 0) {
        return;
    }
    struct wakeup wakeup = wakeups_get(&store->wakeups, row - 1);
    wait->woken = true;
    wait->waker_stack = covered(names, wakeup.stack);
    wait->waker = reasons_is_interrupt(reasons, wait->waker_stack) ? THREAD_INTERRUPT
                                                                   : wakeup.waker;
}

static void set_owner(struct now_wait *wait, const struct moment *moment, const struct names *names,
                      struct reasons *reasons)
{
    wait->owner = moment->threads[wait->thread].owner;
    if (wait->owner == THREAD_NONE) {
        return;
    }
    const struct thread_now *owner = &moment->threads[wait->owner];
    wait->owner_state = owner->state;
    stack_id stack = STACK_ROOT;
    if (owner->state == NOW_WAITING || owner->state == NOW_RUNNABLE) {
        stack = owner->off.stack;
    }
    if (stack == STACK_ROOT) {
        stack = atomic_load_explicit(&store_thread(moment->store, wait->owner)->last_stack,
                                     memory_order_acquire);
    }
    wait->owner_stack = reasons_waiting_stack(reasons, covered(names, stack));
}

static struct now_wait describe(const struct moment *moment, thread_id id,
                                const struct names *names, struct reasons *reasons)
{
    const struct thread_now *thread = &moment->threads[id];
    stack_id stack = covered(names, thread->off.stack);
    struct now_wait wait = {
        .thread = id,
        .since_ns = since_start(moment->store, thread->off.since_ns),
        .duration_ns = moment->time_ns - thread->off.since_ns,
        .reason = reasons_of(reasons, thread->off.reason, stack),
        .approximate = (thread->off.flags & INTERVAL_APPROXIMATE) != 0 ||
                       stack != thread->off.stack,
        .stack = reasons_waiting_stack(reasons, stack),
        .look = thread->look,
        .in_deadlock = thread->in_deadlock,
    };
    if (wait.look != NULL) {
        // The stack may not be known yet, or be an older one: what was seen just now knows better.
        if (wait.approximate && wait.reason == EVENT_REASON_OTHER) {
            wait.reason = reasons_of_place(reasons, wait.look->place);
        }
        wait.reason = reason_of_object(wait.look->object, wait.reason);
    }
    wait.place = place_of(&wait, names);
    set_waker(&wait, moment->store, names, reasons);
    set_owner(&wait, moment, names, reasons);
    return wait;
}

static void count_states(struct now *ret, const struct moment *moment, const struct view *view)
{
    for (thread_id id = 0; id < moment->n; id++) {
        if (is_in_view(moment, view, id)) {
            ret->n_running += moment->threads[id].state == NOW_RUNNING;
            ret->n_runnable += moment->threads[id].state == NOW_RUNNABLE;
        }
    }
}

static void choose_waits(candidates *ret, const struct moment *moment, const struct view *view,
                         const struct names *names)
{
    struct keep keep = {0};
    bool has_symbols = view_has_symbols(view);
    if (has_symbols) {
        keep_refresh(&keep, view, moment->store, names);
    }
    for (thread_id id = 0; id < moment->n; id++) {
        const struct thread_now *thread = &moment->threads[id];
        bool kept = !has_symbols || (keep_knows_stack(&keep, thread->off.stack) &&
                                     keep.stacks.at[thread->off.stack] != 0);
        if (thread->state == NOW_WAITING && kept && is_in_view(moment, view, id) &&
            is_in_window(moment, thread)) {
            add_candidate(ret, moment, id, thread->in_deadlock);
        }
    }
    sort_candidates(ret);
    keep_fini(&keep);
}

void now_make(struct now *ret, const struct store *store, const struct names *names,
              struct reasons *reasons, const struct view *view, const struct now_look *looks,
              size_t n_looks, size_t limit)
{
    struct moment moment = look_at_threads(store, view);
    *ret = (struct now){.time_ns = since_start(store, moment.time_ns)};
    match_looks(&moment, looks, n_looks);
    find_cycles(ret, &moment, view);
    count_states(ret, &moment, view);
    candidates waits = {0};
    choose_waits(&waits, &moment, view, names);
    ret->n_waiting = waits.n;
    size_t n = limit == 0 ? waits.n : MIN(waits.n, limit);
    for (size_t i = 0; i < n; i++) {
        vec_push(&ret->waits, describe(&moment, waits.at[i].thread, names, reasons));
    }
    vec_fini(&waits);
    free(moment.threads);
}

void now_fini(struct now *now)
{
    for (size_t i = 0; i < now->deadlocks.n; i++) {
        vec_fini(&now->deadlocks.at[i].threads);
    }
    vec_fini(&now->deadlocks);
    vec_fini(&now->waits);
}

// ---- Whom to look at ---------------------------------------------------------------------------

size_t now_pick(const struct store *store, const struct view *view, thread_id *ret, size_t limit)
{
    struct moment moment = look_at_threads(store, view);
    candidates waits = {0};
    for (thread_id id = 0; id < moment.n; id++) {
        const struct thread_now *thread = &moment.threads[id];
        if (thread->state == NOW_WAITING && !store_thread(store, id)->foreign) {
            add_candidate(&waits, &moment, id,
                          is_in_view(&moment, view, id) && is_in_window(&moment, thread));
        }
    }
    sort_candidates(&waits);
    size_t n = MIN(waits.n, limit);
    for (size_t i = 0; i < n; i++) {
        ret[i] = waits.at[i].thread;
    }
    vec_fini(&waits);
    free(moment.threads);
    return n;
}
