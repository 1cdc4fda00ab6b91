#pragma once

// The memory of the way a stack was built: (caller, address, address space) -> stack.
//
// Building a stack means, frame by frame: which image is mapped there, which frame is that, which
// node has that frame below this caller. Programs run the same few thousand call sites over and
// over, so almost every such step has been made before; here it costs one probe of one cache line.
//
// The slot of a step is chosen by a hash of the whole way from the root, addresses only. So the
// slots of all steps are known before the first one is looked at, and can be fetched side by side;
// each step by itself would wait for the one before. Entries are exact all the same: they name the
// caller, the address and the version. One that falls into a used slot replaces it; nothing is ever
// wrong in it, since a space that changes gets a new version, and nodes never change.
//
// Before that comes an even cheaper look: two samples of a thread in a row mostly share all but
// their innermost frames. So the last stack of each thread is kept as it was walked, and the outer
// frames that are the same again are skipped.

#include "base/map.h"
#include "store/stacks.h"

enum { EDGES_BITS = 17, WALKS_BITS = 6, WALK_DEPTH = 128 };

struct edge {
    uint64_t addr;
    uint64_t version; // of the address space, twice, plus 1 for a leaf; 0: the slot is free
    stack_id caller;
    stack_id stack;
};

// The calls of a thread's last user stack, the outermost first, without the leaf.
struct walk {
    uint64_t version;
    stack_id root; // what the outermost one stands below
    uint32_t tid;
    uint32_t n;
    uint64_t addrs[WALK_DEPTH];
    uint64_t hashes[WALK_DEPTH]; // of the way up to there
    stack_id stacks[WALK_DEPTH]; // that it led to
};

struct edges {
    struct edge slots[1 << EDGES_BITS];
    struct walk walks[1 << WALKS_BITS]; // by tid; threads may take each other's place
    uint64_t n_missed;
};

// The hash of a way that begins below `root`.
static inline uint64_t edges_start(uint64_t version, stack_id root)
{
    return version + root * 0x9e3779b97f4a7c15ULL;
}

// The hash of a way that goes on to `addr`; `leaf` ends it.
static inline uint64_t edges_hash(uint64_t hash, uint64_t addr, bool leaf)
{
    hash = (hash ^ addr ^ (uint64_t)leaf << 63) * 0x9e3779b97f4a7c15ULL;
    return hash ^ hash >> 29;
}

static inline struct edge *edges_slot(struct edges *edges, uint64_t hash)
{
    return &edges->slots[hash * 0xff51afd7ed558ccdULL >> (64 - EDGES_BITS)];
}

// The last walk of this thread in this version of its address space, below the same root; an empty
// one otherwise.
static inline struct walk *edges_walk(struct edges *edges, uint32_t tid, uint64_t version,
                                      stack_id root)
{
    struct walk *walk = &edges->walks[hash_u64(tid) >> (64 - WALKS_BITS)];
    if (walk->tid != tid || walk->version != version || walk->root != root) {
        walk->tid = tid;
        walk->version = version;
        walk->root = root;
        walk->n = 0;
    }
    return walk;
}
