#pragma once

// The descriptions of tracepoints that a perf.data file brings along (HEADER_TRACING_DATA), in the
// format of trace.dat(5), version 0.5 and 0.6:
//
//     17 08 44 "tracing" | version "0.6" 0 | byte order | size of long | u32 page size
//     "header_page" 0 u64 n | n bytes        "header_event" 0 u64 n | n bytes
//     u32 count of [ u64 n | n bytes ]                             of ftrace itself
//     u32 count of [ system 0 | u32 count of [ u64 n | n bytes ] ] one description per tracepoint
//     …
//
// Pure.

#include "base/bytes.h"

// The description (events/SYSTEM/NAME/format in tracefs) of the tracepoint with that number, and
// its name, both borrowed. False: there is none, or the bytes make no sense before it.
struct tracing_point {
    struct slice system;
    struct slice name;
    struct slice format;
};
bool tracing_data_find(struct slice bytes, uint64_t id, struct tracing_point *ret);
