#pragma once

// What the parts of names_file_write() have in common, one image after the other:
//
//     frames of all images, sorted ──► offsets of one image ──► addresses ──► functions
//
//     of these functions:  code ──decoded──► names of what they call      (names_code.h)
//                          lines ──► where inlined functions may change   (names_inlined.h)
//
// What an address means is found out as query/names.c does it, with the same tables.

#include "archive/names_file.h"
#include "base/map.h"
#include "disasm/disasm.h"

enum names_statement {
    NAMES_PUT_STATE,
    NAMES_PUT_IMAGE,
    NAMES_PUT_SEGMENT,
    NAMES_PUT_SYMBOL,
    NAMES_PUT_SLOT,
    NAMES_PUT_FUNCTIONS,
    NAMES_PUT_CALLS,
    NAMES_PUT_PLACES,
    NAMES_PUT_SOURCE_FILE,
    NAMES_PUT_LINE,
    NAMES_PUT_CODE,
    NAMES_STATEMENTS
};

struct names_place {
    image_id image;
    uint64_t off;
};

struct names_writer {
    struct run_file *file;
    const struct store *store;
    struct library *library;
    enum arch arch;
    struct disasm *disasm; // NULL: nobody can decode this machine's instructions
    const _Atomic bool *stop;
    uint64_t patience_ns; // that is left
    bool complete;
    struct names_file_counts *counts;
    struct err *reterr;
    sqlite3_stmt *statements[NAMES_STATEMENTS];
    VEC(struct names_place) places; // of all frames, sorted, each once
    VEC(const char *) paths; // of source files: what was written, borrowed or owned by `copies`
    VEC(char *) copies;      // of paths whose file is closed again
    struct map by_path;      // hash of the path -> its id
};

// What is known of one image while it is written.
struct names_work {
    image_id id;
    const struct image *image;
    const struct symtab *symtab;        // NULL: it has failed, or is not there yet
    VEC(uint64_t) addrs;                // of frames: ascending, each once
    VEC(const struct symbol *) symbols; // that these lie in: ascending, each once
    uint8_t *is_named;                  // of each symbol of the table, by its number: it is saved
    uint8_t *is_named_slot;             // likewise of its slots
    VEC(uint64_t) edges; // where the lines of those functions begin, and where these end
    struct err inline_note;
    struct err line_note;
    struct err code_note;
};

bool names_writer_is_stopped(const struct names_writer *w);

// Whether to wait for a bit longer, and until when. Afterwards, how long that was is counted.
bool names_writer_may_wait(struct names_writer *w, uint64_t now_ns, uint64_t *ret_until_ns);
void names_writer_account_wait(struct names_writer *w, uint64_t since_ns);

// Puts a row of which all values are bound. 0, or a negative errno.
int names_writer_put(struct names_writer *w, enum names_statement which);

// The id of the path, 0 for NULL; written when it is new. `lasts`: as long as the library does.
int names_writer_source_file(struct names_writer *w, const char *path, bool lasts,
                             uint64_t *ret_id);

// A name is borrowed until the row is put; NULL for NULL. An id of a file or a line: NULL for 0.
void names_bind_number(sqlite3_stmt *statement, int at, uint64_t value);
void names_bind_name(sqlite3_stmt *statement, int at, const char *name);
void names_bind_unless_0(sqlite3_stmt *statement, int at, uint64_t value);

// Whether the binary has debug information of its own, or a debug file.
bool names_work_has_dwarf(const struct names_work *work);

// Sorts, and leaves each once.
void names_sort_addrs(uint64_t *addrs, size_t *n);
