#pragma once

// All binaries that any run has met, each with its symbols once.
//
// An image is known by what it is, not by where a process mapped it:
//
//     with a build-id      kind, build-id, last part of the path: equal builds in two containers
//                          are one image
//     a file without one   kind, path, device, inode (and the root directory when the last two are
//                          not known)
//     anything else        kind, path
//
// Getting one is quick and does not read its file. Asking for its symbols (`want`) hands it to a
// worker thread, which takes the hottest of those that are wanted first; the result is published by
// one atomic pointer, so that readers see either no table yet or a whole one, and never wait:
//
//     IMAGE_NEW ──library_want()──► IMAGE_QUEUED ──worker──► IMAGE_READY     symtab != NULL, but
//                                                       │                    for anonymous memory
//                                                       └──► IMAGE_FAILED    note says why
//
// A table may be replaced by a better one, once a debug file has been fetched from somewhere
// (library_add_debug_file): IMAGE_READY stays, the pointer changes, the generation rises. Tables
// that were replaced live as long as the library, since somebody may be reading them.
//
// The rules to unwind its code go the same way, with a state and a worker of their own: the
// recording needs them at once, and must not stand in line behind symbols that nobody has asked
// about yet. Only a recording waits for them, and never for long (`await`).
//
// Files are opened inside the root directory of the process that mapped them, so that a target in
// a container resolves to its own files; a file that is not the one that was mapped (other
// build-id, changed since) is refused: no name is better than a wrong one. For the same reason an
// image that cannot vouch for itself (no build-id, or not loaded) is looked at once more (stat)
// when it is mapped again after it was loaded: if its file is another one by now, it is a new
// image. The old one stays what it was.

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "image/elf_symbols.h"
#include "image/image_root.h"
#include "image/inline_batch.h"
#include "image/symtab.h"
#include "image/wanted.h"
#include "unwind/cfi.h"

#include <stdatomic.h>

enum image_kind { IMAGE_FILE, IMAGE_VDSO, IMAGE_ANONYMOUS, IMAGE_KERNEL };

// The path of the kernel that runs here. One with another path ran elsewhere, or before the last
// boot: nobody knows its names.
#define IMAGE_OWN_KERNEL "[kernel]"

struct image_identity {
    enum image_kind kind;
    struct slice path; // as the target sees it
    struct build_id build_id;
    uint64_t device; // 0 when not known
    uint64_t inode;
    uint64_t mapped_unix_ns; // when it was first seen: a file changed after that is not the one;
                             // 0 when not known
};

enum image_state { IMAGE_NEW, IMAGE_QUEUED, IMAGE_READY, IMAGE_FAILED };

// What a file looked like when it was opened. All zero: it could not be.
struct image_stamp {
    uint64_t inode;
    uint64_t size;
    uint64_t changed_unix_ns; // ctime, which, unlike mtime, nobody can set back
};

static inline bool image_stamp_equal(const struct image_stamp *a, const struct image_stamp *b)
{
    return a->inode == b->inode && a->size == b->size && a->changed_unix_ns == b->changed_unix_ns;
}

// What separate debug information an image has. Immutable; replaced as a whole.
struct image_debug {
    char *path;               // NULL: there was one, but it was refused (`note`)
    bool in_own_root;         // a path of ours, not of the target
    bool has_dwarf;           // .debug_info
    struct image_stamp stamp; // when it was found to be the right one
    struct err note;          // of the image from now on
    struct image_debug *older;
};

struct image {
    uint32_t id;
    enum image_kind kind;
    char *path;
    struct build_id build_id;
    uint64_t device;
    uint64_t inode;
    uint64_t mapped_unix_ns;
    struct image_root *root;   // of the first process that mapped it
    bool keeps_root;           // or else only until both workers have been here
    _Atomic uint8_t n_to_come; // of them
    struct image_root_key root_key;
    _Atomic(struct symtab *) symtab;
    _Atomic(struct image_debug *) debug; // NULL: none, as far as known
    _Atomic int state;                   // enum image_state
    _Atomic bool awaited;                // library_await_cfi(): somebody waits for it
    _Atomic uint64_t heat;               // samples whose innermost frame lies in it, as told
    _Atomic bool names_missing;          // READY, but with its dynamic symbols only
    _Atomic bool fetch_claimed;          // by library_next_missing()

