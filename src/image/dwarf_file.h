#pragma once

// A file with DWARF, open through libdw, made safe for files of anybody. For the readers of this
// folder only; a handle belongs to one thread.
//
// libdw reads all debug sections when it is opened. What it would believe is checked before:
//
//   - how large compressed sections say that they will become;
//   - that it opens no other file by itself: what .gnu_debugaltlink (dwz) names is opened here, as
//     a regular file, with the right build-id, from below /usr/lib/debug; and what is not there is
//     not followed. The files of split DWARF (.dwo) are never opened.
//
// Use the functions below rather than libdw's dwarf_attr_integrate(), dwarf_formref_die(),
// dwarf_formstring() and dwarf_diename(): these may open files, or read behind the end of a section
// that ends in the middle of a text.

#include "image/elf_file.h"
#include "image/image_root.h"

#include <elfutils/libdw.h>
#include <stdbool.h>

struct dwarf_file {
    struct elf_file elf;
    Dwarf *dwarf;
    struct slice info;      // .debug_info as libdw holds it
    struct slice types;     // .debug_types
    struct dwarf_file *alt; // what .gnu_debugaltlink names; NULL: none, or it could not be opened
    bool wants_alt;         // it names one
    uint64_t bytes;         // of sections in memory, those of `alt` too
    int fd;                 // -1: of memory
};

// Takes over `fd`, whatever happens. The alternate file is looked for inside of `root`; NULL is our
// own. 0, or a negative errno with the reason, to be put behind the name of the file: -ENODATA it
// has no DWARF, -ENOEXEC not ELF or malformed, -EFBIG more than LIMIT_DWARF_BYTES.
int dwarf_file_open(int fd, const struct image_root *root, struct dwarf_file *ret,
                    struct err *reterr);

// The same from memory, borrowed until it is closed. No alternate file.
int dwarf_file_open_bytes(struct slice bytes, struct dwarf_file *ret, struct err *reterr);

void dwarf_file_close(struct dwarf_file *file); // accepts a zeroed one

// The attribute of `die`, or of the one that it says that it is an instance of or defines
// (DW_AT_abstract_origin, DW_AT_specification); `*ret_die` is the one that has it. Follows
// DWARF_HOPS_MAX of them.
enum { DWARF_HOPS_MAX = 16 };
bool dwarf_file_attr(const struct dwarf_file *file, const Dwarf_Die *die, unsigned name,
                     Dwarf_Attribute *ret, Dwarf_Die *ret_die);

// The DIE that `die` is an instance of or defines, or that this one is of, and so on to the last.
Dwarf_Die dwarf_file_origin(const struct dwarf_file *file, const Dwarf_Die *die);

// Its text; NULL when it is none, or is longer than LIMIT_SYMBOL_BYTES. Lives as long as the file.
const char *dwarf_file_text(const struct dwarf_file *file, Dwarf_Attribute *attr);

// The value of a number; false when there is none.
bool dwarf_file_number(const Dwarf_Die *die, unsigned name, uint64_t *ret);

// A section as libdw holds it: uncompressed. Empty when there is none.
struct slice dwarf_file_section(const struct dwarf_file *file, const char *name);
