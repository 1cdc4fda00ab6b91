#include "capture/perf_data/perf_deliver.h"

#include "base/limits.h"

#include <stdlib.h>

enum {
    N_RINGS = 64,
    LOST_BY_BPF = 1 << 15, // misc of LOST_SAMPLES: what a filter of the user has left out
};

void perf_deliver_init(struct perf_deliver *deliver)
{
    *deliver = (struct perf_deliver){0};
    switches_init(&deliver->switches, N_RINGS);
}

void perf_deliver_fini(struct perf_deliver *deliver)
{
    switches_fini(&deliver->switches);
    tids_fini(&deliver->tids);
    perf_roles_fini(&deliver->roles);
}

static uint32_t ring_of(uint32_t tid)
{
    return tid % N_RINGS;
}

// ---- Who is alive
// --------------------------------------------------------------------------------

static void keep_tids(struct perf_deliver *d, const struct event *event)
{
    switch (event->kind) {
    case EVENT_SAMPLE:
    case EVENT_SWITCH_IN:
    case EVENT_SWITCH_OUT:
    case EVENT_THREAD_STARTED:
    case EVENT_PROCESS_FORKED:
    case EVENT_THREAD_NAMED:
        tids_add(&d->tids, event->tid, event->pid);
        break;
    case EVENT_EXEC:
        tids_exec(&d->tids, event->pid);
        break;
    case EVENT_THREAD_EXITED:
        tids_end(&d->tids, event->tid, event->time_ns);
        break;
    case EVENT_WAKEUP:
    case EVENT_WAIT_SEEN:
    case EVENT_IMAGE_MAPPED:
    case EVENT_IMAGE_UNMAPPED:
    case EVENT_CODE_LOADED:
    case EVENT_CODE_MOVED:
    case EVENT_LOST:
    case EVENT_THROTTLED:
    case EVENT_KIND_COUNT:
        break;
    }
}

static void hand_on(struct perf_deliver *d, struct event *event)
{
    bool nobodys = event->pid == 0 || event->pid == UINT32_MAX;
    if (nobodys && event->kind != EVENT_LOST && event->kind != EVENT_THROTTLED) {
        return;
    }
    keep_tids(d, event);
    d->sink(d->context, event);
}

static void deliver_unsound(struct perf_deliver *d, uint64_t time_ns)
{
    struct event event = {.kind = EVENT_LOST, .time_ns = time_ns, .lost.n = 1};
    d->counts.unsound++;
    hand_on(d, &event);
}

// ---- Samples
// -------------------------------------------------------------------------------------

// One sample, read.
struct perf_taken {
    const struct perf_role_of_event *role;
    const struct perf_event_header *record;
    struct perf_stamp stamp;
    struct perf_sample parts;
};

static struct event event_of(enum event_kind kind, const struct perf_taken *sample)
{
    return (struct event){.kind = kind,
                          .pid = sample->stamp.pid,
                          .tid = sample->stamp.tid,
                          .cpu = sample->stamp.cpu,
                          .time_ns = sample->stamp.time_ns};
}

static void stack_of(struct perf_deliver *d, const struct perf_taken *sample,
                     struct event_stack *ret)
{
    perf_sample_stack(&sample->role->layout, sample->record, &sample->parts, &d->regs, ret);
}

static void deliver_cpu_time(struct perf_deliver *d, const struct perf_taken *sample)
{
    struct event event = event_of(EVENT_SAMPLE, sample);
    if (event.tid == 0 && event.pid == 0) {
        d->counts.idle++;
        return;
    }
    if (event.pid == UINT32_MAX) {
        d->counts.nobodys++;
        return;
    }
    event.sample.weight_ns = d->roles.weight_ns;
    stack_of(d, sample, &event.sample.stack);
    switches_drop(&d->switches, ring_of(event.tid), event.tid);
    hand_on(d, &event);
}

static void hold_switch_stack(struct perf_deliver *d, const struct perf_taken *sample)
{
    struct event_stack stack;
    stack_of(d, sample, &stack);
    switches_hold(&d->switches, ring_of(sample->stamp.tid), sample->stamp.tid, &stack);
}

// One thread leaves the CPU, and another one comes to it.
static void deliver_switch(struct perf_deliver *d, const struct perf_taken *sample)
{
    struct event event = event_of(EVENT_SWITCH_OUT, sample);
    uint32_t next_tid;
    if (!switch_parse(&sample->role->switch_format, sample->parts.raw, &event.switch_out.preempted,
                      &next_tid)) {
        deliver_unsound(d, event.time_ns);
        return;
    }
    event.switch_out.has_stack = true;
    stack_of(d, sample, &event.switch_out.stack);
    hand_on(d, &event);
    struct event next = event_of(EVENT_SWITCH_IN, sample);
    next.tid = next_tid;
    next.pid = tids_find(&d->tids, next_tid);
    hand_on(d, &next);
}

