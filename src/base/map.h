#pragma once

// A hash map from 64 bits to 32 bits: open addressing, linear probing, a power of two of slots,
// at most two thirds full. It is what every interning table of the program stands on.
//
// Keys that are longer than 64 bits are hashed by the caller; the caller then compares what the
// values stand for, walking equal hashes with map_find_from(). No removal: a run only ever grows.

#include "base/base.h"

#include <stdbool.h>

enum { MAP_NONE = UINT32_MAX }; // never a stored value

struct map_slot {
    uint64_t key;
    uint32_t value; // MAP_NONE: free
};

struct map {
    struct map_slot *slots; // NULL until the first insertion
    size_t n_slots;
    size_t n;
};

void map_fini(struct map *map);

// The value of `key`, or MAP_NONE.
uint32_t map_find(const struct map *map, uint64_t key);

// Sets the value of `key` (new or not). `value` is not MAP_NONE.
void map_set(struct map *map, uint64_t key, uint32_t value);

// For hashes that may collide. Start with `*cursor` = 0 and call until MAP_NONE; each answer is a
// value that was added under `key`.
uint32_t map_find_from(const struct map *map, uint64_t key, size_t *cursor);

// Adds a further value under `key`, keeping those that are there.
void map_add(struct map *map, uint64_t key, uint32_t value);

// A well-mixed hash of `n` bytes; of one or of two words. Not resistant to an adversary who can
// choose keys at leisure; the bounds of base/limits.h are what keeps such a table small.
uint64_t hash_bytes(const void *bytes, size_t n);

static inline uint64_t hash_u64(uint64_t x)
{
    // The finalizer of MurmurHash3.
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

// For who asks for many keys, one after the other: has the slot of one on its way while others are
// looked up. Changes nothing.
static inline void map_prefetch(const struct map *map, uint64_t key)
{
    if (map->n_slots > 0) {
        __builtin_prefetch(&map->slots[hash_u64(key) & (map->n_slots - 1)]);
    }
}

static inline uint64_t hash_pair(uint64_t a, uint64_t b)
{
    return hash_u64(a * 0x9e3779b97f4a7c15ULL + b);
}
