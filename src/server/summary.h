#pragma once

// One run in a few words: the RunSummary of the protocol, and a line for the log.

#include "rpc/json.h"
#include "run/run.h"

// `run` is not RUN_ARMING. An object.
void summary_put(struct json *j, const struct run *run);

// "run 3: stopped, target exited, 4.02 s, 7,213 samples, 0 lost"
void summary_put_line(struct text *to, const struct run *run);

// From its start to its end, or to now: while recording the clock goes on, even if the target
// sleeps.
uint64_t summary_duration_ns(const struct run *run);
