#pragma once

// The inlined functions of an image, on their way into a run file: at its frames, and where its
// functions' lines begin, which is where a listing asks. Of neighbours that have the same inlined,
// the first one is written, so that a row says what is inlined *from there on*: most of the lines
// of a function differ in nothing but the line.

#include "archive/names_writer.h"

// Asks, waits for the answers, and puts them.
int names_inlined_put(struct names_writer *w, struct names_work *work);
