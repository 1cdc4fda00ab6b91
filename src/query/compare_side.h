#pragma once

// What a comparison counts of one run: samples, or nanoseconds of waiting, by place and block.
//
//     samples    blocks of as many rows each              place: a stack, or a thread
//     intervals  blocks of as much time each, clipped
//
// By function, stacks that end in the same frame are one place, called by the first of them; except
// in the kernel, where it matters what it was entered for: there they end in the same kernel
// frames.
//
// Addresses only: names may come later (query/compare_keys.h). The rows to look at are those that
// were there at the start; waits that are not over by then do not count.
//
// Belongs to the query thread.

#include "query/answers.h"
#include "query/compare.h"

enum compare_by {
    COMPARE_BY_FUNCTION,
    COMPARE_BY_STACK,
    COMPARE_BY_THREAD,
};

struct compare_place_cell {
    uint32_t place; // stack_id or thread_id
    uint32_t block;
    uint64_t n;
    double value;
    double squares;
};

struct compare_side {
    const struct store *store;
    enum compare_by by;
    enum answer_mode mode;
    uint64_t n_rows;
    uint64_t cursor;
    uint64_t start_ns; // of the window that blocks divide, and its end
    uint64_t end_ns;
    VEC(stack_id) place_of; // by stack_id, plus one; 0: not looked up
    struct map by_end;      // hash of what stacks end in -> the first such stack
    struct map by_place;
    VEC(struct compare_place_cell) cells;
    bool full; // there were more of them than LIMIT_COMPARE_CELLS
};

void compare_side_init(struct compare_side *side, const struct store *store, enum compare_by by,
                       enum answer_mode mode);
void compare_side_fini(struct compare_side *side);

// Looks at up to `max_rows` further rows. True when it has seen them all, or is full.
bool compare_side_advance(struct compare_side *side, uint64_t max_rows);
