#pragma once

// All binaries that any run has met, each with its symbols once.
//
// An image is known by what it is (build-id, or path + device + inode), not by where a process
// mapped it. Getting one is quick and never touches its file. Asking for its symbols (`want`) hands
// it to a worker thread; the result is published by one atomic pointer, so that readers see
// either no table yet or a whole one, and never wait:
//
//     IMAGE_NEW ──library_want()──► IMAGE_QUEUED ──worker──► IMAGE_READY     symtab != NULL
//                                                       └──► IMAGE_FAILED    note says why
//
// Files are opened inside the root directory of the process that mapped them, so that a target in
// a container resolves to its own files; a file that is not the one that was mapped (other
// build-id, changed since) is refused: no name is better than a wrong one.

#include "base/err.h"
#include "base/map.h"
#include "base/queue.h"
#include "base/vec.h"
#include "image/elf_symbols.h"
#include "image/symtab.h"

#include <stdatomic.h>

// The root directory of a process, open for as long as somebody needs it: the process may be gone
// by the time its files are read. Reference counted, thread-safe.
struct image_root;
struct image_root *image_root_open(uint32_t pid); // falls back to our own root; never NULL
struct image_root *image_root_ref(struct image_root *root);
void image_root_unref(struct image_root *root); // accepts NULL

enum image_kind { IMAGE_FILE, IMAGE_VDSO, IMAGE_ANONYMOUS, IMAGE_KERNEL };

struct image_identity {
    enum image_kind kind;
    struct slice path; // as the target sees it
    struct build_id build_id;
    uint64_t device; // 0 when not known
    uint64_t inode;
    uint64_t mapped_unix_ns; // when it was first seen: a file changed after that is not the one
};

enum image_state { IMAGE_NEW, IMAGE_QUEUED, IMAGE_READY, IMAGE_FAILED };

struct image {
    uint32_t id;
    enum image_kind kind;
    char *path;
    struct build_id build_id;
    uint64_t device;
    uint64_t inode;
    uint64_t mapped_unix_ns;
    struct image_root *root; // until it is loaded
    _Atomic(struct symtab *) symtab;
    _Atomic int state;
    struct err
        note; // why there are no symbols, or fewer than hoped; read it only when READY or FAILED
};

struct library {
    pthread_mutex_t lock;          // of the table and of nothing else
    struct image *_Atomic *images; // LIMIT_LOADED_IMAGES slots
    _Atomic uint32_t n;
    struct map by_identity;
    struct queue wanted;
    pthread_t worker;
    _Atomic uint64_t generation;      // rises whenever an image becomes READY or FAILED
    void (*on_change)(void *context); // called on the worker thread, may be NULL
    void *context;
};

void library_init(struct library *library, void (*on_change)(void *context), void *context);
void library_fini(struct library *library);

// The id of this image, new or known. `root` is referenced when it is new. Any thread.
uint32_t library_get(struct library *library, const struct image_identity *identity,
                     struct image_root *root);

// Has its symbols loaded unless that has happened or is under way. Any thread; returns at once.
void library_want(struct library *library, uint32_t id);

struct image *library_at(const struct library *library, uint32_t id);

// The table, or NULL for now or for good.
const struct symtab *image_symtab(const struct image *image);
