#pragma once

// From the addresses of an event to one number: a node of the store's tree of stacks.
//
//     event_stack ──► unwinder.h      the user's part, as good as it can be had
//                 ──► edges.h         has this way been gone before?  ──yes──► the node
//                 ──► image/space.h   no: which image is there, which offset in it: a frame
//                 ──► store/stacks.h  that frame below its caller: a node
//
// Frames of the kernel stand inside of those of the user. A stack that is known to lack callers
// stands below a *marker frame* that says why (IMAGE_ROW_TRUNCATED in store.h), as if that had
// called the outermost function:
//
//     root ─ _start ─ main ─ solve            complete
//     root ─ [too short, libx] ─ solve        somebody called solve; libx was as far as we came
//
// Owned by the capture thread.

#include "run/edges.h"
#include "run/unwinder.h"

struct stack_builder {
    struct store *store;
    struct library *library;
    image_id kernel_image;    // IMAGE_NONE until a kernel frame is seen
    string_id kernel_path;    // 0: it is the one that runs here
    image_id truncated_image; // until a stack lacks callers
    struct map markers;       // truncation_off() -> stack
    bool met_anonymous;       // the stack at hand has a new frame in memory without a file
    bool unwinds;             // stacks come with copies: rules are worth reading early
    VEC(uint32_t) short_tids; // threads whose copies were too short, each once; the owner clears it
    struct edges edges;
    struct unwinder unwinder;
};

// Zeroed memory before: it is large. The arguments are borrowed.
void stack_builder_init(struct stack_builder *builder, struct store *store,
                        struct library *library);
void stack_builder_fini(struct stack_builder *builder);

// The kernel's addresses to come are of another kernel than the one that runs here; before the
// first of them.
void stack_builder_name_kernel(struct stack_builder *builder, struct slice path);

// An image with code is mapped: its rules will be needed soon.
void stack_builder_meet_image(struct stack_builder *builder, image_id image);

struct built_stack {
    stack_id stack;    // STACK_ROOT when there is no frame
    uint32_t n_frames; // without the marker
    bool is_truncated;
    bool is_in_anonymous; // in part, in a place that was not met before
};

// `process` may be NULL when there is no user part. `copied` as for unwinder_walk().
struct built_stack stack_builder_push(struct stack_builder *builder, const struct process *process,
                                      uint32_t tid, const struct event_stack *stack, bool copied);
