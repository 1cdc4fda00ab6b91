#pragma once

// What the parts of load.c share.

#include "archive/load.h"
#include "base/text.h"
#include "store/restore.h"

#include <errno.h>

struct loader {
    struct loaded_run *run;
    struct run_file *file;
    struct library *files;     // of this machine
    struct image_root *root;   // its own
    bool is_of_another_boot;   // its kernel lay elsewhere in memory
    const _Atomic bool *stop;  // may be NULL
    uint64_t said[ROW_TABLES]; // how many rows there are, as the file has it
    struct text missing;       // for people
};

// 0 or -ECANCELED.
int loader_check_stop(const struct loader *loader, struct err *reterr);

// So many of them are damaged, or are not there.
void loader_miss(struct loader *loader, const char *what, uint64_t n);

// A failure that is the file's own: what could be read before it is sound.
static inline bool is_damage(int r)
{
    return r == -EBADMSG || r == -EIO;
}
