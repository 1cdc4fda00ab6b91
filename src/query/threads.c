#include "query/select.h"
#include "query/weights.h"

static uint64_t since_start(const struct store *store, uint64_t time_ns)
{
    return time_ns > store->started_ns ? time_ns - store->started_ns : 0;
}

static struct threads_entry describe(const struct fold *fold, const struct store *store,
                                     thread_id id)
{
    const struct thread_row *row = store_thread(store, id);
    const struct fold_thread *counted = &fold->threads.at[id];
    uint64_t ended_ns = atomic_load_explicit(&row->ended_ns, memory_order_acquire);
    return (struct threads_entry){
        .thread = id,
        .pid = row->pid,
        .tid = row->tid,
        .name = strings_get(&store->strings, atomic_load(&row->name)),
        .on_cpu_ns = weights_round(weights_thread_ns(fold, store, id)),
        .samples = counted->kept_samples,
        .runnable_ns = counted->runnable_ns,
        .wakeups = counted->wakeups,
        .started_ns = since_start(store, row->started_ns),
        .ended_ns = ended_ns == 0 ? 0 : MAX(since_start(store, ended_ns), UINT64_C(1)),
    };
}

static bool is_listed(const struct fold *fold, const struct store *store, thread_id id)
{
    if (!fold->keep.threads.at[id]) {
        return false;
    }
    const struct thread_row *row = store_thread(store, id);
    struct view_window window = view_window(&fold->view, store);
    uint64_t ended_ns = atomic_load_explicit(&row->ended_ns, memory_order_acquire);
    bool began = row->started_ns < window.end_ns;
    bool ended = ended_ns != 0 && ended_ns <= window.start_ns;
    return fold->threads.at[id].kept_samples > 0 || (began && !ended);
}

// `reason_of` is by place, up to the end of the last page.
static void add_finished_waits(struct off_cpu *off_cpu, const struct cells *waits,
                               const uint8_t *reason_of)
{
    struct cells_page page;
    for (uint32_t cursor = 0; cells_next_page(waits, &cursor, &page);) {
        for (size_t i = 0; i < CELLS_PAGE; i++) {
            off_cpu->ns[reason_of[page.first + i]] += page.ns[i];
        }
    }
}

static void add_waits(struct threads_answer *answer, const struct calltree *tree,
                      const struct fold *fold, struct reasons *reasons, const uint32_t *entry_of)
{
    const struct places *places = &fold->waiting;
    CLEANUP(freep) uint8_t *reason_of = NEW_ARRAY(uint8_t, places_room(places) + 1);
    for (size_t place = 0; place < places->at.n; place++) {
        struct cell cell = places_cell(places, place);
        reason_of[place] = (uint8_t)weights_reason(tree, reasons, &cell);
        answer->total_off_cpu.ns[reason_of[place]] += cell.ns;
    }
    for (thread_id id = 0; id < fold->threads.n; id++) {
        if (entry_of[id] != 0) {
            add_finished_waits(&answer->entries.at[entry_of[id] - 1].off_cpu,
                               &fold->threads.at[id].waits, reason_of);
        }
    }
    for (size_t i = 0; i < fold->open.n; i++) {
        const struct fold_open *open = &fold->open.at[i];
        enum event_reason reason = weights_reason(tree, reasons, &open->cell);
        answer->total_off_cpu.ns[reason] += open->cell.ns;
        if (entry_of[open->thread] != 0) {
            answer->entries.at[entry_of[open->thread] - 1].off_cpu.ns[reason] += open->cell.ns;
        }
    }
}

static int compare_entries(const void *a, const void *b, void *context)
{
    (void)context;
    const struct threads_entry *x = a;
    const struct threads_entry *y = b;
    if (x->on_cpu_ns != y->on_cpu_ns) {
        return x->on_cpu_ns > y->on_cpu_ns ? -1 : 1;
    }
    if (x->tid != y->tid) {
        return x->tid < y->tid ? -1 : 1;
    }
    return x->thread < y->thread ? -1 : 1;
}

void threads_make(struct threads_answer *ret, const struct calltree *tree, const struct fold *fold,
                  const struct store *store, struct reasons *reasons, size_t limit)
{
    *ret = (struct threads_answer){.health = health_make(tree, fold, store)};
    ret->total_on_cpu_ns = weights_on_cpu_ns(&ret->health, fold, store);
    CLEANUP(freep) uint32_t *entry_of = NEW_ARRAY(uint32_t, fold->threads.n + 1);
    for (thread_id id = 0; id < fold->threads.n; id++) {
        ret->total_runnable_ns += fold->threads.at[id].runnable_ns;
        if (is_listed(fold, store, id)) {
            vec_push(&ret->entries, describe(fold, store, id));
            entry_of[id] = (uint32_t)ret->entries.n;
        }
    }
    add_waits(ret, tree, fold, reasons, entry_of);
    ret->n_threads = ret->entries.n;
    size_t n = limit == 0 ? ret->entries.n : MIN(limit, ret->entries.n);
    select_first(ret->entries.at, ret->entries.n, sizeof *ret->entries.at, n, compare_entries,
                 NULL);
    ret->entries.n = n;
}

void threads_fini(struct threads_answer *threads)
{
    vec_fini(&threads->entries);
}
