#pragma once

// The instructions of one stretch of code, from wherever they can be had:
//
//     a JIT's      its own bytes, as the JIT wrote them down when it made them
//     a binary's   the file that was mapped, /proc/kcore, the vdso (image/code_bytes.h); and where
//                  that is not to be had any more, the run file, if it was saved there
//
// And never from a file that is another one by now: no code is better than the wrong one.

#include "base/text.h"
#include "code/listing.h"

struct fetched_code {
    struct text bytes; // from the start of the range; perhaps less than all of it
    enum code_origin origin;
    char *path;      // of the file; NULL: of none
    struct err note; // what is missing, and why
};

void code_fetch(const struct listing_run *run, const struct listing_wish *wish,
                const struct listing_range *range, struct fetched_code *ret);
void fetched_code_fini(struct fetched_code *code);
