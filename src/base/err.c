#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

int err_set(struct err *reterr, int number, const char *format, ...)
{
    if (reterr != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(reterr->text, sizeof reterr->text, format, args);
        va_end(args);
    }
    return -number;
}

void err_prefix(struct err *err, const char *format, ...)
{
    if (err == NULL) {
        return;
    }
    struct err old = *err;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->text) {
        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", old.text);
    }
}
