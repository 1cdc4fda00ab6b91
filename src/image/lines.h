#pragma once

// From which line of which source file the code at an address was made, from a file's DWARF.
//
//     [addr, end) ──► units that have it (dwarf_units.h) ──► their line tables (line_program.h)
//
// Made for the functions that were sampled, one after the other in the order of their addresses:
// the table of one unit is kept, that of the last one asked about. No file is opened beside this
// one and its alternate one (dwarf_file.h). A handle belongs to one thread.

#include "base/bytes.h"
#include "base/err.h"
#include "base/vec.h"
#include "image/image_root.h"

#include <stdatomic.h>

struct lines;

// Up to the next row, or to the end of what was asked for.
struct line_row {
    uint64_t addr;
    const char *file; // as the compiler was told it, behind the directory where it ran unless it is
                      // absolute; NULL: not known, nor are the others
    uint32_t line;    // 0: code that stands for no line
    uint32_t column;  // 0: not known
};

struct line_rows {
    VEC(struct line_row) list;
};

// Takes over `fd`. An alternate file is looked for inside of `root` (borrowed for the call). When
// `*stop` (may be NULL; borrowed until it is closed) becomes true, answers are quick and empty.
// 0, or a negative errno with the reason, to be put behind the name of the file.
int lines_open(int fd, const struct image_root *root, const _Atomic bool *stop, struct lines **ret,
               struct err *reterr);

// The same from memory, borrowed until it is closed, and written to.
int lines_open_bytes(struct slice bytes, struct lines **ret, struct err *reterr);

void lines_close(struct lines *lines); // accepts NULL

// Adds the rows of [addr, end), the file's own addresses (p_vaddr), in ascending order, neighbours
// that say the same as one. What lies before the first one is not known. Texts live until it is
// closed.
void lines_find(struct lines *lines, uint64_t addr, uint64_t end, struct line_rows *ret);

// Why some are missing, to be put behind the name of the file; "" when all is well so far.
void lines_note(const struct lines *lines, struct err *ret);
