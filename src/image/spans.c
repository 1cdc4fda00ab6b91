#include "image/spans.h"

void spans_fini(struct spans *spans)
{
    vec_fini(&spans->added);
    vec_fini(&spans->starts);
    vec_fini(&spans->values);
}

void spans_add(struct spans *spans, uint64_t start, uint64_t end, uint32_t value)
{
    if (start < end) {
        struct span span = {
            .start = start, .end = end, .value = value, .order = (uint32_t)spans->added.n};
        vec_push(&spans->added, span);
    }
}

// ---- The ranges that cover the place where the sweep is: a heap, the last one added on top
// --------

struct heap {
    VEC(struct span) at;
};

static void swap(struct span *a, struct span *b)
{
    struct span c = *a;
    *a = *b;
    *b = c;
}

static void heap_push(struct heap *heap, const struct span *span)
{
    vec_push(&heap->at, *span);
    size_t i = heap->at.n - 1;
    for (size_t up; i > 0 && heap->at.at[up = (i - 1) / 2].order < heap->at.at[i].order; i = up) {
        swap(&heap->at.at[up], &heap->at.at[i]);
    }
}

static void heap_pop(struct heap *heap)
{
    heap->at.at[0] = *vec_last(&heap->at);
    size_t n = --heap->at.n;
    for (size_t i = 0, child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap->at.at[child + 1].order > heap->at.at[child].order) {
            child++;
        }
        if (heap->at.at[i].order > heap->at.at[child].order) {
            return;
        }
        swap(&heap->at.at[i], &heap->at.at[child]);
    }
}

// ---- The sweep ---------------------------------------------------------------------------------

static int compare_spans(const void *a, const void *b)
{
    const struct span *x = a;
    const struct span *y = b;
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

static void emit(struct spans *spans, uint64_t start, uint32_t value)
{
    if (spans->values.n > 0 && *vec_last(&spans->values) == value) {
        return;
    }
    vec_push(&spans->starts, start);
    vec_push(&spans->values, value);
}

void spans_finish(struct spans *spans)
{
    const struct span *added = spans->added.at;
    size_t n = spans->added.n;
    if (n > 0) {
        qsort(spans->added.at, n, sizeof *added, compare_spans);
    }
    struct heap heap = {0};
    uint64_t at = 0;
    for (size_t i = 0; i < n || heap.at.n > 0;) {
        if (heap.at.n == 0) {
            at = added[i].start;
        }
        while (i < n && added[i].start <= at) {
            heap_push(&heap, &added[i++]);
        }
        while (heap.at.n > 0 && heap.at.at[0].end <= at) {
            heap_pop(&heap);
        }
        if (heap.at.n == 0) {
            emit(spans, at, SPANS_NONE);
            continue;
        }
        emit(spans, at, heap.at.at[0].value);
        at = heap.at.at[0].end;
        at = i < n ? MIN(at, added[i].start) : at;
    }
    vec_fini(&heap.at);
    vec_fini(&spans->added);
}

// How many begin at or before `addr`.
static size_t count_starts(const struct spans *spans, uint64_t addr)
{
    size_t low = 0;
    size_t high = spans->starts.n; // the first one behind `addr` is in [low, high]
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (spans->starts.at[middle] <= addr) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t spans_find_until(const struct spans *spans, uint64_t addr, uint64_t *ret_until)
{
    size_t n = count_starts(spans, addr);
    *ret_until = n < spans->starts.n ? spans->starts.at[n] : UINT64_MAX;
    return n == 0 ? (uint32_t)SPANS_NONE : spans->values.at[n - 1];
}

uint32_t spans_find(const struct spans *spans, uint64_t addr)
{
    uint64_t until;
    return spans_find_until(spans, addr, &until);
}

uint64_t spans_bytes(const struct spans *spans)
{
    return spans->added.room * sizeof(struct span) + spans->starts.room * sizeof(uint64_t) +
           spans->values.room * sizeof(uint32_t);
}
