#pragma once

// What rows name (strings, images, processes, threads, codes, and the tree of stacks), out of a run
// file into a store. Something neutral stands in for what is damaged: see load.h.

#include "archive/loader.h"

// 0, or a negative errno that is not the file's own fault.
int load_dictionaries(struct loader *loader, struct err *reterr);
