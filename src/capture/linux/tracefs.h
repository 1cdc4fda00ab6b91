#pragma once

// The kernel's description of a tracepoint, from tracefs. That is seldom mounted and hardly ever
// for everybody. Where it is not, root can have one for himself: a mount that is attached nowhere
// (fsopen, fsmount; Linux 5.2), which nobody sees and which goes with its descriptor.

#include "base/err.h"
#include "capture/perf/tracepoint.h"

struct tracefs_waking {
    uint64_t id; // attr.config of a PERF_TYPE_TRACEPOINT
    struct waking_format format;
};

// 0, or a negative errno and what stands in the way. Some 150 microseconds.
int tracefs_find_waking(struct tracefs_waking *ret, struct err *reterr);
