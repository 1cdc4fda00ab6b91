#pragma once

// A run on its way into its file, while it is recorded.
//
//     capture thread ──► store ──► spool thread ──► run file
//                        (read like everybody else reads it: a prefix, without locks)
//
// Once a second the spool writes what has been added to the store since, in one transaction: a
// reader of the file sees the run as of one moment, and a power cut costs a second. Full chunks of
// rows become a blob each; the rows behind them become small blobs, which are replaced by one when
// their chunk is full. What changes in place (a thread's name, the end of a process, the facts) is
// written again when it has changed.
//
// When writing fails (the disk is full), recording goes on in memory, the note says since when and
// why, and the spool tries again every few seconds, from where it was. Rows that are not written
// are never dropped from memory.
//
// When the run is over: the rest of the rows, the names of everything (names_file.h), and the file
// becomes a single one that nothing more is written to.
//
// The same once and for all is `save`: spool_write_once().

#include "archive/facts.h"
#include "archive/run_file.h"
#include "image/library.h"
#include "store/paging.h"

#include <pthread.h>

enum spool_state {
    SPOOL_WRITING,
    SPOOL_FINISHING, // spool_finish() was asked for
    SPOOL_DONE       // all is in the file, or will never be: `note` says so
};

struct spool_params {
    struct run_file file; // newly created; taken over
    struct store *store;
    struct library *library;
    // Called on the spool's thread before each commit, to add what is known of the run by then.
    void (*put_facts)(void *context, struct facts *facts);
    void (*on_change)(void *context); // the note has changed, or it is done; on the spool's thread
    void *context;
    uint64_t period_ns; // between two commits; 0: the default, half a second
};

struct spool;

// Starts the thread. Never fails: failure is a note.
struct spool *spool_new(struct spool_params params);

// The run is over, and its store does not change any more. Returns at once.
void spool_finish(struct spool *spool);

enum spool_state spool_state(const struct spool *spool);

struct spool_report {
    uint64_t commits;
    uint64_t file_bytes;
    uint64_t rows;       // of all tables, that are in the file
    uint64_t cpu_ns;     // of its thread
    uint64_t behind_ns;  // since the last commit that worked; 0 when that is as it should be
    bool names_complete; // SPOOL_DONE: the file stands on its own
    struct err note;     // what went wrong; "" when nothing is
};
void spool_report(struct spool *spool, struct spool_report *ret); // any thread

// For store_set_pager(): reads rows back from the file. Valid as long as the spool.
struct pager spool_pager(struct spool *spool);

// Breaks off what takes long (names), writes what is left of the rows, and ends the thread. The
// file can be opened afterwards. Nobody pins rows any more. Accepts NULL.
void spool_free(struct spool *spool);

// Writes all of a run as it is now to a new file at `path`, with its names: there is either the
// whole file afterwards, or what was there before. For a thread that may wait. `facts` as they
// shall be in the file. Breaks off with -ECANCELED when `*stop` becomes true (NULL: never).
// `names_from`: of a run that was loaded with all its names, its file; nobody else uses that handle
// meanwhile. NULL: names are those of `library`.
int spool_write_once(const char *path, struct store *store, struct library *library,
                     struct run_file *names_from, const struct facts *facts,
                     const _Atomic bool *stop, struct err *reterr);
