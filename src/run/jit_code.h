#pragma once

// Code that a program makes while it runs, and which of it a frame lies in.
//
// A frame is an image and an offset: it has no time. That is right for files, whose bytes stay what
// they are. Anonymous memory is another matter: a JIT puts one function there, later another one,
// and says so at once, or when its buffer is full, or at its end. So the anonymous memory of a
// process that has a JIT is cut into *epochs*. Each is an image of its own; its frames are those of
// one short stretch of time:
//
//     image 7  since 0.00 until 0.25 │ image 9  until 0.50 │ image 12  until 0.58 │ image 13 …
//     ───────────────────────────────┼─────────────────────┼──────────────────────┼──────────►
//     codes of one address:  sum() ──┼───────────── (late) │            parse() ──┤
//
// Names come last, as for all frames: query/jit_names.h looks up the code that was at the frame's
// address for the longest part of its epoch. So code may become known as late as it likes.
//
// An epoch lasts EPOCH_NS. It ends at once when code is replaced that is known to be there, if that
// is told in time: run/jit_reader.h sees to it that a JIT that writes promptly is heard promptly.
// Runs that last get longer epochs, by 1/512 of their age; with LIMIT_ANON_EPOCHS used up the last
// one lasts for good.
//
// A process has a JIT once it maps a jitdump or one of its functions becomes known. All others keep
// one image for their anonymous memory. The child of a fork keeps the images of its parent for what
// it inherited, which stay right: nothing of it changes. Once it has a JIT of its own, these are
// given up.
//
// Belongs to the capture thread.

#include "base/map.h"
#include "event/event.h"
#include "image/library.h"
#include "image/space.h"
#include "run/code_ranges.h"
#include "store/store.h"

#define JIT_EPOCH_NS       (250 * UINT64_C(1000000))
#define JIT_EPOCH_SPLIT_NS (20 * UINT64_C(1000000)) // no shorter than this, whatever is replaced

// What a process has of it; the part of struct process that belongs here.
struct jit_process {
    image_id home;      // the first one of these; stands for all of them in markers of stacks
    image_id image;     // of its anonymous memory, the newest one; IMAGE_NONE until there is some
    bool met;           // a stack had a frame in it
    bool has_source;    // it has a JIT that tells what it makes
    uint64_t exec_ns;   // when it became this program; 0: not in this run
    uint64_t source_ns; // since when it has a JIT
    uint64_t since_ns;  // of the epoch
    uint64_t until_ns;  // when it will be over; UINT64_MAX: does not end
    uint32_t n_epochs;
    struct code_ranges live; // `what` is a row of store->codes
};

struct jit_code {
    struct store *store; // these three are borrowed
    struct library *library;
    uint64_t *space_versions;
    uint32_t anonymous;  // what all of it is to the library
    struct map by_index; // hash of process and index -> its last row of codes
    uint64_t n_bytes;    // of instructions that are kept
};

void jit_code_init(struct jit_code *jit, struct store *store, struct library *library,
                   uint64_t *space_versions);
void jit_code_fini(struct jit_code *jit);

void jit_process_init(struct jit_process *process);
void jit_process_fini(struct jit_process *process);

// The image of the process' anonymous memory, made when it has none. IMAGE_NONE beyond the limit.
image_id jit_code_image(struct jit_code *jit, process_id id, struct jit_process *process,
                        uint64_t now_ns);

// It has a JIT, if that was not known yet.
void jit_code_source(struct jit_process *process, uint64_t now_ns);

// The epoch is over: the anonymous memory of `space` becomes a new image.
void jit_code_turn(struct jit_code *jit, process_id id, struct jit_process *process,
                   struct space *space, uint64_t now_ns);

// An image of the process' anonymous memory, whatever the epoch; any other one as it is.
static inline image_id jit_process_home(const struct jit_process *process,
                                        const struct store *store, image_id image)
{
    bool anonymous = image != 0 && process->home != IMAGE_NONE &&
                     store_image(store, image)->kind == IMAGE_ROW_ANONYMOUS;
    return anonymous ? process->home : image;
}

// Before a stack of the process becomes frames.
static inline void jit_code_tick(struct jit_code *jit, process_id id, struct jit_process *process,
                                 struct space *space, uint64_t now_ns)
{
    if (now_ns >= process->until_ns) {
        jit_code_turn(jit, id, process, space, now_ns);
    }
}

// EVENT_CODE_LOADED and EVENT_CODE_MOVED; `now_ns` is the time up to which other events have been
// applied. True when the code is there from now on: nothing newer was known in its place.
bool jit_code_loaded(struct jit_code *jit, process_id id, struct jit_process *process,
                     const struct event *event, uint64_t now_ns);
bool jit_code_moved(struct jit_code *jit, process_id id, struct jit_process *process,
                    const struct event *event, uint64_t now_ns);

// The process becomes another program: all its code ends. What it made before but tells later ends
// here, too.
void jit_code_exec(struct jit_code *jit, struct jit_process *process, uint64_t now_ns);
