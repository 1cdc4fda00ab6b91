#pragma once

// What /proc tells about processes: everything that existed before the recording began.

#include "base/text.h"
#include "base/vec.h"

#include <stdbool.h>

struct proc_ids {
    VEC(uint32_t) list;
};

// From /proc/PID/stat (proc(5)).
struct proc_stat {
    char state; // R, S, D, Z (zombie), X (dead) …
    bool kernel_thread;
    uint64_t cpu_ns;          // of all its threads
    uint64_t children_cpu_ns; // of the children that it has waited for, and of theirs
};

struct proc_mapping {
    uint64_t start_addr;
    uint64_t end_addr;
    uint64_t file_off;
    uint64_t device;
    uint64_t inode;
    bool executable;
    struct slice path; // as written there: escapes are still in it
};

// Pure. False when it is not such a file.
bool proc_stat_parse(struct slice bytes, uint64_t tick_ns, struct proc_stat *ret);

// Takes the next line of a /proc/PID/maps. False at the end; a line that is none is skipped. Pure.
bool proc_maps_next(struct reader *maps, struct proc_mapping *ret);

// Adds `path` with the escapes of the kernel undone: \012 is a newline, nothing else is escaped.
void proc_path_unescape(struct text *to, struct slice path);

// 0, or -ESRCH when there is no such process, or another negative errno.
int proc_stat(uint32_t pid, struct proc_stat *ret);

int proc_owner(uint32_t pid, uint32_t *ret_uid);

// The threads of a process, added to `tids`. 0 or a negative errno.
int proc_threads(uint32_t pid, struct proc_ids *tids);

// All processes that descend from `pid`, parents before children, at most `limit` in all; without
// `pid` itself.
void proc_descendants(uint32_t pid, size_t limit, struct proc_ids *pids);

// Whether a thread neither runs nor could at this moment: it waits, is stopped, or is a main thread
// that has ended before the others. False when it is gone, too.
bool proc_is_asleep(uint32_t pid, uint32_t tid);

// The process that any thread belongs to. False, and *ret untouched, when there is no such thread.
bool proc_process_of(uint32_t tid, uint32_t *ret_pid);

// The name of a thread. False when it is gone.
bool proc_name(uint32_t pid, uint32_t tid, struct text *name);

// The text of /proc/PID/maps. 0 or a negative errno.
int proc_maps(uint32_t pid, struct text *maps);