// The name of a thread that the file knows nothing else of.
static struct slice wakee_name(const struct perf_taken *sample)
{
    const struct tracepoint_field *field = &sample->role->wakee_name;
    struct slice raw = sample->parts.raw;
    if (field->off > raw.n || field->size_bytes > raw.n - field->off || field->size_bytes == 0) {
        return (struct slice){0};
    }
    const char *name = (const char *)raw.data + field->off;
    return (struct slice){raw.data + field->off, strnlen(name, field->size_bytes)};
}

static void deliver_wakeup(struct perf_deliver *d, const struct perf_taken *sample)
{
    struct event event = event_of(EVENT_WAKEUP, sample);
    struct waking waking;
    if (!waking_parse(&sample->role->waking_format, sample->parts.raw, &waking)) {
        deliver_unsound(d, event.time_ns);
        return;
    }
    if (event.pid == UINT32_MAX) { // on its way out: the tracepoint still has its number
        event.tid = waking.waker_tid;
        event.pid = tids_entry(&d->tids, event.tid) & ~TIDS_ENDED;
    }
    event.wakeup.interrupt = (waking.flags & TRACEPOINT_HARD_INTERRUPT) != 0 || event.tid == 0;
    event.wakeup.wakee_tid = waking.wakee_tid;
    event.wakeup.wakee_pid = tids_find(&d->tids, waking.wakee_tid);
    event.wakeup.wakee_foreign = event.wakeup.wakee_pid == 0;
    event.wakeup.foreign_name = wakee_name(sample);
    event.wakeup.has_stack = sample->role->layout.callchain;
    if (event.wakeup.has_stack) {
        stack_of(d, sample, &event.wakeup.stack);
    }
    bool somebodys = event.pid != 0 || event.wakeup.interrupt;
    if (waking.wakee_tid != 0 && somebodys) { // not hand_on(): an idle CPU's interrupts wake, too
        d->sink(d->context, &event);
    }
}

static void deliver_sample(struct perf_deliver *d, const struct perf_event_attr *attr,
                           struct perf_role_of_event *role, const struct perf_event_header *record,
                           const struct perf_stamp *stamp)
{
    struct perf_taken sample = {.role = role, .record = record, .stamp = *stamp};
    role->n_samples++;
    if (role->role == PERF_ROLE_OTHER || role->role == PERF_ROLE_OFF_CPU_SUM) {
        return;
    }
    if (!perf_attr_sample(attr, role->layout.regs, record, &sample.parts)) {
        deliver_unsound(d, stamp->time_ns);
        return;
    }
    switch (role->role) {
    case PERF_ROLE_CPU_TIME:
        deliver_cpu_time(d, &sample);
        break;
    case PERF_ROLE_SWITCH_STACK:
        hold_switch_stack(d, &sample);
        break;
    case PERF_ROLE_SWITCH:
        deliver_switch(d, &sample);
        break;
    case PERF_ROLE_WAKEUP:
        deliver_wakeup(d, &sample);
        break;
    case PERF_ROLE_OTHER:
    case PERF_ROLE_OFF_CPU_SUM:
        break;
    }
}

// ---- Other records
// -------------------------------------------------------------------------------

// The kernel's own mappings were looked at when the file was opened.
static bool is_of_user(const struct perf_event_header *record)
{
    unsigned mode = record->misc & PERF_RECORD_MISC_CPUMODE_MASK;
    return mode == PERF_RECORD_MISC_USER || mode == PERF_RECORD_MISC_CPUMODE_UNKNOWN;
}

static void complete_mapping(const struct perf_deliver *d, struct event *event)
{
    if (event->image_mapped.build_id.n == 0) {
        const struct event_build_id *known = perf_data_facts_build_id(d->facts,
                                                                      event->image_mapped.path);
        if (known != NULL) {
            event->image_mapped.build_id = *known;
        }
    }
    if (event->image_mapped.kind == EVENT_IMAGE_VDSO && d->foreign_kernel) {
        event->image_mapped.kind = EVENT_IMAGE_FILE; // that nobody can find: ours is another one
    }
}

// A thread that was there before: its parent's memory is not copied, as all that it has mapped is
// told as well.
static void make_existing(struct event *event)
{
    if (event->kind == EVENT_PROCESS_FORKED || event->kind == EVENT_THREAD_STARTED) {
        event->kind = EVENT_THREAD_STARTED;
        event->thread_started.parent_tid = 0;
        event->thread_started.existed = true;
        event->thread_started.asleep = true;
    }
}

