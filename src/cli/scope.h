#pragma once

// Which part of a run a question is about, as options: the same for every command, so that what one
// shows can be looked at with the others. It becomes the `View` of a call.
//
//     stax top --from 1.5 --to 3 --tid 4211 --only 'parse @ libxml2.so.2' --exclude malloc
//
// How a function is written:
//
//     NAME            in any binary. The whole name, as answers show it
//     NAME @ BINARY   in that one
//
// A name or a binary that has ` @ ` in it is written with one more `@` there: ` @@ `. More of them
// likewise, so that every name can be written, and none is taken for another.

#include "base/err.h"
#include "cli/cmd.h"

#include <jansson.h>

struct scope {
    const char *run; // ID or path; NULL: not given
    int64_t tid;     // 0: every thread
    double from_s;
    double to_s; // negative: to the end
    struct option_texts exclude;
    struct option_texts only;
    const char *focus; // NULL: none
    bool no_inline;
};

#define SCOPE_DEFAULTS                                                                             \
    {                                                                                              \
        .to_s = -1                                                                                 \
    }

// The last options of a command whose struct has a `struct scope scope`.
#define OPTIONS_SCOPE_OF_A_THREAD(type)                                                            \
    {.heading = scope_heading,                                                                     \
     .name = "from",                                                                               \
     .value = "SECONDS",                                                                           \
     .doc = "only from that second of the run on; 1.5 is fine",                                    \
     .kind = OPTION_NUMBER,                                                                        \
     .at = offsetof(type, scope.from_s),                                                           \
     .max = SCOPE_SECONDS_MAX},                                                                    \
        {.name = "to",                                                                             \
         .value = "SECONDS",                                                                       \
         .doc = "only up to that second",                                                          \
         .kind = OPTION_NUMBER,                                                                    \
         .at = offsetof(type, scope.to_s),                                                         \
         .max = SCOPE_SECONDS_MAX},                                                                \
        {.name = "only",                                                                           \
         .value = "FUNCTION",                                                                      \
         .doc = "only stacks with one of these on them; may be given often",                       \
         .kind = OPTION_TEXTS,                                                                     \
         .at = offsetof(type, scope.only)},                                                        \
        {.name = "focus",                                                                          \
         .value = "FUNCTION",                                                                      \
         .doc = "and only those with this one on them",                                            \
         .kind = OPTION_TEXT,                                                                      \
         .at = offsetof(type, scope.focus)},                                                       \
        {.name = "exclude",                                                                        \
         .value = "FUNCTION",                                                                      \
         .doc = "no stacks with one of these on them; may be given often",                         \
         .kind = OPTION_TEXTS,                                                                     \
         .at = offsetof(type, scope.exclude)},                                                     \
        {.name = "no-inline",                                                                      \
         .doc = "functions that the compiler has inlined are a part of those around them",         \
         .at = offsetof(type, scope.no_inline)},                                                   \
        OPTION_RUN_AT(offsetof(type, scope.run))
#define OPTIONS_SCOPE(type)                                                                        \
    OPTIONS_SCOPE_OF_A_THREAD(type), OPTION_TID_AT(offsetof(type, scope.tid))

#define SCOPE_SECONDS_MAX 31536000 // a year: LIMIT_TIME_LIMIT_S

extern const char scope_heading[];

// One function, as a `Symbol`: {function_name, binary?}. NULL: it is none, and reterr says why.
json_t *scope_read_function(const char *text, struct err *reterr);

// The text that scope_read_function() takes for it.
void scope_put_function(struct text *to, const char *name, const char *binary);

// Adds to a `View` what the options say, but for the run. 0, or -EINVAL with a line for the user.
int scope_put_view(json_t *view, const struct scope *scope, struct err *reterr);
