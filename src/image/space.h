#pragma once

// One address space at this moment: which image is mapped where.
//
// Mappings never overlap and are kept sorted. A new mapping replaces what it covers, as mmap does:
// the kernel reports no munmap, so a library that was unloaded stays until something else takes
// its place. Events are applied in time order, so "now" is the time of the event being handled,
// and an address resolves to what was there then.
//
// Owned by the thread that applies the events.

#include "base/vec.h"

#include <stdbool.h>

struct mapping {
    uint64_t start;
    uint64_t end; // one past the last byte
    uint64_t off; // file offset of start; for anonymous memory: start itself
    uint32_t image;
};

struct space {
    VEC(struct mapping) mappings;
    uint64_t version; // changes with every change; never the same for two spaces (see space_init)
};

// `*versions` is a counter shared by all spaces of a run.
void space_init(struct space *space, uint64_t *versions);
void space_fini(struct space *space);

// Maps [start, start + size), replacing what was there. A range that wraps around or is empty is
// ignored, and so is one beyond LIMIT_MAPPINGS: false.
bool space_map(struct space *space, uint64_t *versions, uint64_t start, uint64_t size, uint64_t off,
               uint32_t image);

// The pages of [start, start + size) belong to nobody any more; a range that wraps around ends with
// the address space.
void space_unmap(struct space *space, uint64_t *versions, uint64_t start, uint64_t size);

// An exec: everything is gone.
void space_clear(struct space *space, uint64_t *versions);

// A fork: `to` becomes a copy of `from`.
void space_copy(struct space *to, uint64_t *versions, const struct space *from);

// The mapping that holds `addr`, or NULL. Borrowed until the next change.
const struct mapping *space_find(const struct space *space, uint64_t addr);
