#include "base/log.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

bool log_quiet;

// Made whole first and written with one call, so that lines of several threads do not mix.
static PRINTF_LIKE(2, 0) void print_line(const char *prefix, const char *format, va_list args)
{
    char line[1024];
    vsnprintf(line, sizeof line, format, args);
    CLEANUP(text_fini) struct text text = {0};
    text_add(&text, prefix);
    text_add(&text, ": ");
    text_add_escaped(&text, line, strlen(line));
    text_add(&text, "\n");
    fputs(text_get(&text), stderr);
}

void log_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line("error", format, args);
    va_end(args);
}

void log_warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line("warning", format, args);
    va_end(args);
}

void log_info(const char *program, const char *format, ...)
{
    if (log_quiet) {
        return;
    }
    va_list args;
    va_start(args, format);
    print_line(program, format, args);
    va_end(args);
}
