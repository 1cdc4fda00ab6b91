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
// worker thread; the result is published by one atomic pointer, so that readers see either no
// table yet or a whole one, and never wait:
//
//     IMAGE_NEW ──library_want()──► IMAGE_QUEUED ──worker──► IMAGE_READY     symtab != NULL, but
//                                                       │                    for anonymous memory
//                                                       └──► IMAGE_FAILED    note says why
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
#include "base/queue.h"
#include "base/vec.h"
#include "image/elf_symbols.h"
#include "image/image_root.h"
#include "image/symtab.h"
#include "unwind/cfi.h"

#include <stdatomic.h>

enum image_kind { IMAGE_FILE, IMAGE_VDSO, IMAGE_ANONYMOUS, IMAGE_KERNEL };

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

struct image {
    uint32_t id;
    enum image_kind kind;
    char *path;
    struct build_id build_id;
    uint64_t device;
    uint64_t inode;
    uint64_t mapped_unix_ns;
    struct image_root *root;   // until both workers have been here
    _Atomic uint8_t n_to_come; // of them
    struct image_root_key root_key;
    _Atomic(struct symtab *) symtab;
    _Atomic int state; // enum image_state

    // Read only when READY or FAILED.
    struct err note; // why there are no symbols, or fewer than hoped
    struct image_stamp stamp;
    uint64_t loaded_unix_ns; // when loading began
    bool was_changed;        // FAILED since the file was another one by then

    // How to unwind its code: read apart from its symbols, by another worker, since the recording
    // needs it at once.
    _Atomic(struct cfi_table *) cfi;
    _Atomic int cfi_state; // enum image_state
    struct err cfi_note;   // FAILED: why there is none
    struct cfi_facts cfi_facts;
};

// One worker: takes images out of its queue, one after the other.
struct library_worker {
    struct library *library;
    void (*load)(struct library *library, struct image *image);
    struct queue wanted;
    pthread_t thread;
};

struct library {
    pthread_mutex_t lock;          // of the table and of nothing else
    struct image *_Atomic *images; // LIMIT_LOADED_IMAGES slots
    _Atomic uint32_t n;            // the last slot stands for all that are too many
    struct map by_identity;
    struct library_worker symbols;
    struct library_worker rules;
    _Atomic bool stopping;
    _Atomic uint64_t generation;      // rises whenever an image has become READY or FAILED
    void (*on_change)(void *context); // called on the worker thread, may be NULL
    void *context;
    pthread_mutex_t cfi_lock; // for waiting only
    pthread_cond_t cfi_done;
    _Atomic uint64_t cfi_generation; // rises whenever rules have become READY or FAILED
};

void library_init(struct library *library, void (*on_change)(void *context), void *context);

// Stops the workers (a file that is being read is read to its end) and frees all images and tables.
void library_fini(struct library *library);

// The id of this image, new or known. `root` is referenced when it is new. Any thread.
uint32_t library_get(struct library *library, const struct image_identity *identity,
                     struct image_root *root);

// Has its symbols loaded unless that has happened or is under way. Any thread; returns at once.
void library_want(struct library *library, uint32_t id);

// Has its unwinding rules read, likewise. What is no file has none, from the start: memory without
// a file, the kernel, a mapping like "[heap]".
void library_want_cfi(struct library *library, uint32_t id);

// Waits until they have been read, or until that moment (CLOCK_MONOTONIC). True: READY or FAILED.
bool library_await_cfi(struct library *library, uint32_t id, uint64_t until_ns);

// The rules, or NULL for now or for good.
const struct cfi_table *image_cfi(const struct image *image);

// There will be no more rules than there are: READY or FAILED.
bool image_cfi_is_done(const struct image *image);

// The image with this id; never moves and lives as long as the library.
struct image *library_at(const struct library *library, uint32_t id);

// The table, or NULL for now or for good.
const struct symtab *image_symtab(const struct image *image);
