#pragma once

// A `cfg` answer for people and agents: one line per block, by address, the entry first.
//
//     self %  samples     ms  below %  heat        block  address            instr  source     ends
//          .        .      .        .              B0     0x401136-0x401144      4  shares.c:9   →
//          B1
//       61.3      547  611.2        .  ########    B1 o   0x401144-0x401150      5  shares.c:11
//       taken ↑ B1, else → B2
//
// "o": the head of a loop; "↑": a way back to one. Shares are of the samples of the function with
// what it calls, as in `annotate`.
//
// Of a function with many blocks, stretches of cold ones are one line: those that are shown have
// samples, or are a step away from one that has.
//
// With --dot it is a graph for Graphviz: blocks are the redder the hotter they are.

#include "cli/cfg_graph.h"

struct cfg_look {
    size_t width; // of the terminal; 0: nothing is cut
    bool colour;
    bool all; // also long stretches without samples
};

// All but the lines about the run and the function.
void cfg_text_put(struct text *to, const struct cfg_graph *graph, const struct cfg_look *look);

void cfg_dot_put(struct text *to, const struct cfg_graph *graph);
