#pragma once

// The names of a run, in its file: so that it says the same on a machine without the binaries, and
// after they have been built anew.
//
// Of each binary that has a frame in a stack:
//
//     image_names    how its symbols were found, its segments: file offset <-> address
//     symbols        those that a frame lies in, each with its range
//     inlined        which functions are inlined at the frames' addresses, and where they are
//     called lines          line table rows of those functions: address, file, line, column code
//     the bytes of those functions
//
// Code of a JIT has its names and bytes in the run's own rows (store.h: codes).

#include "archive/run_file.h"
#include "image/library.h"
#include "store/store.h"

// The part of the schema that belongs here: one statement after the other, separated by ';'.
extern const char names_file_schema[];

struct names_file_counts {
    uint64_t images; // with a frame
    uint64_t images_without_names;
    uint64_t symbols;
    uint64_t inlined;
    uint64_t lines;
    uint64_t code_bytes;
};

// Waits for the names of everything that has a frame, and writes them, replacing what there was.
// Inside of a transaction of the caller's per image, so that a stop loses no more than one. Ends
// early with what there is when `*stop` becomes true (NULL: never), or after `patience_ns` of
// waiting for symbols. 0, or a negative errno. Takes as long as reading debug files takes.
int names_file_write(struct run_file *file, const struct store *store, struct library *library,
                     uint64_t patience_ns, const _Atomic bool *stop,
                     struct names_file_counts *ret_counts, struct err *reterr);

// Whether names were written, all of them.
bool names_file_is_complete(struct run_file *file);

// Fills a library made by library_init_saved() with what the file says, in the order of the images
// of `store`, and makes their rows refer to it. What is damaged is left out; `ret_note` then says
// so
// ("" otherwise).
int names_file_read(struct run_file *file, struct store *store, struct library *library,
                    struct err *ret_note, struct err *reterr);
