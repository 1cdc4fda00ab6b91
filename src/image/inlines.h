#pragma once

// The functions that a compiler has inlined at an address, from a file's DWARF.
//
//     main ── f inlined into it ── g inlined into that     main is the symbol table's business;
//             ─────────────────────────────────────        f, g are told here, outermost first
//
// Made for looking up a few thousand addresses of a file with millions of inlined calls:
//
//     once per file      which unit (of those that were compiled apart) is at which addresses
//     once per unit      one walk over its DIEs, when its first address is asked for
//     per address        two binary searches; the names of each inlined call are looked up once
//
// Any file, however broken, gives chains or one error; what it costs is bounded (base/limits.h) and
// in proportion to its size. Nothing is mapped, and no other file is opened but the alternate one
// of dwz (dwarf_file.h). A handle belongs to one thread.
//
// Sources: DWARF 5, sections 2.17, 3.3.8 and 6.1; https://sourceware.org/elfutils/ (libdw).

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "image/image_root.h"
#include "image/symtab.h"

#include <stdatomic.h>

struct inlines;

// One inlined call.
struct inline_site {
    const char *name;      // the linker's name if there is one, else as in the source; never NULL
    enum symbol_lang lang; // of the unit that has the function; SYMBOL_UNKNOWN for other languages
    bool is_linkage_name;
    uint32_t call_file; // where it is called: see inlines_call_file()
    uint32_t call_line; // 0: not known
    uint32_t unit;
};

// Takes over `fd`. An alternate file is looked for inside of `root` (borrowed for the call). When
// `*stop` (may be NULL; borrowed until it is closed) becomes true, answers are quick and empty.
// 0, or a negative errno with the reason, to be put behind the name of the file.
int inlines_open(int fd, const struct image_root *root, const _Atomic bool *stop,
                 struct inlines **ret, struct err *reterr);

// The same from memory, borrowed until it is closed, and written to.
int inlines_open_bytes(struct slice bytes, struct inlines **ret, struct err *reterr);

void inlines_close(struct inlines *inlines); // accepts NULL

// What is inlined at `addr` (the file's own, p_vaddr), outermost first: how many, at most
// LIMIT_INLINE_DEPTH. What is deeper counts for the last of these. Sites live until it is closed.
size_t inlines_find(struct inlines *inlines, uint64_t addr,
                    const struct inline_site *ret[LIMIT_INLINE_DEPTH]);

// The file with the call (source_files.h); NULL: not known. Quick when the last question was about
// the same unit. Lives until it is closed.
const char *inlines_call_file(struct inlines *inlines, const struct inline_site *site);

// Why some are missing, to be put behind the name of the file; "" when all is well so far.
void inlines_note(const struct inlines *inlines, struct err *ret);

// Of memory, at this moment.
uint64_t inlines_bytes(const struct inlines *inlines);
