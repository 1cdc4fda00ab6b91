#include "run/code_ranges.h"

struct code_ranges_chunk {
    size_t n;
    struct code_span at[CODE_RANGES_CHUNK];
};

// Where a range stands, or would: chunks.n and 0 at the end.
struct place {
    size_t chunk;
    size_t at;
};

void code_ranges_fini(struct code_ranges *ranges)
{
    for (size_t i = 0; i < ranges->chunks.n; i++) {
        free(ranges->chunks.at[i]);
    }
    vec_fini(&ranges->chunks);
    ranges->n = 0;
}

// The first range that ends beyond `addr`. Their ends are sorted as their starts are.
static struct place seek(const struct code_ranges *ranges, uint64_t addr)
{
    struct place place = {0};
    for (size_t n = ranges->chunks.n; n > 0;) {
        size_t half = n / 2;
        const struct code_ranges_chunk *chunk = ranges->chunks.at[place.chunk + half];
        if (chunk->at[chunk->n - 1].end <= addr) {
            place.chunk += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    if (place.chunk == ranges->chunks.n) {
        return place;
    }
    const struct code_ranges_chunk *chunk = ranges->chunks.at[place.chunk];
    for (size_t n = chunk->n; n > 0;) {
        size_t half = n / 2;
        if (chunk->at[place.at + half].end <= addr) {
            place.at += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return place;
}

static const struct code_span *range_at(const struct code_ranges *ranges, struct place place)
{
    return place.chunk == ranges->chunks.n ? NULL : &ranges->chunks.at[place.chunk]->at[place.at];
}

const struct code_span *code_ranges_find(const struct code_ranges *ranges, uint64_t addr)
{
    return range_at(ranges, seek(ranges, addr));
}

// ---- Changes -----------------------------------------------------------------------------------

static void remove_at(struct code_ranges *ranges, struct place place)
{
    struct code_ranges_chunk *chunk = ranges->chunks.at[place.chunk];
    chunk->n--;
    ranges->n--;
    if (chunk->n == 0) {
        free(chunk);
        vec_remove_at(&ranges->chunks, place.chunk);
        return;
    }
    memmove(chunk->at + place.at, chunk->at + place.at + 1,
            (chunk->n - place.at) * sizeof *chunk->at);
}

bool code_ranges_remove(struct code_ranges *ranges, uint64_t start, uint64_t end)
{
    bool any = false;
    for (;;) {
        struct place place = seek(ranges, start);
        const struct code_span *range = range_at(ranges, place);
        if (range == NULL || range->start >= end) {
            return any;
        }
        remove_at(ranges, place);
        any = true;
    }
}

// A full chunk becomes two.
static void split(struct code_ranges *ranges, size_t index)
{
    struct code_ranges_chunk *low = ranges->chunks.at[index];
    struct code_ranges_chunk *high = NEW(struct code_ranges_chunk);
    high->n = low->n / 2;
    low->n -= high->n;
    memcpy(high->at, low->at + low->n, high->n * sizeof *high->at);
    vec_insert_at(&ranges->chunks, index + 1, high);
}

bool code_ranges_put(struct code_ranges *ranges, uint64_t start, uint64_t end, uint64_t what)
{
    ASSERT(start < end);
    bool any = code_ranges_remove(ranges, start, end);
    struct place place = seek(ranges, start);
    if (ranges->chunks.n == 0) {
        vec_push(&ranges->chunks, NEW(struct code_ranges_chunk));
    } else if (place.chunk == ranges->chunks.n) { // behind all others
        place.chunk--;
        place.at = ranges->chunks.at[place.chunk]->n;
    }
    if (ranges->chunks.at[place.chunk]->n == CODE_RANGES_CHUNK) {
        split(ranges, place.chunk);
        size_t n_low = ranges->chunks.at[place.chunk]->n;
        if (place.at > n_low) {
            place.chunk++;
            place.at -= n_low;
        }
    }
    struct code_ranges_chunk *chunk = ranges->chunks.at[place.chunk];
    memmove(chunk->at + place.at + 1, chunk->at + place.at,
            (chunk->n - place.at) * sizeof *chunk->at);
    chunk->at[place.at] = (struct code_span){.start = start, .end = end, .what = what};
    chunk->n++;
    ranges->n++;
    return any;
}
