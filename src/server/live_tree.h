#pragma once

// A call tree as a subscriber gets it: by columns, and after the first message only what differs
// from what was sent before.
//
//     flame ──► numbers: (number of the node above, number of the function) ──► number, for ever
//           └─► values:  compared with those that were sent last ──► those that differ
//
// So a node is the same one as long as the subscription's epoch: while its values change, while it
// is cut and comes back, and while the call tree is built anew because names have changed.
//
// While the run goes on, times that are less than a thousandth off are not worth a message; the
// last one is exact.
//
// Numbers are never given back. When most of them are of nodes that are not shown any more, all is
// forgotten, and the next message is a full one.

#include "query/answers.h"
#include "server/live_functions.h"

// All 0: not shown.
struct live_values {
    uint64_t on_cpu_ns;
    uint64_t self_on_cpu_ns;
    uint64_t samples;
    uint64_t self_samples;
    uint64_t off_ns;
    uint64_t self_off_ns;
    uint64_t waits;
    uint64_t cut_children;
};

struct live_node {
    uint32_t above;    // number
    uint32_t function; // number
    struct live_values values;
    uint64_t reasons; // hash of its waits by reason
};

struct live_tree_sent {
    bool begun;
    uint64_t names_version; // that the last message was made with
    struct live_functions functions;
    VEC(struct live_node) nodes; // by number
    struct map by_edge;          // (number above, number of the function) -> number
};

void live_tree_sent_fini(struct live_tree_sent *sent); // a zeroed one is empty, and ready

struct live_tree_news {
    const struct flame *flame;
    const struct names *names;
    enum answer_mode mode;
    uint32_t max_nodes; // of a flame
    bool exact;         // the run is over
};

// The fields full, functions, nodes, values and waits.
void live_tree_put(struct json *j, struct live_tree_sent *sent, const struct live_tree_news *news);
