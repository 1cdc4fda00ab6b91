#pragma once

// CPU time that children of the target use while nobody records them: an answer that leaves them
// out has to say how much that is.
//
// A child's time is either in its own account, or once it has been waited for in its parent's. The
// sum over the target's account of children and all living descendants therefore only grows, but
// for children that nobody waits for.
//
// Owned by the capture thread.

#include "base/base.h"

#include <stdbool.h>

struct children {
    uint32_t pid;
    bool any;           // there is a child, or was one
    uint64_t before_ns; // used before the recording
    uint64_t used_ns;   // since then
    uint64_t next_ns;   // when to look again
};

void children_init(struct children *children, uint32_t pid);

// Looks, unless it did so a moment ago or there are no children. `ending`: it is the last chance.
void children_update(struct children *children, uint64_t now_ns, bool ending);
