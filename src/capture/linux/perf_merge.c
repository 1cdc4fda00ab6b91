#include "capture/linux/perf_merge.h"

#include "base/alloc.h"

#include <stdlib.h>

// The oldest record of one ring. Ties go by the ring, so that the same rings give
// the same stream.
struct perf_merge_head {
    uint64_t time_ns;
    uint32_t ring;
    const struct perf_event_header *record;
};

void perf_merge_init(struct perf_merge *merge, struct perf_ring *rings, uint32_t n_rings)
{
    *merge = (struct perf_merge){.rings = rings, .n_rings = n_rings};
    merge->last_ns = NEW_ARRAY(uint64_t, n_rings);
    merge->heap = NEW_ARRAY(struct perf_merge_head, n_rings);
}

void perf_merge_fini(struct perf_merge *merge)
{
    free(merge->heap);
    free(merge->last_ns);
    *merge = (struct perf_merge){0};
}

static bool is_before(const struct perf_merge_head *a, const struct perf_merge_head *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->ring < b->ring;
}

// Puts `head` into the heap, whose place `at` is free while those below it are in order.
static void sift_down(struct perf_merge *merge, uint32_t at, struct perf_merge_head head)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= merge->n_heap) {
            break;
        }
        if (child + 1 < merge->n_heap && is_before(&merge->heap[child + 1], &merge->heap[child])) {
            child++;
        }
        if (is_before(&head, &merge->heap[child])) {
            break;
        }
        merge->heap[at] = merge->heap[child];
        at = child;
    }
    merge->heap[at] = head;
}

// The first record of a ring, if it may be delivered already.
static bool find_head(struct perf_merge *merge, uint32_t ring, struct perf_merge_head *ret)
{
    const struct perf_event_header *record = perf_ring_peek(&merge->rings[ring]);
    if (record == NULL) {
        return false;
    }
    struct perf_stamp stamp;
    uint64_t last_ns = merge->last_ns[ring];
    bool stamped = perf_record_stamp(record, &stamp);
    bool nested = stamp.time_ns < last_ns && last_ns - stamp.time_ns < PERF_MERGE_NEST_NS;
    uint64_t time_ns = !stamped || nested ? last_ns : stamp.time_ns;
    if (time_ns > merge->until_ns) {
        return false;
    }
    *ret = (struct perf_merge_head){.time_ns = time_ns, .ring = ring, .record = record};
    return true;
}

static void move_limit(struct perf_merge *merge, uint64_t now_ns, bool final)
{
    if (final) {
        merge->until_ns = UINT64_MAX;
    } else if (now_ns - merge->round_ns >= PERF_MERGE_HOLD_MIN_NS) {
        merge->until_ns = merge->round_ns;
        merge->round_ns = now_ns;
    }
}

static void fill_heap(struct perf_merge *merge)
{
    merge->n_heap = 0;
    for (uint32_t i = 0; i < merge->n_rings; i++) {
        perf_ring_look(&merge->rings[i]);
        if (find_head(merge, i, &merge->heap[merge->n_heap])) {
            merge->n_heap++;
        }
    }
    for (uint32_t i = merge->n_heap / 2; i-- > 0;) {
        sift_down(merge, i, merge->heap[i]);
    }
}

void perf_merge_drain(struct perf_merge *merge, uint64_t now_ns, bool final, perf_merge_fn deliver,
                      void *context)
{
    move_limit(merge, now_ns, final);
    fill_heap(merge);
    while (merge->n_heap > 0) {
        struct perf_merge_head head = merge->heap[0];
        deliver(context, head.record, head.time_ns, head.ring);
        merge->last_ns[head.ring] = head.time_ns;
        perf_ring_next(&merge->rings[head.ring]);
        if (!find_head(merge, head.ring, &head)) {
            head = merge->heap[--merge->n_heap];
        }
        if (merge->n_heap > 0) {
            sift_down(merge, 0, head);
        }
    }
    for (uint32_t i = 0; i < merge->n_rings; i++) {
        perf_ring_release(&merge->rings[i]);
    }
}

uint64_t perf_merge_held_bytes(const struct perf_merge *merge)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < merge->n_rings; i++) {
        most = MAX(most, merge->rings[i].head - merge->rings[i].at);
    }
    return most;
}
