// A library for plugins.c: like plug_a.c but for the name of its function.

#include "truth.h"

WORK(plug_b_work)