    // Read only when READY or FAILED.
    struct build_id file_build_id; // READY: of the file; `build_id` is empty when the kernel did
                                   // not tell it, as for what was mapped before the recording
    struct err note; // why there are no symbols, or fewer than hoped; ask image_note()
    struct image_stamp stamp;
    uint64_t loaded_unix_ns; // when loading began
    bool was_changed;        // FAILED since the file was another one by then
    bool has_dwarf;          // .debug_info in the file itself

    // Of a saved library only; immutable.
    bool is_saved;
    struct saved_inlines *saved_inlines; // NULL: nothing is inlined
    struct err saved_inline_note;
    uint64_t saved_symbols; // of the table that the saved one is a part of

    // How to unwind its code: read apart from its symbols, by another worker, since the recording
    // needs it at once.
    _Atomic(struct cfi_table *) cfi;
    _Atomic int cfi_state; // enum image_state
    struct err cfi_note;   // FAILED: why there is none
    struct cfi_facts cfi_facts;
};

// One worker: takes jobs out of its list, one after the other.
struct library_worker {
    struct library *library;
    void (*load)(struct library *library, const struct wanted_job *job);
    struct wanted wanted;
    pthread_t thread;
};

struct inliner;

struct library {
    bool is_saved;                 // library_init_saved()
    pthread_mutex_t lock;          // of the table and of nothing else
    struct image *_Atomic *images; // LIMIT_LOADED_IMAGES slots
    _Atomic uint32_t n;            // the last slot stands for all that are too many
    struct map by_identity;
    struct library_worker symbols;
    struct library_worker rules;
    struct inliner *inliner;
    char *debug_path;                    // $STAX_DEBUG_PATH, or NULL
    VEC(struct symtab *) replaced;       // tables that somebody may still be reading
    VEC(struct image_root *) kept_roots; // LIMIT_KEPT_ROOTS of them; under the lock
    _Atomic uint64_t generation; // rises whenever an image has become READY or FAILED, or better
    void (*on_change)(void *context); // called on the worker thread, may be NULL
    void *context;
    pthread_mutex_t done_lock; // for waiting only
    pthread_cond_t cfi_done;
    pthread_cond_t symbols_done;
    _Atomic uint64_t cfi_generation; // rises whenever rules have become READY or FAILED
};

// Debug files are looked for in $STAX_DEBUG_PATH, too (debug_file.h).
void library_init(struct library *library, void (*on_change)(void *context), void *context);

// One for the names that came with a run file: it has no workers, every image is READY or FAILED
// from the start, and answers about inlined functions come at once, on the thread that asks (so do
// calls of inline_mailbox.on_answer). No file is ever opened for it: library_get() is not for it,
// and what is wanted of its images is there already, or nowhere.
void library_init_saved(struct library *library);

// What was known of an image.
struct saved_names {
    struct symtab *symtab;    // NULL: FAILED
    uint64_t n_symbols;       // image_symbol_count()
    struct build_id build_id; // file_build_id
    struct err note;          // as image_note()
    bool has_dwarf;
    struct saved_inlines *inlines; // see image/saved_inlines.h; NULL: nothing is inlined
    struct err inline_note;        // as inline_batch.note
};

// Its next image: the id. What `names` points to is taken over. Beyond LIMIT_LOADED_IMAGES, the id
// of one that stands for all that are too many. One thread, before others see the library.
uint32_t library_add_saved(struct library *library, const struct image_identity *identity,
                           struct saved_names *names);

// Stops the workers (what is wanted is forgotten, a file that is being read is read to its end) and
// frees all images and tables.
void library_fini(struct library *library);

// The id of this image, new or known. `root` is referenced when it is new. Any thread.
uint32_t library_get(struct library *library, const struct image_identity *identity,
                     struct image_root *root);

