#pragma once

// Being off the CPU: from switches and wakeups to rows of `intervals`.
//
// A thread is in one of three states, and every nanosecond of its life belongs to one of them:
//
//              born                                      woken
//               │      ┌─────────────────────────────────────────────────────────────┐
//               ▼      ▼                                                             │
//             RUNNABLE ───────── in ──────► ON A CPU ───── out, by itself ───────► BLOCKED
//                    ▲                      │      ▲                                 │
//                    └─── out, preempted ───┘      └──── in: nobody was seen to ─────┘
//                                                        wake it
//
// Each stay in RUNNABLE or BLOCKED becomes one row when it is over; until then readers see it as
// open (store_set_off). The end of the thread, an exec of its process by another thread, and the
// end of the run end a stay, too.
//
// What is not seen is presumed. A thread that was there before the recording is blocked when /proc
// said that it slept, else runnable, from its first mention on. Coming back to a CPU confirms that:
// a row. Leaving one, or a sample, contradicts it: it ran all the time, and there is no row.
//
// Records get lost. A thread that leaves twice came back in between, nobody knows when; its first
// stay ends where the second one begins. One that is sampled while it is off has come back by then.
// Both are counted as unpaired. But not within WAITS_HAIR_NS: two sets of kernel events may report
// the same switch, and a sample may be reported after the switch that it came before.
//
// Stacks. Exact ones come with the switch, if the backend may see them, and it may take them for a
// part of the switches only. A stay without one gets a stack of another stay of the same thread,
// and is marked approximate. Which one is decided when it is over: the last one of a stay of the
// same kind that was about as long (the same power of two of nanoseconds, or the nearest for which
// there is one). The reason: what a thread waits for decides how long it waits. A worker that
// takes a lock for a microsecond a thousand times, and then sleeps for a second, would otherwise
// get a second of "lock" whenever the stack of the sleep is missing. A thread that has had no stack
// at all gets that of its last sample.
//
// Somebody may have looked where the thread waits (EVENT_WAIT_SEEN): a kernel function without an
// address. It becomes a named frame inside of the user's part of the last sample's stack. That is
// remembered for later stays as an exact stack is, but never instead of one.
//
// Owned by the capture thread. Without `has_switches` nothing of it happens.

#include "base/map.h"
#include "base/vec.h"
#include "event/event.h"
#include "store/store.h"

enum { WAITS_HAIR_NS = 10000 };

enum wait_state { WAIT_UNSEEN, WAIT_ON_CPU, WAIT_RUNNABLE, WAIT_BLOCKED, WAIT_ENDED };

// What is known of the stack of a stay that is open.
enum wait_stack { WAIT_STACK_NONE, WAIT_STACK_SEEN, WAIT_STACK_EXACT };

// Where a thread was in its stays of some length.
struct wait_habit {
    stack_id stack;
    uint8_t size;   // the power of two
    uint8_t reason; // as in struct interval
    bool runnable;  // was preempted; otherwise it was blocked
    bool exact;
};

// What a wait with this stack is for, as was once looked up. Of one thread only: where libraries
// keep no frame pointers, all locks and semaphores of all threads end in the same few frames.
struct wait_reason {
    stack_id stack; // an exact one
    uint8_t reason;
};

struct wait {
    uint64_t since_ns; // it is in this state
    uint64_t out_ns;   // it has left the CPU; a wakeup does not change that
    stack_id stack;    // of an open stay, unless there is none
    uint32_t cpu;      // that it left
    uint8_t state;     // enum wait_state
    uint8_t known;     // enum wait_stack
    uint8_t reason;
    bool presumed;
    bool woken;                // runnable after it was blocked: `stack` is that of the wait
    struct wait_habit last[2]; // blocked, runnable; no stack: none yet
    VEC(struct wait_habit) habits;
    VEC(struct wait_reason) reasons; // at most LIMIT_REASONED_STACKS
};

struct waits {
    struct store *store;
    VEC(struct wait) at;      // by thread_id
    struct map place_by_hash; // frames of kernel functions
    image_id named_image;     // IMAGE_NONE until there is one
    stack_id unknown_stack;   // STACK_ROOT until it is needed
};

void waits_init(struct waits *waits, struct store *store);
void waits_fini(struct waits *waits);

// `now_ns` never runs backwards, over all calls; `time_ns` is what the event itself says.

enum wait_begin { WAIT_BEGIN_BORN, WAIT_BEGIN_ASLEEP, WAIT_BEGIN_AWAKE };

// A thread was mentioned. Of one of which nobody says how it began, it is presumed that it slept.
void waits_meet(struct waits *waits, thread_id thread);

// How it began. One that was seen to do something already goes on as it is.
void waits_begin(struct waits *waits, thread_id thread, enum wait_begin how);

// It leaves the CPU. `stack` is STACK_ROOT when there is none.
void waits_out(struct waits *waits, thread_id thread, const struct event *event, stack_id stack,
               uint64_t now_ns);
void waits_in(struct waits *waits, thread_id thread, uint64_t now_ns);

// It was seen to run.
void waits_runs(struct waits *waits, thread_id thread, uint64_t time_ns, uint64_t now_ns);

// Its row of `wakeups` has been added.
void waits_woken(struct waits *waits, thread_id thread, uint64_t now_ns);
void waits_seen(struct waits *waits, thread_id thread, const struct event *event);

void waits_end(struct waits *waits, thread_id thread, uint64_t now_ns);
void waits_end_run(struct waits *waits, uint64_t now_ns);
