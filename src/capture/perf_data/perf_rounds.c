#include "capture/perf_data/perf_rounds.h"

#include "base/limits.h"

#include <stdlib.h>

void perf_rounds_init(struct perf_rounds *rounds, struct perf_stream *stream)
{
    *rounds = (struct perf_rounds){.stream = stream};
}

void perf_rounds_fini(struct perf_rounds *rounds)
{
    for (size_t i = rounds->next; i < rounds->waiting.n; i++) {
        perf_stream_release(rounds->stream, rounds->waiting.at[i].chunk);
    }
    vec_fini(&rounds->waiting);
}

static int compare(const void *a, const void *b)
{
    const struct perf_rounds_entry *x = a;
    const struct perf_rounds_entry *y = b;
    if (x->time_ns != y->time_ns) {
        return x->time_ns < y->time_ns ? -1 : 1;
    }
    return x->number < y->number ? -1 : x->number > y->number;
}

// What has been handed on is forgotten, so that `waiting` begins with what waits.
static void compact(struct perf_rounds *rounds)
{
    size_t n = rounds->waiting.n - rounds->next;
    if (n > 0 && rounds->next > 0) {
        memmove(rounds->waiting.at, rounds->waiting.at + rounds->next,
                n * sizeof *rounds->waiting.at);
    }
    rounds->waiting.n = n;
    rounds->next = rounds->n_ready = 0;
}

static void sort(struct perf_rounds *rounds)
{
    compact(rounds);
    if (rounds->waiting.n > 1) {
        qsort(rounds->waiting.at, rounds->waiting.n, sizeof *rounds->waiting.at, compare);
    }
}

void perf_rounds_push(struct perf_rounds *rounds, const struct perf_stream_record *record,
                      uint64_t time_ns, uint32_t event)
{
    struct perf_rounds_entry entry = {
        .time_ns = time_ns, .number = rounds->n_pushed++, .chunk = record->chunk, .event = event};
    if ((uintptr_t)record->at % sizeof(uint64_t) == 0) {
        perf_stream_hold(entry.chunk);
        entry.record = (const void *)record->at;
    } else {
        entry.chunk = perf_stream_copy(rounds->stream, record);
        entry.record = (const void *)entry.chunk->words;
    }
    vec_push(&rounds->waiting, entry);
    rounds->newest_ns = MAX(rounds->newest_ns, time_ns);
    uint64_t held_bytes = rounds->stream->chunk_bytes + rounds->waiting.n * sizeof entry;
    if (held_bytes > LIMIT_PERF_WAITING_BYTES) {
        sort(rounds);
        rounds->n_ready = (rounds->waiting.n + 1) / 2;
    }
}

void perf_rounds_end(struct perf_rounds *rounds)
{
    sort(rounds);
    size_t n = 0;
    while (n < rounds->waiting.n && rounds->waiting.at[n].time_ns <= rounds->until_ns) {
        n++;
    }
    rounds->n_ready = n;
    rounds->until_ns = rounds->newest_ns;
}

void perf_rounds_end_all(struct perf_rounds *rounds)
{
    sort(rounds);
    rounds->n_ready = rounds->waiting.n;
}

uint64_t perf_rounds_first_ns(const struct perf_rounds *rounds)
{
    uint64_t first_ns = 0;
    for (size_t i = rounds->next; i < rounds->n_ready && first_ns == 0; i++) {
        first_ns = rounds->waiting.at[i].time_ns;
    }
    return first_ns;
}

const struct perf_rounds_entry *perf_rounds_peek(const struct perf_rounds *rounds)
{
    return rounds->next < rounds->n_ready ? &rounds->waiting.at[rounds->next] : NULL;
}

void perf_rounds_pop(struct perf_rounds *rounds)
{
    struct perf_rounds_entry *entry = &rounds->waiting.at[rounds->next++];
    perf_stream_release(rounds->stream, entry->chunk);
}
