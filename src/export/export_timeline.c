#include "export/export_timeline.h"

stack_id export_known_stack(const struct export *export, stack_id stack)
{
    return stack < export->source->tree->of_stack.n ? stack : STACK_ROOT;
}

uint64_t export_since_start(const struct export *export, uint64_t time_ns)
{
    uint64_t started_ns = export->source->store->started_ns;
    return time_ns > started_ns ? time_ns - started_ns : 0;
}

const struct process_row *export_process(const struct export *export, process_id process)
{
    const struct store *store = export->source->store;
    uint32_t n = atomic_load_explicit(&store->processes.n, memory_order_acquire);
    return process < n ? store_process(store, process) : NULL;
}

// ---- Binaries ----------------------------------------------------------------------------------

// NULL: nothing that has symbols.
static const struct image *binary_of(const struct export *export, image_id id)
{
    const struct image_row *row = store_image(export->source->store, id);
    const struct library *library = export->source->names->library;
    bool is_there = id != 0 && image_row_is_binary(row) &&
                    row->library < atomic_load_explicit(&library->n, memory_order_acquire);
    return is_there ? library_at(library, row->library) : NULL;
}

bool export_frame_addr(const struct export *export, frame_id frame, uint64_t *ret_addr)
{
    const struct frame_row *row = stacks_get_frame(&export->source->store->stacks, frame);
    const struct image *image = binary_of(export, row->image);
    const struct symtab *symtab = image == NULL ? NULL : image_symtab(image);
    return symtab != NULL && symtab_addr_of_off(symtab, row->off, ret_addr);
}

struct slice export_build_id(const struct export *export, image_id id)
{
    const struct store *store = export->source->store;
    struct slice told = strings_get(&store->strings, store_image(store, id)->build_id);
    const struct image *image = binary_of(export, id);
    if (told.n > 0 || image == NULL ||
        atomic_load_explicit(&image->state, memory_order_acquire) != IMAGE_READY) {
        return told;
    }
    return (struct slice){.data = image->file_build_id.at, .n = image->file_build_id.n};
}

struct slice export_image_path(const struct export *export, image_id id)
{
    const struct store *store = export->source->store;
    return strings_get(&store->strings, store_image(store, id)->path);
}

// ---- Waits -------------------------------------------------------------------------------------

// The wakeup that ended a wait stands at exactly its end.
static bool find_waker(const struct export *export, const struct interval *interval,
                       thread_id *ret_waker)
{
    const struct wakeups *wakeups = &export->source->store->wakeups;
    uint64_t end_ns = interval->start_ns + interval->duration_ns;
    uint64_t n = atomic_load_explicit(&wakeups->n, memory_order_acquire);
    for (uint64_t row = wakeups_find(wakeups, n, end_ns); row < n; row++) {
        struct wakeup wakeup = wakeups_get(wakeups, row);
        if (wakeup.time_ns != end_ns) {
            return false;
        }
        if (wakeup.wakee == interval->thread) {
            *ret_waker = wakeup.waker;
            return true;
        }
    }
    return false;
}

struct export_stay export_stay_of(const struct export *export, const struct interval *interval)
{
    const struct export_source *source = export->source;
    struct export_stay stay = {.stack = export_known_stack(export, interval->stack)};
    if ((interval->flags & INTERVAL_RUNNABLE) != 0) {
        stay.runnable = true;
        return stay;
    }
    bool is_known = interval->stack == stay.stack || interval->reason != REASON_BY_STACK;
    stay.reason = is_known ? reasons_of(source->reasons, interval->reason, stay.stack)
                           : EVENT_REASON_OTHER;
    stay.stack = reasons_waiting_stack(source->reasons, stay.stack);
    stay.function = calltree_function(source->tree, source->tree->of_stack.at[stay.stack]);
    stay.has_waker = (interval->flags & INTERVAL_ENDED_BY_RUN) == 0 &&
                     find_waker(export, interval, &stay.waker);
    return stay;
}

void export_add_waker(struct text *to, const struct export *export, thread_id waker)
{
    const struct store *store = export->source->store;
    if (waker >= atomic_load_explicit(&store->threads.n, memory_order_acquire)) {
        text_add(to, "an interrupt");
        return;
    }
    const struct thread_row *row = store_thread(store, waker);
    struct slice name = strings_get(&store->strings, atomic_load(&row->name));
    text_add_bytes(to, name.data, name.n);
    text_addf(to, " (%u)", row->tid);
}

void export_open_runnable(struct export *export,
                          void (*stay)(struct export *export, const struct interval *interval))
{
    const struct fold *fold = export->source->fold;
    for (thread_id thread = 0; thread < fold->threads.n; thread++) {
        uint64_t length_ns = fold->threads.at[thread].open_runnable_ns;
        if (length_ns == 0) {
            continue;
        }
        struct interval interval = {
            .start_ns = export->window.end_ns - MIN(length_ns, export->window.end_ns),
            .duration_ns = length_ns,
            .flags = INTERVAL_RUNNABLE | INTERVAL_ENDED_BY_RUN,
            .thread = thread,
        };
        stay(export, &interval);
    }
}
