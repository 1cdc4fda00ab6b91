#pragma once

// A run of random stacks for tests: samples and waits in few functions, with recursion, stacks that
// lack their callers, functions that look the same, and names that change meanwhile.

#include "query/fake_library.h"
#include "query/neighbors.h"

enum { RANDOM_STACKS_IMAGES = 3, RANDOM_STACKS_TABLES = 2 };

struct random_stacks {
    struct store *store;
    struct library library;
    struct names names;
    struct calltree tree;
    struct reasons reasons;
    struct fold fold;                        // of everything
    image_id images[RANDOM_STACKS_IMAGES];   // the last two are called the same
    image_id markers;                        // of stacks that lack callers
    uint32_t n_tables[RANDOM_STACKS_IMAGES]; // that have come so far
    VEC(struct symtab *) replaced;
    uint64_t now_ns;
    uint64_t random;
};

struct random_stacks *random_stacks_new(uint64_t seed, bool has_switches);
void random_stacks_free(struct random_stacks *w);

uint64_t random_stacks_dice(struct random_stacks *w, uint64_t sides);

// So many samples and a few waits; all threads live on.
void random_stacks_go_on(struct random_stacks *w, size_t n_samples);

// A symbol table arrives, or a better one than before. Functions change their names, or get one.
void random_stacks_rename(struct random_stacks *w);

// As everybody does before asking.
void random_stacks_catch_up(struct random_stacks *w);
