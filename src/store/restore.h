#pragma once

// A run that was written down once becomes a store again. Nothing in the file is believed: what
// does not fit is refused, and the caller goes on without it.
//
//     store_restore_new()
//     strings, images, processes, threads, codes, frames, nodes    in the order of their ids
//     blocks of rows, in order
//     store_restore_end()                                          from here on anybody may read it
//
// Ids are those of then, as long as nothing is left out (a caller that leaves something out puts
// something else in its place): the first string that is restored is id 1, the first frame 1, the
// first node 1, the first image 1 (0 is made by store_new(), as always).
//
// Such a store has no writer any more: the hash tables by which a writer finds what it has are not
// made.

#include "store/paging.h"

struct restore_params {
    uint64_t started_ns;
    uint64_t started_unix_ns;
    uint64_t weight_ns;
    bool has_switches;
};

struct store *store_restore_new(const struct restore_params *params);

// False: refused. The number of the row that names something else must be below what has been
// restored of that (a caller before its callee), and there must be room (base/limits.h). Words must
// be known ones (kinds, reasons, flags, truncations), times not later than INT64_MAX. What comes
// later than who names it is forgotten in the end if it is not there: the process of an image, and
// the stacks of a thread. `last_wakeup` is made anew. The caller answers for `library` of an image.
bool store_restore_string(struct store *store, struct slice bytes);
bool store_restore_image(struct store *store, const struct image_row *row);
bool store_restore_process(struct store *store, const struct process_row *row);
bool store_restore_thread(struct store *store, const struct thread_row *row);
bool store_restore_code(struct store *store, const struct code_row *row);
bool store_restore_frame(struct store *store, const struct frame_row *row);
bool store_restore_node(struct store *store, const struct stack_row *row);
void store_restore_account(struct store *store, enum account account, uint64_t n);
void store_restore_event_count(struct store *store, uint32_t kind, uint64_t n);

// Whether these rows may follow those that are there: `first` is how many those are, sorted as
// store.h says, and all that they name exists (so samples come before counters).
bool store_rows_are_sound(const struct store *store, const struct row_block *block);

// Appends rows, which are copied; false when they are not sound, and then none is. A block may
// begin and end anywhere.
bool store_restore_rows(struct store *store, const struct row_block *block);

// All is there. `last_ns` is the end of the run: store_end_ns() of then. Moved on to the time of
// the newest row, if that is later.
void store_restore_end(struct store *store, uint64_t last_ns);
