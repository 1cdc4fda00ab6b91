#pragma once

// The tables of rows, out of a run file into a store: see load.h.

#include "archive/loader.h"

// 0, or a negative errno that is not the file's own fault.
int load_rows(struct loader *loader, struct err *reterr);
