#pragma once

// Who a thread is that is not recorded but wakes a recorded one, or is woken by one. Looked up in
// /proc once per thread, at the first time; who is gone by then has no name. The bound is
// LIMIT_FOREIGN_THREADS; those beyond it have no name either.
//
// Owned by the capture thread.

#include "base/map.h"
#include "base/vec.h"

enum { FOREIGN_NAME_BYTES = 64 }; // the kernel's longest, of a worker of a work queue

struct foreign_thread {
    uint32_t pid; // its process, or its own number when that is not known
    uint8_t n;
    char name[FOREIGN_NAME_BYTES];
};

struct foreign {
    struct map by_tid; // index into threads
    VEC(struct foreign_thread) threads;
};

void foreign_fini(struct foreign *foreign); // accepts a zeroed one

struct foreign_thread foreign_find(struct foreign *foreign, uint32_t tid);
