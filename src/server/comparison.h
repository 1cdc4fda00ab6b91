#pragma once

// A comparison at work: what was counted so far of each of its runs. On the query thread.

#include "server/analysis.h"

struct comparison {
    struct compare_side *sides; // by run, as in the question
    size_t n;
    uint64_t give_up_ns; // names that are not there by then are not waited for; 0: not yet
};

enum comparison_step {
    COMPARISON_MORE,  // rows to count
    COMPARISON_WAITS, // for names; question->waiting is set
    COMPARISON_READY, // analyses and sides stand still: the answer can be made, at once
    COMPARISON_TOO_LARGE,
};

// Counts up to `max_rows` rows of all runs together. `analyses`: one per run of the question, in
// its order. Not told apart are functions whose names are still being read: those are waited for a
// while, if `patient`.
enum comparison_step comparison_advance(struct question *question, struct analysis *const *analyses,
                                        uint64_t max_rows, bool patient);
void comparison_free(struct comparison *comparison); // accepts NULL
