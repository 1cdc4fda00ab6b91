#include "query/random_waits.h"

static const uint64_t STARTED_NS = 1000000;

enum { PROGRAM_SEM_WAIT_OFF = 0x10, PROGRAM_POSTER_OFF = 0x110 };

uint64_t random_waits_dice(struct random_waits *w, uint64_t sides)
{
    w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (w->random >> 33) % sides;
}

enum event_reason random_waits_reason(const struct random_waits *w, uint32_t place)
{
    const enum event_reason reasons[RANDOM_PLACES] = {
        w->named ? EVENT_REASON_SEMAPHORE : EVENT_REASON_LOCK,
        EVENT_REASON_SLEEP,
        EVENT_REASON_IPC,
        EVENT_REASON_IO_WRITE,
    };
    return reasons[place];
}

static bool is_on(const struct random_waits *w, uint32_t place, const char *name)
{
    static const char *const names[RANDOM_PLACES][2] = {
        {"sem_wait", "futex_wait_queue"},
        {"hrtimer_nanosleep", "schedule"},
        {"pipe_read", "schedule"},
        {"", ""},
    };
    return (strcmp(name, names[place][0]) == 0 && (place > 0 || w->named)) ||
           strcmp(name, names[place][1]) == 0;
}

static bool is_any_on(const struct random_waits *w, uint32_t place, const view_symbols *symbols)
{
    bool is = false;
    for (size_t i = 0; i < symbols->n; i++) {
        is = is || is_on(w, place, symbols->at[i].function_name);
    }
    return is;
}

bool random_waits_keeps(const struct random_waits *w, const struct view *view, uint32_t place)
{
    return !is_any_on(w, place, &view->exclude) &&
           (view->only.n == 0 || is_any_on(w, place, &view->only)) &&
           (view->focus.function_name == NULL || is_on(w, place, view->focus.function_name));
}

// ---- Making it ---------------------------------------------------------------------------------

static stack_id push(struct random_waits *w, stack_id stack, image_id image, uint64_t off)
{
    bool cut = false;
    struct frame_row frame = {.off = off, .image = image};
    return stacks_push(&w->store->stacks, stack, stacks_frame(&w->store->stacks, &frame), &cut);
}

static stack_id push_kernel(struct random_waits *w, stack_id stack, image_id kernel,
                            const char *name)
{
    return push(w, stack, kernel, strings_add(&w->store->strings, slice_of_text(name)));
}

static void make_stacks(struct random_waits *w)
{
    image_id kernel = store_add_image(
        w->store, &(struct image_row){.kind = IMAGE_ROW_NAMED, .library = UINT32_MAX});
    image_id program = store_add_image(
        w->store,
        &(struct image_row){.path = strings_add(&w->store->strings, slice_of_text("/bin/prog")),
                            .library = fake_library_add(&w->library, IMAGE_FILE)});
    store_add_process(w->store, 9, 0, STARTED_NS, 0);
    atomic_store(&store_process_mut(w->store, 0)->main_image, program);
    stack_id waiter = push(w, STACK_ROOT, program, PROGRAM_SEM_WAIT_OFF);
    w->waits_at[0] = push_kernel(w, waiter, kernel, "futex_wait_queue");
    w->waits_at[1] = push_kernel(w, STACK_ROOT, kernel, "hrtimer_nanosleep");
    w->waits_at[2] = push_kernel(w, STACK_ROOT, kernel, "pipe_read");
    w->places[0] = w->waits_at[0];
    w->places[1] = push_kernel(w, w->waits_at[1], kernel, "schedule");
    w->places[2] = push_kernel(w, w->waits_at[2], kernel, "schedule");
    stack_id poster = push(w, STACK_ROOT, program, PROGRAM_POSTER_OFF);
    w->sites[0] = push_kernel(w, poster, kernel, "futex_wake");
    w->sites[1] = push_kernel(w, poster, kernel, "pipe_write");
    w->sites[2] = push_kernel(w, poster, kernel, "asm_sysvec_apic_timer_interrupt");
    w->sites[2] = push_kernel(w, w->sites[2], kernel, "hrtimer_wakeup");
}

