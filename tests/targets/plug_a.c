// A library for plugins.c: like plug_b.c but for the name of its function.

#include "truth.h"

WORK(plug_a_work)