// Has its symbols loaded unless that has happened or is under way. Any thread; returns at once.
void library_want(struct library *library, uint32_t id);

// Waits until that has happened, or until that moment (CLOCK_MONOTONIC). True: READY or FAILED.
bool library_await_symbols(struct library *library, uint32_t id, uint64_t until_ns);

// Samples fell into it: what is hot is read first. Any thread.
void library_heat(struct library *library, uint32_t id, uint64_t n_samples);

// ---- Better names, later ------------------------------------------------------------------------

// The hottest image that has a file_build_id and a READY table of nothing but dynamic symbols, and
// that was not answered before; LIBRARY_NONE when there is none for now: library->on_change is
// called when there may be another one. Any thread.
enum { LIBRARY_NONE = UINT32_MAX };
uint32_t library_next_missing(struct library *library);

// It could not be fetched for now: library_next_missing() will answer it once more.
void library_missing_again(struct library *library, uint32_t id);

// Has the worker read the symbols of this debug file, a path of our own (not of the target), and
// publish a table of these and the image's own. It is refused, and the image's note says why,
// unless its build-id is that of the image. Any thread; returns at once.
void library_add_debug_file(struct library *library, uint32_t id, const char *path);

// Opens the file with the DWARF of a READY image: its debug file, or itself; the same file that its
// symbols are from. A descriptor; or a negative errno and why: -ENOENT there is none, -ESTALE it is
// another one by now. Any thread.
int image_debug_open(const struct image *image, struct err *reterr);

// Whether a READY image has DWARF, as far as known by now.
static inline bool image_has_dwarf(const struct image *image)
{
    const struct image_debug *debug = atomic_load_explicit(&image->debug, memory_order_acquire);
    return image->has_dwarf || (debug != NULL && debug->path != NULL && debug->has_dwarf);
}

// Has the inlined functions at some addresses of a READY image looked up, by a worker of their own;
// takes the batch over, see inline_batch.h. Any thread; returns at once.
void library_want_inlines(struct library *library, struct inline_batch *batch);

// Of a READY or FAILED image: why there are no symbols, or fewer than hoped; "" when all is well.
// Lives as long as the library.
static inline const char *image_note(const struct image *image)
{
    const struct image_debug *debug = atomic_load_explicit(&image->debug, memory_order_acquire);
    return debug != NULL ? debug->note.text : image->note.text;
}

// ---- Unwinding ----------------------------------------------------------------------------------

// Has its unwinding rules read, likewise. What is no file has none, from the start: memory without
// a file, the kernel, a mapping like "[heap]".
void library_want_cfi(struct library *library, uint32_t id);

// Waits until they have been read, or until that moment (CLOCK_MONOTONIC). True: READY or FAILED.
bool library_await_cfi(struct library *library, uint32_t id, uint64_t until_ns);

// The rules, or NULL for now or for good.
const struct cfi_table *image_cfi(const struct image *image);

// There will be no more rules than there are: READY or FAILED.
bool image_cfi_is_done(const struct image *image);

// ---- Images -------------------------------------------------------------------------------------

// The image with this id; never moves and lives as long as the library.
struct image *library_at(const struct library *library, uint32_t id);

// The table, or NULL for now or for good.
const struct symtab *image_symtab(const struct image *image);

// What the dynamic linker puts the address of into this slot (an address of the image's own, of its
// global offset table): the name of a function or of data, mangled; NULL when it is no slot, or not
// known by now. Lives as long as the library.
static inline const char *image_slot_name(const struct image *image, uint64_t addr)
{
    const struct symtab *symtab = image_symtab(image);
    const struct symtab_slot *slot = symtab == NULL ? NULL : symtab_find_slot(symtab, addr);
    return slot == NULL ? NULL : slot->name;
}

// How many symbols are known; of a saved image: were known when it was saved.
static inline uint64_t image_symbol_count(const struct image *image)
{
    const struct symtab *symtab = image_symtab(image);
    uint64_t n = symtab == NULL ? 0 : symtab_count(symtab);
    return MAX(n, image->saved_symbols);
}
