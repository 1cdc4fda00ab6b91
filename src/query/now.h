#pragma once

// The waits that are not over, and who stands in whose way.
//
// The recording knows since when each thread waits, where, and who woke it last. What it waits
// *for* is looked up in the live process (capture_look, by the server's inspector); here the two
// are put together, and cycles are found:
//
//     thread 11 waits for a mutex that 12 has ──┐
//         ▲                                     ▼
//         └── a mutex that 11 has ◄── thread 12 waits for        deadlock: 11, 12
//
// Only waits for something with an owner (a mutex, the end of a thread) make an edge; each thread
// waits for one thing, so a cycle is found by following edges.
//
// Belongs to the query thread.

#include "query/answers.h"
#include "query/reasons.h"

// What was looked up; a copy of what capture/ found, since queries know no processes.
struct now_look {
    uint32_t pid;
    uint32_t tid;
    uint64_t since_ns; // off_since_ns of the wait that was to be looked at, when it was picked: a
                       // look at another one is ignored. 0: not known, and not compared
    bool waits;
    struct slice place; // kernel function; may be empty
    const char *object; // "mutex", …; "" when not known
    uint64_t object_addr;
    uint32_t owner_tid; // 0: not known
};

enum now_state { NOW_RUNNING, NOW_RUNNABLE, NOW_WAITING, NOW_ENDED };

// "running", …: the JSON value.
const char *now_state_name(enum now_state state);

struct now_wait {
    thread_id thread;
    uint64_t since_ns;    // from the start of the run
    uint64_t duration_ns; // so far
    enum event_reason reason;
    bool approximate;   // the stack
    stack_id stack;     // its leaf is the function that waits
    struct slice place; // looked up; else of the stack; may be empty
    bool woken;         // ever: the next two are of the last time
    thread_id waker;    // or THREAD_INTERRUPT
    stack_id waker_stack;
    const struct now_look *look; // borrowed; NULL when nothing was looked up, or it ran by then
    thread_id owner;             // in the same process; THREAD_NONE when not known
    enum now_state owner_state;
    stack_id owner_stack; // where the owner waits, or was seen last
    bool in_deadlock;
};

struct now_deadlock {
    VEC(thread_id) threads; // each waits for the next one, the last for the first
};

struct now {
    uint64_t time_ns; // from the start of the run: the moment that this is about
    uint64_t n_running;
    uint64_t n_runnable;
    uint64_t n_waiting;         // before the limit
    VEC(struct now_wait) waits; // deadlocked ones first, then the longest first; ties by tid
    VEC(struct now_deadlock) deadlocks;
};

// Of a run that is over: nothing. A view's thread chooses waits, and the deadlocks that it is part
// of; a time range chooses waits that reach into it. `looks` is borrowed as long as the answer
// lives. Limit 0: all.
void now_make(struct now *ret, const struct store *store, const struct names *names,
              struct reasons *reasons, const struct view *view, const struct now_look *looks,
              size_t n_looks, size_t limit);
void now_fini(struct now *now);

// The waits to look at, the longest first, at most `limit`; for the inspector, which has no names.
// Those of the view come first; others follow, since they may hold what those of the view wait for.
// Any thread may call it. Returns how many; ret[i] are ids of threads.
size_t now_pick(const struct store *store, const struct view *view, thread_id *ret, size_t limit);
