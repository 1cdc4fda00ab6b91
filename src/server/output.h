#pragma once

// A run file where a client wants it (`stax record -o FILE`). A run that was there before is out of
// the way until the new one has begun, not gone: a program whose name was misspelt costs nobody a
// run.
//
//     FILE ──output_create()──► FILE.replaced ──output_keep()─────► removed: the run is over
//                                             └─output_take_back()─► FILE: there was no run

#include "archive/run_file.h"

// A new file at `path`. `*ret_replaced` is where the one from before is now; NULL: there was none.
// Freed by one of the two below. 0 or a negative errno: nothing has changed. -EEXIST: there is
// something else than a run, which is left alone; -EBUSY: a run that somebody records.
int output_create(const char *path, struct run_file *ret, char **ret_replaced, struct err *reterr);

// The file from before is not needed any more. Accepts NULL.
void output_keep(char *replaced);

// The new file at `path` goes, and the one from before is back. It is closed. Accepts NULL.
void output_take_back(const char *path, char *replaced);
