#pragma once

// The memory of the way a stack was built: (caller, address, address space) -> stack.
//
// Building a stack means, frame by frame: which image is mapped there, which frame is that, which
// node has that frame below this caller. Programs run the same few thousand call sites over and
// over, so almost every such step has been made before; here it costs one probe of one cache line.
//
// Direct-mapped: an entry is simply replaced by the next one that falls into its slot. Nothing is
// ever wrong in it: a space that changes gets a new version, and nodes never change.

#include "base/map.h"
#include "store/stacks.h"

enum { EDGES_BITS = 15 };

struct edge {
    uint64_t addr;
    uint64_t version; // of the address space, twice, plus 1 for a leaf; 0: the slot is free
    stack_id caller;
    stack_id stack;
};

struct edges {
    struct edge slots[1 << EDGES_BITS];
    uint64_t n_missed;
};

static inline struct edge *edges_slot(struct edges *edges, stack_id caller, uint64_t addr,
                                      uint64_t version)
{
    uint64_t hash = (addr + version * 0x9e3779b97f4a7c15ULL) ^ ((uint64_t)caller << 32);
    hash *= 0xff51afd7ed558ccdULL;
    return &edges->slots[hash >> (64 - EDGES_BITS)];
}
