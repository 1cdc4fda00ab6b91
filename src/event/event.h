#pragma once

// Everything that a capture backend can report about a program, as one tagged union.
//
// This header is the whole contract between capture/ and the rest of stax. Whoever adds a fact
// starts here; the compiler (-Wswitch-enum) then shows every place that has to know of it.
// Backends differ in which facts they can see, never in what a fact means.
//
//     a thread       is on a CPU     EVENT_SAMPLE          where it is, by a timer of its CPU time
//                    leaves the CPU  EVENT_SWITCH_OUT      why and where, exact
//                    comes back      EVENT_SWITCH_IN
//                    is made ready   EVENT_WAKEUP          by whom
//                    still waits     EVENT_WAIT_SEEN       for what, looked up while it did
//     a process      gains code      EVENT_IMAGE_MAPPED    a file, or anonymous memory
//                                    EVENT_CODE_LOADED     one function made by a JIT
//                                    EVENT_CODE_MOVED
//                    loses code      EVENT_IMAGE_UNMAPPED
//                    becomes another EVENT_EXEC            all its code is gone
//     life           begins          EVENT_THREAD_STARTED, EVENT_PROCESS_FORKED
//                    has a name      EVENT_THREAD_NAMED
//                    ends            EVENT_THREAD_EXITED
//     the recorder   missed facts    EVENT_LOST, EVENT_THROTTLED
//
// Order: a backend delivers events sorted by time. Code is the exception: a JIT says when it made a
// function, but may say so much later. EVENT_CODE_LOADED and EVENT_CODE_MOVED therefore come when
// they are known, with a time that may lie before or behind that of other events; among
// themselves too. They are claims of the target, and no clock follows them. Borrowing: pointers
// inside of an event (stacks, names, bytes) are valid only until the receiving function returns.

#include "base/bytes.h"

enum event_kind {
    EVENT_SAMPLE,
    EVENT_SWITCH_OUT,
    EVENT_SWITCH_IN,
    EVENT_WAKEUP,
    EVENT_WAIT_SEEN,
    EVENT_IMAGE_MAPPED,
    EVENT_IMAGE_UNMAPPED,
    EVENT_CODE_LOADED,
    EVENT_CODE_MOVED,
    EVENT_EXEC,
    EVENT_THREAD_STARTED,
    EVENT_PROCESS_FORKED,
    EVENT_THREAD_NAMED,
    EVENT_THREAD_EXITED,
    EVENT_LOST,
    EVENT_THROTTLED,
    EVENT_KIND_COUNT
};

// "sample", "switch_out", …: for diagnostics and the JSON key of a count.
const char *event_kind_name(enum event_kind kind);

// ---- Stacks ------------------------------------------------------------------------------------

enum event_arch { EVENT_ARCH_NONE, EVENT_ARCH_X86_64, EVENT_ARCH_AARCH64 };

enum { EVENT_REGS_MAX = 34 };

// The user registers at the moment of a stack copy, in DWARF numbering of the architecture
// (x86-64 psABI figure 3.36: 16 = return address; AArch64 DWARF: 31 = sp, 32 = pc).
struct event_regs {
    enum event_arch arch;
    uint64_t valid; // bit n: at[n] is known
    uint64_t at[EVENT_REGS_MAX];
};

// Where a thread was: addresses from the leaf outwards. The first address of each part is the next
// instruction to run there; all others are return addresses, one past the call that led inwards.
// Backends add no markers and no zeros to it.
struct event_stack {
    const uint64_t *kernel; // innermost part, n_kernel = 0 when outside the kernel or not permitted
    const uint64_t *user;   // what the kernel's frame-pointer walk found
    uint32_t n_kernel;
    uint32_t n_user;
    bool chain_cut;                // the walk ended at its depth limit: outer callers are missing
    const struct event_regs *regs; // for unwinding with CFI; NULL when not copied
    struct slice copy;             // stack bytes from the stack pointer upwards; may be empty
    bool copy_cut;                 // the stack went on beyond the copy
};

// ---- Counters ----------------------------------------------------------------------------------

enum event_counter {
    EVENT_COUNTER_CYCLES,
    EVENT_COUNTER_INSTRUCTIONS,
    EVENT_COUNTER_L1D_MISSES,
    EVENT_COUNTER_BRANCH_MISSES,
    EVENT_COUNTER_COUNT
};

// What the thread's hardware counters advanced by since its previous event with counters, already
// scaled for multiplexing.
struct event_counters {
    uint32_t valid; // bit n: delta[n] was counted
    uint64_t delta[EVENT_COUNTER_COUNT];
};

// ---- Waiting -----------------------------------------------------------------------------------

