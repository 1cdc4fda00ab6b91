#pragma once

// A tree of functions for people: one line per node, indented, each with its share of the root.

#include "base/text.h"
#include "cli/flame_tree.h"
#include "cli/mode.h"

struct flame_text {
    const char *root;       // what node 0 is called; NULL: by its name
    const char *below_one;  // what stands right below a node: "callee"
    const char *below_many; // "callees"
    enum mode mode;         // what the lines show
    bool outwards;          // a tree of callers: what waits is node 0
    bool addresses;         // and where each function begins
    uint32_t max_depth;     // of lines
};

// A tree of waits is printed with fewer levels than it has: the way through the kernel to where a
// thread waits is left out. How many levels to ask for, to have `depth` of them to show.
int64_t flame_text_depth(int64_t depth, enum mode mode);

// Returns how many nodes are deeper than that.
size_t flame_text_put(const struct flame_text *how, const struct flame_tree *tree, struct text *to);

// What a share is a share of: samples; or nanoseconds, of waiting or of both.
uint64_t flame_text_weight(const struct flame_tree_node *node, enum mode mode);
