#pragma once

// A fold's samples on the nodes of a calltree: what top and flame are made from.
//
// Callers have smaller ids than their callees, so one pass backwards over the nodes turns self into
// total.

#include "query/calltree.h"
#include "query/fold.h"

struct weights {
    uint64_t *self;  // by node_id: samples whose leaf it is
    uint64_t *total; // and those of everything that it called
};

void weights_init(struct weights *weights, const struct calltree *tree, const struct fold *fold);
void weights_fini(struct weights *weights);
