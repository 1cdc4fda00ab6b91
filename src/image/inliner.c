#include "image/inliner.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/thread.h"
#include "image/inlines.h"
#include "image/library.h"

#include <string.h>

enum { IDLE_S = 5 };

// What the worker knows of one image. `functions`, `names` and `chains` are for all times.
struct known_image {
    struct image *image;
    const struct image_debug *debug; // that `open` and `chain_of` are from
    struct inlines *open;            // NULL: closed
    bool failed;                     // to be opened
    struct err note;
    uint64_t last_used;
    struct map chain_of; // address -> number of its chain, plus one; 0: nothing
    VEC(struct inline_chain *) chains;
    struct map by_chain; // hash of what is in it -> its number
    VEC(struct inline_function *) functions;
    struct map by_name; // hash of the name -> its number
    struct map by_site; // address of a site of `open` -> number of its function
    VEC(char *) paths;  // of source files with calls
    struct map by_path; // hash of the path -> its number
};

struct inliner {
    struct queue asked;
    pthread_t worker;
    _Atomic bool stopping;
    _Atomic uint64_t bytes; // of chains and addresses

    // The worker's own.
    VEC(struct known_image *) images; // by id in the library; NULL: nobody has asked
    uint64_t uses;
};

// ---- What is kept for good ---------------------------------------------------------------------

static void account(struct inliner *inliner, uint64_t bytes)
{
    atomic_fetch_add_explicit(&inliner->bytes, bytes, memory_order_relaxed);
}

static bool same_function(const struct inline_function *function, const struct inline_site *site)
{
    return function->lang == site->lang && function->is_linkage_name == site->is_linkage_name &&
           strcmp(function->name, site->name) == 0;
}

static uint32_t intern_name(struct inliner *inliner, struct known_image *known,
                            const struct inline_site *site)
{
    size_t n = strlen(site->name);
    uint64_t hash = hash_bytes(site->name, n);
    size_t cursor = 0;
    for (uint32_t id; (id = map_find_from(&known->by_name, hash, &cursor)) != MAP_NONE;) {
        if (same_function(known->functions.at[id], site)) {
            return id;
        }
    }
    struct inline_function *function = NEW(struct inline_function);
    *function = (struct inline_function){.name = alloc_text(site->name, n),
                                         .lang = site->lang,
                                         .is_linkage_name = site->is_linkage_name};
    account(inliner, sizeof *function + n + 1);
    vec_push(&known->functions, function);
    uint32_t id = (uint32_t)known->functions.n - 1;
    map_add(&known->by_name, hash, id);
    return id;
}

static const struct inline_function *function_of(struct inliner *inliner, struct known_image *known,
                                                 const struct inline_site *site)
{
    uint64_t key = (uint64_t)(uintptr_t)site;
    uint32_t id = map_find(&known->by_site, key);
    if (id == MAP_NONE) {
        id = intern_name(inliner, known, site);
        map_set(&known->by_site, key, id);
    }
    return known->functions.at[id];
}

// NULL for NULL.
static const char *intern_path(struct inliner *inliner, struct known_image *known, const char *path)
{
    if (path == NULL) {
        return NULL;
    }
    size_t n = strlen(path);
    uint64_t hash = hash_bytes(path, n);
    size_t cursor = 0;
    for (uint32_t id; (id = map_find_from(&known->by_path, hash, &cursor)) != MAP_NONE;) {
        if (strcmp(known->paths.at[id], path) == 0) {
            return known->paths.at[id];
        }
    }
    account(inliner, sizeof path + n + 1);
    map_add(&known->by_path, hash, (uint32_t)known->paths.n);
    vec_push(&known->paths, alloc_text(path, n));
    return *vec_last(&known->paths);
}

static struct inline_call call_of(struct inliner *inliner, struct known_image *known,
                                  const struct inline_site *site)
{
    const char *path = inlines_call_file(known->open, site);
    return (struct inline_call){.file = intern_path(inliner, known, path), .line = site->call_line};
}

