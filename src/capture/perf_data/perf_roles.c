#include "capture/perf_data/perf_roles.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "capture/perf_data/tracing_data.h"

#include <errno.h>
#include <stdlib.h>

enum {
    DEFAULT_MAX_STACK = 127, // kernel.perf_event_max_stack
    TASK_REPORT_MAX = 0x100, // in prev_state: was preempted
    USUAL_CYCLES_PER_NS = 1, // when nobody says how many
};

void perf_roles_fini(struct perf_roles *roles)
{
    free(roles->at);
    *roles = (struct perf_roles){0};
}

// ---- Kinds of events
// -----------------------------------------------------------------------------

static bool takes_samples(const struct perf_event_attr *attr)
{
    return attr->sample_period != 0;
}

static bool is_software(const struct perf_event_attr *attr, uint64_t config)
{
    return attr->type == PERF_TYPE_SOFTWARE && attr->config == config;
}

static bool is_clock(const struct perf_event_attr *attr)
{
    return is_software(attr, PERF_COUNT_SW_CPU_CLOCK) ||
           is_software(attr, PERF_COUNT_SW_TASK_CLOCK);
}

static bool is_cycles(const struct perf_data_event *event)
{
    uint64_t config = event->attr.config & UINT32_MAX; // above it: which PMU of several
    if (event->attr.type == PERF_TYPE_HARDWARE) {
        return config == PERF_COUNT_HW_CPU_CYCLES || config == PERF_COUNT_HW_REF_CPU_CYCLES;
    }
    return event->attr.type != PERF_TYPE_SOFTWARE && event->attr.type != PERF_TYPE_TRACEPOINT &&
           strstr(event->name, "cycles") != NULL && strstr(event->name, "stall") == NULL;
}

// Better ones first. 0: none at all.
static unsigned rank(const struct perf_data_event *event)
{
    const struct perf_event_attr *attr = &event->attr;
    if (!takes_samples(attr) || attr->type == PERF_TYPE_TRACEPOINT ||
        is_software(attr, PERF_COUNT_SW_DUMMY) || is_software(attr, PERF_COUNT_SW_BPF_OUTPUT) ||
        is_software(attr, PERF_COUNT_SW_CONTEXT_SWITCHES)) {
        return 0;
    }
    return is_clock(attr) || is_cycles(event) ? 2 : 1;
}

// ---- The samples
// ---------------------------------------------------------------------------------

static uint32_t find_samples(const struct perf_data_events *events)
{
    uint32_t best = PERF_EVENT_NONE;
    unsigned best_rank = 0;
    for (uint32_t i = 0; i < events->at.n; i++) {
        unsigned its_rank = rank(&events->at.at[i]);
        if (its_rank > best_rank) {
            best_rank = its_rank;
            best = i;
        }
    }
    return best;
}

// The same event of another PMU: of the small cores, say. A thread is on one of them.
static bool is_twin(const struct perf_event_attr *a, const struct perf_event_attr *b)
{
    return a->type == PERF_TYPE_HARDWARE && b->type == PERF_TYPE_HARDWARE &&
           a->config >> 32 != b->config >> 32 &&
           (a->config & UINT32_MAX) == (b->config & UINT32_MAX) && a->freq == b->freq &&
           a->sample_period == b->sample_period;
}

static void choose_weight(const struct perf_data_event *event, struct perf_roles *ret)
{
    const struct perf_event_attr *attr = &event->attr;
    uint64_t period = attr->sample_period;
    if (attr->freq) {
        ret->weight_ns = MAX(NS_PER_S / MIN(attr->sample_freq, (uint64_t)NS_PER_S), UINT64_C(1));
    } else {
        ret->weight_ns = MIN(period / USUAL_CYCLES_PER_NS, (uint64_t)3600 * NS_PER_S);
    }
    ret->frequency_hz = (uint32_t)MIN(MAX(NS_PER_S / ret->weight_ns, UINT64_C(1)),
                                      (uint64_t)UINT32_MAX);
    if (rank(event) < 2) {
        err_set(&ret->note, 0,
                "samples are of %s, not of CPU time: shares are shares of that, and times mean "
                "little",
                event->name);
    } else if (!is_clock(attr) && attr->freq) {
        err_set(&ret->note, 0, "samples are of %s: each counts as 1/%llu s of CPU time",
                event->name, (unsigned long long)attr->sample_freq);
    } else if (!is_clock(attr)) {
        err_set(&ret->note, 0,
                "samples are of %s, one for every %llu: times are as if it counted once in a "
                "nanosecond; perf record -F tells them better",
                event->name, (unsigned long long)period);
    }
}

