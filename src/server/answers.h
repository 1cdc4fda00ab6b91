#pragma once

// From the values of query/ to the JSON of the protocol: one function per result type of
// rpc/schema.c. On the query thread, when everything that the question stands on has caught up
// (analysis_advance()). They stop early when the answer becomes too large to be sent.

#include "server/analysis.h"

void answer_top(struct text *to, struct analysis *analysis, const struct question *question);
void answer_flame(struct text *to, struct analysis *analysis, const struct question *question);
void answer_threads(struct text *to, struct analysis *analysis, const struct question *question);
void answer_total(struct text *to, struct analysis *analysis, const struct question *question);

// In answers_waits.c.
void answer_intervals(struct text *to, struct analysis *analysis, const struct question *question);
void answer_wakers(struct text *to, struct analysis *analysis, const struct question *question);
void answer_timeline(struct text *to, struct analysis *analysis, const struct question *question);
void answer_now(struct text *to, struct analysis *analysis, const struct question *question);

// In answer_live.c: by columns, and to a subscriber what is new.
void answer_live_tree(struct text *to, struct analysis *analysis, const struct question *question);
void answer_live_top(struct text *to, struct analysis *analysis, const struct question *question);
void answer_live_timeline(struct text *to, struct analysis *analysis,
                          const struct question *question);

// About one function, whose work (server/code_question.h) is ready; in answer_code.c, answer_cfg.c
// and answer_neighbors.c.
void answer_annotated(struct text *to, struct analysis *analysis, const struct question *question);
void answer_cfg(struct text *to, struct analysis *analysis, const struct question *question);
void answer_neighbors(struct text *to, struct analysis *analysis, const struct question *question);

// In answer_compare.c: one analysis per run of the question, in its order.
void answer_compare(struct text *to, struct analysis *const *analyses,
                    const struct question *question);
