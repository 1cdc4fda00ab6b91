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
#include "run/code_rules.h"
#include "run/jit_code.h"
#include "run/waits.h"
#include "store/store.h"

struct process {
    uint32_t pid;
    process_id id;
    struct space space;
    struct code_rules code_rules; // of code that it made; a forked child begins without
    struct image_root *root;      // to open its files with; NULL until the first one
    struct jit_process jit;       // its memory without a file, and what lies there
    bool wants_main_image;        // the next file that it maps is the program itself
    thread_id first_thread;       // of those that live; THREAD_NONE
};

// The other living threads of its process.
struct thread_links {
    thread_id before;
    thread_id next;
};

struct processes_live {
    struct store *store;
    struct waits *waits; // hears of every end of a thread
    VEC(struct process *) processes;
    struct map by_pid;              // index into processes
    struct map by_tid;              // thread_id; may have ended, see processes_thread()
    VEC(struct thread_links) links; // by thread_id
    uint64_t space_versions;
    struct map foreign_by_tid; // thread_id of the last one that had it
    struct map foreign_by_pid; // process_id
    uint32_t n_foreign;
    thread_id foreign_others; // stands for those beyond the limit; THREAD_NONE until it is needed
};

// Both are borrowed.
void processes_init(struct processes_live *live, struct store *store, struct waits *waits);
void processes_fini(struct processes_live *live);

// The process that has this pid now; made when it is new. NULL beyond LIMIT_PROCESSES.
struct process *processes_get(struct processes_live *live, uint32_t pid, uint64_t time_ns);
struct process *processes_find(struct processes_live *live, uint32_t pid);

// A child process begins: a copy of its parent. NULL beyond the limit.
struct process *processes_fork(struct processes_live *live, uint32_t pid, uint32_t parent_pid,
                               uint64_t time_ns);

// The thread that has this tid now; made when it is new or belonged to another process. One that
// has ended is still it: its last records come late. THREAD_NONE beyond LIMIT_THREADS.
thread_id processes_thread(struct processes_live *live, uint32_t pid, uint32_t tid,
                           uint64_t time_ns);

// The same, but only one that lives; else THREAD_NONE.
thread_id processes_find_thread(const struct processes_live *live, uint32_t pid, uint32_t tid);

// A thread begins; one that had its tid before has ended by now. It inherits its parent's name.
thread_id processes_start_thread(struct processes_live *live, uint32_t pid, uint32_t tid,
                                 uint32_t parent_tid, uint64_t time_ns);

void processes_name_thread(struct processes_live *live, uint32_t pid, uint32_t tid,
                           struct slice name, uint64_t time_ns);

// Its tid may be used again. Ends the process too when it is the last thread's leader.
void processes_end_thread(struct processes_live *live, uint32_t pid, uint32_t tid,
                          uint64_t time_ns);

// The process becomes another program: no code, a new name, and a single thread, with the tid of
// the process; which is returned. All others end. If the tid's last thread had ended, another one
// called exec and goes on as a new one: rows keep their numbers.
thread_id processes_exec(struct processes_live *live, uint32_t pid, struct slice name,
                         uint64_t time_ns);

// A thread of another program, that wakes or is woken; one with another name is another one. They
// are known by numbers of their own, never mixed up with those above. Beyond LIMIT_FOREIGN_THREADS
// one row, "[others]", stands for all that are new. THREAD_NONE beyond LIMIT_THREADS.
thread_id processes_foreign(struct processes_live *live, uint32_t pid, uint32_t tid,
                            struct slice name, uint64_t time_ns);
