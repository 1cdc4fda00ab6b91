#pragma once

// The source files of compilation units: from the numbers that DWARF has for them to paths. Looks
// at the header of a unit's line table only. For lines.c and inlines.c.

#include "base/map.h"
#include "base/text.h"
#include "image/dwarf_file.h"
#include "image/line_program.h"

struct source_files {
    const struct dwarf_file *file; // borrowed
    struct line_sections sections;
    uint64_t budget; // bytes of line tables that may still be read
    bool cut;        // something was malformed, or too much

    Dwarf_Off unit;              // whose files are looked at, by its DIE; 0: none
    struct line_program program; // its line table; empty when there is none
    struct text directory;       // where its compiler ran
    VEC(const char *) path_of;   // by the program's number; NULL: not made yet

    VEC(char *) paths; // each once
    uint64_t path_bytes;
    struct map by_path;
};

void source_files_init(struct source_files *files, const struct dwarf_file *file);
void source_files_fini(struct source_files *files); // accepts a zeroed one

// Looks at the files of this unit from now on. True: it was another one before.
bool source_files_enter(struct source_files *files, Dwarf_Off unit);

// As the compiler was told it, behind the directory where it ran unless it is absolute; NULL: not
// known. Each path has one pointer. Lives as long as `files`.
const char *source_files_path(struct source_files *files, uint32_t number);

uint64_t source_files_bytes(const struct source_files *files); // of memory
