#pragma once

// What is the same in two runs: functions by name and binary, stacks by the names in them, threads
// by name; never by address, pid or tid.
//
//     place (of a run) ──► label: name, binary ──► group: name without suffix ──► key
//
// Labels of a group are keys of their own when each of them is found on both sides; else they are
// one key together, so that what one build splits and another does not is still compared. Groups
// are:
//
//     functions            by the name without what compilers append: `.constprop.0`, `.part.3`, …
//     unresolved places    by binary: `[unresolved in libz.so.1]`. They are found on both sides
//     when
//                          all runs have that very build of the binary: only then a place has the
//                          same name in both
//     threads              by the name with `#` for its digits: `worker-#`; one that is alone in
//     its
//                          group keeps its name
//
// A stack is a path of such functions. An inlined function is the same as one that is not: builds
// differ in that.
//
// Samples in interrupts stand apart, as one key: that time is the machine's, and depends on what
// else runs there.
//
// Belongs to the query thread. Names are borrowed, and valid until the names of a run are
// refreshed.

#include "query/compare_side.h"

// One run, with what its places are called.
struct compare_source {
    const struct compare_side *counted;
    const struct calltree *tree; // up to date
    struct reasons *reasons;
};

struct compare_key {
    const char *name;
    const char *binary; // "" of threads
    uint32_t caller;    // of a stack: the key of the callers; COMPARE_NO_KEY: none
};

struct compare_label {
    const char *name;
    const char *binary;
    string_id build_id; // of an unresolved place, as the first run that has it knows it
    uint32_t run;       // that one
    uint32_t group;
    uint32_t key; // of the function or thread
    uint8_t sides;
    bool unresolved;
    bool matched; // is found on both sides
};

struct compare_group {
    char *name; // owned
    const char *binary;
    uint32_t n_labels;
    bool kept_apart; // its labels are keys of their own
    uint32_t key;
};

struct compare_keys {
    enum compare_by by;
    const struct compare_source *sources;
    size_t n_runs[2];
    VEC(struct compare_label) labels;
    VEC(struct compare_group) groups;
    VEC(struct compare_key) at; // by key; of stacks: these come after the functions
    VEC(uint32_t *) labels_of;  // by run: label plus one, by function_id or thread_id
    struct map label_by_hash;
    struct map group_by_hash;
    struct map stack_by_edge; // (callers' key, function's key) -> key
    uint32_t interrupts;      // key; COMPARE_NO_KEY: there are none
};

// From the sources of both sides, A's first, to the counts of a comparison.
void compare_keys_make(struct compare_keys *ret, const struct compare_source *sources,
                       const size_t n_runs[2], struct compare_cells *ret_cells);
void compare_keys_fini(struct compare_keys *keys);
