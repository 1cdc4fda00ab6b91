// Any bytes, in one piece or in small ones: the same records, none of which reaches beyond its
// bytes or the end of the address space.

#include "base/map.h"
#include "image/jitdump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum_of(struct slice bytes)
{
    return bytes.n == 0 ? 1 : hash_bytes(bytes.data, bytes.n); // reads all of it
}

static void check(void *context, const struct jitdump_record *record)
{
    uint64_t *sum = context;
    ASSERT(record->size_bytes > 0 && record->addr + record->size_bytes > record->addr);
    *sum = hash_pair(*sum, record->time_ns ^ record->addr ^ record->index);
    if (record->kind == JITDUMP_LOADED) {
        ASSERT(record->code.n == record->size_bytes);
        *sum = hash_pair(*sum, sum_of(record->name) ^ sum_of(record->code));
        *sum = hash_pair(*sum, sum_of(record->eh_frame));
    }
}

static uint64_t run(struct slice bytes, size_t piece)
{
    CLEANUP(jitdump_fini) struct jitdump dump = {0};
    uint64_t sum = 0;
    for (size_t at = 0; at < bytes.n; at += piece) {
        struct slice part = {bytes.data + at, MIN(piece, bytes.n - at)};
        struct err err = {0};
        if (jitdump_feed(&dump, part, check, &sum, &err) < 0) {
            ASSERT(dump.closed && err.text[0] != 0);
        }
    }
    return hash_pair(sum, dump.n_bad * 31 + dump.n_skipped * 17 + dump.n_backwards);
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
