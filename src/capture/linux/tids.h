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
// Owned by the capture thread.

#include "base/base.h"

#include <stdbool.h>

enum { TIDS_LIMIT = 1 << 22, TIDS_PAGE = 1 << 10 };

struct tids_page {
    uint32_t n; // that are not 0
    uint32_t pids[TIDS_PAGE];
};

struct tids {
    struct tids_page *pages[TIDS_LIMIT / TIDS_PAGE];
};

void tids_fini(struct tids *tids); // accepts a zeroed one

// The process of a recorded thread; 0 when it is not recorded.
static inline uint32_t tids_find(const struct tids *tids, uint32_t tid)
{
    const struct tids_page *page = tid < TIDS_LIMIT ? tids->pages[tid / TIDS_PAGE] : NULL;
    return page == NULL ? 0 : page->pids[tid % TIDS_PAGE];
}

// From now on it is recorded; `tid` and `pid` come from anywhere.
void tids_add(struct tids *tids, uint32_t tid, uint32_t pid);

// Its end; harmless when it is not there.
void tids_remove(struct tids *tids, uint32_t tid);

// The process has become another program. That leaves one thread, which has the process's number
// from then on, whatever its own was.
void tids_exec(struct tids *tids, uint32_t pid);
