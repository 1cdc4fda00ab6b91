#pragma once

// Code and lines of the functions of an image, on their way into a run file.

#include "archive/names_writer.h"

// Puts the bytes of its functions, and marks the functions that these call, jump to or refer to.
int names_code_put(struct names_writer *w, struct names_work *work);

// Puts their lines, and notes where each begins.
int names_code_put_lines(struct names_writer *w, struct names_work *work);
