#pragma once

// Threads whose stacks are copied further than those of others, because unwinding them asked for
// it.
//
//     level    0             1              2              3
//     copy     8 KiB         16 KiB         32 KiB         64 KiB less 8 bytes, the kernel's limit
//     events   of everybody  of this thread alone, opened besides those of everybody
//
//     ──── ask ── ask ── ask ─┬── step: events of the next level are open ──┬──► time
//        samples of level 0   │  both levels are recorded, one of them counts │
//                             └ since_ns[1]: from here on level 1 does
//
// Events that a thread has inherited can't be changed for it alone, so they go on, and each piece
// of its CPU time is sampled twice. Which of the two samples counts is decided by the thread, the
// level of the event that wrote it, and its time: at each moment exactly one level counts. A step
// may lose or win half a period of CPU time, as the beginning and the end of a thread do.
//
// Stacks at switch-outs have no weight: of two, the longer copy is taken (switches.h).
//
// A thread takes a step when ASKS stacks within WINDOW of time were too short, so that one odd deep
// recursion does not make all its stacks long. Steps are never taken back, but for an exec: that is
// another program.
//
// Times are those of records. Pure, but for its own memory. Owned by the capture thread.

#include "base/clock.h"
#include "base/vec.h"

#include <stdbool.h>

enum { DEEP_LEVELS = 4, DEEP_ASKS = 3 };
#define DEEP_WINDOW_NS (5 * (uint64_t)NS_PER_S)

struct deep_thread {
    uint32_t tid;
    uint32_t pid;
    uint32_t level;  // of its latest step
    uint32_t n_asks; // since then, within the window
    uint64_t asked_ns;
    bool due;                       // a step is to be taken
    uint64_t since_ns[DEEP_LEVELS]; // when each level began to count
};

struct deep {
    uint32_t top_level; // there is no higher one here; 0: no steps at all
    bool full;          // LIMIT_DEEP_THREADS are deep, and another one asked
    uint32_t n_due;
    VEC(struct deep_thread) threads; // by tid
};

void deep_fini(struct deep *deep); // accepts a zeroed one

// A stack of this thread, recorded at `time_ns`, was copied too short. Harmless at any time.
void deep_ask(struct deep *deep, uint32_t tid, uint32_t pid, uint64_t time_ns);

// The next thread that is due for a step, to level + 1; NULL: none. It is not due any more. Valid
// until the next call of another function.
struct deep_thread *deep_take_due(struct deep *deep);

// Its events of the next level are open as of now.
void deep_step(struct deep_thread *thread, uint64_t time_ns);

// No step is taken any more; those that were stay.
void deep_give_up(struct deep *deep);

// Whether a sample of this thread, by an event of this level, counts.
bool deep_counts_among(const struct deep *deep, uint32_t tid, uint32_t pid, uint32_t level,
                       uint64_t time_ns);

static inline bool deep_counts(const struct deep *deep, uint32_t tid, uint32_t pid, uint32_t level,
                               uint64_t time_ns)
{
    return deep->threads.n == 0 ? level == 0 : deep_counts_among(deep, tid, pid, level, time_ns);
}

// The thread has ended, or its number was given to another one; returns whether it had taken steps.
bool deep_end(struct deep *deep, uint32_t tid);

// A thread of this process that has asked or taken steps; 0: there is none (any more).
uint32_t deep_find_of(const struct deep *deep, uint32_t pid);
