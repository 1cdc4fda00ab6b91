#pragma once

// Pieces of JSON that several answers have: one function per shared type of rpc/schema.c. On the
// query thread.

#include "rpc/json.h"
#include "server/analysis.h"

// More than an answer may have: stop writing, it will be refused. Asked once per entry.
bool answer_is_full(const struct json *j);

void put_health(struct json *j, const struct health *health);
void put_off_cpu(struct json *j, const char *key, const struct off_cpu *off_cpu);

// total_on_cpu_ns and health, for answers whose own value does not carry them; with its total.
struct total put_view_fields(struct json *j, struct analysis *analysis,
                             const struct kept_view *kept);

// What the hottest functions and their table by columns have in common.
void put_top_fields(struct json *j, const struct top *top);

// What a timeline and its table by columns have in common.
void put_timeline_fields(struct json *j, struct analysis *analysis, const struct kept_view *kept,
                         const struct timeline_answer *timeline);

// tid and pid, and the name under `name_key`.
void put_thread_fields(struct json *j, const char *name_key, const struct store *store,
                       thread_id thread);

// The field `stack`: functions from the leaf outwards, at most `max_frames`. Returns how many were
// left out. A stack that names do not cover yet is empty.
uint32_t put_stack(struct json *j, const struct analysis *analysis, stack_id stack,
                   uint32_t max_frames);

// Name and binary of a function, under these keys; empty texts for NULL.
void put_function(struct json *j, const char *name_key, const char *binary_key,
                  const struct function *function);

// The function of `stack` that people would name; NULL when it is not known.
const struct function *telling_function(struct analysis *analysis, stack_id stack);

// "[irq]" for THREAD_INTERRUPT.
struct slice thread_name_of(const struct store *store, thread_id thread);

// The fields waker_…; none when nobody is known.
void put_waker_fields(struct json *j, struct analysis *analysis, bool woken, thread_id waker,
                      stack_id stack);
