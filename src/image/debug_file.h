#pragma once

// Where the debug file of a stripped binary is, if this machine has one: the places that gdb looks
// at (its manual, "Separate Debug Files"), and those of $STAX_DEBUG_PATH before them.
//
//     for D in $STAX_DEBUG_PATH, /usr/lib/debug     D/.build-id/ab/cdef….debug
//     for D in $STAX_DEBUG_PATH                     D itself, if it is a file; D/NAME.debug
//     .gnu_debuglink says LINK, of /DIR/NAME        /DIR/LINK, /DIR/.debug/LINK
//       for D in $STAX_DEBUG_PATH, /usr/lib/debug   D/DIR/LINK
//       for D in $STAX_DEBUG_PATH                   D/LINK
//
// Each is looked for inside the target's root directory first and then in our own, but for /DIR,
// which is the target's alone. A file counts if it is the right one: its build-id is that of the
// binary; where one of them has no build-id, its CRC-32 is that of the link. Nothing but regular
// files is opened, and names from the binary never lead out of those directories.

#include "image/elf_facts.h"
#include "image/image_root.h"

struct debug_search {
    const struct image_root *root; // of the target; NULL: our own
    const char *image_path;        // as the target sees it
    const struct elf_facts *image; // what the binary says
    const char *debug_path;        // $STAX_DEBUG_PATH, perhaps NULL
};

struct debug_file {
    int fd;
    char *path;
    bool in_own_root; // `path` is one of ours
    struct elf_facts facts;
};

// True: found one that has what the binary lacks, symbols or DWARF; close it. False: there is none;
// if one was refused, *reterr says which and why, else it is untouched.
bool debug_file_find(const struct debug_search *search, struct debug_file *ret, struct err *reterr);
void debug_file_close(struct debug_file *file); // accepts a zeroed one

// Whether an open file is a debug file of a binary with these facts. 0, or a negative errno and
// what is wrong, to be put behind its name: -ESTALE it is of another build.
int debug_file_check(int fd, const struct elf_facts *image, struct elf_facts *ret,
                     struct err *reterr);
