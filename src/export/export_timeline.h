#pragma once

// What the formats with a time axis have in common: where a frame stands in its binary, and what a
// stay off the CPU was.

#include "export/export.h"

// The stack, or STACK_ROOT for one that is newer than the names: no answer knows it either.
stack_id export_known_stack(const struct export *export, stack_id stack);

// The frame's address in its own binary (ELF's p_vaddr), as tools look it up. False: it lies in no
// binary, or the binary could not be read.
bool export_frame_addr(const struct export *export, frame_id frame, uint64_t *ret_addr);

// Raw bytes, from the kernel or else from the file; empty when not known. Borrowed.
struct slice export_build_id(const struct export *export, image_id image);
struct slice export_image_path(const struct export *export, image_id image);

// A stay off the CPU.
struct export_stay {
    bool runnable; // ready to run: then none of the following, but a stack
    enum event_reason reason;
    stack_id stack;                  // its leaf is the function that waits
    const struct function *function; // that one; NULL: the stack is empty
    bool has_waker;                  // who ended it is known
    thread_id waker;                 // or THREAD_INTERRUPT
};

struct export_stay export_stay_of(const struct export *export, const struct interval *interval);

// "python3 (4711)", "an interrupt": as the waker of a stay is called. Bytes of the target.
void export_add_waker(struct text *to, const struct export *export, thread_id waker);

// Threads that were ready to run at the horizon, and had no CPU: the fold counts them, but they are
// no rows yet. Calls `stay` for each; belongs into the format's `end`.
void export_open_runnable(struct export *export,
                          void (*stay)(struct export *export, const struct interval *interval));

// NULL: it is none of the first LIMIT_PROCESSES.
const struct process_row *export_process(const struct export *export, process_id process);

// From the start of the run on.
uint64_t export_since_start(const struct export *export, uint64_t time_ns);
