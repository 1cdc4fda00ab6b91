#pragma once

// From the values of query/ to the JSON of the protocol: one function per result type of
// rpc/schema.c. On the query thread.

#include "server/questions.h"

void answer_top(struct text *to, const struct calltree *tree, const struct fold *fold,
                const struct store *store, const struct question *question);
void answer_flame(struct text *to, const struct calltree *tree, const struct fold *fold,
                  const struct store *store, const struct question *question);
void answer_threads(struct text *to, const struct calltree *tree, const struct fold *fold,
                    const struct store *store, const struct question *question);
void answer_total(struct text *to, const struct calltree *tree, const struct fold *fold,
                  const struct store *store);

// Continues an object that was begun in `to` (with the server's part) and ends it.
void answer_report(struct text *to, const struct calltree *tree, const struct fold *fold,
                   const struct run *run);
