#include "export/export.h"

#include <stdlib.h>
#include <string.h>

const struct export_format *const export_formats[] = {
    &export_folded,   &export_speedscope, &export_pprof, &export_firefox,
    &export_perfetto, &export_html,       NULL,
};

const struct export_format *export_format_find(const char *name)
{
    for (size_t i = 0; export_formats[i] != NULL; i++) {
        if (strcmp(export_formats[i]->name, name) == 0) {
            return export_formats[i];
        }
    }
    return NULL;
}

void export_init(struct export *export, const struct export_format *format,
                 const struct export_source *source, bool off_cpu, int fd)
{
    *export = (struct export){.format = format, .source = source, .off_cpu = off_cpu};
    export_out_init(&export->out, fd, format->gzip);
}

void export_fini(struct export *export)
{
    if (export->format->free != NULL) {
        export->format->free(export);
    }
    vec_fini(&export->open);
    export_out_fini(&export->out);
}

// ---- Rows --------------------------------------------------------------------------------------

static int compare_open(const void *a, const void *b)
{
    const struct fold_open *x = a;
    const struct fold_open *y = b;
    return (x->thread > y->thread) - (x->thread < y->thread);
}

static void begin(struct export *export)
{
    const struct fold *fold = export->source->fold;
    const struct store *store = export->source->store;
    export->window = fold_window(fold, store);
    export->end_sample = fold->samples_cursor;
    export->end_interval = fold->intervals_cursor;
    if (fold->view.has_time_range) {
        export->next_sample = samples_find(&store->samples, export->end_sample,
                                           export->window.start_ns);
        export->next_interval = intervals_find(&store->intervals, export->end_interval,
                                               export->window.start_ns);
    }
    for (size_t i = 0; i < fold->open.n; i++) {
        vec_push(&export->open, fold->open.at[i]);
    }
    if (export->open.n > 1) {
        qsort(export->open.at, export->open.n, sizeof *export->open.at, compare_open);
    }
    export->format->begin(export);
}

static bool keeps(const struct fold *fold, thread_id thread, stack_id stack)
{
    return fold->keep.threads.at[thread] != 0 && fold->keep.stacks.at[stack] != 0;
}

// True: that was the last one.
static bool pass_samples(struct export *export, uint64_t max_rows)
{
    const struct samples *samples = &export->source->store->samples;
    if (export->format->sample == NULL || export->next_sample >= export->end_sample) {
        return true;
    }
    struct samples_span span;
    uint64_t end = export->next_sample + MIN(max_rows, export->end_sample - export->next_sample);
    samples_pin(samples, export->next_sample, end, &span);
    for (size_t i = 0; i < span.n; i++) {
        if (keeps(export->source->fold, span.thread[i], span.stack[i])) {
            export->format->sample(export, span.time_ns[i], span.thread[i], span.stack[i]);
            export_out_drain(&export->out);
        }
    }
    samples_unpin(samples, &span);
    export->next_sample += span.n;
    return false;
}

// Cuts off what lies outside of the window. False: nothing is left, and it does not count.
static bool clip(struct view_window window, struct interval *interval)
{
    uint64_t end_ns = interval->start_ns + interval->duration_ns;
    if (interval->start_ns >= window.end_ns || end_ns <= window.start_ns) {
        return false;
    }
    interval->start_ns = MAX(interval->start_ns, window.start_ns);
    interval->duration_ns = MIN(end_ns, window.end_ns) - interval->start_ns;
    return true;
}

static bool pass_intervals(struct export *export, uint64_t max_rows)
{
    const struct intervals *intervals = &export->source->store->intervals;
    if (export->format->interval == NULL || export->next_interval >= export->end_interval) {
        return true;
    }
    struct intervals_span span;
    uint64_t end = export->next_interval +
                   MIN(max_rows, export->end_interval - export->next_interval);
    intervals_pin(intervals, export->next_interval, end, &span);
    for (size_t i = 0; i < span.n; i++) {
        struct interval interval = intervals_span_get(&span, i);
        if (keeps(export->source->fold, interval.thread, interval.stack) &&
            clip(export->window, &interval)) {
            export->format->interval(export, &interval);
            export_out_drain(&export->out);
        }
    }
    intervals_unpin(intervals, &span);
    export->next_interval += span.n;
    return false;
}

static bool pass_open(struct export *export, uint64_t max_rows)
{
    if (export->format->interval == NULL) {
        return true;
    }
    for (; max_rows > 0 && export->next_open < export->open.n; max_rows--) {
        const struct fold_open *open = &export->open.at[export->next_open++];
        unsigned flags = INTERVAL_ENDED_BY_RUN |
                         (open->cell.approximate ? (unsigned)INTERVAL_APPROXIMATE : 0);
        struct interval interval = {
            .start_ns = export->window.end_ns - MIN(open->cell.ns, export->window.end_ns),
            .duration_ns = open->cell.ns,
            .reason = open->cell.reason,
            .flags = (uint8_t)flags,
            .thread = open->thread,
            .stack = open->cell.stack,
        };
        export->format->interval(export, &interval);
        export_out_drain(&export->out);
    }
    return export->next_open >= export->open.n;
}

// ---- One slice ---------------------------------------------------------------------------------

// True: the phase is over.
static bool work(struct export *export, uint64_t max_rows)
{
    const struct export_format *format = export->format;
    switch (export->phase) {
    case EXPORT_BEGIN:
        begin(export);
        return true;
    case EXPORT_MORE:
        return format->more == NULL || !format->more(export, max_rows);
    case EXPORT_SAMPLES:
        return pass_samples(export, max_rows);
    case EXPORT_INTERVALS:
        return pass_intervals(export, max_rows);
    case EXPORT_OPEN:
        return pass_open(export, max_rows);
    case EXPORT_REST:
        return format->rest == NULL || !format->rest(export, max_rows);
    case EXPORT_END:
        format->end(export);
        export_out_finish(&export->out);
        return true;
    case EXPORT_DONE:
        break;
    }
    ASSERT(false);
    return true;
}

int export_advance(struct export *export, uint64_t max_rows)
{
    bool over = work(export, max_rows);
    export_out_drain(&export->out);
    if (export->out.error != 0) {
        return export->out.error;
    }
    export->phase += over;
    return export->phase == EXPORT_DONE ? 0 : 1;
}
