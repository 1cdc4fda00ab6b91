#pragma once

// What the query thread keeps about one run: its names, its call tree and folds of its samples.

#include "query/answers.h"
#include "run/run.h"

enum { ANALYSIS_FOLDS = 8 }; // of views other than the whole run

struct kept_fold {
    struct fold fold;
    uint32_t n_users; // questions that wait for it
    uint64_t last_used;
};

struct analysis {
    struct run *run;
    struct names names;
    struct calltree tree;
    struct fold everything;
    struct kept_fold *kept[ANALYSIS_FOLDS];
    uint64_t uses;
};

struct analysis *analysis_new(struct run *run);
void analysis_free(struct analysis *analysis); // and not the run

// The fold of a view, borrowed until analysis_release(): the kept one or a new one. NULL when all
// are in use. `*view` is taken over when it is new.
struct fold *analysis_borrow(struct analysis *analysis, struct view *view);
void analysis_release(struct analysis *analysis, struct fold *fold);

// Brings names and tree up to date and folds up to `max_rows`. True when it has caught up.
bool analysis_advance(struct analysis *analysis, struct fold *fold, uint64_t max_rows);

// A number that moves whenever an answer may have changed.
uint64_t analysis_revision(const struct analysis *analysis, const struct fold *fold);

// No image that samples fell into is still being loaded.
bool analysis_names_are_settled(const struct analysis *analysis);
