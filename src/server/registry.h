#pragma once

// Every run that the server knows.
//
//     ARMING ──► GOING ──► OVER, in memory ◄──► OVER, on the shelf: only its file is there
//        │          └─ spool ─► its file ──────────────────▲
//        └──► failed, forgotten                            └── files of earlier servers, saved
//        files
//
// At most one of them is being recorded (`active`); imports go on beside it. While a run goes on a
// spool writes it into its file (archive/spool.h), in the directory of the history or where the
// client said. What is over stays in memory as long as there is room; then the runs that nobody has
// asked about for the longest time are put on the shelf, to be loaded when somebody asks
// (filer.h). One without a file, because there was no room on the disk, is forgotten instead, the
// oldest first.
//
// A run keeps its number as long as somebody may have seen it. So a file of another server whose
// number is in use here, by a run that is in no file or in one elsewhere, gets another one.
//
// Files that other servers leave in the directory are noticed when somebody asks for the list or
// for a run that is not known. One that says that it is being recorded and belongs to nobody was
// left by a server that died: it is listed as recovered.
//
// A launched run whose program never started is forgotten: there is nothing to ask.

#include "archive/load.h"
#include "archive/spool.h"
#include "base/vec.h"
#include "run/run.h"
#include "server/filer.h"
#include "server/history.h"

struct server;
struct backing;

// Which file it is that lies at a path, and in which state.
struct file_stamp {
    uint64_t device;
    uint64_t inode;
    uint64_t bytes;
    uint64_t changed_ns;
};

enum kept_phase { KEPT_ARMING, KEPT_GOING, KEPT_OVER };

struct kept_run {
    uint32_t id;
    enum kept_phase phase;
    bool is_import;
    bool is_opened;       // a file that somebody wanted to look at: current only when selected
    uint32_t history_id;  // the number of its file in our directory: `id`, unless that was taken;
                          // 0: it is not there
    struct run *run;      // NULL: on the shelf
    char *path;           // of its file; NULL: none
    struct run_file file; // from its creation until the spool takes it over
    bool has_file;
    char *replaced;          // where the run is that its file took the place of (output.h)
    bool is_unreadable;      // its file, by the last look at it: `note` says why
    struct file_stamp stamp; // of a file that was opened, or is unreadable: which one it was
    struct backing *backing; // of `run`: what holds its file; freed with the run
    struct facts facts;      // KEPT_OVER
    struct err note;         // what is wrong with its file; "" when nothing is
    bool loading;
    uint32_t n_jobs;           // of the filer, that look at `run`
    uint64_t last_used;        // counts questions
    uint64_t start_connection; // who is to be told that it is armed, or that the import is over;
    uint64_t start_ticket;     // 0, 0 once that has happened
};

struct registry {
    struct server *server;
    struct history history;
    VEC(struct kept_run *) runs; // by id, oldest first
    struct kept_run *active;     // NULL: none
    uint32_t selected;           // what a question without a run is about; 0: none was selected
    uint32_t next_id;            // at least
    uint64_t uses;
    size_t limit_runs;    // in memory: LIMIT_RUNS
    uint64_t limit_bytes; // of them: LIMIT_HISTORY_BYTES
};

// `folder`: see history_init().
void registry_init(struct registry *registry, struct server *server, const char *folder);
void registry_fini(struct registry *registry); // stops what goes on

struct registry_start {
    struct run_params params; // taken over
    bool is_import;
    const char *file;    // where it is written to; NULL: into the history
    uint64_t connection; // who asks; 0, 0: nobody
    uint64_t ticket;
};

// Starts a run. There must be no active one, unless it is an import. The ticket is answered when
// the capture is armed or has failed; that of an import, when it is over. 0, or a negative errno:
// the file cannot be made, and nothing was started.
int registry_start(struct registry *registry, struct registry_start start, struct err *reterr);

// That go on.
size_t registry_count_imports(const struct registry *registry);

// Looks at what goes on: answers those who started it, and retires what is over.
void registry_check(struct registry *registry);

// Nothing goes on, and all files are written.
bool registry_is_quiet(const struct registry *registry);
void registry_request_stop(struct registry *registry); // of everything that goes on

// By id, but none that is still being armed. NULL: there is none.
struct kept_run *registry_find(struct registry *registry, uint32_t id);

// This run was asked for and is not armed yet.
bool registry_is_arming(const struct registry *registry, uint32_t id);

// What a question without a run id is about: the selected run, else the active one, else the
// newest. NULL: none yet.
struct kept_run *registry_current(struct registry *registry);

// The run as a file, known from now on. Asking twice for the same file gives the same run. NULL: it
// cannot be read, and why.
struct kept_run *registry_open(struct registry *registry, const char *path, struct err *reterr);

// Has it loaded; registry_on_loaded() comes later. It is on the shelf.
void registry_load(struct registry *registry, struct kept_run *kept);

// The filer is done with it. The run that was loaded, or NULL: job->error says why.
struct kept_run *registry_on_loaded(struct registry *registry, struct filer_job *job);

// Looks into the directory for runs of other servers.
void registry_look(struct registry *registry);

// Whether it came out of a file, and not from a recording of this server.
bool registry_is_loaded(const struct kept_run *kept);

// The file that all its names are in: it was loaded from there. NULL: they are not. For the saver.
struct run_file *registry_names(const struct kept_run *kept);

// All that is known of it, by now.
void registry_facts(const struct kept_run *kept, struct facts *ret);

// Whether its file is being written.
bool registry_is_spooling(const struct kept_run *kept);

// What its spool has to say; all zero when it has none.
void registry_spool_report(const struct kept_run *kept, struct spool_report *ret);
