#pragma once

// Which machine this is.

#include "base/text.h"

// Adds a name of the time since this machine was started: another one after the next start, and on
// any other machine (random(4), /proc/sys/kernel/random/boot_id). 0 or a negative errno.
int machine_boot_id(struct text *to);
