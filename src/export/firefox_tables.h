#pragma once

// The tables of a Firefox profile that describe code, each row made when a sample or a wait first
// needs it:
//
//     stacks ──► frames ──► functions ──► strings
//       │ caller    │
//       └──► stacks └─────► symbols ──► libraries
//
// A place with inlined functions is several frames at one address, and as many stacks.

#include "export/export.h"

enum { FIREFOX_NONE = UINT32_MAX };

enum firefox_category {
    FIREFOX_OTHER,
    FIREFOX_USER,
    FIREFOX_KERNEL,
    FIREFOX_JIT,
    FIREFOX_WAITING,
    FIREFOX_RUNNABLE,
    FIREFOX_CATEGORY_COUNT
};

struct firefox_stack {
    uint32_t caller; // FIREFOX_NONE: outermost
    uint32_t frame;
};

struct firefox_frame {
    frame_id frame;
    uint32_t addr; // in its library; FIREFOX_NONE: not known, or too large for the profiler
    uint32_t function;
    uint32_t symbol; // of the function that is not inlined; FIREFOX_NONE
    uint8_t category;
    uint8_t inline_depth;
};

struct firefox_function {
    uint32_t name;
    uint32_t library; // FIREFOX_NONE
};

struct firefox_symbol {
    uint32_t name;
    uint32_t library;
    uint32_t addr;
};

struct firefox_library {
    image_id image;
    uint32_t name; // the last part of its path
};

struct firefox_tables {
    VEC(struct firefox_stack) stacks;
    VEC(struct firefox_frame) frames;
    VEC(struct firefox_function) functions;
    VEC(struct firefox_symbol) symbols;
    VEC(struct firefox_library) libraries;
    VEC(struct slice) strings; // of others, or of `copies`
    VEC(char *) copies;
    VEC(uint32_t) stack_of;    // by stack_id: the innermost, plus one; 0: not there yet
    VEC(uint32_t) frame_of;    // by frame_id: the outermost, plus one
    VEC(uint32_t) function_of; // by function_id, plus one
    VEC(uint32_t) symbol_of;   // by function_id, plus one
    VEC(uint32_t) library_of;  // by image_id, plus one
    struct map string_by_hash; // -> string
    VEC(stack_id) waiting;     // a stack whose callers are made first
};

void firefox_tables_fini(struct firefox_tables *tables); // a zeroed one is empty, and ready

// The row of `stack`, FIREFOX_NONE for the empty one.
uint32_t firefox_tables_stack(struct firefox_tables *tables, const struct export *export,
                              stack_id stack);

// The row of a string that lives as long as the export.
uint32_t firefox_tables_string(struct firefox_tables *tables, struct slice string);

// Of one that does not.
uint32_t firefox_tables_copy(struct firefox_tables *tables, struct slice string);
