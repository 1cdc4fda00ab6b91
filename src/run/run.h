#pragma once

// One recording, from its request to its last row.
//
//     run_new() ── RUN_ARMING ──► RUN_RECORDING ──► RUN_STOPPED     the store can be queried, for
//     good
//                       └───────► RUN_FAILED                        `error` says why; there is no
//                       store
//
// A run has one thread, the capture thread: it opens the backend, drains it into the pipeline and
// is the only writer of the store. Whoever made the run hears of every change of its state through
// `on_change`, and of new samples too while it is `watched`. That is called on the capture thread
// and must only pass the news on.
//
// A run that was read from a file has never had a thread: it is RUN_STOPPED from the start
// (run_new_past()).

#include "base/arch.h"
#include "base/err.h"
#include "capture/capture.h"
#include "image/library.h"
#include "run/jit_reader.h"
#include "run/pauses.h"
#include "store/store.h"

#include <pthread.h>

enum run_state { RUN_ARMING, RUN_RECORDING, RUN_STOPPED, RUN_FAILED };

enum run_stop_reason {
    RUN_STOP_NONE, // goes on
    RUN_STOP_TARGET_EXITED,
    RUN_STOP_TIME_LIMIT,
    RUN_STOP_USER,
    RUN_STOP_RECORDER_ERROR, // `error` says which
    RUN_STOP_SNAPSHOT,       // it went on: this is what there was when it was saved
    RUN_STOP_REASONS
};

// "target_exited", …: the JSON value.
const char *run_stop_reason_name(enum run_stop_reason reason);

// Which one has that name; RUN_STOP_NONE when none has.
enum run_stop_reason run_stop_reason_of(const char *name);

struct run_params {
    const struct capture_backend *backend;
    struct capture_request request;
    char *label;            // owned by the run from run_new() on
    char *replay_path;      // what request.replay_path points to; owned, may be NULL
    char *tap_path;         // every event is also written there; owned, may be NULL
    uint64_t time_limit_ns; // 0: none
    void (*on_change)(void *context);
    void *context;
};

// What the capture thread says about itself, for diagnostics.
struct run_vitals {
    _Atomic uint64_t drains;
    _Atomic uint64_t cpu_ns; // of the capture thread
    _Atomic uint64_t rings;
    _Atomic uint64_t ring_bytes;
    _Atomic uint64_t unrecorded_cpu_ns; // CPU time of child processes that are not recorded
    _Atomic uint64_t edges_missed;
    _Atomic uint64_t unwind_walks; // these: struct unwinder_counts
    _Atomic uint64_t unwind_complete;
    _Atomic uint64_t unwind_joined;
    _Atomic uint64_t unwind_fp_steps;
    _Atomic uint64_t unwind_missed;
    _Atomic uint64_t unwind_waited_ns;
};

struct run {
    uint32_t id;
    _Atomic bool watched; // somebody waits for samples: on_change() comes with them too
    struct run_params params;
    struct library *library;
    uint64_t started_unix_ns; // these five: valid from RUN_RECORDING on
    uint64_t started_ns;
    struct store *store;
    enum arch arch; // whose instructions ran
    struct capture_abilities abilities;
    struct err capture_note; // from RUN_RECORDING on
    struct err late_note;    // what went wrong since; valid once there is one
    _Atomic bool has_late_note;
    _Atomic int state; // enum run_state; a release store publishes what stands above and below
    _Atomic int stop_reason; // valid once RUN_STOPPED
    _Atomic bool began;      // the program that was to be launched did start
    uint64_t stopped_unix_ns;
    struct err error; // valid once RUN_FAILED, or RUN_STOPPED by a recorder error
    int error_number; // its positive errno
    struct run_vitals vitals;
    struct pauses pauses;
    pthread_mutex_t jit_lock;   // of these two:
    struct jit_reports jit;     // the files in which JITs told what they made
    struct err jit_note;        // what went wrong with reading them
    char *backend_name;         // "perf_event_open in-process"; owned
    _Atomic(char *) names_path; // run_names_path(); owned

    // Called by run_free() when nothing happens to the run any more: whoever holds something that
    // looks at the store lets go of it; one that owns the store takes it back (and leaves NULL).
    void (*on_free)(void *context, struct run *run);
    void *on_free_context;

    pthread_t thread;
    int stop_fd; // an eventfd; readable: stop. -1 once retired, when there is no thread either
};

// Starts the thread. Takes over what `params` owns. Never fails: failure is a state.
struct run *run_new(uint32_t id, struct run_params params, struct library *library);

// A run that is over, with a store that is whole; `label` and `backend_name` are copied. The caller
// fills in what else is known of it before anybody else sees it.
struct run *run_new_past(uint32_t id, const char *label, const char *backend_name,
                         struct library *library, struct store *store);

// Asks the run to end; returns at once. Any thread.
void run_request_stop(struct run *run);

// A run that is over gives back its thread and its descriptor; its store stays. Not while active.
void run_retire(struct run *run);

// Ends it first if it is active, and waits for that. Accepts NULL.
void run_free(struct run *run);

// The run file that has names and code of this run (archive/names_file.h): the file it came from,
// or the one it was spooled to, once all is in there. Set once at most, by whoever made the run,
// from any thread; never changed until run_free(). So others may read it without a lock, and who
// has got it may keep it for as long as he may look at the run. The file may be gone, or another
// run's, by the time that it is opened: names_file_open() tells.
void run_set_names_path(struct run *run, const char *path); // copies it
const char *run_names_path(const struct run *run);          // NULL: none, or not yet

enum run_state run_state(const struct run *run);
bool run_is_active(const struct run *run); // RUN_ARMING or RUN_RECORDING
