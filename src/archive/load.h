#pragma once

// From a run file to a store that can be asked, with its names.
//
// Every blob is read once and checked when a file is opened. What is damaged, or names what is not
// there, is left out, and counted:
//
//     rows              a full chunk as a whole, later ones move up; what is not a full chunk ends
//                       the table
//     what rows name    something neutral stands in its place, so that ids stay what they are: a
//                       name that is empty, a frame in no image, a stack of one such frame
//
// Rows beyond the budget are dropped again and read back when somebody asks (store/paging.h).

#include "archive/facts.h"
#include "archive/row_reader.h"
#include "archive/run_file.h"
#include "image/library.h"
#include "store/paging.h"

struct loaded_run {
    struct store *store;
    struct facts facts;
    // With all names in the file: a library of its own. NULL: the names are those of this machine's
    // files, and the images of the store refer to the library that was given; but no kernel's names
    // when the fact `boot_id` says that it was another one's.
    struct library *library;
    struct run_file file;     // open as long as the store, for who saves the run anew: its names
    struct row_reader reader; // of its rows, with a handle of its own
    struct err note;          // what is missing of it; "" when it is whole
    uint64_t rows_missing;
    bool was_recording; // it has no end: whoever recorded it died
};

// 0, or a negative errno with a line for people (run_file_open()). May take a second per ten
// million rows: for a thread that may wait; broken off with -ECANCELED when `*stop` becomes true
// (NULL: never). `ret` must not move afterwards: the store's pager points to it.
int archive_load(const char *path, struct library *files, uint64_t budget_bytes,
                 const _Atomic bool *stop, struct loaded_run *ret, struct err *reterr);

void loaded_run_fini(struct loaded_run *run); // store, library and file

// The facts alone: quick, whatever the size of the run. Also of one that is being recorded by
// somebody else.
int archive_read_facts(const char *path, struct facts *ret, struct err *reterr);
