#pragma once

// From samples of the tracepoint sched:sched_waking to EVENT_WAKEUP.
//
// The tracepoint is recorded on whole CPUs, since only that shows who woke a thread from outside:
// every wakeup of the machine comes by here. So the first thing is to drop those between strangers,
// after two look-ups and before anything else is made of them. Two events record it:
//
//     all of them      no stack
//     as many of them as may be (governor.h)     with the waker's stack
//
// A wakeup that both recorded is one event with a stack. The two samples stand side by side in the
// ring, with the same waker and wakee, in an order that is up to the kernel (it takes the event
// that was enabled last first). A stack that comes first is held; for one that comes second we look
// at the next record of the ring, so that nothing has to wait.
//
// Owned by the capture thread.

#include "capture/linux/foreign.h"
#include "capture/linux/perf_ring.h"
#include "capture/perf/held_stack.h"
#include "capture/perf/perf_record.h"
#include "capture/perf/tids.h"
#include "capture/perf/tracepoint.h"

enum { WAKEUPS_PAIR_NS = 20000 }; // between two samples of one wakeup: the walk of a stack

struct wakeups_ring {
    bool taken_ahead; // the next sample with a stack has been used already
    struct held_stack held;
};

struct wakeups {
    struct waking_format format;
    const struct tids *tids;            // borrowed
    const struct perf_layouts *layouts; // borrowed
    struct wakeups_ring *by_ring;
    uint32_t n_rings;
    struct foreign foreign;
    struct foreign_thread named; // whose name the latest event points to
};

void wakeups_init(struct wakeups *wakeups, uint32_t n_rings, const struct waking_format *format,
                  const struct tids *tids, const struct perf_layouts *layouts);
void wakeups_fini(struct wakeups *wakeups); // accepts a zeroed one

// A sample of the tracepoint, which perf_ring_peek(ring) yields; `index` is the ring's number. The
// event borrows from the ring and from `wakeups`, until the next call; its time is `time_ns`.
// PERF_E_IGNORED: not of our threads, or only the stack of a wakeup.
enum perf_outcome wakeups_take(struct wakeups *wakeups, const struct perf_layout *layout,
                               const struct perf_event_header *record, struct perf_ring *ring,
                               uint32_t index, uint64_t time_ns, struct event *ret);

// Any other record of the ring: no pair reaches across it.
static inline void wakeups_interrupt(struct wakeups *wakeups, uint32_t index)
{
    wakeups->by_ring[index].held.held = false;
}
