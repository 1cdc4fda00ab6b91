#pragma once

// One ring of records that the kernel writes and we read, in place.
//
//      tail (ours, shared)       at (ours)                 head (the kernel's, shared)
//        │ read, still held      │ not yet read            │
//     ───┴───────────────────────┴─────────────────────────┴─────► byte position, only grows
//                                └ position modulo size is the place in the buffer
//
// The kernel writes up to `tail + size` and then counts what does not fit. `head` is loaded once
// per look (acquire: the bytes below it are complete), and the tail is stored after the bytes are
// used (release). A record is valid until perf_ring_next(). One that wraps around the end of the
// buffer, or is not aligned, is copied first; all others are seen where they lie.
//
// The memory may be a mapping of a perf event or just memory: tests and benchmarks do the latter.

#include "base/bytes.h"
#include "base/err.h"

#include <linux/perf_event.h>

struct perf_ring {
    struct perf_event_mmap_page *control; // of it only data_head and data_tail are used
    const uint8_t *data;
    uint64_t size_bytes; // a power of two
    uint64_t at;
    uint64_t next;       // behind the record that was peeked at
    uint64_t head;       // as of the last look
    uint64_t tail;       // as the kernel knows it
    uint64_t n_bad;      // places where no record could begin; what was behind them is skipped
    uint8_t *copy;       // of the record at `at`, when it needs one; room for the largest
    uint8_t *copy_ahead; // of the one behind it, likewise; NULL until it is needed
    size_t mapped_bytes; // 0: the memory is not ours
};

// Over memory that the caller keeps for as long as the ring lives. `data` is aligned to 8 bytes.
void perf_ring_init(struct perf_ring *ring, struct perf_event_mmap_page *control, const void *data,
                    uint64_t size_bytes);

// Over the buffer of a perf event, `n_pages` (a power of two) long. 0 or a negative errno: -EPERM
// beyond what the user may lock, -ENOMEM.
int perf_ring_map(struct perf_ring *ring, int fd, size_t n_pages);

void perf_ring_fini(struct perf_ring *ring); // accepts a zeroed one

// Takes notice of what the kernel has written up to now.
void perf_ring_look(struct perf_ring *ring);

// The next record that the last look saw, or NULL. It is aligned to 8 bytes and all of its
// `size` bytes are there.
const struct perf_event_header *perf_ring_peek(struct perf_ring *ring);

// The record behind the one that perf_ring_peek() returned, if the last look saw one; else NULL.
// Valid until perf_ring_next().
const struct perf_event_header *perf_ring_peek_ahead(struct perf_ring *ring);

// Done with the record that perf_ring_peek() returned.
void perf_ring_next(struct perf_ring *ring);

// Bytes that the kernel can't write to at this moment: read or not, they have not been released.
uint64_t perf_ring_used(const struct perf_ring *ring);

// Gives everything up to here back to the kernel.
void perf_ring_release(struct perf_ring *ring);
