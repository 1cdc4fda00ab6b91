#pragma once

// The processes and threads of the target that are alive now, and what their ids are in the store.
//
// A tid or a pid means something only for a while; the store keeps every thread that ever had it.
// Here stands which one has it at the time of the event that is being applied, and what its address
// space looks like at that time.
//
// Owned by the capture thread.

#include "base/map.h"
#include "base/vec.h"
#include "image/library.h"
#include "image/space.h"
#include "store/store.h"

struct process {
    uint32_t pid;
    process_id id;
    struct space space;
    struct image_root *root;  // to open its files with; NULL until the first one
    image_id anonymous_image; // its memory without a file; IMAGE_NONE until there is some
    bool wants_main_image;    // the next file that it maps is the program itself
};

// A wait that has begun and not ended.
struct open_interval {
    bool open;
    bool preempted;
    uint8_t reason;
    uint64_t start_ns;
    stack_id stack;
};

struct processes_live {
    struct store *store;
    VEC(struct process *) processes;
    struct map by_pid;               // index into processes
    struct map by_tid;               // thread_id
    VEC(struct open_interval) waits; // by thread_id
    uint64_t space_versions;
};

void processes_init(struct processes_live *live, struct store *store);
void processes_fini(struct processes_live *live);

// The process that has this pid now; made when it is new. NULL beyond LIMIT_PROCESSES.
struct process *processes_get(struct processes_live *live, uint32_t pid, uint64_t time_ns);
struct process *processes_find(struct processes_live *live, uint32_t pid);

// A child process begins: a copy of its parent. NULL beyond the limit.
struct process *processes_fork(struct processes_live *live, uint32_t pid, uint32_t parent_pid,
                               uint64_t time_ns);

// The thread that has this tid now; made when it is new or belonged to another process.
// THREAD_NONE beyond LIMIT_THREADS.
thread_id processes_thread(struct processes_live *live, uint32_t pid, uint32_t tid,
                           uint64_t time_ns);

// A thread begins, even if its tid was in use before. It inherits its parent's name.
thread_id processes_start_thread(struct processes_live *live, uint32_t pid, uint32_t tid,
                                 uint32_t parent_tid, uint64_t time_ns);

void processes_name_thread(struct processes_live *live, uint32_t pid, uint32_t tid,
                           struct slice name, uint64_t time_ns);

// Its tid may be used again. Ends the process too when it is the last thread's leader.
void processes_end_thread(struct processes_live *live, uint32_t pid, uint32_t tid,
                          uint64_t time_ns);

// The process becomes another program: no code, a new name.
void processes_exec(struct processes_live *live, uint32_t pid, uint32_t tid, struct slice name,
                    uint64_t time_ns);
