#pragma once

// Names for the addresses that instructions refer to: "parse", "parse+0x10"; "puts@got" for a slot
// of the global offset table.
//
//     in the range that is listed     the function's own; for people just <+0x10>
//     in the same image               its table of symbols
//     in memory of a JIT              the JIT's functions at that time
//     elsewhere                       whichever image of the run lies there
//
// Of one listing; belongs to its thread.

#include "code/listing.h"
#include "query/jit_names.h"

struct code_names {
    const struct store *store;
    struct library *library;
    image_id image;
    const struct symtab *symtab; // of the image; NULL: none
    uint64_t bias;
    struct listing_range range; // that is listed at the moment
    struct jit_names jit;       // empty unless the range is a JIT's
    struct map by_name;         // as a table has it -> its readable form, in `names`
    VEC(char *) names;
};

void code_names_init(struct code_names *names, const struct listing_run *run,
                     const struct listing_wish *wish);
void code_names_fini(struct code_names *names);

// Adds the name of what lies at an address, with the distance from where it begins when there is
// one. False: nothing is known to be there.
bool code_names_put(struct code_names *names, uint64_t addr, struct text *to);

// Adds the name of the function whose address the dynamic linker puts into this slot: what `call
// [slot]` calls. False: it is no slot.
bool code_names_put_slot(struct code_names *names, uint64_t addr, struct text *to);

// As a disasm_name_fn, of a struct code_names: " <name+0x10>".
void code_names_put_reference(void *context, uint64_t addr, struct text *to);
