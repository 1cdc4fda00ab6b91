#pragma once

// Which threads are recorded at this moment, by number, and of which process each one is.
//
// It is asked twice for every wakeup on the machine, hundreds of thousands of times per second, so
// an answer is two loads: numbers are small (below 2^22, the kernel's PID_MAX_LIMIT), and a table
// in pages holds them. A page goes with its last thread: memory follows the threads that live, and
// is bounded by 16 MiB in any case.
//
//     tid = 1234567 ─► pages[1205] ─► [647] = pid, 0: not recorded
//
// A thread that has told of its end still does something: it wakes who waits for it, the most
// telling wakeup of all. So it lingers, as a waker only.
//
// Owned by the capture thread.

#include "base/vec.h"

#include <stdbool.h>

enum {
    TIDS_LIMIT = 1 << 22,
    TIDS_PAGE = 1 << 10,
    TIDS_LINGER_NS = 1000000000, // after that, the number may be somebody else's
};

#define TIDS_ENDED (UINT32_C(1) << 31) // beside the pid

struct tids_page {
    uint32_t n; // that are not 0
    uint32_t pids[TIDS_PAGE];
};

struct tids_ended {
    uint64_t time_ns;
    uint32_t tid;
};

struct tids {
    struct tids_page *pages[TIDS_LIMIT / TIDS_PAGE];
    VEC(struct tids_ended) ended; // by time; from n_forgotten on
    size_t n_forgotten;
};

void tids_fini(struct tids *tids); // accepts a zeroed one

static inline uint32_t tids_entry(const struct tids *tids, uint32_t tid)
{
    const struct tids_page *page = tid < TIDS_LIMIT ? tids->pages[tid / TIDS_PAGE] : NULL;
    return page == NULL ? 0 : page->pids[tid % TIDS_PAGE];
}

// The process of a recorded thread that lives; 0 when it is not recorded.
static inline uint32_t tids_find(const struct tids *tids, uint32_t tid)
{
    uint32_t entry = tids_entry(tids, tid);
    return (entry & TIDS_ENDED) != 0 ? 0 : entry;
}

// Whether this thread of this process is recorded, or was until a moment ago.
static inline bool tids_has(const struct tids *tids, uint32_t tid, uint32_t pid)
{
    return pid != 0 && (tids_entry(tids, tid) & ~TIDS_ENDED) == pid;
}

// From now on it is recorded; `tid` and `pid` come from anywhere.
void tids_add(struct tids *tids, uint32_t tid, uint32_t pid);

// Its end; harmless when it is not there.
void tids_end(struct tids *tids, uint32_t tid, uint64_t time_ns);

// The process has become another program. That leaves one thread, which has the process's number
// from then on, whatever its own was.
void tids_exec(struct tids *tids, uint32_t pid);

// Forgets those that ended long before `now_ns`.
void tids_forget_ended(struct tids *tids, uint64_t now_ns);