// The kernel tells of a loss when there is room again, and perf of all samples that were lost when
// it ends: the same ones once more, but for the last.
static bool is_news(struct perf_deliver *d, struct event *event)
{
    if (event->kind != EVENT_LOST) {
        return true;
    }
    if (!event->lost.samples) {
        d->counts.lost += event->lost.n;
        return true;
    }
    uint64_t told = MIN(d->counts.lost, event->lost.n);
    d->counts.lost -= told;
    event->lost.n -= told;
    return event->lost.n > 0;
}

static void complete(struct perf_deliver *d, struct event *event, bool before)
{
    if (event->kind == EVENT_IMAGE_MAPPED) {
        complete_mapping(d, event);
    } else if (event->kind == EVENT_PROCESS_FORKED) {
        event->process_forked.recorded = true;
    } else if (event->kind == EVENT_LOST) { // nobody knows whose
        for (uint32_t i = 0; i < N_RINGS; i++) {
            switches_drop(&d->switches, i, 0);
        }
    }
    if (before) {
        make_existing(event);
    } else if (event->kind == EVENT_SWITCH_OUT || event->kind == EVENT_SWITCH_IN) {
        switches_complete(&d->switches, ring_of(event->tid), event->tid, event);
    }
}

static void deliver_other(struct perf_deliver *d, const struct perf_event_attr *attr,
                          const struct perf_event_header *record, const struct perf_stamp *stamp,
                          bool before)
{
    bool maps = record->type == PERF_RECORD_MMAP || record->type == PERF_RECORD_MMAP2;
    bool filtered = record->type == PERF_RECORD_LOST_SAMPLES && (record->misc & LOST_BY_BPF) != 0;
    if ((maps && !is_of_user(record)) || filtered) {
        return;
    }
    struct event event = {
        .pid = stamp->pid, .tid = stamp->tid, .cpu = stamp->cpu, .time_ns = stamp->time_ns};
    enum perf_outcome outcome = perf_fields_parse(record, perf_attr_fields(attr, record), &event);
    if (outcome == PERF_E_BAD) {
        deliver_unsound(d, stamp->time_ns);
    } else if (outcome == PERF_OK && is_news(d, &event)) {
        complete(d, &event, before);
        hand_on(d, &event);
    }
}

void perf_deliver(struct perf_deliver *deliver, const struct perf_rounds_entry *entry)
{
    uint64_t time_ns = MAX(entry->time_ns, deliver->started_ns);
    if (entry->event >= deliver->roles.n) {
        deliver_unsound(deliver, time_ns);
        return;
    }
    const struct perf_event_attr *attr = &deliver->events->at.at[entry->event].attr;
    struct perf_stamp stamp;
    if (!perf_attr_stamp(attr, entry->record, &stamp)) {
        deliver_unsound(deliver, time_ns);
        return;
    }
    bool before = entry->time_ns == 0;
    stamp.time_ns = time_ns;
    if (entry->record->type == PERF_RECORD_SAMPLE) {
        deliver_sample(deliver, attr, &deliver->roles.at[entry->event], entry->record, &stamp);
    } else {
        deliver_other(deliver, attr, entry->record, &stamp, before);
    }
}

// ---- What was left out
// ---------------------------------------------------------------------------

static void add_note(struct text *text, uint64_t n, const char *what)
{
    if (n > 0) {
        text_addf(text, "%s%llu %s", text->n == 0 ? "left out: " : ", ", (unsigned long long)n,
                  what);
    }
}

void perf_deliver_note(const struct perf_deliver *deliver, struct err *ret)
{
    CLEANUP(text_fini) struct text text = {0};
    CLEANUP(text_fini) struct text others = {0};
    add_note(&text, deliver->counts.idle, "samples of idle CPUs");
    add_note(&text, deliver->counts.nobodys, "samples of threads that were gone already");
    add_note(&text, deliver->counts.unsound, "records that make no sense");
    for (size_t i = 0; i < deliver->roles.n; i++) {
        const struct perf_role_of_event *role = &deliver->roles.at[i];
        text_clear(&others);
        text_addf(&others, "samples of %s%s", deliver->events->at.at[i].name,
                  role->role == PERF_ROLE_OFF_CPU_SUM
                      ? " (sums of waits, without their moments; record with --switch-events)"
                      : "");
        bool is_left_out = role->role == PERF_ROLE_OTHER || role->role == PERF_ROLE_OFF_CPU_SUM;
        add_note(&text, is_left_out ? role->n_samples : 0, text_get(&others));
    }
    if (text.n > 0) {
        err_set(ret, 0, "%s", text_get(&text));
    }
}
