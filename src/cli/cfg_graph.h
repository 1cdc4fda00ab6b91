#pragma once

// A `cfg` answer, ready to be walked: the edges of each block, and which of them lead back. An edge
// leads back when its block is still open in a walk into the depth from the entry: then it closes a
// loop, and the block that it leads to is the loop's head.

#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>

struct cfg_edge {
    uint32_t from;
    uint32_t to;
    const char *kind; // borrowed from the answer
    bool is_back;
};

struct cfg_graph {
    const json_t *answer;
    const json_t *blocks;
    size_t n_blocks;
    struct cfg_edge *edges; // by `from`
    size_t n_edges;
    uint32_t *first_edge; // by block, and one more
    bool *is_head;        // by block: of a loop
    double whole;         // samples that shares are of
};

// `answer` is borrowed. Edges that make no sense are left out.
void cfg_graph_init(struct cfg_graph *graph, const json_t *answer);
void cfg_graph_fini(struct cfg_graph *graph);

const json_t *cfg_graph_block(const struct cfg_graph *graph, size_t block);
