#pragma once

// A run as facts (archive/facts.h), and back: what is kept of it in its file beside the rows, and
// what its summary is made of, whether it is in memory or not.
//
//     run ──run_facts_of()──► facts ──summary_put()──► JSON
//                               │ ▲
//                          run file
//                               │ ▲
//                       run_facts_apply() ──► a run of the past

#include "archive/facts.h"
#include "run/run.h"

// Adds all that is known of a run by now. `run` is RUN_RECORDING or RUN_STOPPED. Any thread.
void run_facts_of(struct facts *facts, struct run *run);

// The same for a file of its own that ends now, while the run goes on.
void run_facts_of_snapshot(struct facts *facts, struct run *run);

// Fills in a run made by run_new_past(). What is missing or makes no sense is left as it is.
void run_facts_apply(const struct facts *facts, struct run *run);

// Changes the facts of a run that was being recorded when its server died.
void run_facts_recover(struct facts *facts);

// Adds a line to the notes of the run: facts `note.0`, `note.1`, … What is beyond is not taken.
enum { RUN_FACTS_NOTES = 32 };
void run_facts_add_note(struct facts *facts, const char *note);

// From its start to its end, or to now: while recording the clock goes on, even if the target
// sleeps.
uint64_t run_duration_ns(const struct run *run);
