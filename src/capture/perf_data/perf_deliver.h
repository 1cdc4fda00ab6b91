#pragma once

// From the records of a perf.data file, in the order of time, to events.
//
// What perf made up of what was there before (time 0: threads, names, mappings) comes first, as
// having existed at the start. All processes of the file are processes of the run. CPUs that idle,
// and threads so close to their end that the kernel has no number for them any more, are nobody's.
//
// Owned by the capture thread.

#include "capture/perf/switches.h"
#include "capture/perf/tids.h"
#include "capture/perf_data/perf_kernel.h"
#include "capture/perf_data/perf_roles.h"
#include "capture/perf_data/perf_rounds.h"

struct perf_deliver_counts {
    uint64_t idle;    // samples of CPUs with nothing to do
    uint64_t lost;    // as the kernel has told
    uint64_t unsound; // records that make no sense, or of no event of the file
    uint64_t nobodys; // samples of threads on their way out
};

struct perf_deliver {
    const struct perf_data_events *events;
    const struct perf_data_facts *facts;
    struct perf_roles roles;
    bool foreign_kernel; // not the one that runs here
    uint64_t started_ns;
    struct switches switches; // by thread number, as not every file tells CPUs
    struct tids tids;
    struct perf_deliver_counts counts;
    struct event_regs regs; // of the latest stack: events point here
    event_sink_fn sink;
    void *context;
};

void perf_deliver_init(struct perf_deliver *deliver);
void perf_deliver_fini(struct perf_deliver *deliver);

// Hands on what the record tells.
void perf_deliver(struct perf_deliver *deliver, const struct perf_rounds_entry *entry);

// What has been left out so far, in one line; "" when nothing.
void perf_deliver_note(const struct perf_deliver *deliver, struct err *ret);
