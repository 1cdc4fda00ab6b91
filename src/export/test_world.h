#pragma once

// A small run with everything in it that a format may trip over, for the tests of this folder:
// names with separators, quotes, control bytes, broken UTF-8, 64 KB; threads with such names, one
// that ran and was never sampled, one of another program; samples without any frame, functions of
// the kernel and of a JIT, callers that are missing, waits that are not over.

#include "export/export.h"
#include "query/fake_library.h"

enum { WORLD_STACKS = 40, WORLD_ROWS = 3000, WORLD_LONG_NAME = 65000 };

struct world {
    struct store *store;
    struct library library;
    struct names names;
    struct calltree tree;
    struct reasons reasons;
    struct fold fold;
    struct export_source source;
    stack_id stacks[WORLD_STACKS];
    char *long_name;
    uint64_t random;
};

// With the view, which is taken over (NULL: everything); everything has caught up.
struct world *world_new(uint64_t seed, bool has_switches, struct view *view);
void world_free(struct world *w);

uint64_t world_dice(struct world *w, uint64_t sides);

// The bytes of an export, made in slices of `max_rows`. The caller frees the text.
struct text world_export(struct world *w, const struct export_format *format, bool off_cpu,
                         uint64_t max_rows);

// The same, unpacked.
struct text world_unpack(const struct text *packed);
