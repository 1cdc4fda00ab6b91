#pragma once

// Where events come from.
//
// A backend watches one process (and with `follow` its descendants) and turns what the OS gives
// into `struct event`s. Nobody above this header knows which backend is running. A capture belongs
// to one thread, which opens it, waits on it, drains it and closes it:
//
//     backend->open(&request, &capture, &err)      armed: nothing that the target does is missed
//     for (;;) {
//         poll(capture->poll_fd, or a timer)       twenty times a second keeps answers fresh
//         backend->drain(capture, …, sink)         CAPTURE_E_ENDED: the target is gone
//     }
//     backend->close(capture)
//
// Backends are whole folders: linux/ (perf_event_open), replay/ (a stream in a file),
// perf_data/ (a file of perf record), macos/.

#include "base/arch.h"
#include "base/err.h"
#include "event/event.h"

// What a recording may or may not see on this machine, for this user, of this process.
enum capture_ability {
    CAPTURE_KERNEL_STACKS,
    CAPTURE_KERNEL_SYMBOLS, // addresses in /proc/kallsyms
    CAPTURE_OFF_CPU,        // when threads leave a CPU and come back
    CAPTURE_OFF_CPU_STACKS, // where they were then
    CAPTURE_WAIT_DETAILS,   // what a waiting thread waits for, looked up while it does
    CAPTURE_WAKEUPS,        // who made them ready
    CAPTURE_STACK_COPIES,   // registers and the stack's bytes with each stack
    CAPTURE_PMU,
    CAPTURE_BUILD_IDS,    // the kernel reports them with each mapping
    CAPTURE_LOST_SAMPLES, // the kernel counts lost samples
    CAPTURE_ABILITY_COUNT
};

// "kernel_stacks", …: the JSON key.
const char *capture_ability_name(enum capture_ability ability);

struct capture_ability_state {
    bool available;
    struct err reason; // when not available: which setting or limit forbids it, and what would help
};

struct capture_abilities {
    struct capture_ability_state at[CAPTURE_ABILITY_COUNT];
};

// ---- Looking at a waiting thread ---------------------------------------------------------------

enum capture_object {
    CAPTURE_OBJECT_UNKNOWN,
    CAPTURE_OBJECT_MUTEX, // glibc's pthread_mutex_t, or a PI futex: it has an owner
    CAPTURE_OBJECT_LOCK,  // a lock that does not say who has it
    CAPTURE_OBJECT_CONDITION,
    CAPTURE_OBJECT_SEMAPHORE,
    CAPTURE_OBJECT_THREAD, // the end of another thread: pthread_join
};

// "mutex", …: the JSON name; "" when unknown.
const char *capture_object_name(enum capture_object object);

enum { CAPTURE_PLACE_BYTES = 64 };

// What one thread waits for at this moment: in, whom to look at; out, what was found.
struct capture_look {
    uint32_t pid; // in
    uint32_t tid;
    bool waits;                      // false: it runs, or is gone, and the rest means nothing
    char place[CAPTURE_PLACE_BYTES]; // the kernel function that it waits in; "" when not known
    uint64_t object_addr;            // the futex; 0 when it waits for something else
    enum capture_object object;
    uint32_t owner_tid;     // of a mutex, or the thread that is waited for; 0: not known
    struct err not_details; // why no more is known of what it waits for; "" when nothing is missing
};

struct capture_request {
    uint32_t pid;
    uint32_t frequency_hz;
    bool launched;           // suspended before its exec: arm, and begin with that exec
    bool follow;             // descendants too
    bool unwind;             // stacks come with registers and a copy, to be unwound
    const char *replay_path; // for the backends that read a file; NULL otherwise
};

enum capture_outcome {
    CAPTURE_OK = 0,
    CAPTURE_E_ENDED = 1, // the target is gone and everything it did has been delivered
};

struct capture_backend;

// The part that every backend has; a backend embeds it as its first member.
struct capture {
    const struct capture_backend *backend;
    struct capture_abilities abilities;
    int poll_fd;                // readable when there is something to drain; a drain clears it
    uint64_t started_ns;        // CLOCK_MONOTONIC when it was armed
    uint64_t complete_ns;       // everything before this has been delivered, even if it was nothing
    uint64_t started_unix_ns;   // the same on the wall; 0: by the clocks of this machine
    uint64_t weight_ns;         // CPU time that a sample stands for; 0: 1 / frequency_hz
    uint32_t frequency_hz;      // what the backend really does
    enum arch arch;             // whose instructions ran; ARCH_UNKNOWN: this machine's
    uint32_t n_rings;           // diagnostics
    uint64_t ring_bytes;        // of all rings together
    uint64_t unrecorded_cpu_ns; // CPU time of children of the target that are not recorded
    const char *label;          // what was recorded, where only the backend knows; NULL elsewhere
    struct err note;            // what went less well than it should, "" when nothing
};

struct capture_backend {
    const char *name; // "perf_event_open in-process", "replay"

    // Finds out what could be recorded here, without a target. Fast; opens nothing that lasts.
    void (*probe)(struct capture_abilities *ret);

    // Arms the capture. 0, or a negative errno with a line for the user: -ESRCH no such process,
    // -EACCES/-EPERM not permitted, -EINVAL a request that can't be met, -EMFILE …
    int (*open)(const struct capture_request *request, struct capture **ret, struct err *reterr);

    // Delivers what has been recorded, in time order. `final`: nothing more will be recorded, hold
    // nothing back. CAPTURE_OK, CAPTURE_E_ENDED or a negative errno.
    int (*drain)(struct capture *capture, bool final, event_sink_fn sink, void *context);

    // The copies of this thread's stacks were too short to unwind them: takes longer ones from now
    // on, if it can. May be asked as often as that happens. NULL where nothing is copied.
    void (*deepen)(struct capture *capture, uint32_t tid);

    // Whether whoever drains may take its time: false when what has been recorded takes up half of
    // the room for it. NULL: always.
    bool (*has_room)(const struct capture *capture);

    // Stops recording; what is in the rings can still be drained.
    void (*stop)(struct capture *capture);

    // Accepts NULL.
    void (*close)(struct capture *capture);

    // Looks at `n` threads of live processes. Needs no capture. May block for as long as a hostile
    // target likes (it reads the target's memory): only for threads that nobody waits for. NULL
    // where there is nothing alive to look at.
    void (*look)(struct capture_look *looks, size_t n);
};

extern const struct capture_backend capture_linux;
extern const struct capture_backend capture_replay;
extern const struct capture_backend capture_perf_data;