// One block of memory, since chains live long and are many.
static struct inline_chain *chain_new(const struct inline_function *const *at,
                                      const struct inline_call *calls, uint32_t n,
                                      size_t *ret_bytes)
{
    size_t head = sizeof(struct inline_chain) + n * sizeof at[0];
    *ret_bytes = head + n * sizeof calls[0];
    struct inline_chain *chain = alloc_zeroed(1, *ret_bytes);
    chain->n = n;
    chain->calls = memcpy((uint8_t *)chain + head, calls, n * sizeof calls[0]);
    memcpy(chain->at, at, n * sizeof at[0]);
    return chain;
}

// The number of the chain, plus one.
static uint32_t intern_chain(struct inliner *inliner, struct known_image *known,
                             const struct inline_site *const *sites, uint32_t n)
{
    const struct inline_function *at[LIMIT_INLINE_DEPTH];
    struct inline_call calls[LIMIT_INLINE_DEPTH];
    for (uint32_t i = 0; i < n; i++) {
        at[i] = function_of(inliner, known, sites[i]);
        calls[i] = call_of(inliner, known, sites[i]);
    }
    uint64_t hash = hash_pair(hash_bytes(at, n * sizeof at[0]),
                              hash_bytes(calls, n * sizeof calls[0]));
    size_t cursor = 0;
    for (uint32_t id; (id = map_find_from(&known->by_chain, hash, &cursor)) != MAP_NONE;) {
        const struct inline_chain *chain = known->chains.at[id];
        if (chain->n == n && memcmp(chain->at, at, n * sizeof at[0]) == 0 &&
            memcmp(chain->calls, calls, n * sizeof calls[0]) == 0) {
            return id + 1;
        }
    }
    size_t bytes;
    vec_push(&known->chains, chain_new(at, calls, n, &bytes));
    account(inliner, bytes);
    uint32_t id = (uint32_t)known->chains.n - 1;
    map_add(&known->by_chain, hash, id);
    return id + 1;
}

// ---- Files -------------------------------------------------------------------------------------

static void close_file(struct known_image *known)
{
    inlines_close(TAKE(known->open));
    map_fini(&known->by_site); // its sites are gone
}

static void close_all(struct inliner *inliner)
{
    for (size_t i = 0; i < inliner->images.n; i++) {
        if (inliner->images.at[i] != NULL) {
            close_file(inliner->images.at[i]);
        }
    }
}

// Closes those that were not used for the longest, until the rest is small enough or one.
static void close_some(struct inliner *inliner)
{
    for (;;) {
        uint64_t bytes = 0;
        size_t n_open = 0;
        struct known_image *oldest = NULL;
        for (size_t i = 0; i < inliner->images.n; i++) {
            struct known_image *known = inliner->images.at[i];
            if (known == NULL || known->open == NULL) {
                continue;
            }
            bytes += inlines_bytes(known->open);
            n_open++;
            oldest = oldest == NULL || known->last_used < oldest->last_used ? known : oldest;
        }
        if (n_open < 2 || bytes <= LIMIT_INLINE_OPEN_BYTES) {
            return;
        }
        close_file(oldest);
    }
}

static void open_file(struct inliner *inliner, struct known_image *known)
{
    if (known->open != NULL || known->failed) {
        return;
    }
    struct err err = {0};
    int fd = image_debug_open(known->image, &err);
    if (fd >= 0) {
        // A file that is not ours could be opened: so the image has kept its root.
        bool is_ours = known->debug != NULL && known->debug->in_own_root;
        const struct image_root *root = is_ours ? NULL : known->image->root;
        inlines_open(fd, root, &inliner->stopping, &known->open, &err);
    }
    known->failed = known->open == NULL;
    known->note = err;
}

// The image, and the right file of it.
static struct known_image *meet(struct inliner *inliner, struct image *image)
{
    vec_grow_zeroed(&inliner->images, (size_t)image->id + 1);
    struct known_image **known = &inliner->images.at[image->id];
    if (*known == NULL) {
        *known = NEW(struct known_image);
        (*known)->image = image;
    }
    const struct image_debug *debug = atomic_load_explicit(&image->debug, memory_order_acquire);
    if ((*known)->debug != debug) {
        (*known)->debug = debug;
        (*known)->failed = false;
        close_file(*known);
        map_fini(&(*known)->chain_of);
    }
    (*known)->last_used = ++inliner->uses;
    return *known;
}

// ---- Looking up --------------------------------------------------------------------------------