// Why a thread waits, in the order that every answer of stax uses.
enum event_reason {
    EVENT_REASON_IDLE, // a worker with nothing to do, by its own account
    EVENT_REASON_LOCK, // mutex, rwlock, condition variable, and the kernel's own locks
    EVENT_REASON_SEMAPHORE,
    EVENT_REASON_IPC,     // a pipe, a socket between processes, a message queue
    EVENT_REASON_IO_READ, // a file or a page of one
    EVENT_REASON_IO_WRITE,
    EVENT_REASON_READINESS, // poll, epoll, select
    EVENT_REASON_SLEEP,
    EVENT_REASON_CONNECT,
    EVENT_REASON_OTHER,
    EVENT_REASON_COUNT
};

// "idle", "lock", "semaphore", …: the JSON names.
const char *event_reason_name(enum event_reason reason);

// ---- Images ------------------------------------------------------------------------------------

enum { EVENT_BUILD_ID_MAX = 20 };

struct event_build_id {
    uint8_t n; // 0: not known
    uint8_t at[EVENT_BUILD_ID_MAX];
};

enum event_image_kind {
    EVENT_IMAGE_FILE,      // code of a file
    EVENT_IMAGE_VDSO,      // code that the kernel lends to every process
    EVENT_IMAGE_ANONYMOUS, // memory without a file: a JIT, a trampoline
    EVENT_IMAGE_KERNEL     // the kernel and its modules; belongs to no process
};

// ---- The event ---------------------------------------------------------------------------------

struct event {
    enum event_kind kind;
    uint32_t pid; // process and thread that it is about (for LOST and THROTTLED: 0 if not known)
    uint32_t tid;
    uint32_t cpu;
    uint64_t time_ns; // CLOCK_MONOTONIC
    union {
        struct {
            struct event_stack stack;
            uint64_t weight_ns; // CPU time that this sample stands for
            struct event_counters counters;
        } sample;
        struct {
            struct event_stack stack; // empty where the backend may not see it
            bool has_stack;
            bool preempted;  // still runnable: not a wait
            bool has_reason; // the backend knows better than the stack
            enum event_reason reason;
        } switch_out;
        // switch_in has nothing to add
        struct {
            uint32_t wakee_pid; // the event's own pid and tid are the waker
            uint32_t wakee_tid;
            bool interrupt;     // by an interrupt that happened to run in the waker's context
            bool waker_foreign; // not a thread of the recorded processes: `foreign_name` is its
            bool wakee_foreign; // command; never both
            bool has_stack;     // false: the backend took none for this one
            struct event_stack stack; // of the waker; of a foreign one the kernel's part only
            struct slice foreign_name;
        } wakeup;
        struct {
            uint64_t since_ns;  // it waited at that time, and in the same way at time_ns. If it ran
                                // in between, the event means nothing
            struct slice place; // the kernel function it waits in, as in a stack; may be empty
            bool has_reason;    // more is known than the place tells
            enum event_reason reason;
        } wait_seen;
        struct {
            enum event_image_kind kind;
            uint64_t start_addr;
            uint64_t size_bytes;
            uint64_t file_off;
            uint64_t device; // with inode: identity of the file, 0 when not known
            uint64_t inode;
            struct event_build_id build_id;
            struct slice path; // as the target sees it
        } image_mapped;
        struct {
            uint64_t start_addr;
            uint64_t size_bytes;
        } image_unmapped;
        struct {
            uint64_t addr;
            uint64_t size_bytes;
            uint64_t index; // the JIT's own number for this version of the function
            struct slice name;
            struct slice code;     // its instructions, empty when not known
            struct slice eh_frame; // its unwinding information, empty when not known
        } code_loaded;
        struct {
            uint64_t from_addr;
            uint64_t to_addr;
            uint64_t size_bytes;
            uint64_t index;
        } code_moved;
        struct {
            struct slice name; // the new command name
        } exec;
        struct {
            uint32_t parent_tid;
            bool existed; // before the recording: it was not born just now
            bool asleep;  // when it `existed`: /proc said so at about that time
        } thread_started;
        struct {
            uint32_t parent_pid; // its address space and names are copied
            uint32_t parent_tid;
            bool recorded; // false: only its existence is known (no --follow)
            bool existed;  // its main thread: as with thread_started
            bool asleep;
        } process_forked;
        struct {
            struct slice name;
        } thread_named;
        // thread_exited has nothing to add
        struct {
            uint64_t n;   // records of any kind that did not fit, or samples of them
            bool samples; // all of them are known to have been samples
        } lost;
        struct {
            bool ended; // false: sampling is suspended from here on; true: it goes on
        } throttled;
    };
};

// Receives events in time order.
typedef void (*event_sink_fn)(void *context, const struct event *event);
