#pragma once

// A tree of functions of an answer (FlameNodes and FlameWaits of the protocol): from columns to
// something that can be walked.
//
// The server is trusted no further than its JSON: columns of unequal length, a parent that does not
// come before its child, or a name beyond the strings are an error, never a crash or a loop.

#include "base/err.h"
#include "base/text.h"
#include "base/vec.h"

#include "cli/waits.h"
#include "rpc/json.h"

#include <jansson.h>

enum { FLAME_NODE_NONE = UINT32_MAX };

struct flame_tree_node {
    uint32_t parent;
    uint32_t depth; // of the root: 0
    uint32_t first_child;
    uint32_t next_sibling; // in the order of the answer: heaviest first
    uint32_t function;     // index into strings
    uint32_t binary;
    bool inlined;
    uint64_t on_cpu_ns;
    uint64_t samples;
    uint64_t self_samples;
    struct waits waits;
    uint64_t self_off_cpu_ns;
    uint64_t off_cpu_intervals;
    uint64_t cut_children;
    uint64_t cut_samples;
    uint64_t cut_off_cpu_ns;
    const char *address; // borrowed from the answer
};

struct flame_tree {
    const json_t *strings; // borrowed from the answer
    VEC(struct flame_tree_node) nodes;
};

// `holder` has the fields `nodes` and `waits`. 0, or -EPROTO with a text. The answer has to outlive
// the tree.
int flame_tree_read(struct flame_tree *ret, const json_t *holder, const json_t *strings,
                    struct err *reterr);
void flame_tree_fini(struct flame_tree *tree);

const char *flame_tree_string(const struct flame_tree *tree, uint32_t index);

// The node after `node` in reading order (callers before callees); FLAME_NODE_NONE at the end.
uint32_t flame_tree_next(const struct flame_tree *tree, uint32_t node);

// As one nested object: into the one that is open, the fields of the root, with its children. None
// for a tree without nodes.
void flame_tree_put_nested(struct json *j, const struct flame_tree *tree);

// A field of an answer, as it is; nothing if it is not there.
void flame_tree_put_value(struct json *j, const json_t *answer, const char *key);
