#pragma once

// Which calls were inlined where, of one compilation unit: one walk over its DIEs.
//
//     DIEs, as they are nested                      nodes        spans
//     subprogram main            [0, 100)           0            [0 … [10 … [20 … [30 … [100
//       inlined_subroutine f     [10, 30)           1 in 0        0    1     2     0     -
//         lexical_block
//           inlined_subroutine g [20, 30)           2 in 1
//
// Node 0 stands for every function that is a function of its own. For inlines.c only.

#include "image/dwarf_file.h"
#include "image/spans.h"

#include <stdatomic.h>

struct inline_node {
    uint32_t caller; // the node that it is inlined into; 0: a function of its own
    uint32_t site;   // of struct inlines, plus one; 0: not looked at yet
    uint64_t die_off;
};

struct inlines_unit {
    Dwarf_Off die_off;
    bool walked;
    bool cut; // the walk ended early: its DIEs make no sense, or are too many
    VEC(struct inline_node) nodes;
    struct spans spans; // of nodes
};

void inlines_unit_fini(struct inlines_unit *unit);

// Fills in nodes and spans, once. Ends early when `*stop` becomes true, unless it is NULL.
void inlines_unit_walk(struct inlines_unit *unit, const struct dwarf_file *file,
                       const _Atomic bool *stop);

uint64_t inlines_unit_bytes(const struct inlines_unit *unit);
