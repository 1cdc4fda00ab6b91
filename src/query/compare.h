#pragma once

// Two sides of runs, compared: which keys (functions, stacks, threads) have become slower or
// faster, by how much, and how much could have been seen at all. Pure: counts in, rows out.
//
//     counts: key x run x block ──► shares ──► change of each key ──► verdict of each key and of
//     all
//                    │                             ▲
//                    └──► how much they vary ──────┘
//
// The model (docs/compare.md has the formulae and their sources):
//
// - What is compared is a key's *odds*: its samples against those of the reference, which is
//   everything that has not changed. Both come from the same clock, so the speed of the machine
//   drops out. The change is the ratio of the odds, less one: a function that became 5 % slower has
//   +5 %, whatever its share is.
// - Samples of a program are no independent draws: it has phases. So each run is cut into
//   COMPARE_BLOCKS equal blocks, the n-th block of one side is set against the n-th of the other
//   (phases that both have fall out), and the scatter of these differences, corrected for what
//   neighbours have in common, is the variance; never less than that of independent draws.
// - Two runs of one program differ by more than their samples: addresses, caches, neighbours. One
//   run on each side cannot show it: then a run counts as if it had been at most COMPARE_RUN_DRAWS
//   independent draws, however many samples it has. With several runs on a side it is estimated
//   from them.
// - Tested are the keys with enough samples, and with a share that anybody would care about. Most
// significant first, each one that is found to have
//   changed leaves the reference, and the next ones are tested without it (Holm's thresholds): else
//   one function that became slower would make all others look faster.
//
// So when nothing has changed, the probability of any verdict but SAME and TOO_FEW is at most
// ALPHA, as long as runs vary by no more than is assumed.
//
// For time off the CPU values are nanoseconds of waiting rather than samples; everything else
// holds.

#include "base/vec.h"

#include <stdbool.h>

enum {
    COMPARE_BLOCKS = 64,
    COMPARE_MIN_UNITS = 20, // samples or waits, of both sides together, to be tested
    COMPARE_RUN_DRAWS = 100000,
    COMPARE_NO_KEY = UINT32_MAX,
};

#define COMPARE_ALPHA      0.05  // of a whole comparison
#define COMPARE_CONFIDENCE 0.95  // of each interval
#define COMPARE_POWER      0.9   // of min_detectable
#define COMPARE_MIN_SHARE  0.002 // of both sides together, to be tested
#define COMPARE_TELLING    0.1   // a change of this size should not go unseen: else TOO_FEW

// What one run has of a key in one of its blocks.
struct compare_cell {
    uint32_t key;
    uint32_t run;
    uint32_t block;
    uint64_t n;     // samples or waits
    double value;   // samples or nanoseconds
    double squares; // the sum of the squares of these n values
};

struct compare_cells {
    VEC(struct compare_cell) at;
};

struct compare_params {
    size_t n_keys;
    size_t n_runs[2];  // of the base A, whose runs come first, and of B
    double run_draws;  // COMPARE_RUN_DRAWS; of one run on each side. INFINITY: runs do not differ
    uint32_t apart;    // a key that is shown but not compared, nor compared with; or NO_KEY
    double fail_above; // 0.1: a key that is at most 10 % slower is no failure
};

enum compare_verdict {
    COMPARE_SLOWER,
    COMPARE_FASTER,
    COMPARE_SAME,
    COMPARE_TOO_FEW,
    COMPARE_APART, // not compared
};

// Changes are ratios less one: 0.05 is 5 % more.
struct compare_row {
    uint32_t key;
    enum compare_verdict verdict;
    uint64_t n[2]; // A, B: samples or waits
    double value[2];
    double share[2];   // of everything of that side
    bool tested;       // else it is TOO_FEW, and the rest is not there
    bool fails;        // slower by more than fail_above, significantly
    double change;     // -1: gone; INFINITY: new
    double change_low; // interval; -1 and INFINITY when it has no end
    double change_high;
    double p;              // of this key alone
    double p_adjusted;     // for all that were tested: below COMPARE_ALPHA is significant
    double min_detectable; // INFINITY: none
};

enum compare_outcome {
    COMPARE_REGRESSION,  // something is slower
    COMPARE_IMPROVEMENT, // something is faster, and nothing slower
    COMPARE_NO_CHANGE,
    COMPARE_UNTOLD, // nothing was found, and too little could have been
};

struct compare {
    enum compare_outcome outcome;
    bool fails; // one of the rows does
    uint64_t n[2];
    double value[2];
    size_t n_tested;
    bool estimated;        // how runs differ comes from these runs
    double run_variation;  // then: the standard deviation of what all keys have in common of it
    double min_detectable; // half of the base is in keys of which a change of this size would be
                           // found; INFINITY: less than half of it is
    VEC(struct compare_row) rows; // changed ones first, by how much they moved; then by share
};

// Cells of one (key, run, block) add up. Keys without any cell have no row.
void compare_make(struct compare *ret, const struct compare_params *params,
                  const struct compare_cells *cells);
void compare_fini(struct compare *compare);

const char *compare_verdict_name(enum compare_verdict verdict); // "slower", …: the JSON
const char *compare_outcome_name(enum compare_outcome outcome);
