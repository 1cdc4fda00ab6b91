#pragma once

// An `annotated` answer for people and agents: fixed columns, one line per instruction, under the
// lines of the source that they were made of.
//
//     self %  samples     ms  below %  address         instruction
//     shares.c:17  x = x / d;
//          .        .      .        .  0x401140        xor edx, edx
//       61.3      547  611.2        .  0x401142        div rsi
//     … 212 instructions without samples (--all shows them)
//
// "self": right there; "below": in what is called from there. Shares are of the samples of the
// function, whatever was called from it, so that both columns together show where its time goes.
// "." is nothing at all, "0.0" is little.

#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>

struct annotated_look {
    bool all;     // also long stretches without samples
    bool off_cpu; // waits rather than samples
    bool colour;
    size_t width; // of the terminal; 0: lines are never cut
};

// All but the line about the run.
void annotated_put(struct text *to, const json_t *answer, const struct annotated_look *look);

// What any answer about the code of a function begins with: which one, its sums, where the code is
// from, and what is missing.
void annotated_put_head(struct text *to, const json_t *answer);
