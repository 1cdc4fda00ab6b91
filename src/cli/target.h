#pragma once

// TARGET: the function that `annotate`, `neighbors` and `cfg` are about, as people type it.
//
//     0x55d0c3e01139    an address, as answers say it
//     anything else     part of a name
//
// When several functions fit, the answer is about one of them: a line on stderr says which one and
// why, and names the others. When none does, the server's error names the hottest ones.

#include "base/text.h"

#include <jansson.h>
#include <stdbool.h>

// Adds the parameter `address` or `name`. False: it can be neither, and an error was printed.
bool target_put_params(json_t *params, const char *target);

// As one line, untrusted bytes escaped; nothing when no other function fits.
//
//     annotating parse (libfoo.so), which has the most samples of 5 that match: Reparse (libfoo.so)
//     0x…, … and 1 more
//
// `doing` is what the command does, "annotating"; `most` what a function is chosen for, "the most
// samples".
void target_put_choice(struct text *to, const json_t *answer, const char *target, const char *doing,
                       const char *most);

// The same, on stderr.
void target_print_choice(const json_t *answer, const char *target, const char *doing,
                         const char *most);

// "parse (libfoo.so)", "fast (inlined, libfoo.so)": of an answer, or of one of its matches.
void target_put_function(struct text *to, const json_t *function);
