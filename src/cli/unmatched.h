#pragma once

// Names that somebody has mistyped: an answer about functions that no sample has is empty, or as if
// they had not been excluded, and does not say why.

#include "base/text.h"
#include "rpc/client.h"

#include <jansson.h>

// Asks about each function of a view. Those that no sample and no wait of its run has, whatever
// the rest of the view, are named on stderr, with names like it that there are.
void unmatched_print(struct client *client, const json_t *view);

// One of these lines, untrusted bytes escaped. `near` is an answer about a function with a name
// like it (Profiler.neighbors); NULL: there is none.
void unmatched_put(struct text *to, const json_t *symbol, const json_t *near);
