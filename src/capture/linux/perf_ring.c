#include "capture/linux/perf_ring.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RECORD_MAX_BYTES = UINT16_MAX + 1, RECORD_ALIGN = 8 };

void perf_ring_init(struct perf_ring *ring, struct perf_event_mmap_page *control, const void *data,
                    uint64_t size_bytes)
{
    ASSERT(size_bytes > 0 && (size_bytes & (size_bytes - 1)) == 0);
    ASSERT((uintptr_t)data % RECORD_ALIGN == 0);
    *ring = (struct perf_ring){.control = control, .data = data, .size_bytes = size_bytes};
    ring->at = ring->head = ring->tail = __atomic_load_n(&control->data_tail, __ATOMIC_RELAXED);
    ring->copy = alloc_zeroed(RECORD_MAX_BYTES, 1);
}

int perf_ring_map(struct perf_ring *ring, int fd, size_t n_pages)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped_bytes = (n_pages + 1) * page_bytes;
    uint8_t *pages = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (pages == MAP_FAILED) {
        return -errno;
    }
    perf_ring_init(ring, (void *)pages, pages + page_bytes, n_pages * page_bytes);
    ring->mapped_bytes = mapped_bytes;
    return 0;
}

void perf_ring_fini(struct perf_ring *ring)
{
    if (ring->mapped_bytes > 0) {
        munmap(ring->control, ring->mapped_bytes);
    }
    free(ring->copy_ahead);
    free(ring->copy);
    *ring = (struct perf_ring){0};
}

void perf_ring_look(struct perf_ring *ring)
{
    uint64_t head = __atomic_load_n(&ring->control->data_head, __ATOMIC_ACQUIRE);
    if (head - ring->at > ring->size_bytes) { // not a state that a kernel leaves behind
        ring->n_bad++;
        ring->at = head;
    }
    ring->head = head;
}

// Copies `n` bytes from the position `at`, around the end of the buffer if need be.
static void copy_out(const struct perf_ring *ring, uint64_t at, void *to, size_t n)
{
    uint64_t place = at & (ring->size_bytes - 1);
    size_t before_end = (size_t)MIN((uint64_t)n, ring->size_bytes - place);
    memcpy(to, ring->data + place, before_end);
    memcpy((uint8_t *)to + before_end, ring->data, n - before_end);
}

// How long the record at the position `at` is; 0 when none can begin there.
static uint16_t record_bytes(const struct perf_ring *ring, uint64_t at)
{
    uint64_t left = ring->head - at;
    uint64_t place = at & (ring->size_bytes - 1);
    struct perf_event_header header = {0};
    if (left < sizeof header) {
        return 0; // too short for any record
    }
    if (place + sizeof header <= ring->size_bytes) {
        memcpy(&header, ring->data + place, sizeof header);
    } else {
        copy_out(ring, at, &header, sizeof header);
    }
    return header.size < sizeof header || header.size > left ? 0 : header.size;
}

// The record at the position `at`, in place if that can be, else in `copy`.
static const struct perf_event_header *view(const struct perf_ring *ring, uint64_t at, uint16_t n,
                                            uint8_t *copy)
{
    uint64_t place = at & (ring->size_bytes - 1);
    if (place % RECORD_ALIGN == 0 && place + n <= ring->size_bytes) {
        return (const void *)(ring->data + place);
    }
    copy_out(ring, at, copy, n);
    return (const void *)copy;
}

const struct perf_event_header *perf_ring_peek(struct perf_ring *ring)
{
    if (ring->head == ring->at) {
        return NULL;
    }
    uint16_t n = record_bytes(ring, ring->at);
    if (n == 0) {
        // Where one record ends is the only way to find the next one.
        ring->n_bad++;
        ring->at = ring->head;
        return NULL;
    }
    ring->next = ring->at + n;
    return view(ring, ring->at, n, ring->copy);
}

const struct perf_event_header *perf_ring_peek_ahead(struct perf_ring *ring)
{
    ASSERT(ring->next > ring->at && ring->next <= ring->head);
    uint16_t n = record_bytes(ring, ring->next);
    if (n == 0) {
        return NULL; // nothing yet, or nothing sound: perf_ring_peek() will tell
    }
    if (ring->copy_ahead == NULL) {
        ring->copy_ahead = alloc_zeroed(RECORD_MAX_BYTES, 1);
    }
    return view(ring, ring->next, n, ring->copy_ahead);
}

void perf_ring_next(struct perf_ring *ring)
{
    ASSERT(ring->next > ring->at && ring->next <= ring->head);
    ring->at = ring->next;
    // A long drain shall not make the kernel wait for room until its end.
    if (ring->at - ring->tail > ring->size_bytes / 4) {
        perf_ring_release(ring);
    }
}

uint64_t perf_ring_used(const struct perf_ring *ring)
{
    return __atomic_load_n(&ring->control->data_head, __ATOMIC_RELAXED) - ring->tail;
}

void perf_ring_release(struct perf_ring *ring)
{
    if (ring->tail != ring->at) {
        ring->tail = ring->at;
        __atomic_store_n(&ring->control->data_tail, ring->tail, __ATOMIC_RELEASE);
    }
}
