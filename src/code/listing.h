#pragma once

// The code of one function, ready to be read: its instructions as text, the source lines that they
// were made of, what was inlined there, the names of what it calls.
//
//     where is it?           instructions        lines              texts
//     file, vdso, JIT,  ──►  disasm/disasm.h ──► image/lines.h ──►  code/source_text.h
//     /proc/kcore,                │              or the run file
//     or the run file             └──► names of targets: symbols, codes of JITs
//
// A listing says nothing of samples, so it is made once, by the lister (lister.h), and shared: by
// all views, and by all who look. It never changes. When there is more to be known (a source file
// that was fetched, a better table of symbols) a new one takes its place.
//
// All addresses are those of the process (of the kernel for kernel code): what people see in `top`
// and give back to `annotate`.

#include "base/arch.h"
#include "base/err.h"
#include "base/vec.h"
#include "code/source_path.h"
#include "disasm/disasm.h"
#include "disasm/jump_table.h"
#include "image/library.h"
#include "store/store.h"

#include <stdatomic.h>

// ---- What is wanted ----------------------------------------------------------------------------

// A stretch of addresses in the process. A function has one; one of a JIT has one per version.
struct listing_range {
    uint64_t addr;
    uint64_t end;
    uint32_t code; // the JIT's row in the store's codes, or CODE_NONE
};

struct listing_wish {
    image_id image;                   // of the store
    uint64_t bias;                    // address in the process = the file's own + bias
    VEC(struct listing_range) ranges; // in the order in which they are to be shown
    enum arch arch;
    enum disasm_syntax syntax;
    bool source; // lines and their text
    struct source_maps maps;
};

void listing_wish_fini(struct listing_wish *wish);
void listing_wish_copy(struct listing_wish *to, const struct listing_wish *from);
bool listing_wish_equal(const struct listing_wish *a, const struct listing_wish *b);

// Where from, borrowed while a listing is made. All of these may be read by any thread.
struct listing_run {
    const struct store *store;
    struct library *library;
    const char *names_path; // a run file with names and code (archive/names_file.h), for what is
                            // not to be had otherwise; NULL: none

    // Where sources are that debuginfod servers sent (debuginfod_cache_path()); NULL: nowhere.
    const char *source_cache;

    // Called for a source file that a debuginfod server may have, by its normalized path; may be
    // NULL. Returns at once.
    void (*fetch_source)(void *context, const struct build_id *build_id, const char *path);
    void *context;
};

// ---- What there is -----------------------------------------------------------------------------

enum code_origin {
    CODE_MISSING, // `code_note` says why
    CODE_OF_FILE,
    CODE_OF_VDSO,
    CODE_OF_JIT,
    CODE_OF_KERNEL,
    CODE_OF_RUN_FILE,
};
const char *code_origin_name(enum code_origin origin); // "missing", "file", …: the JSON value

enum { LISTING_NONE = UINT32_MAX };

// A line of a source file that instructions were made of.
struct listing_source {
    const char *file; // as the debug information has it, normalized
    uint32_t line;    // never 0
    const char *text; // NULL: not to be had
};

// A function that was inlined, into the one before it in its chain (the first: into the function
// itself), and where that calls it.
struct listing_inlined {
    const char *function_name; // demangled
    const char *call_file;     // NULL: not known
    uint32_t call_line;        // 0: not known
};

struct listing_chain {
    uint32_t first; // of `inlined`, outermost first
    uint32_t n;
};

// One instruction, or data.
struct listing_line {
    struct instruction instruction;
    uint32_t bytes_at;       // in `bytes`
    const char *text;        // as people read it, with names of what it refers to
    const char *target_name; // of a call, or of a jump out of the function: NULL when not known
    uint32_t source;         // of `sources`, or LISTING_NONE
    uint32_t chain;          // of `chains`, or LISTING_NONE: nothing is inlined there
};

struct listing_part {
    struct listing_range range;
    uint32_t first; // of `lines`
    uint32_t n;     // 0: its bytes are not to be had
};

struct listing {
    _Atomic uint32_t n_refs;
    struct listing_wish wish;
    uint64_t serial;  // no two have the same
    bool may_improve; // sources are being fetched: another one will take its place
    enum code_origin origin;
    char *path;                     // of the file that the bytes are from; NULL: of none
    struct err code_note;           // why bytes are missing, or anything to be said about them
    struct err line_note;           // likewise of source lines
    struct err source_note;         // likewise of their text
    struct err inline_note;         // likewise of inlined functions
    VEC(struct listing_part) parts; // as wished for
    VEC(struct listing_line) lines; // by part, then by address, without gaps
    VEC(uint8_t) bytes;
    VEC(struct listing_source) sources;
    VEC(struct listing_chain) chains;
    VEC(struct listing_inlined) inlined;
    struct jump_tables tables; // instructions are those of the first part
    VEC(char *) texts;         // that the others point to
};

struct listing *listing_ref(struct listing *listing); // returns it
void listing_unref(struct listing *listing);          // accepts NULL

// The line that has this byte, or LISTING_NONE. `code` as in listing_range.
uint32_t listing_line_at(const struct listing *listing, uint32_t code, uint64_t addr);

// ---- Making one --------------------------------------------------------------------------------

// What a thread that makes listings keeps from one to the next: source texts, open files.
struct listing_tools;
// What it is at is broken off when `*stop` (NULL: never; borrowed) becomes true: then listings are
// incomplete.
struct listing_tools *listing_tools_new(const _Atomic bool *stop);
void listing_tools_free(struct listing_tools *tools); // accepts NULL

// Always makes one: what is missing is said in its notes. Takes as long as reading debug files
// takes. The caller unrefs it.
struct listing *listing_make(struct listing_tools *tools, const struct listing_run *run,
                             const struct listing_wish *wish);
