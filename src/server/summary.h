#pragma once

// One run in a few words: the RunSummary of the protocol, and a line for the log.

#include "rpc/json.h"
#include "server/registry.h"

// `kept` is not KEPT_ARMING. An object.
void summary_put(struct json *j, const struct kept_run *kept);

// "run 3: stopped (target_exited) after 4.02 s, 7,213 samples, 0 lost"
void summary_put_line(struct text *to, const struct run *run);
