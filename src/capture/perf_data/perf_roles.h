#pragma once

// What each event of a perf.data file is to us.
//
//     cpu-clock, task-clock, cycles   the samples: one such event, or its twins on other kinds of
//     CPU sched:sched_switch              where a thread leaves its CPU; that it does and comes
//     back,
//                                     where no records tell (perf record --switch-events)
//     context-switches                where it does, beside such records
//     sched:sched_waking, or _wakeup  who wakes whom
//     all else                        is not shown, and a note says so
//
// Without a clock and cycles the first other event that takes samples stands in their place: shares
// are of that then.

#include "capture/perf/tracepoint.h"
#include "capture/perf_data/perf_data.h"

enum perf_role {
    PERF_ROLE_OTHER,
    PERF_ROLE_CPU_TIME,
    PERF_ROLE_SWITCH_STACK, // belongs to the PERF_RECORD_SWITCH that comes next
    PERF_ROLE_SWITCH,       // is the switch
    PERF_ROLE_WAKEUP,
    PERF_ROLE_OFF_CPU_SUM, // of perf record --off-cpu: times without moments
};

// What is read of sched:sched_switch.
struct switch_format {
    uint32_t prev_state_off; // 8 bytes
    uint32_t next_tid_off;   // 4 bytes
};

struct perf_role_of_event {
    enum perf_role role;
    struct perf_layout layout; // its regs point to the following
    struct perf_regs regs;
    struct switch_format switch_format;
    struct waking_format waking_format;
    struct tracepoint_field wakee_name;
    uint64_t n_samples; // whoever reads counts
};

struct perf_roles {
    struct perf_role_of_event *at; // by index of the event
    size_t n;
    uint32_t samples;      // index of the event that is the samples; PERF_EVENT_NONE: none
    uint64_t weight_ns;    // of one
    uint32_t frequency_hz; // about as many in a second; at least 1
    bool has_switches;
    bool has_switch_stacks;
    bool has_wakeups;
    bool has_copies;
    bool has_kernel;
    struct err note; // what is not as it may seem; "" when nothing
};

// `tracing` are the bytes of PERF_FEATURE_TRACING_DATA, perhaps none. `whole_cpus`: all threads
// were recorded. 0; or -EINVAL and what is the matter with the events, to be put behind the file's
// name.
int perf_roles_choose(const struct perf_data_events *events, struct slice tracing,
                      enum event_arch arch, bool whole_cpus, struct perf_roles *ret,
                      struct err *reterr);
void perf_roles_fini(struct perf_roles *roles); // accepts a zeroed one

// Whether the thread that leaves was still runnable, and who takes its place. False: not told.
bool switch_parse(const struct switch_format *format, struct slice raw, bool *ret_preempted,
                  uint32_t *ret_next_tid);