// ---- Tracepoints
// ---------------------------------------------------------------------------------

static bool find_field(struct slice format, const char *name, uint32_t size_bytes, uint32_t *ret)
{
    struct tracepoint_field field;
    bool found = tracepoint_find_field(format, name, &field) && field.size_bytes == size_bytes;
    *ret = found ? field.off : 0;
    return found;
}

bool switch_parse(const struct switch_format *format, struct slice raw, bool *ret_preempted,
                  uint32_t *ret_next_tid)
{
    uint64_t state;
    if (format->prev_state_off + sizeof state > raw.n ||
        format->next_tid_off + sizeof *ret_next_tid > raw.n) {
        return false;
    }
    memcpy(&state, raw.data + format->prev_state_off, sizeof state);
    memcpy(ret_next_tid, raw.data + format->next_tid_off, sizeof *ret_next_tid);
    *ret_preempted = state == 0 || (state & TASK_REPORT_MAX) != 0;
    return true;
}

struct points {
    uint32_t switches; // indexes; PERF_EVENT_NONE: not in the file
    uint32_t waking;
    uint32_t wakeup;
};

static struct points find_points(const struct perf_data_events *events, struct slice tracing,
                                 struct perf_role_of_event *roles)
{
    struct points found = {PERF_EVENT_NONE, PERF_EVENT_NONE, PERF_EVENT_NONE};
    for (uint32_t i = 0; i < events->at.n; i++) {
        const struct perf_event_attr *attr = &events->at.at[i].attr;
        struct tracing_point point;
        if (attr->type != PERF_TYPE_TRACEPOINT || (attr->sample_type & PERF_SAMPLE_RAW) == 0 ||
            !tracing_data_find(tracing, attr->config, &point) ||
            !slice_equal(point.system, slice_of_text("sched"))) {
            continue;
        }
        struct perf_role_of_event *role = &roles[i];
        if (slice_equal(point.name, slice_of_text("sched_switch")) &&
            find_field(point.format, "prev_state", 8, &role->switch_format.prev_state_off) &&
            find_field(point.format, "next_pid", 4, &role->switch_format.next_tid_off)) {
            found.switches = i;
        }
        bool waking = slice_equal(point.name, slice_of_text("sched_waking"));
        bool wakeup = slice_equal(point.name, slice_of_text("sched_wakeup"));
        if ((waking || wakeup) && waking_format_parse(point.format, &role->waking_format)) {
            tracepoint_find_field(point.format, "comm", &role->wakee_name);
            *(waking ? &found.waking : &found.wakeup) = i;
        }
    }
    return found;
}

// Not only now and then, as with -F or -c.
static bool is_of_every(const struct perf_event_attr *attr)
{
    return !attr->freq && attr->sample_period == 1;
}

// Records of switches tell who comes back; the tracepoint too, but in the name of who leaves: only
// where all threads are recorded.
static void choose_switches(const struct perf_data_events *events, const struct points *points,
                            bool whole_cpus, struct perf_roles *ret)
{
    bool records = false;
    for (uint32_t i = 0; i < events->at.n; i++) {
        records = records || events->at.at[i].attr.context_switch;
    }
    bool is_point = points->switches != PERF_EVENT_NONE;
    bool tells_all = whole_cpus && is_point && is_of_every(&events->at.at[points->switches].attr);
    ret->has_switches = records || tells_all;
    if (is_point) {
        ret->at[points->switches].role = records     ? PERF_ROLE_SWITCH_STACK
                                         : tells_all ? PERF_ROLE_SWITCH
                                                     : PERF_ROLE_OTHER;
        ret->has_switch_stacks = ret->has_switches;
    }
    for (uint32_t i = 0; i < events->at.n && records && !is_point; i++) {
        const struct perf_event_attr *attr = &events->at.at[i].attr;
        if (is_software(attr, PERF_COUNT_SW_CONTEXT_SWITCHES) && takes_samples(attr)) {
            ret->at[i].role = PERF_ROLE_SWITCH_STACK;
            ret->has_switch_stacks = true;
        }
    }
    if (is_point && !ret->has_switches && ret->note.text[0] == 0) {
        err_set(
            &ret->note, 0,
            "not every switch is in the file (sched_switch tells of all with -a, and without -F "
            "and -c): record with --switch-events");
    }
}

