#pragma once

// The names of a run, in its file: so that it says the same on a machine without the binaries, and
// after they have been built anew.
//
// Of each binary that has a frame in a stack:
//
//     image_names    how its symbols were found, and what is missing
//     segments       file offset <-> address
//     symbols        the functions that a frame lies in, and those that these call, jump or refer
//                    to, each with its range
//     slots          what the dynamic linker fills in where those functions call [rip+slot]
//     inlined        which functions are inlined at the frames' addresses and at the beginnings of
//                    those functions' lines, and where they are called: from one address on, up to
//                    the next
//     lines          line table rows of those functions: address, file, line, column
//     code           the bytes of those functions, and of the tables of their switches
//
// Code of a JIT has its names and bytes in the run's own rows (store.h: codes).

#include "archive/run_file.h"
#include "base/arch.h"
#include "base/text.h"
#include "image/library.h"
#include "image/lines.h"
#include "store/store.h"

// The part of the schema that belongs here: one statement after the other, separated by ';'.
extern const char names_file_schema[];

struct names_file_counts {
    uint64_t images; // with a frame
    uint64_t images_without_names;
    uint64_t symbols;
    uint64_t targets; // of these: no frame lies in them, code refers to them
    uint64_t slots;
    uint64_t inlined; // calls that were inlined
    uint64_t lines;
    uint64_t code_bytes;
};

// Waits for the names of everything that has a frame, and writes them, replacing what there was.
// In a transaction of its own per image, so that a crash loses no more than one: none is open. Ends
// early with what there is when `*stop` becomes true (NULL: never), or when it has waited for
// `patience_ns` in all, for symbols and inlined functions: names_file_is_complete() is false then.
// 0, or a negative errno. Takes as long as reading debug files takes.
//
// `arch` is whose instructions the code is: of code of a machine that nobody can decode, the names
// of what it calls are not saved. Lines and code are read from the binaries, so of a saved library
// there are none of them: the names of a run that came out of a file are copied from there
// (names_file_copy()).
int names_file_write(struct run_file *file, const struct store *store, struct library *library,
                     enum arch arch, uint64_t patience_ns, const _Atomic bool *stop,
                     struct names_file_counts *ret_counts, struct err *reterr);

// The same for a run that was loaded from `from`, with all its names: whose ids are those of that
// file. Into a new file. What is damaged is left out. 0, or a negative errno; -ECANCELED.
int names_file_copy(struct run_file *from, struct run_file *to, const _Atomic bool *stop,
                    struct err *reterr);

// Whether names were written, all of them.
bool names_file_is_complete(struct run_file *file);

// Fills a library made by library_init_saved() with what the file says, in the order of the images
// of `store`, and makes their rows refer to it. What is damaged is left out; `ret_note` then says
// so ("" otherwise). 0, or a negative errno when the file cannot be read any further: then the rest
// of the images has no names.
int names_file_read(struct run_file *file, struct store *store, struct library *library,
                    struct err *ret_note, struct err *reterr);

// ---- One function, when somebody looks at it
// -----------------------------------------------------

// Opens the file of a run to look into it, with a handle of its own: for a thread that may wait.
// 0, or a negative errno with a line for people, as run_file_open(); -ESTALE by now it is another
// run's: what its ids mean is another matter.
int names_file_open(const char *path, const struct store *store, struct run_file *ret,
                    struct err *reterr);

struct names_lines {
    struct line_rows rows;
    VEC(char *) paths; // that rows point to
};

// Adds the rows of the function at [addr, end) of that image's own addresses, as lines_find() does;
// none: nothing was saved. 0, or a negative errno.
int names_file_lines(struct run_file *file, image_id image, uint64_t addr, uint64_t end,
                     struct names_lines *ret, struct err *reterr);
void names_lines_fini(struct names_lines *lines); // a zeroed one is empty, and ready

// A note in a column of a row, for people: nobody knows who wrote it.
void names_file_note(sqlite3_stmt *row, int column, struct err *ret);

// Why lines and code of that image are missing, as far as that is known; else "".
void names_file_notes(struct run_file *file, image_id image, struct err *ret_lines,
                      struct err *ret_code);

// Appends the bytes of [addr, end), which lies within one function, or within the table of a switch
// of one (disasm/jump_table.h). 0; -ENODATA they were not
// saved; or another negative errno.
int names_file_code(struct run_file *file, image_id image, uint64_t addr, uint64_t end,
                    struct text *to, struct err *reterr);
