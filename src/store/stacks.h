#pragma once

// All stacks of a run, as one tree.
//
// A *frame* is a place in code that outlives address spaces: an image and an offset in it. So it
// stays valid when a library is unloaded, when the address is used again, and after an exec.
//
// A *stack* is a node of a tree: its innermost frame and the stack of its caller. Node 0 is the
// root, the empty stack; a caller's id is always smaller than its callee's. Stacks that share their
// outer frames share those nodes, so a sample costs four bytes whatever its depth:
//
//     0 root ─ 1 _start ─ 2 main ─┬─ 3 parse ─ 4 read      sample "main;parse;read" is 4
//                                 └─ 5 solve               sample "main;solve"      is 5
//
// Frames of the kernel stand inside of the user frames that called into it. Offsets of frames that
// are not the leaf point at the last byte of the call instruction (return address - 1), so that
// a look-up finds the line and the function of the call, even where the call is the last thing
// there.
//
// One writer, lock-free readers: parents and frames are columns, the hash tables are the writer's.

#include "base/map.h"
#include "store/column.h"

typedef uint32_t image_id; // a row of the store's images
typedef uint32_t frame_id;
typedef uint32_t stack_id;

enum { STACK_ROOT = 0 };

struct frame_row {
    uint64_t off; // in the file; for anonymous memory, JIT code and the kernel: the address itself
    image_id image;
    bool leaf; // the instruction that was about to run; otherwise a call (see above)
};

struct stacks {
    struct column frames;      // struct frame_row
    struct column nodes;       // struct stack_row
    _Atomic uint32_t n_frames; // published
    _Atomic uint32_t n_nodes;
    struct map frame_by_hash;   // writer only
    struct map node_by_edge;    // (caller, frame) -> stack; writer only
    _Atomic uint64_t map_bytes; // of memory: both hash tables
};

struct stack_row {
    stack_id caller;
    frame_id frame; // of the root: 0, and without meaning
};

// `stacks` is zeroed memory (see column_init).
void stacks_init(struct stacks *stacks);
void stacks_fini(struct stacks *stacks);

// Writer only. Beyond LIMIT_FRAMES: the id of a frame that stands for "all others" (image and
// offset of frame 0, which stacks_init() makes: image 0, offset 0).
frame_id stacks_frame(struct stacks *stacks, const struct frame_row *frame);

// The stack of `frame` called by `caller`. Writer only. Beyond LIMIT_STACK_NODES: `caller` itself,
// so that the sample is kept with a shorter stack; *ret_cut then becomes true (and is left alone
// otherwise).
stack_id stacks_push(struct stacks *stacks, stack_id caller, frame_id frame, bool *ret_cut);

// The next id, whether there is such a frame or stack already or not: for a tree that was written
// down once. It cannot be looked for any more afterwards. The caller has checked everything.
frame_id stacks_append_frame(struct stacks *stacks, const struct frame_row *frame);
stack_id stacks_append(struct stacks *stacks, const struct stack_row *row);

// Readers: any id below a published length.
const struct frame_row *stacks_get_frame(const struct stacks *stacks, frame_id frame);
const struct stack_row *stacks_get(const struct stacks *stacks, stack_id stack);

// Bytes of memory in use. Any thread.
uint64_t stacks_bytes(const struct stacks *stacks);
