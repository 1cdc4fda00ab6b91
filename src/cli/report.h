#pragma once

// The lines that several commands print: what an answer is about, how far it can be trusted, and
// the summary of a run.

#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>

// "run 1 · recording · python3 x.py · 10,021 samples · 11,134.4 ms on CPU (estimated)", and a
// second line when something was lost, cut or remained without a name.
void report_put_head(struct text *to, const json_t *run, const json_t *answer);

// True when waiting was not recorded; a line says so.
bool report_put_unrecorded(struct text *to, const json_t *answer);

// "waits     12,345.6 ms blocked: lock 9,000.0, sleep 3,345.6", from `total_off_cpu`, and how much
// of it has only an approximate stack.
void report_put_waits(struct text *to, const json_t *answer);

// A key of the protocol in words: without its underscores.
void report_put_key(struct text *to, const char *key);

// "recording", or "stopped: target exited".
void report_put_state(struct text *to, const json_t *run);

// The whole of a run, as at its end: several lines.
void report_put_summary(struct text *to, const json_t *run);

// "nothing lost", "12 samples lost, 3 records lost".
void report_put_lost(struct text *to, const json_t *holder);

// Writes to stdout.
void report_print(const struct text *text);
