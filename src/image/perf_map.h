#pragma once

// A perf map: one line of text for each function that a JIT made, in the order that it made them.
//
//     7f2c3a4011c0 5c JS:*update /srv/app.js:10:21
//     start        size, both hexadecimal          name: the rest of the line, as it is
//
// Format: Linux, tools/perf/Documentation/jit-interface.txt. There are no times in it. The parser
// is fed with the bytes of a growing file as they come; a line counts once its newline is there.
//
// Pure: no I/O.

#include "base/bytes.h"
#include "base/vec.h"

// Borrowed until the receiver returns.
struct perf_map_entry {
    uint64_t addr;
    uint64_t size_bytes;
    struct slice name; // not empty
};

typedef void (*perf_map_sink_fn)(void *context, const struct perf_map_entry *entry);

// All zero: nothing has been read yet.
struct perf_map {
    VEC(uint8_t) pending; // the beginning of a line
    bool too_long;        // that line is: its rest is skipped
    uint64_t n_entries;
    uint64_t n_bad; // lines that are none
};

void perf_map_fini(struct perf_map *map);

void perf_map_feed(struct perf_map *map, struct slice bytes, perf_map_sink_fn sink, void *context);

// What has been fed ends inside of a line.
bool perf_map_is_cut(const struct perf_map *map);
