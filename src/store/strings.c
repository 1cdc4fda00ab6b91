#include "store/strings.h"

#include "base/alloc.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 << 10 };

struct strings_block {
    struct strings_block *older;
    size_t room;
    char bytes[];
};

static void publish(struct strings *strings, string_id id, struct slice bytes)
{
    struct slice *row = column_put(&strings->rows, id);
    *row = bytes;
    atomic_store_explicit(&strings->n, id + 1, memory_order_release);
}

void strings_init(struct strings *strings)
{
    column_init(&strings->rows, sizeof(struct slice));
    publish(strings, 0, slice_of_text(""));
}

void strings_fini(struct strings *strings)
{
    while (strings->blocks != NULL) {
        struct strings_block *older = strings->blocks->older;
        free(strings->blocks);
        strings->blocks = older;
    }
    map_fini(&strings->by_hash);
    column_fini(&strings->rows);
}

static void count_bytes(struct strings *strings, uint64_t more)
{
    atomic_fetch_add_explicit(&strings->side_bytes, more, memory_order_relaxed);
}

// Room for `n` bytes that never moves. What is left of the last block is given up.
static char *reserve(struct strings *strings, size_t n)
{
    if (strings->blocks == NULL || n > strings->blocks->room - strings->block_used) {
        size_t room = MAX(n, (size_t)BLOCK_BYTES);
        struct strings_block *block = alloc_zeroed(1, sizeof *block + room);
        *block = (struct strings_block){.older = strings->blocks, .room = room};
        strings->blocks = block;
        strings->block_used = 0;
        count_bytes(strings, sizeof *block + room);
    }
    char *at = strings->blocks->bytes + strings->block_used;
    strings->block_used += n;
    return at;
}

static struct slice keep(struct strings *strings, struct slice bytes)
{
    char *at = reserve(strings, bytes.n + 1);
    if (bytes.n > 0) { // else there may be no data at all
        memcpy(at, bytes.data, bytes.n);
    }
    at[bytes.n] = 0;
    return (struct slice){.data = (const uint8_t *)at, .n = bytes.n};
}

static uint32_t find(const struct strings *strings, uint64_t hash, struct slice bytes)
{
    size_t cursor = 0;
    uint32_t id;
    while ((id = map_find_from(&strings->by_hash, hash, &cursor)) != MAP_NONE) {
        if (slice_equal(strings_get(strings, id), bytes)) {
            break;
        }
    }
    return id;
}

string_id strings_add(struct strings *strings, struct slice bytes)
{
    if (bytes.n == 0) {
        return 0;
    }
    uint64_t hash = hash_bytes(bytes.data, bytes.n);
    uint32_t known = find(strings, hash, bytes);
    if (known != MAP_NONE) {
        return known;
    }
    string_id id = atomic_load_explicit(&strings->n, memory_order_relaxed);
    if (id >= LIMIT_STRINGS) {
        return 0;
    }
    size_t old_slots = strings->by_hash.n_slots;
    map_add(&strings->by_hash, hash, id);
    count_bytes(strings, (strings->by_hash.n_slots - old_slots) * sizeof(struct map_slot));
    publish(strings, id, keep(strings, bytes));
    return id;
}

string_id strings_append(struct strings *strings, struct slice bytes)
{
    string_id id = atomic_load_explicit(&strings->n, memory_order_relaxed);
    publish(strings, id, keep(strings, bytes));
    return id;
}

struct slice strings_get(const struct strings *strings, string_id id)
{
    const struct slice *row = column_at(&strings->rows, id);
    return *row;
}

uint64_t strings_bytes(const struct strings *strings)
{
    return column_bytes(&strings->rows, atomic_load(&strings->n)) +
           atomic_load(&strings->side_bytes);
}
