#pragma once

// A run in memory: everything that is known about one recording.
//
// Tables of columns, append-only. The run's capture thread is the only writer; queries read at the
// same time, from any thread, without a lock. Each table publishes one length: a reader that has
// loaded it sees all rows below it, complete, and they never change (the few fields that do are
// marked _Atomic).
//
//     samples    one stack of one thread on a CPU       time · thread · stack             16 bytes
//     intervals  one stay off a CPU of one thread       start · length, why · thread · stack   24
//     wakeups    who made whom ready                    time · wakee · waker · stack          20
//     counters   what the hardware counted for a sample
//     stacks     the tree that the three above point into                       (stacks.h)
//     threads, processes, images, codes, strings         what the ids stand for
//     accounts   what arrived, what was lost, what was cut: nothing that is missing is hidden
//
// Rows of `samples` are sorted by time, rows of `wakeups` too; rows of `intervals` by their end. So
// a time range is two searches. Times are CLOCK_MONOTONIC; answers count from started_ns.
//
// The first four tables grow without end (table.h). To look at their rows is to pin them, and what
// a file has may have to be read back for that (paging.h).

#include "store/stacks.h"
#include "store/strings.h"
#include "store/table.h"

typedef uint32_t thread_id;  // a row of threads: a tid that is used again is a new thread
typedef uint32_t process_id; // a row of processes

enum { THREAD_NONE = UINT32_MAX, THREAD_INTERRUPT = UINT32_MAX - 1 };

// ---- Samples -----------------------------------------------------------------------------------

struct samples {
    struct table table; // its columns: as in the span below
    _Atomic uint64_t n; // published
    uint64_t weight_ns; // CPU time that one sample stands for; the same for all of a run
};

// Consecutive rows, pinned.
struct samples_span {
    uint64_t first; // row
    size_t n;
    const uint64_t *time_ns;
    const thread_id *thread;
    const stack_id *stack;
};

// Rows from `first` on, at most up to `end`, as many as lie together. `first` < `end`, and `end`
// is at most the published n.
void samples_pin(const struct samples *samples, uint64_t first, uint64_t end,
                 struct samples_span *ret);
void samples_unpin(const struct samples *samples, const struct samples_span *span);

// The first row at or after `time_ns`, among the first `n`.
uint64_t samples_find(const struct samples *samples, uint64_t n, uint64_t time_ns);

// ---- Waiting -----------------------------------------------------------------------------------

// A stay off the CPU is one row, or two where it is known who ended the wait: blocked until the
// wakeup, then runnable until the thread got a CPU.
//
//     off ─────── INTERVAL (blocked, reason) ───────► wakeup ── INTERVAL_RUNNABLE ──► on
//     off ─────── INTERVAL_RUNNABLE (preempted) ────────────────────────────────────► on
//
// The blocked row ends at exactly the time of the row of `wakeups` that ended it.
enum interval_flag {
    INTERVAL_RUNNABLE = 1,    // ready to run, waiting for a CPU: not blocked, and without a reason
    INTERVAL_APPROXIMATE = 2, // the stack is not the one of this wait (see run/waits.h)
    INTERVAL_ENDED_BY_RUN = 4 // still off when the recording ended
};

// A reason that was not known when the wait was recorded: the names in its stack tell it
// (query/reasons.h).
enum { REASON_BY_STACK = 15 };

enum { STORE_REASONS = 10 }; // known ones: EVENT_REASON_COUNT

struct interval {
    uint64_t start_ns;
    uint64_t duration_ns; // at most 2^48 - 1 (78 hours)
    uint8_t reason;       // enum event_reason, or REASON_BY_STACK
    uint8_t flags;
    thread_id thread;
    stack_id stack;
};

struct intervals {
    struct table table;
    _Atomic uint64_t n;
    _Atomic uint64_t n_waits; // rows without INTERVAL_RUNNABLE
};

struct interval intervals_get(const struct intervals *intervals, uint64_t row);

// Consecutive rows, pinned; as samples_pin().
struct intervals_span {
    uint64_t first;
    size_t n;
    const uint64_t *start_ns;
    const uint64_t *length; // duration << 16 | reason << 8 | flags
    const thread_id *thread;
    const stack_id *stack;
};

void intervals_pin(const struct intervals *intervals, uint64_t first, uint64_t end,
                   struct intervals_span *ret);
