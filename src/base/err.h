#pragma once

// Errors that a human will read.
//
// Functions return a negative errno, which travels upwards unchanged. Where somebody will want to
// know more than its name, the last parameter is a `struct err *reterr`: one line that names the
// offending thing and the next step, filled in at the place that knows both. It may be NULL.
//
//     fd = open(path, O_RDONLY | O_CLOEXEC);
//     if (fd < 0)
//         return err_set(reterr, errno, "cannot open %s: %s", path, strerror(errno));
//
// Only the programs (server/, staxd/, cli/) print such a line, once.

#include "base/base.h"

enum { ERR_TEXT_BYTES = 400 }; // two long paths and what is the matter with them

struct err {
    char text[ERR_TEXT_BYTES]; // always terminated; cut when too long
};

// Writes the text (when `reterr` is not NULL) and returns -`number`. `number` is a positive errno;
// the global errno is neither read nor kept, so it has to be passed.
int err_set(struct err *reterr, int number, const char *format, ...) PRINTF_LIKE(3, 4);

// Puts `prefix: ` in front of what `err` says already.
void err_prefix(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);