struct random_waits *random_waits_new(uint64_t seed, bool has_switches)
{
    struct random_waits *w = NEW(struct random_waits);
    w->random = seed * 977 + 1;
    w->now_ns = STARTED_NS;
    w->store = store_new(STARTED_NS, 0, RANDOM_WEIGHT_NS);
    w->store->has_switches = has_switches;
    fake_library_init(&w->library);
    make_stacks(w);
    names_init(&w->names, w->store, &w->library);
    reasons_init(&w->reasons, &w->names);
    random_waits_refresh(w);
    return w;
}

void random_waits_free(struct random_waits *w)
{
    reasons_fini(&w->reasons);
    names_fini(&w->names);
    fake_library_fini(&w->library);
    store_free(w->store);
    free(w);
}

void random_waits_refresh(struct random_waits *w)
{
    names_refresh(&w->names, atomic_load(&w->store->stacks.n_frames));
}

void random_waits_publish(struct random_waits *w)
{
    struct symtab_builder *builder = symtab_builder_new();
    symtab_builder_add_segment(builder,
                               &(struct symtab_segment){.size = 0x200, .executable = true});
    symtab_builder_add(builder, 0, 0x80, slice_of_text("sem_wait"), slice_of_text(""),
                       SYMBOL_GLOBAL);
    symtab_builder_add(builder, 0x100, 0x80, slice_of_text("poster"), slice_of_text(""),
                       SYMBOL_GLOBAL);
    fake_library_publish(&w->library, 0, symtab_builder_finish(builder));
    w->named = true;
}

// ---- Events ------------------------------------------------------------------------------------

static void look(struct random_waits *w)
{
    if (w->between != NULL) {
        w->between(w, w->context);
    }
}

static void add_thread(struct random_waits *w)
{
    thread_id id = w->n_threads++;
    struct true_thread *thread = &w->threads[id];
    thread->tid = 100 + id % (RANDOM_THREADS - 1);
    thread->foreign = id == 2 || id == 5;
    thread->started_ns = w->now_ns;
    store_add_thread(w->store, 9, thread->tid, 0, w->now_ns, 0);
    store_thread_mut(w->store, id)->foreign = thread->foreign;
}

static uint8_t stored_reason(const struct true_stay *stay)
{
    if (stay->runnable) {
        return 0;
    }
    return stay->place == RANDOM_PLACES - 1 ? EVENT_REASON_IO_WRITE : REASON_BY_STACK;
}

static uint8_t stored_flags(const struct true_stay *stay)
{
    return (uint8_t)((stay->runnable ? INTERVAL_RUNNABLE : 0) |
                     (stay->approximate ? INTERVAL_APPROXIMATE : 0) |
                     (stay->ended_by_run ? INTERVAL_ENDED_BY_RUN : 0));
}

static void leave(struct random_waits *w, thread_id id, bool runnable)
{
    struct true_stay *stay = &w->stays[w->n_stays];
    *stay = (struct true_stay){
        .thread = id,
        .start_ns = w->now_ns,
        .end_ns = STAY_OPEN,
        .runnable = runnable,
        .approximate = random_waits_dice(w, 4) == 0,
        .place = (uint32_t)random_waits_dice(w, RANDOM_PLACES),
    };
    w->threads[id].off = true;
    w->threads[id].stay = w->n_stays++;
    struct thread_off off = {
        .since_ns = stay->start_ns,
        .stack = w->places[stay->place],
        .reason = stored_reason(stay),
        .flags = stored_flags(stay),
    };
    store_set_off(w->store, id, &off);
    look(w);
}

static void add_row(struct random_waits *w, const struct true_stay *stay)
{
    store_add_interval(w->store, &(struct interval){
                                     .start_ns = stay->start_ns,
                                     .duration_ns = stay->end_ns - stay->start_ns,
                                     .reason = stored_reason(stay),
                                     .flags = stored_flags(stay),
                                     .thread = stay->thread,
                                     .stack = w->places[stay->place],
                                 });
    look(w);
}

static void come_back(struct random_waits *w, thread_id id)
{
    struct true_stay *stay = &w->stays[w->threads[id].stay];
    stay->end_ns = w->now_ns;
    w->threads[id].off = false;
    add_row(w, stay);
    store_set_off(w->store, id, NULL);
    look(w);
}