void intervals_unpin(const struct intervals *intervals, const struct intervals_span *span);
struct interval intervals_span_get(const struct intervals_span *span, size_t i);

// The first row that ends after `time_ns`, among the first `n`.
uint64_t intervals_find(const struct intervals *intervals, uint64_t n, uint64_t time_ns);

struct wakeup {
    uint64_t time_ns;
    thread_id wakee;
    thread_id waker;  // or THREAD_INTERRUPT
    stack_id stack;   // of the waker; STACK_ROOT when not known
    bool approximate; // it is the waker's stack at another wakeup of the same thread
};

struct wakeups {
    struct table table;
    _Atomic uint64_t n;
};

#define WAKEUP_APPROXIMATE (UINT32_C(1) << 31)

struct wakeup wakeups_get(const struct wakeups *wakeups, uint64_t row);

// Consecutive rows, pinned; as samples_pin().
struct wakeups_span {
    uint64_t first;
    size_t n;
    const uint64_t *time_ns;
    const thread_id *wakee;
    const thread_id *waker;
    const stack_id *stack; // plus WAKEUP_APPROXIMATE
};

void wakeups_pin(const struct wakeups *wakeups, uint64_t first, uint64_t end,
                 struct wakeups_span *ret);
void wakeups_unpin(const struct wakeups *wakeups, const struct wakeups_span *span);

// The first row at or after `time_ns`, among the first `n`.
uint64_t wakeups_find(const struct wakeups *wakeups, uint64_t n, uint64_t time_ns);

// ---- Counters ----------------------------------------------------------------------------------

enum { COUNTER_COUNT = 4 }; // cycles, instructions, L1D misses, branch misses: event.h

struct counter_row {
    uint64_t sample; // row of samples
    uint32_t valid;  // bit n: delta[n] is known
    uint64_t delta[COUNTER_COUNT];
};

struct counters {
    struct table table; // struct counter_row, by sample
    _Atomic uint64_t n;
};

// ---- What the ids stand for --------------------------------------------------------------------

// What a thread does at the end of what has been recorded so far.
struct thread_row {
    uint32_t pid;
    uint32_t tid;
    process_id process;
    bool foreign; // not of the recorded processes: it only woke them, or was woken by them
    uint64_t started_ns;
    _Atomic uint64_t ended_ns;     // 0 while it lives
    _Atomic string_id name;        // the last one it had
    _Atomic uint64_t off_since_ns; // the two of them: store_thread_off()
    _Atomic uint64_t off_what;
    _Atomic stack_id last_stack;  // of its newest sample; STACK_ROOT before the first
    _Atomic uint64_t last_wakeup; // row of wakeups + 1; 0: none yet
};

// A stay off the CPU that is not over yet.
struct thread_off {
    uint64_t since_ns;
    stack_id stack;
    uint8_t reason; // as in struct interval
    uint8_t flags;
};

struct threads {
    struct column rows;
    _Atomic uint32_t n;
    _Atomic uint32_t n_recorded; // without the foreign ones
};

struct process_row {
    uint32_t pid;
    uint32_t parent_pid;
    uint64_t started_ns;
    _Atomic uint64_t ended_ns;
    _Atomic string_id name;
    _Atomic image_id main_image; // its executable
};

enum { PROCESS_NONE = UINT32_MAX };

struct processes {
    struct column rows;
    _Atomic uint32_t n;
};

enum { IMAGE_NONE = UINT32_MAX };

enum image_row_kind {
    IMAGE_ROW_FILE,
    IMAGE_ROW_VDSO,
    IMAGE_ROW_ANONYMOUS,
    IMAGE_ROW_KERNEL,
    IMAGE_ROW_NAMED, // kernel functions of which only the name is known: the offset of a frame in
                     // it is the string_id of that name
    IMAGE_ROW_TRUNCATED // no code at all: the outermost frame of stacks that lack their callers
                        // says why, see truncation_off()
};

// Why a stack has no outer end.
enum truncation {
    TRUNCATED_NO_UNWIND_INFO, // code without call frame information and without frame pointers
    TRUNCATED_COPY_TOO_SHORT, // the copy of the stack ended before the stack did
    TRUNCATED_UNREADABLE,     // led to memory that was not copied: another stack
    TRUNCATED_BAD_UNWIND_INFO,
    TRUNCATED_LOST, // led to memory that is no code
    TRUNCATED_TOO_DEEP,
    TRUNCATED_NOT_LOADED, // the unwinding information of that file was still being read
    TRUNCATED_NOT_COPIED, // there were too many stacks to copy each
    TRUNCATION_COUNT
};

