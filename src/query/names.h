#pragma once

// From frames to functions, as late as possible: when an answer is made, once per frame.
//
// A *function* is a symbol of an image, or, where there is none, a single unresolved place
// (`libz.so.1+0x4fe0`, `[kernel]+0xffff…`). Frames are resolved from the tables that the library
// has at that moment; when a table arrives later, the frames of that image are resolved again and
// `version` rises, which tells everyone who stored a function id to start over.
//
// A frame stands in one such function. Functions that the compiler has inlined there are told by
// DWARF, later still: see inlined.h. An inlined copy of a function and the function of its own are
// two functions here.
//
// In memory without a file a function is what a JIT calls one: all code of a process under one name
// is one function, wherever it was put and however often it was made anew (query/jit_names.h). When
// code becomes known, frames of its time are resolved again, too.
//
// Belongs to the query thread.

#include "base/map.h"
#include "base/vec.h"
#include "image/library.h"
#include "query/inlined.h"
#include "query/jit_names.h"
#include "store/store.h"

struct function {
    char *name;         // demangled; `binary+0xoffset` when not resolved. Untrusted bytes
    const char *binary; // last part of the path, `[kernel]`, `[vdso]`, a kernel module's `[name]`
    const char *binary_path; // both borrowed
    uint64_t addr; // where it began when the image was first mapped: what annotate takes back;
                   // of an inlined one 0: its code is all over the place
    uint64_t key; // in its image: the symbol's address; of an unresolved place: what its name shows
    enum symbol_lang lang;
    bool resolved;
    bool is_main; // in the program itself, not in a library or the kernel
    bool is_kernel;
    bool inlined;       // into the function around it
    bool is_truncation; // no function: it stands for the callers that a stack lacks
    enum truncation truncation;
    image_id image;
    uint64_t loaded_ns; // of a JIT's: its newest version so far
};

// How one image stands with respect to its symbols.
struct names_image {
    const struct symtab *symtab; // the one that the frames were resolved with
    function_id first_function;  // functions below were made with an earlier table: out of use
    uint64_t n_frames;
    uint64_t n_unresolved;
    bool met;          // a frame lies in it
    bool stale;        // a new table has come; its frames are about to be resolved again
    bool is_main;      // the program of some process
    char *inline_note; // why inlined functions are missing; NULL: all is well
};

struct names {
    const struct store *store;
    struct library *library;
    uint64_t version;               // rises when function ids change their meaning
    uint64_t seen_generation;       // of the library
    VEC(struct function) functions; // by function_id
    VEC(function_id) of_frame;      // by frame_id
    struct map by_symbol;           // (image, key) -> function
    struct map kernel_by_name;      // hash of the name of a kernel function -> function
    struct map inlined_by_name;     // hash of the name of an inlined function, and its image
    struct inlined inlined;
    struct jit_names jit;           // functions in memory without a file
    struct map jit_by_name;         // (process, string of the name) -> function
    struct map home_of_process;     // -> the image that stands for all of its epochs
    VEC(frame_id) jit_frames;       // that lie in such memory
    VEC(struct names_image) images; // by image_id
    VEC(char *) modules;            // `[name]` of the kernel modules met
};

void names_init(struct names *names, const struct store *store, struct library *library);
void names_fini(struct names *names);

// Takes notice of tables that have arrived and of frames below `n_frames`. True when `version`
// rose. Asks the library for images that nobody has asked for yet. Pointers to functions and to
// their names are valid until the next call.
bool names_refresh(struct names *names, uint32_t n_frames);

// The function that the frame stands in. Frames that names_refresh() has covered.
function_id names_of_frame(const struct names *names, frame_id frame);

// What is inlined there, as far as known; perhaps nothing.
struct inlined_list names_inlined_at(const struct names *names, frame_id frame);

// The innermost of all of these.
function_id names_innermost(const struct names *names, frame_id frame);

const struct function *names_function(const struct names *names, function_id function);

// Whether it is called that, in that binary (NULL: in any): as it is, or as answers show it, where
// bytes that are not UTF-8 are text.
bool function_is(const struct function *function, const char *name, const char *binary);

// The function of a symbol that no frame lies in, of that image. Its name is the caller's to free.
struct function names_describe(struct names *names, image_id image, const struct symbol *symbol,
                               uint64_t bias);

// The table that frames of this image are resolved with; of an image that no frame lies in, the one
// that the library has. NULL: none.
const struct symtab *names_symtab(const struct names *names, image_id image);

// The function that this row of the store's codes is a version of. UINT32_MAX: no frame was ever
// in any.
function_id names_of_code(const struct names *names, uint32_t code);

// For inlined.c: the function of that name in the image, new or known; and a note about the image.
function_id names_inlined_function(struct names *names, image_id image,
                                   const struct inline_function *inlined);
void names_note_inlined(struct names *names, image_id image, const char *note);

// Order for people: by name, then by binary; by address where both are the same.
int function_compare(const struct function *a, const struct function *b);
