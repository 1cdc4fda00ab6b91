#pragma once

// The directory in which runs are kept: $XDG_STATE_HOME/stax/runs, one file per run, `17.stax`. Its
// number is the run's id, on this server and on every later one; several servers may share it.
//
// What is over is kept until there are more than `keep_runs` files, or more than `keep_bytes` of
// them: then the oldest go. A run that is being recorded, by whomever, stays; and files that
// somebody saved elsewhere are nobody's business.
//
// Belongs to the loop thread.

#include "archive/run_file.h"
#include "base/vec.h"

struct history {
    char *folder;    // NULL: runs are not kept
    struct err note; // why not, or what went wrong last; "" when nothing
    uint64_t keep_runs;
    uint64_t keep_bytes;
};

struct history_entry {
    uint32_t id;
    uint64_t bytes; // of the file
};

// `folder` NULL: $XDG_STATE_HOME/stax/runs, else ~/.local/state/stax/runs; "": runs are not kept.
// How much is kept: $STAX_KEEP_RUNS and $STAX_KEEP_BYTES (as 500M, 10G), else HISTORY_RUNS and
// HISTORY_BYTES. The directory is made when the first run is.
enum { HISTORY_RUNS = 100, HISTORY_ID_MAX = INT32_MAX };
#define HISTORY_BYTES (UINT64_C(4) << 30)
void history_init(struct history *history, const char *folder);
void history_fini(struct history *history);

struct history_list {
    VEC(struct history_entry) entries; // by id
};

// Every run file there is by now. An empty list when there is none, or no directory.
void history_scan(const struct history *history, struct history_list *ret);
bool history_list_has(const struct history_list *list, uint32_t id);

// A new file, with the first id from `id` on of which there is none. The id; 0 when there can be
// none: `note` says why.
uint32_t history_create(struct history *history, uint32_t id, struct run_file *ret);

// The path of that run's file; the caller frees it.
char *history_path(const struct history *history, uint32_t id);

// With all that lies beside it.
void history_remove(const char *path);