// "no_unwind_info", …: the JSON key.
const char *truncation_name(enum truncation truncation);

// The offset of the frame that stands for "callers are missing", in the image of that kind; `image`
// is the code that it ended in, 0 when it is nobody's.
static inline uint64_t truncation_off(enum truncation truncation, image_id image)
{
    return (uint64_t)truncation << 32 | image;
}

struct image_row {
    enum image_row_kind kind;
    string_id path;     // as the target saw it
    uint32_t library;   // of a binary: who knows its symbols, an id of image/library.h
    uint64_t load_bias; // first seen mapping: address = file offset + load_bias
    string_id build_id; // raw bytes; 0 when not known
    // Of anonymous memory: whose it is, and from when on (until the next such image of the
    // process). Code of a JIT may be another one at the same address later: see run/jit_code.h.
    process_id process;
    uint64_t since_ns;
    _Atomic uint64_t until_ns; // its frames are older than this, as far as is known; it may only
                               // become less
};

// Whether `library` knows its symbols: it is a binary, and not just memory or a word for something.
static inline bool image_row_is_binary(const struct image_row *row)
{
    return row->kind == IMAGE_ROW_FILE || row->kind == IMAGE_ROW_VDSO ||
           row->kind == IMAGE_ROW_KERNEL;
}

// Image 0 stands for "no image at all": an address that nothing was mapped at.
struct images {
    struct column rows;
    _Atomic uint32_t n;
};

// A function that a JIT made, from `loaded_ns` until `ended_ns`.
struct code_row {
    process_id process;
    uint64_t addr;
    uint64_t size_bytes;
    uint64_t index;
    uint64_t loaded_ns;
    _Atomic uint64_t ended_ns; // 0 while it is valid
    string_id name;
    string_id code; // its bytes; 0 when not known
};

enum { CODE_NONE = UINT32_MAX };

struct codes {
    struct column rows;
    _Atomic uint32_t n;
};

// ---- Accounts ----------------------------------------------------------------------------------

// Counts by the writer, for `health` and `diagnose`.
enum account {
    ACCOUNT_SAMPLES_LOST, // known to have been samples
    ACCOUNT_RECORDS_LOST, // of any kind
    ACCOUNT_LOST_REPORTS, // how many times the kernel said so
    ACCOUNT_THROTTLES,
    ACCOUNT_UNTHROTTLES,
    ACCOUNT_OUT_OF_ORDER,      // arrived later than their turn, and were moved to it
    ACCOUNT_STACKS_EMPTY,      // samples without any frame
    ACCOUNT_STACKS_CUT,        // call sites for which the tree of stacks had no room left
    ACCOUNT_STACKS_TRUNCATED,  // known to lack callers
    ACCOUNT_FRAMES,            // of all samples
    ACCOUNT_PLACES_UNMAPPED,   // distinct call sites where nothing was mapped
    ACCOUNT_SAMPLES_DROPPED,   // the run is full
    ACCOUNT_ROWS_DROPPED,      // the same for intervals, wakeups and counters
    ACCOUNT_JIT_CODES_DROPPED, // functions of JITs beyond the limit: they have no name
    ACCOUNT_JIT_BYTES_DROPPED, // instructions of such functions that were not kept
    ACCOUNT_SWITCHES_UNPAIRED, // a thread came back that had not left, or left twice: some were
                               // lost
    ACCOUNT_ROWS_UNREADABLE,   // were in a file and could not be read back (paging.h)
    ACCOUNT_COUNT
};

const char *account_name(enum account account);

enum { STORE_EVENT_KINDS = 24 }; // at least EVENT_KIND_COUNT

struct restoring; // restore.c

struct store {
    uint64_t started_ns; // set once, before the first row
    uint64_t started_unix_ns;
    bool has_switches;         // every switch is recorded: on-CPU times are exact. Set once, too
    _Atomic uint64_t last_ns;  // time of the newest event; at least of the newest row
    _Atomic uint64_t ended_ns; // 0 while recording
    struct samples samples;
    struct intervals intervals;
    struct wakeups wakeups;
    struct counters counters;
    struct stacks stacks;
    struct strings strings;
    struct threads threads;
    struct processes processes;
    struct images images;
    struct codes codes;
    struct paging *paging;
    struct restoring *restoring; // until store_restore_end()
    _Atomic uint64_t accounts[ACCOUNT_COUNT];
    _Atomic uint64_t events[STORE_EVENT_KINDS]; // how many arrived, by kind
};

