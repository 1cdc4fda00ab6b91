#pragma once

// What a subscriber has been told. It belongs to the subscription, which lends it to each of its
// questions: whoever answers compares, tells what is new, and writes down that it has.
//
// Only the part that the subscription's method needs is ever filled.

#include "server/code_numbers.h"
#include "server/live_timeline.h"
#include "server/live_tree.h"

struct live_top_sent {
    bool begun;
    struct live_functions functions;
};

struct sent {
    struct code_sent code;
    struct live_tree_sent tree;
    struct live_top_sent top;
    struct live_timeline_sent timeline;
};

struct sent *sent_new(void);
void sent_free(struct sent *sent); // accepts NULL
