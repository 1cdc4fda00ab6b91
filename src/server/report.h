#pragma once

// The RunReport of the protocol: what arrived, what was lost, what it costs, and which names and
// reasons are missing. On the query thread.

#include "server/analysis.h"

// Continues an object that was begun in `to` (with the server's part) and ends it. Stands on the
// whole run, which was brought up to date.
void report_put(struct text *to, struct analysis *analysis);
