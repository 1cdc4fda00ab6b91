#pragma once

// The memory of the way a stack was built: (caller, address, address space) -> stack.
//
// Building a stack means, frame by frame: which image is mapped there, which frame is that, which
// node has that frame below this caller. Programs run the same few thousand call sites over and
// over, so almost every such step has been made before; here it costs one probe of one cache line.
//
// Direct-mapped: an entry is simply replaced by the next one that falls into its slot. Nothing is
// ever wrong in it: a space that changes gets a new version, and nodes never change.
//
// Before that comes an even cheaper look: two samples of a thread in a row mostly share all but
// their innermost frames. So the last stack of each thread is kept as it was walked, and the outer
// frames that are the same again are skipped.

#include "base/map.h"
#include "store/stacks.h"

enum { EDGES_BITS = 16, WALKS_BITS = 6, WALK_DEPTH = 128 };

struct edge {
    uint64_t addr;
    uint64_t version; // of the address space, twice, plus 1 for a leaf; 0: the slot is free
    stack_id caller;
    stack_id stack;
};

// The calls of a thread's last user stack, the outermost first, without the leaf.
struct walk {
    uint64_t version;
    uint32_t tid;
    uint32_t n;
    uint64_t addrs[WALK_DEPTH];
    stack_id stacks[WALK_DEPTH]; // that each of them led to
};

struct edges {
    struct edge slots[1 << EDGES_BITS];
    struct walk walks[1 << WALKS_BITS]; // by tid; threads may take each other's place
    uint64_t n_missed;
};

static inline struct edge *edges_slot(struct edges *edges, stack_id caller, uint64_t addr,
                                      uint64_t version)
{
    uint64_t hash = (addr + version * 0x9e3779b97f4a7c15ULL) ^ ((uint64_t)caller << 32);
    hash *= 0xff51afd7ed558ccdULL;
    return &edges->slots[hash >> (64 - EDGES_BITS)];
}

// The last walk of this thread in this version of its address space; an empty one otherwise.
static inline struct walk *edges_walk(struct edges *edges, uint32_t tid, uint64_t version)
{
    struct walk *walk = &edges->walks[hash_u64(tid) >> (64 - WALKS_BITS)];
    if (walk->tid != tid || walk->version != version) {
        walk->tid = tid;
        walk->version = version;
        walk->n = 0;
    }
    return walk;
}
