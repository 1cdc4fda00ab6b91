#pragma once

// Waiting, as answers tell it and as people read it: reasons, stacks, wakers.

#include "base/text.h"

#include <jansson.h>

enum { WAITS_REASONS = 10 };

// The words that an option takes: `ioR` as in a table, or `io_read` as in JSON. NULL-terminated.
extern const char *const waits_reason_words[];

// The JSON name for such a word; NULL for NULL.
const char *waits_reason_of_word(const char *word);

// How a reason is shown: by its place in the list, or by its JSON name.
const char *waits_shown(size_t reason);
const char *waits_shown_name(const char *json_name);
char waits_letter(size_t reason);       // in a timeline
const char *waits_field(size_t reason); // "lock_ns"

// An object of type OffCpu.
struct waits {
    uint64_t ns[WAITS_REASONS];
    uint64_t total_ns;
    size_t largest; // WAITS_REASONS when there is none
};

struct waits waits_read(const json_t *off_cpu);

// "lock", or "lock 60%, sleep 40%" where one reason is not nearly all of it.
void waits_put_reasons(struct text *to, const struct waits *waits);

// "futex_do_wait < take < worker": the function that waits, and the user's functions around it.
// `max_user` 0: all of them. `approximate` puts a ~ in front.
void waits_put_stack(struct text *to, const json_t *stack, size_t max_user, bool approximate);

// "4711 producer in push"; nothing when the waker is not known.
void waits_put_waker(struct text *to, const json_t *holder);
