#pragma once

// Which compilation unit of a file has the code at an address. For the readers of this folder.

#include "image/dwarf_file.h"
#include "image/spans.h"

#include <stdatomic.h>

struct dwarf_unit {
    Dwarf_Off die_off;
    bool is_split; // its DIEs are in another file (.dwo); its line table is not
};

struct dwarf_units {
    VEC(struct dwarf_unit) list; // those that have code
    struct spans at;             // numbers of that list, by address
    uint64_t n_split;            // with those without code
    bool too_many;               // some were left out; or it was stopped
};

void dwarf_units_fini(struct dwarf_units *units); // accepts a zeroed one

// Ends early when `*stop` becomes true, unless it is NULL.
void dwarf_units_find(const struct dwarf_file *file, const _Atomic bool *stop,
                      struct dwarf_units *ret);