// On the heap: it is large and its address must not change.
struct store *store_new(uint64_t started_ns, uint64_t started_unix_ns, uint64_t weight_ns);
void store_free(struct store *store); // accepts NULL

// ---- Writing: one thread only ------------------------------------------------------------------

// All times move on: a sample or wakeup is not earlier than the one before, an interval does not
// end earlier than the one before, counters are not of an earlier sample (asserted: putting events
// in order is the pipeline's work). Each also moves last_ns on. Threads, stacks and images that a
// row names are added before it.

// False when the run is full; the sample is counted as dropped.
bool store_add_sample(struct store *store, uint64_t time_ns, thread_id thread, stack_id stack);

// Rows beyond the last one that fits are counted as dropped. An interval longer than the longest
// keeps its end.
void store_add_interval(struct store *store, const struct interval *interval);
void store_add_wakeup(struct store *store, const struct wakeup *wakeup);
void store_add_counters(struct store *store, const struct counter_row *counters);

// These return the new row's id; THREAD_NONE, PROCESS_NONE, IMAGE_NONE, CODE_NONE beyond the limit.
thread_id store_add_thread(struct store *store, uint32_t pid, uint32_t tid, process_id process,
                           uint64_t started_ns, string_id name);
thread_id store_add_foreign_thread(struct store *store, uint32_t pid, uint32_t tid,
                                   process_id process, uint64_t started_ns, string_id name);
process_id store_add_process(struct store *store, uint32_t pid, uint32_t parent_pid,
                             uint64_t started_ns, string_id name);
image_id store_add_image(struct store *store, const struct image_row *image);
uint32_t store_add_code(struct store *store, const struct code_row *code);

// The thread is off the CPU from now on, for this reason (also to change reason or stack of a stay
// that goes on); NULL: it is on a CPU, or has ended. The row of a stay that is over is added first,
// and last_ns has moved on to the time of the event before either. A stay does not begin at 0.
void store_set_off(struct store *store, thread_id thread, const struct thread_off *off);

void store_count(struct store *store, enum account account, uint64_t more);
void store_count_event(struct store *store, uint32_t kind); // enum event_kind

// ---- Reading: any thread -----------------------------------------------------------------------

// Rows change only in their _Atomic fields.
const struct thread_row *store_thread(const struct store *store, thread_id thread);
const struct process_row *store_process(const struct store *store, process_id process);
const struct image_row *store_image(const struct store *store, image_id image);
const struct code_row *store_code(const struct store *store, uint32_t code);

// For the writer to change those fields.
struct thread_row *store_thread_mut(struct store *store, thread_id thread);
struct process_row *store_process_mut(struct store *store, process_id process);
struct image_row *store_image_mut(struct store *store, image_id image);
struct code_row *store_code_mut(struct store *store, uint32_t code);

// What the thread does at the end of the recording so far. False: it is on a CPU, or has ended.
//
// To see stays that are over and those that are not as of one moment, load in this order: `last_ns`
// as H, then this for every thread, then intervals.n. Then the thread was off in [since_ns, H) if
// since_ns < H, and rows of the same thread that start at since_ns or later say nothing new about
// the time before H.
//
// Why that holds: the writer moves last_ns on before it applies an event. So whoever has loaded H
// sees everything of all events before H, and perhaps some of what came later. A stay that is open
// and began before H lasted until H at least. Where there is none, or one that began at H or later,
// all stays that began before H were over by then or have ended since, and their rows were added
// before `off` changed: intervals.n, loaded last, covers them. The end of a thread is loaded after
// H, too: then it is either over at ended_ns, or was alive at H.
bool store_thread_off(const struct store *store, thread_id thread, struct thread_off *ret);

uint64_t store_account(const struct store *store, enum account account);

// Threads of the recorded processes that ever lived, without foreign ones.
uint32_t store_count_threads(const struct store *store);

// End of the run's time so far: ended_ns once it has ended, else the newest event's time.
uint64_t store_end_ns(const struct store *store);

// Bytes of memory: all of it, and the part that grows with every sample, interval and wakeup.
struct store_memory {
    uint64_t total_bytes;
    uint64_t rows_bytes;
    uint64_t stacks_bytes;
};
struct store_memory store_memory(const struct store *store);
