#pragma once

// Tells of waits, while they last, what they are for.
//
// The records of a recording say when a thread left its CPU, but often not why: kernel stacks may
// not be permitted, and a mutex, a semaphore and a condition variable wait in the same kernel
// function. So some of the threads that are off for a while are looked at (capture/linux/look.h),
// by a thread of its own, since reading the memory of a target may take for ever:
//
//     capture thread                                            observer thread
//     ── on_event: who is off, since when
//     ── tick ──── those to look at, a bounded number ────────► look (may never return)
//     ◄─ collect ────────────── what they wait for ────────────
//     ── deliver: EVENT_WAIT_SEEN, among the records by time
//
// What was seen is a claim about two moments: the receiver knows from the records between them
// whether the thread ran. So nothing here has to be sure that it did not.
//
// Cheap: an event costs one look-up. A thread is looked at once in a wait, first those of which
// nothing is known; and when its waits turn out the same again, after twice the time (RATE, BURST
// and DISTANCE below). Nothing is started before the first thread waits.
//
// While a look does not return, the recording goes on without any. Closing never waits for the
// observer thread: it owns its share of what the two have in common, and frees it if it ever comes
// back. Such a thread cannot be ended, so a process has THREADS_MAX of them at most.
//
// All functions belong to the capture thread.

#include "base/clock.h"
#include "base/map.h"
#include "base/vec.h"
#include "capture/capture.h"

enum {
    OBSERVER_RATE_HZ = 1000, // looks
    OBSERVER_BURST = 64,     // of one tick
    OBSERVER_HELD_MAX = 256, // on their way: looked at, or not yet delivered
    OBSERVER_SCAN = 4096,    // threads that one tick considers
    OBSERVER_THREADS_MAX = 64,
};
// A wait is long enough to be looked at; a thread that was looked at is so again, at the earliest
// and at the latest; a look that takes longer may never return.
#define OBSERVER_WAIT_NS         (10 * (uint64_t)NS_PER_MS)
#define OBSERVER_DISTANCE_MIN_NS (50 * (uint64_t)NS_PER_MS)
#define OBSERVER_DISTANCE_MAX_NS (4 * (uint64_t)NS_PER_S)
#define OBSERVER_HANG_NS         (2 * (uint64_t)NS_PER_S)

// Fills in the answer. The CLOCK_MONOTONIC time until which it held, 0 when the thread does not
// wait (look_at). Called by the observer thread.
typedef uint64_t (*observer_look_fn)(struct capture_look *look);

struct observer_thread; // one of the target
struct observation;     // one look
struct observer_shared; // with the observer thread

struct observer {
    observer_look_fn look;
    VEC(struct observer_thread) threads; // in no order: the last one fills a gap
    struct map by_tid;                   // index into threads
    size_t next_scanned;
    uint64_t last_tick_ns;
    uint64_t allowed_ns;             // saved up for looks, each of which costs 1 s / RATE
    uint64_t n_requests;             // that there have ever been
    uint32_t n_out;                  // with the observer thread
    struct observer_shared *shared;  // NULL until the first look
    VEC(struct observation *) ready; // by time, from `first_ready` on
    size_t first_ready;
    uint64_t delivered_ns; // nothing older may be delivered any more
    bool off;              // no thread could be started: no looks
    bool hung;             // a look has once not returned in time; this has been said
};

void observer_init(struct observer *observer, observer_look_fn look);
void observer_fini(struct observer *observer); // accepts a zeroed one. Does not wait

// Each event of the recording, after it has been delivered.
void observer_on_event(struct observer *observer, const struct event *event);

// At the beginning of a drain: takes over what has been found.
void observer_collect(struct observer *observer);

// What was found up to this time: before each event of it, and at the end of a drain up to where
// no earlier record can come.
void observer_deliver_found(struct observer *observer, uint64_t until_ns, event_sink_fn sink,
                            void *context);

static inline void observer_deliver(struct observer *observer, uint64_t until_ns,
                                    event_sink_fn sink, void *context)
{
    if (observer->first_ready < observer->ready.n) {
        observer_deliver_found(observer, until_ns, sink, context);
    }
    observer->delivered_ns = until_ns;
}

// At the end of a drain: has some threads looked at. Writes into `note` when there is something new
// to say.
void observer_tick(struct observer *observer, uint64_t now_ns, struct err *note);
