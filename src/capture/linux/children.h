#pragma once

// CPU time of child processes that the recording does not cover.
//
// Without --follow only the target itself is sampled. A profile of `sh -c ./program` would then be
// nearly empty and would not say why; so the kernel's own accounting of children is watched. It
// counts a child with its parent once it has been waited for (proc(5), cutime and cstime), and
// the child itself until then. A child that outlives its parent's interest (a daemon) counts for
// as long as it lives.

#include "base/bytes.h"
#include "base/vec.h"

struct children {
    uint32_t target_pid;
    VEC(uint32_t) pids;      // direct children that were seen, up to LIMIT_CHILDREN
    uint64_t baseline_ticks; // of children waited for before the recording began
    uint64_t most_ns;        // the answer never goes back
    uint64_t read_ns;        // when it was last read
};

// What /proc/<pid>/stat says about CPU time, in clock ticks (sysconf(_SC_CLK_TCK)).
struct stat_times {
    uint64_t own_ticks;      // user and system
    uint64_t children_ticks; // of children that were waited for
};

// Pure. False: not such a line.
bool stat_times_parse(struct slice line, struct stat_times *ret);

// Children that were waited for before now do not count.
void children_init(struct children *children, uint32_t target_pid);
void children_fini(struct children *children);

void children_add(struct children *children, uint32_t pid);

// Nanoseconds of CPU so far. Reads /proc, at most twice a second unless `now`.
uint64_t children_cpu_ns(struct children *children, bool now);
