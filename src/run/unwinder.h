#pragma once

// The user's part of a stack, as good as it can be had: from an event, which brings the chain that
// the kernel found by following frame pointers, and perhaps registers and a copy of the stack.
//
//     registers, copy ──► unwind_walk() ──► complete ─────────────────────────► those addresses
//                           │    ▲            │ not
//                       pc  ▼    │ rule       ▼
//                     ┌─ cache of places ─┐  does the chain go on where ──yes─► the walk, then the
//                     │ miss: which image │  the walk ended?                    rest of the chain
//                     │ is there, what do │   │ no
//                     │ its rules say?    │   └───────────────────────────────► what there is,
//                     └───────────────────┘                                     and why it ended
//
// The chain alone is what there is without registers or without a copy. It leaves out callers where
// code does not keep frame pointers, and nobody can tell; so it is never preferred to a walk, only
// put behind one, as far as it stays in code and in functions that keep a frame pointer by their
// own rules. A walk that the chain continued is complete when the chain's last address lies in an
// outermost function by its own rule (_start, clone). Where other stacks of the run are copied, one
// that was not is truncated, unless its chain ends like that.
//
// Rules are read by the library's worker. The first stack that needs those of a file waits for them
// (not for long, and not often: the rings fill up meanwhile); later stacks use what is there. A
// place for which there was no rule is looked up again once there may be more.
//
// Owned by the capture thread.

#include "base/limits.h"
#include "event/event.h"
#include "run/processes.h"
#include "unwind/walk.h"

enum { UNWINDER_BITS = 13 };

// What is known of a pc in a version of an address space.
struct unwinder_slot {
    uint64_t version; // 0: the slot is free
    uint64_t addr;
    uint64_t generation; // of all rules when there was none here; UINT64_MAX: this one stays
    struct unwind_code code;
};

struct unwinder_counts {
    uint64_t n_walks;    // stacks with registers and a copy
    uint64_t n_complete; // of them, including those that the chain completed
    uint64_t n_joined;   // of them, those that the chain continued
    uint64_t n_fp_steps; // frames that were left by their frame pointer
    uint64_t n_missed;   // places that were not in the cache
    uint64_t waited_ns;  // for rules
};

struct unwinder {
    const struct store *store;
    struct library *library;
    const struct process *process; // whose stack is being walked
    enum unwind_arch arch;         // of the last stack; of this machine before the first
    struct unwinder_counts counts;
    struct map waited_for; // library ids: no file is waited for twice
    uint64_t patience_ns;  // how long to wait for rules in any second; half of it for one file
    bool (*may_wait)(void *context); // false: not any longer; NULL: may
    void *context;
    uint64_t second_ns;      // when the current second of waiting began
    uint64_t waited_then_ns; // in it
    uint64_t addrs[LIMIT_STACK_DEPTH];
    struct unwinder_slot slots[1 << UNWINDER_BITS];
};

// How long rules may be waited for when nobody says otherwise.
enum { UNWINDER_PATIENCE_MS = 50 };

// Zeroed memory before. Both arguments are borrowed.
void unwinder_init(struct unwinder *unwinder, const struct store *store, struct library *library);
void unwinder_fini(struct unwinder *unwinder);

struct unwound {
    const uint64_t *addrs; // leaf first, as in event_stack; until the next stack
    uint32_t n;            // at most LIMIT_STACK_DEPTH
    bool is_truncated;     // callers are missing, and:
    enum truncation why;
    image_id image; // the code that it ended in; 0: nobody's
};

// `process` may be NULL when the event has no user part. `copied`: stacks of this kind come with a
// copy where that is possible; of others the chain is taken as it is.
struct unwound unwinder_walk(struct unwinder *unwinder, const struct process *process,
                             const struct event_stack *stack, bool copied);

// Whether a function keeps a frame pointer, by its rule: a chain of them then has its caller.
bool unwinder_keeps_frame(enum unwind_arch arch, const struct cfi_rule *rule);

// Code that the process has made, and how to unwind it: code_rules_add().
bool unwinder_add_code(const struct unwinder *unwinder, struct process *process, uint64_t addr,
                       uint64_t size_bytes, struct slice eh_frame);
