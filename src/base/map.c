#include "base/map.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

void map_fini(struct map *map)
{
    free(map->slots);
    *map = (struct map){0};
}

static void insert(struct map *map, uint64_t key, uint32_t value)
{
    size_t at = hash_u64(key) & (map->n_slots - 1);
    while (map->slots[at].value != MAP_NONE) {
        at = (at + 1) & (map->n_slots - 1);
    }
    map->slots[at] = (struct map_slot){.key = key, .value = value};
    map->n++;
}

static void grow(struct map *map)
{
    struct map old = *map;
    map->n_slots = MAX(old.n_slots * 2, (size_t)16);
    map->n = 0;
    map->slots = alloc_resize(NULL, map->n_slots, sizeof *map->slots);
    for (size_t i = 0; i < map->n_slots; i++) {
        map->slots[i].value = MAP_NONE;
    }
    for (size_t i = 0; i < old.n_slots; i++) {
        if (old.slots[i].value != MAP_NONE) {
            insert(map, old.slots[i].key, old.slots[i].value);
        }
    }
    free(old.slots);
}

// The slot that holds `key`, or NULL.
static struct map_slot *slot_of(const struct map *map, uint64_t key)
{
    if (map->n_slots == 0) {
        return NULL;
    }
    for (size_t at = hash_u64(key) & (map->n_slots - 1); map->slots[at].value != MAP_NONE;
         at = (at + 1) & (map->n_slots - 1)) {
        if (map->slots[at].key == key) {
            return &map->slots[at];
        }
    }
    return NULL;
}

uint32_t map_find(const struct map *map, uint64_t key)
{
    const struct map_slot *slot = slot_of(map, key);
    return slot == NULL ? (uint32_t)MAP_NONE : slot->value;
}

void map_set(struct map *map, uint64_t key, uint32_t value)
{
    struct map_slot *slot = slot_of(map, key);
    if (slot != NULL) {
        slot->value = value;
    } else {
        map_add(map, key, value);
    }
}

uint32_t map_find_from(const struct map *map, uint64_t key, size_t *cursor)
{
    if (map->n_slots == 0) {
        return MAP_NONE;
    }
    size_t first = hash_u64(key) & (map->n_slots - 1);
    for (; *cursor < map->n_slots; (*cursor)++) {
        const struct map_slot *slot = &map->slots[(first + *cursor) & (map->n_slots - 1)];
        if (slot->value == MAP_NONE) {
            return MAP_NONE;
        }
        if (slot->key == key) {
            (*cursor)++;
            return slot->value;
        }
    }
    return MAP_NONE;
}

void map_add(struct map *map, uint64_t key, uint32_t value)
{
    ASSERT(value != MAP_NONE);
    if ((map->n + 1) * 3 > map->n_slots * 2) {
        grow(map);
    }
    insert(map, key, value);
}

uint64_t hash_bytes(const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    uint64_t hash = n * 0x9e3779b97f4a7c15ULL;
    for (; n >= 8; n -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        hash = hash_pair(hash, word);
    }
    uint64_t tail = 0;
    memcpy(&tail, at, n);
    return hash_pair(hash, tail);
}
