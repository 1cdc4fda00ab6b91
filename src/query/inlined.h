#pragma once

// The functions that are inlined where a frame stands: asked for as frames appear, and added when
// the library's worker has found them.
//
//     names_refresh()   new frames ──► a batch per image ──► library_want_inlines()
//     names_refresh()   answers    ──► a list of functions per frame, `version` rises
//
// Whoever builds something from these lists starts over when `version` has risen; so answers are
// taken in together: all that are awaited, or what there is after INLINED_PAUSE_NS.
//
// A part of struct names; belongs to the query thread.

#include "base/map.h"
#include "base/vec.h"
#include "image/inline_batch.h"
#include "store/store.h"

struct names;

typedef uint32_t function_id;

struct inlined_list {
    const function_id *at; // outermost first; valid until the next refresh
    uint32_t n;
};

struct inlined {
    uint64_t version;                 // rises when lists change
    struct inline_mailbox *mailbox;   // NULL until the first question
    void (*on_answer)(void *context); // on a worker's thread, may be NULL
    void *context;
    VEC(struct inline_batch *) open;    // by image_id: being filled
    VEC(struct inline_batch *) waiting; // answered, and not taken in
    uint32_t n_under_way;               // batches that were sent and not taken in
    uint64_t taken_in_ns;               // when that was done last
    VEC(uint32_t) of_frame;             // by frame_id: where its list stands in `lists`; 0: none
    VEC(function_id) lists;             // of each: how many, then these
    struct map by_list;                 // hash of a list -> where it stands
};

void inlined_fini(struct inlined *inlined); // a zeroed one is empty, and ready

// The frame at this address of its file has a (new) table of symbols: what was known is forgotten,
// and asked for again if the image has DWARF.
void inlined_want(struct names *names, frame_id frame, image_id image, uint64_t addr);

// Sends what is wanted, the hottest images first, and takes in what was answered.
void inlined_refresh(struct names *names);

// What is inlined at this frame, as far as known; perhaps nothing.
struct inlined_list inlined_of_frame(const struct inlined *inlined, frame_id frame);
