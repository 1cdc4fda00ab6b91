#pragma once

// One line on stderr, for the programs only: server/, staxd/ and cli/ log once, at the place that
// decides what happens next. The layers test refuses this header to every other folder.

#include "base/base.h"

#include <stdbool.h>

// `error: …`. The text names the offending thing and the next step.
void log_error(const char *format, ...) PRINTF_LIKE(1, 2);

// `warning: …`. Something is missing or worse than it should be, and the program goes on.
void log_warning(const char *format, ...) PRINTF_LIKE(1, 2);

// Leaves out log_info().
extern bool log_quiet;

// `stax-server: …`: the few events of a life: listening, a run started, a run ended, bye.
void log_info(const char *program, const char *format, ...) PRINTF_LIKE(2, 3);
