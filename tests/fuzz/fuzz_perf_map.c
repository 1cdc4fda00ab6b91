// Any text, in one piece or in small ones: the same entries, each a range of addresses with a name.

#include "base/map.h"
#include "image/perf_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(void *context, const struct perf_map_entry *entry)
{
    uint64_t *sum = context;
    ASSERT(entry->size_bytes > 0 && entry->addr + entry->size_bytes > entry->addr);
    ASSERT(entry->name.n > 0 && memchr(entry->name.data, '\n', entry->name.n) == NULL);
    *sum = hash_pair(*sum, entry->addr ^ entry->size_bytes);
    *sum = hash_pair(*sum, hash_bytes(entry->name.data, entry->name.n));
}

static uint64_t run(struct slice bytes, size_t piece)
{
    CLEANUP(perf_map_fini) struct perf_map map = {0};
    uint64_t sum = 0;
    for (size_t at = 0; at < bytes.n; at += piece) {
        struct slice part = {bytes.data + at, MIN(piece, bytes.n - at)};
        perf_map_feed(&map, part, check, &sum);
    }
    return hash_pair(sum, map.n_entries ^ map.n_bad << 32 ^ (uint64_t)perf_map_is_cut(&map) << 63);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {data, size};
    if (size > 0) {
        uint64_t whole = run(bytes, size);
        ASSERT(run(bytes, 1) == whole);
        ASSERT(run(bytes, 7) == whole);
    }
    return 0;
}