static uint32_t look_up(struct inliner *inliner, struct known_image *known, uint64_t addr)
{
    open_file(inliner, known);
    if (known->open == NULL || inliner_bytes(inliner) > LIMIT_INLINE_BYTES) {
        return 0;
    }
    const struct inline_site *sites[LIMIT_INLINE_DEPTH];
    size_t n = inlines_find(known->open, addr, sites);
    uint32_t chain = n == 0 ? 0 : intern_chain(inliner, known, sites, (uint32_t)n);
    map_set(&known->chain_of, addr, chain);
    account(inliner, 2 * sizeof(struct map_slot));
    return chain;
}

static void answer(struct inliner *inliner, struct inline_batch *batch)
{
    struct known_image *known = meet(inliner, batch->image);
    for (size_t i = 0; i < batch->at.n; i++) {
        if (atomic_load_explicit(&inliner->stopping, memory_order_relaxed)) {
            break;
        }
        struct inline_address *at = &batch->at.at[i];
        uint32_t chain = map_find(&known->chain_of, at->addr);
        chain = chain != MAP_NONE ? chain : look_up(inliner, known, at->addr);
        at->chain = chain == 0 ? NULL : known->chains.at[chain - 1];
    }
    if (known->open != NULL) {
        inlines_note(known->open, &known->note);
    }
    batch->note = known->note;
    if (inliner_bytes(inliner) > LIMIT_INLINE_BYTES) {
        err_set(&batch->note, 0,
                "has inlined functions that are missing: more than %d bytes of "
                "them are known",
                LIMIT_INLINE_BYTES);
    }
}

// ---- Life --------------------------------------------------------------------------------------

static void *work(void *context)
{
    struct inliner *inliner = context;
    bool idle = false; // all files are closed
    for (;;) {
        uint64_t until_ns = idle ? UINT64_MAX : clock_now_ns() + (uint64_t)IDLE_S * NS_PER_S;
        bool is_closed;
        struct inline_batch *batch = queue_pop_until(&inliner->asked, until_ns, &is_closed);
        if (batch == NULL && is_closed) {
            return NULL;
        }
        if (batch == NULL) {
            close_all(inliner);
            idle = true;
            continue;
        }
        idle = false;
        if (!atomic_load_explicit(&batch->mailbox->closed, memory_order_relaxed)) {
            answer(inliner, batch);
        }
        inline_mailbox_put(batch);
        close_some(inliner);
    }
}

struct inliner *inliner_new(void)
{
    struct inliner *inliner = NEW(struct inliner);
    queue_init(&inliner->asked);
    ASSERT(thread_start(&inliner->worker, work, inliner) == 0);
    return inliner;
}

static void known_image_free(struct known_image *known)
{
    if (known == NULL) {
        return;
    }
    close_file(known);
    for (size_t i = 0; i < known->functions.n; i++) {
        free((char *)(uintptr_t)known->functions.at[i]->name);
        free(known->functions.at[i]);
    }
    for (size_t i = 0; i < known->chains.n; i++) {
        free(known->chains.at[i]);
    }
    for (size_t i = 0; i < known->paths.n; i++) {
        free(known->paths.at[i]);
    }
    vec_fini(&known->paths);
    vec_fini(&known->functions);
    vec_fini(&known->chains);
    map_fini(&known->by_path);
    map_fini(&known->by_name);
    map_fini(&known->by_chain);
    map_fini(&known->chain_of);
    free(known);
}

void inliner_free(struct inliner *inliner)
{
    if (inliner == NULL) {
        return;
    }
    atomic_store(&inliner->stopping, true);
    queue_close(&inliner->asked);
    ASSERT(pthread_join(inliner->worker, NULL) == 0);
    queue_fini(&inliner->asked);
    for (size_t i = 0; i < inliner->images.n; i++) {
        known_image_free(inliner->images.at[i]);
    }
    vec_fini(&inliner->images);
    free(inliner);
}

void inliner_ask(struct inliner *inliner, struct inline_batch *batch)
{
    queue_push(&inliner->asked, batch);
}

uint64_t inliner_bytes(const struct inliner *inliner)
{
    return atomic_load_explicit(&inliner->bytes, memory_order_relaxed);
}
