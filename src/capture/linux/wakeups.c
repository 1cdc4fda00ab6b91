#include "capture/linux/wakeups.h"

#include "base/alloc.h"

#include <stdlib.h>

void wakeups_init(struct wakeups *wakeups, uint32_t n_rings, const struct waking_format *format,
                  const struct tids *tids, const struct perf_layouts *layouts)
{
    *wakeups = (struct wakeups){
        .format = *format, .tids = tids, .layouts = layouts, .n_rings = n_rings};
    wakeups->by_ring = NEW_ARRAY(struct wakeups_ring, n_rings);
}

void wakeups_fini(struct wakeups *wakeups)
{
    for (uint32_t i = 0; i < wakeups->n_rings; i++) {
        held_stack_fini(&wakeups->by_ring[i].held);
    }
    free(wakeups->by_ring);
    foreign_fini(&wakeups->foreign);
    *wakeups = (struct wakeups){0};
}

// One sample, read.
struct waking_sample {
    const struct perf_layout *layout;
    const struct perf_event_header *record;
    struct perf_stamp stamp;
    struct perf_sample parts;
    struct waking waking;
};

static bool read_sample(const struct wakeups *wakeups, const struct perf_layout *layout,
                        const struct perf_event_header *record, struct waking_sample *ret)
{
    ret->layout = layout;
    ret->record = record;
    return perf_record_stamp(record, &ret->stamp) &&
           perf_sample_parse(layout, record, &ret->parts) &&
           waking_parse(&wakeups->format, ret->parts.raw, &ret->waking);
}

// An interrupt has nothing to do with the thread that it hit. On an idle CPU nothing else wakes:
// what is done there later (softirqs, calls from other CPUs) is a late part of one.
static bool is_interrupt(const struct waking_sample *sample)
{
    return (sample->waking.flags & TRACEPOINT_HARD_INTERRUPT) != 0 || sample->stamp.tid == 0;
}

static bool waker_is_ours(const struct wakeups *wakeups, const struct waking_sample *sample)
{
    return tids_has(wakeups->tids, sample->stamp.tid, sample->stamp.pid);
}

static bool concerns_us(const struct wakeups *wakeups, const struct waking_sample *sample)
{
    return tids_find(wakeups->tids, sample->waking.wakee_tid) != 0 ||
           (waker_is_ours(wakeups, sample) && !is_interrupt(sample));
}

// ---- Stacks ------------------------------------------------------------------------------------

// The sample with the stack of this wakeup, if it is the next record.
static bool find_ahead(struct wakeups *wakeups, const struct waking_sample *sample,
                       struct perf_ring *ring, struct event_stack *ret)
{
    const struct perf_event_header *ahead = perf_ring_peek_ahead(ring);
    if (ahead == NULL || ahead->type != PERF_RECORD_SAMPLE) {
        return false;
    }
    const struct perf_layout *layout = perf_layouts_find(wakeups->layouts, ahead);
    struct waking_sample other;
    if (layout == NULL || layout->meaning != PERF_MEANS_WAKEUP || !layout->callchain ||
        !read_sample(wakeups, layout, ahead, &other)) {
        return false;
    }
    if (other.stamp.tid != sample->stamp.tid ||
        other.waking.wakee_tid != sample->waking.wakee_tid ||
        other.stamp.time_ns - sample->stamp.time_ns > WAKEUPS_PAIR_NS) {
        return false;
    }
    perf_sample_stack(layout, ahead, &other.parts, NULL, ret);
    return true;
}

static bool find_stack(struct wakeups *wakeups, const struct waking_sample *sample,
                       struct perf_ring *ring, struct wakeups_ring *state, struct event_stack *ret)
{
    if (held_stack_take(&state->held, sample->stamp.tid, sample->waking.wakee_tid, ret)) {
        return true;
    }
    state->held.held = false;
    state->taken_ahead = find_ahead(wakeups, sample, ring, ret);
    return state->taken_ahead;
}

// The sample with a stack: kept for the one without, unless that has come by already.
static enum perf_outcome hold(struct wakeups_ring *state, const struct waking_sample *sample,
                              bool ours)
{
    bool used = state->taken_ahead;
    state->taken_ahead = false;
    state->held.held = false;
    if (ours && !used) {
        struct event_stack stack;
        perf_sample_stack(sample->layout, sample->record, &sample->parts, NULL, &stack);
        held_stack_set(&state->held, sample->stamp.tid, sample->waking.wakee_tid, &stack);
    }
    return PERF_E_IGNORED;
}

// ---- Events ------------------------------------------------------------------------------------

// What runs in the waker but is not of it, or of its program, is nobody's business here.
static void keep_kernel_part(struct event *event)
{
    struct event_stack *stack = &event->wakeup.stack;
    stack->user = NULL;
    stack->n_user = 0;
    event->wakeup.has_stack = stack->n_kernel > 0;
}

static void fill(struct wakeups *wakeups, const struct waking_sample *sample, struct event *event)
{
    uint32_t wakee_tid = sample->waking.wakee_tid;
    uint32_t wakee_pid = tids_find(wakeups->tids, wakee_tid);
    if (event->pid == UINT32_MAX) { // on its way out: the tracepoint still has its number
        event->pid = event->tid = sample->waking.waker_tid;
    }
    event->wakeup.interrupt = is_interrupt(sample);
    event->wakeup.waker_foreign = !waker_is_ours(wakeups, sample);
    event->wakeup.wakee_foreign = wakee_pid == 0;
    event->wakeup.wakee_tid = wakee_tid;
    event->wakeup.wakee_pid = wakee_pid;
    if (event->wakeup.wakee_foreign) {
        wakeups->named = foreign_find(&wakeups->foreign, wakee_tid);
        event->wakeup.wakee_pid = wakeups->named.pid;
    } else if (event->wakeup.waker_foreign && !event->wakeup.interrupt) {
        wakeups->named = foreign_find(&wakeups->foreign, event->tid);
    } else {
        wakeups->named.n = 0;
    }
    event->wakeup.foreign_name = (struct slice){(const uint8_t *)wakeups->named.name,
                                                wakeups->named.n};
    if (event->wakeup.waker_foreign || event->wakeup.interrupt) {
        keep_kernel_part(event);
    }
}

enum perf_outcome wakeups_take(struct wakeups *wakeups, const struct perf_layout *layout,
                               const struct perf_event_header *record, struct perf_ring *ring,
                               uint32_t index, uint64_t time_ns, struct event *ret)
{
    struct wakeups_ring *state = &wakeups->by_ring[index];
    struct waking_sample sample;
    if (!read_sample(wakeups, layout, record, &sample)) {
        state->held.held = state->taken_ahead = false;
        return PERF_E_BAD;
    }
    bool ours = concerns_us(wakeups, &sample);
    if (layout->callchain) {
        return hold(state, &sample, ours);
    }
    if (!ours) {
        state->held.held = false;
        return PERF_E_IGNORED;
    }
    *ret = (struct event){.kind = EVENT_WAKEUP,
                          .pid = sample.stamp.pid,
                          .tid = sample.stamp.tid,
                          .cpu = sample.stamp.cpu,
                          .time_ns = time_ns};
    ret->wakeup.has_stack = find_stack(wakeups, &sample, ring, state, &ret->wakeup.stack);
    fill(wakeups, &sample, ret);
    return PERF_OK;
}