// ---- All of it
// -----------------------------------------------------------------------------------

static void describe(const struct perf_event_attr *attr, enum event_arch arch,
                     struct perf_role_of_event *ret)
{
    ret->layout.callchain = (attr->sample_type & PERF_SAMPLE_CALLCHAIN) != 0;
    ret->layout.max_stack = attr->sample_max_stack != 0 ? attr->sample_max_stack
                                                        : DEFAULT_MAX_STACK;
    if ((attr->sample_type & PERF_SAMPLE_REGS_USER) != 0 &&
        perf_regs_of_mask(arch, attr->sample_regs_user, &ret->regs)) {
        ret->layout.regs = &ret->regs;
    }
}

static int check(const struct perf_data_events *events, struct err *reterr)
{
    if (events->at.n == 0) {
        return err_set(reterr, EINVAL, "has no events: record again");
    }
    for (size_t i = 0; i < events->at.n; i++) {
        const struct perf_data_event *event = &events->at.at[i];
        if (!perf_attr_same_id_place(&events->at.at[0].attr, &event->attr)) {
            return err_set(reterr, EINVAL,
                           "has events whose records can't be told apart (%s and %s)",
                           events->at.at[0].name, event->name);
        }
    }
    return 0;
}

static int check_samples(const struct perf_data_events *events, const struct perf_roles *roles,
                         struct err *reterr)
{
    if (roles->samples == PERF_EVENT_NONE && !roles->has_switches) {
        return err_set(reterr, EINVAL,
                       "has no samples of CPU time (its first event is %s): record cycles or "
                       "cpu-clock",
                       events->at.at[0].name);
    }
    uint32_t first = roles->samples == PERF_EVENT_NONE ? 0 : roles->samples;
    if ((events->at.at[first].attr.sample_type & PERF_SAMPLE_TIME) == 0) {
        return err_set(reterr, EINVAL, "has samples without their time: record with -T");
    }
    return 0;
}

static void give_roles(const struct perf_data_events *events, const struct points *points,
                       struct perf_roles *ret)
{
    const struct perf_event_attr *samples = ret->samples == PERF_EVENT_NONE
                                                ? NULL
                                                : &events->at.at[ret->samples].attr;
    for (uint32_t i = 0; i < events->at.n; i++) {
        const struct perf_data_event *event = &events->at.at[i];
        if (i == ret->samples || (samples != NULL && is_twin(samples, &event->attr))) {
            ret->at[i].role = PERF_ROLE_CPU_TIME;
            ret->has_copies = ret->has_copies || ret->at[i].layout.regs != NULL;
            ret->has_kernel = ret->has_kernel || !event->attr.exclude_kernel;
        } else if (strcmp(event->name, "offcpu-time") == 0) {
            ret->at[i].role = PERF_ROLE_OFF_CPU_SUM;
        }
    }
    uint32_t wakes = points->waking != PERF_EVENT_NONE ? points->waking : points->wakeup;
    if (wakes != PERF_EVENT_NONE && is_of_every(&events->at.at[wakes].attr)) {
        ret->at[wakes].role = PERF_ROLE_WAKEUP;
        ret->has_wakeups = true;
    }
}

int perf_roles_choose(const struct perf_data_events *events, struct slice tracing,
                      enum event_arch arch, bool whole_cpus, struct perf_roles *ret,
                      struct err *reterr)
{
    *ret = (struct perf_roles){0};
    int r = check(events, reterr);
    if (r < 0) {
        return r;
    }
    ret->n = events->at.n;
    ret->at = NEW_ARRAY(struct perf_role_of_event, ret->n);
    for (size_t i = 0; i < ret->n; i++) {
        describe(&events->at.at[i].attr, arch, &ret->at[i]);
    }
    ret->samples = find_samples(events);
    ret->weight_ns = NS_PER_MS;
    ret->frequency_hz = NS_PER_S / NS_PER_MS;
    if (ret->samples != PERF_EVENT_NONE) {
        choose_weight(&events->at.at[ret->samples], ret);
    }
    struct points points = find_points(events, tracing, ret->at);
    give_roles(events, &points, ret);
    choose_switches(events, &points, whole_cpus, ret);
    return check_samples(events, ret, reterr);
}