static void add_wakeup(struct random_waits *w, const struct true_wakeup *wakeup)
{
    store_add_wakeup(w->store, &(struct wakeup){
                                   .time_ns = wakeup->time_ns,
                                   .wakee = wakeup->wakee,
                                   .waker = wakeup->waker,
                                   .stack = w->sites[wakeup->site],
                                   .approximate = wakeup->approximate,
                               });
    look(w);
}

// With its wait, if it waited.
static void wake(struct random_waits *w, thread_id id)
{
    struct true_wakeup *wakeup = &w->wakeups[w->n_wakeups];
    *wakeup = (struct true_wakeup){
        .time_ns = w->now_ns,
        .wakee = id,
        .waker = random_waits_dice(w, 6) == 0 ? (thread_id)THREAD_INTERRUPT
                                              : (thread_id)random_waits_dice(w, w->n_threads),
        .site = (uint32_t)random_waits_dice(w, RANDOM_SITES),
        .approximate = random_waits_dice(w, 3) == 0,
    };
    struct true_thread *thread = &w->threads[id];
    bool waits = thread->off && !w->stays[thread->stay].runnable;
    bool wakeup_first = random_waits_dice(w, 2) == 0;
    w->n_wakeups++;
    if (wakeup_first || !waits) {
        add_wakeup(w, wakeup);
    }
    if (waits) {
        struct true_stay *stay = &w->stays[thread->stay];
        stay->end_ns = w->now_ns;
        stay->woken = stay->end_ns > stay->start_ns;
        stay->wakeup = w->n_wakeups - 1;
        add_row(w, stay);
        if (!wakeup_first) {
            add_wakeup(w, wakeup);
        }
        leave(w, id, true);
    }
}

static void add_sample(struct random_waits *w, thread_id id)
{
    w->samples[w->n_samples++] = (struct true_sample){w->now_ns, id};
    store_add_sample(w->store, w->now_ns, id, w->places[0]);
    look(w);
}

static void end_thread(struct random_waits *w, thread_id id)
{
    w->threads[id].ended_ns = w->now_ns;
    atomic_store(&store_thread_mut(w->store, id)->ended_ns, w->now_ns);
    look(w);
}

static void happen(struct random_waits *w, thread_id id)
{
    struct true_thread *thread = &w->threads[id];
    uint64_t what = random_waits_dice(w, 20);
    if (thread->foreign || thread->ended_ns != 0) {
        if (thread->foreign && what < 5) {
            wake(w, id);
        }
    } else if (!thread->off) {
        if (what < 14) {
            leave(w, id, what < 4);
        } else if (what < 19) {
            add_sample(w, id);
        } else if (random_waits_dice(w, 8) == 0) {
            end_thread(w, id);
        }
    } else if (w->stays[thread->stay].runnable ? what < 17 : what < 4) {
        come_back(w, id);
    } else if (what < 18) {
        wake(w, id);
    }
}

void random_waits_go_on(struct random_waits *w, size_t n_events)
{
    for (size_t i = 0; i < n_events; i++) {
        ASSERT(w->n_stays + 2 < RANDOM_STAYS && w->n_wakeups + 1 < RANDOM_STAYS &&
               w->n_samples + 1 < RANDOM_STAYS);
        // Now and then several things happen at the same time, and now and then nothing for long.
        w->now_ns += random_waits_dice(w, 4) == 0 ? 0 : random_waits_dice(w, 50);
        w->now_ns += random_waits_dice(w, 100) == 0 ? random_waits_dice(w, 2000) : 0;
        atomic_store(&w->store->last_ns, w->now_ns);
        if (w->n_threads < RANDOM_THREADS && random_waits_dice(w, 10) < 3) {
            add_thread(w);
        } else if (w->n_threads > 0) {
            happen(w, (thread_id)random_waits_dice(w, w->n_threads));
        }
    }
}

void random_waits_end(struct random_waits *w)
{
    for (thread_id id = 0; id < w->n_threads; id++) {
        if (w->threads[id].off) {
            w->stays[w->threads[id].stay].ended_by_run = true;
            come_back(w, id);
        }
    }
    atomic_store(&w->store->ended_ns, w->now_ns);
}
