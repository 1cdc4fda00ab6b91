#include "image/library.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/thread.h"
#include "image/image_debug.h"
#include "image/image_file.h"
#include "image/image_load.h"
#include "image/inliner.h"
#include "image/saved_inlines.h"

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static struct slice last_part_of(struct slice path)
{
    const uint8_t *slash = path.n == 0 ? NULL : memrchr(path.data, '/', path.n);
    size_t skipped = slash == NULL ? 0 : (size_t)(slash - path.data) + 1;
    return (struct slice){.data = path.data + skipped, .n = path.n - skipped};
}

static bool same_root(const struct image_root_key *a, const struct image_root_key *b)
{
    return a->device == b->device && a->inode == b->inode && a->mount == b->mount;
}

// ---- Life of the workers -----------------------------------------------------------------------

// The last one to have read the file lets go of the directory that it is in.
static void finish_with_root(struct image *image)
{
    if (atomic_fetch_sub(&image->n_to_come, 1) == 1 && !image->keeps_root) {
        image_root_unref(TAKE(image->root));
    }
}

// ---- Symbols -----------------------------------------------------------------------------------

static void tell_change(struct library *library)
{
    atomic_fetch_add_explicit(&library->generation, 1, memory_order_release);
    pthread_mutex_lock(&library->done_lock);
    pthread_cond_broadcast(&library->symbols_done);
    pthread_mutex_unlock(&library->done_lock);
    if (library->on_change != NULL) {
        library->on_change(library->context);
    }
}

static void publish(struct library *library, struct image *image, struct image_loaded *loaded)
{
    image->note = loaded->note;
    image->stamp = loaded->stamp;
    image->was_changed = loaded->was_changed;
    image->file_build_id = loaded->build_id;
    image->has_dwarf = loaded->has_dwarf;
    atomic_store_explicit(&image->names_missing, loaded->names_missing, memory_order_relaxed);
    int state = loaded->symtab != NULL ? IMAGE_READY : IMAGE_FAILED;
    atomic_store_explicit(&image->debug, loaded->debug, memory_order_release);
    atomic_store_explicit(&image->symtab, loaded->symtab, memory_order_release);
    atomic_store_explicit(&image->state, state, memory_order_release);
    tell_change(library);
}

static void load_image(struct library *library, struct image *image)
{
    struct image_loaded loaded;
    image->loaded_unix_ns = clock_unix_ns();
    image_load(image, library->debug_path, &loaded);
    finish_with_root(image);
    publish(library, image, &loaded);
}

// Puts what was found in the place of what there was.
static void improve(struct library *library, struct image *image, const char *path)
{
    struct image_debug *old = atomic_load_explicit(&image->debug, memory_order_relaxed);
    struct symtab *symtab = NULL;
    struct image_debug *debug = image_debug_add(image, path, &symtab);
    if (debug->path == NULL && old != NULL && old->path != NULL) {
        image_debug_free(debug); // what there is is better
        return;
    }
    if (debug->path != NULL && symtab == NULL) { // DWARF alone: what is missing stays missing
        err_set(&debug->note, 0, "%s", image_note(image));
    }
    debug->older = old;
    atomic_store_explicit(&image->debug, debug, memory_order_release);
    if (symtab != NULL) {
        vec_push(&library->replaced, atomic_load_explicit(&image->symtab, memory_order_relaxed));
        atomic_store_explicit(&image->symtab, symtab, memory_order_release);
        atomic_store_explicit(&image->names_missing, false, memory_order_relaxed);
    }
    tell_change(library);
}

static void load_symbols(struct library *library, const struct wanted_job *job)
{
    if (job->debug_file == NULL) {
        load_image(library, job->image);
    } else if (atomic_load_explicit(&job->image->state, memory_order_relaxed) == IMAGE_READY) {
        improve(library, job->image, job->debug_file);
    }
}

// ---- Rules, and both workers -------------------------------------------------------------------

static void load_rules(struct library *library, const struct wanted_job *job)
{
    struct image *image = job->image;
    struct cfi_table *table = image_load_cfi(image, &image->cfi_facts, &image->cfi_note);
    finish_with_root(image);
    atomic_store_explicit(&image->cfi, table, memory_order_release);
    atomic_store_explicit(&image->cfi_state, table != NULL ? IMAGE_READY : IMAGE_FAILED,
                          memory_order_release);
    atomic_fetch_add_explicit(&library->cfi_generation, 1, memory_order_release);
    pthread_mutex_lock(&library->done_lock);
    pthread_cond_broadcast(&library->cfi_done);
    pthread_mutex_unlock(&library->done_lock);
}

static void *work(void *context)
{
    struct library_worker *worker = context;
    for (struct wanted_job job; wanted_pop(&worker->wanted, &job);) {
        worker->load(worker->library, &job);
        free(job.debug_file);
    }
    return NULL;
}

// Signals are for the thread that started us.
static void worker_start(struct library_worker *worker, struct library *library,
                         void (*load)(struct library *library, const struct wanted_job *job))
{
    worker->library = library;
    worker->load = load;
    wanted_init(&worker->wanted);
    ASSERT(thread_start(&worker->thread, work, worker) == 0);
}

static void worker_stop(struct library_worker *worker)
{
    wanted_close(&worker->wanted);
    ASSERT(pthread_join(worker->thread, NULL) == 0);
    wanted_fini(&worker->wanted);
}

static void init_waiting(struct library *library)
{
    pthread_condattr_t attributes;
    ASSERT(pthread_mutex_init(&library->done_lock, NULL) == 0);
    ASSERT(pthread_condattr_init(&attributes) == 0);
    ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(&library->cfi_done, &attributes) == 0);
    ASSERT(pthread_cond_init(&library->symbols_done, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

static void init_table(struct library *library)
{
    library->images = NEW_ARRAY(struct image * _Atomic, LIMIT_LOADED_IMAGES);
    ASSERT(pthread_mutex_init(&library->lock, NULL) == 0);
    init_waiting(library);
}

void library_init(struct library *library, void (*on_change)(void *context), void *context)
{
    *library = (struct library){.on_change = on_change, .context = context};
    init_table(library);
    const char *debug_path = getenv("STAX_DEBUG_PATH");
    library->debug_path = debug_path == NULL ? NULL : alloc_text(debug_path, strlen(debug_path));
    worker_start(&library->symbols, library, load_symbols);
    worker_start(&library->rules, library, load_rules);
    library->inliner = inliner_new();
}

void library_init_saved(struct library *library)
{
    *library = (struct library){.is_saved = true};
    init_table(library);
}

static void image_free(struct image *image)
{
    cfi_table_free(atomic_load(&image->cfi));
    symtab_free(atomic_load(&image->symtab));
    image_debug_free(atomic_load(&image->debug));
    saved_inlines_free(image->saved_inlines);
    image_root_unref(image->root);
    free(image->path);
    free(image);
}

void library_fini(struct library *library)
{
    if (!library->is_saved) {
        worker_stop(&library->symbols);
        worker_stop(&library->rules);
    }
    inliner_free(library->inliner);
    for (uint32_t i = 0; i < library->n; i++) {
        image_free(library_at(library, i));
    }
    for (size_t i = 0; i < library->replaced.n; i++) {
        symtab_free(library->replaced.at[i]);
    }
    for (size_t i = 0; i < library->kept_roots.n; i++) {
        image_root_unref(library->kept_roots.at[i]);
    }
    vec_fini(&library->replaced);
    vec_fini(&library->kept_roots);
    free(library->debug_path);
    free(library->images);
    map_fini(&library->by_identity);
    pthread_cond_destroy(&library->symbols_done);
    pthread_cond_destroy(&library->cfi_done);
    pthread_mutex_destroy(&library->done_lock);
    pthread_mutex_destroy(&library->lock);
}

// ---- Which image is it? ------------------------------------------------------------------------

static uint64_t hash_identity(const struct image_identity *identity)
{
    struct slice name = last_part_of(identity->path);
    uint64_t id = hash_bytes(identity->build_id.at, identity->build_id.n);
    uint64_t hash = hash_pair(id, hash_bytes(name.data, name.n));
    return hash_pair(hash, (uint64_t)identity->kind);
}

static bool is_failed(const struct image *image)
{
    return atomic_load_explicit(&image->state, memory_order_acquire) == IMAGE_FAILED;
}

static bool matches(const struct image *image, const struct image_identity *identity,
                    const struct image_root_key *root)
{
    if (image->kind != identity->kind || image->build_id.n != identity->build_id.n ||
        memcmp(image->build_id.at, identity->build_id.at, image->build_id.n) != 0) {
        return false;
    }
    bool is_here = slice_equal(slice_of_text(image->path), identity->path);
    if (image->kind != IMAGE_FILE) {
        return is_here;
    }
    bool is_same_root = same_root(&image->root_key, root);
    if (image->build_id.n > 0) {
        // One that could not be read here may well be readable there.
        return slice_equal(slice_of_text(last_part(image->path)), last_part_of(identity->path)) &&
               ((is_here && is_same_root) || !is_failed(image));
    }
    return is_here && image->device == identity->device && image->inode == identity->inode &&
           (image->inode != 0 || is_same_root);
}

// The newest image of this identity, or MAP_NONE. Under the lock.
static uint32_t find_newest(const struct library *library, uint64_t hash,
                            const struct image_identity *identity,
                            const struct image_root_key *root)
{
    uint32_t newest = MAP_NONE;
    size_t cursor = 0;
    for (uint32_t id; (id = map_find_from(&library->by_identity, hash, &cursor)) != MAP_NONE;) {
        if (matches(library_at(library, id), identity, root) &&
            (newest == MAP_NONE || id > newest)) {
            newest = id;
        }
    }
    return newest;
}

// Whether `image`, found by its identity, can stand for this mapping too.
static bool still_right(const struct image *image, const struct image_identity *identity,
                        const struct image_root *root)
{
    int state = atomic_load_explicit(&image->state, memory_order_acquire);
    bool is_done = state == IMAGE_READY || state == IMAGE_FAILED;
    bool vouches_for_itself = state == IMAGE_READY &&
                              (image->build_id.n > 0 || image->kind != IMAGE_FILE);
    if (!is_done || vouches_for_itself || identity->mapped_unix_ns == 0) {
        return true;
    }
    if (identity->mapped_unix_ns <= image->loaded_unix_ns) {
        // Mapped before it was read: right unless it was changed in between.
        return state == IMAGE_FAILED || image->stamp.changed_unix_ns <= identity->mapped_unix_ns;
    }
    if (image->kind != IMAGE_FILE || image->was_changed) {
        return false; // worth another try
    }
    struct image_stamp now = image_stamp_now(root, image->path);
    return now.inode == image->stamp.inode && now.size == image->stamp.size &&
           now.changed_unix_ns == image->stamp.changed_unix_ns;
}

// What is no file has no rules, and nobody has to wait to learn that.
static void init_cfi(struct image *image)
{
    bool is_file = image->kind == IMAGE_FILE && image->path[0] == '/';
    bool may_have = is_file || image->kind == IMAGE_VDSO;
    atomic_init(&image->cfi_state, may_have ? IMAGE_NEW : IMAGE_FAILED);
    atomic_init(&image->n_to_come, may_have ? 2 : 1);
    if (!may_have) {
        err_set(&image->cfi_note, 0, "is not a file: nothing says how to unwind it");
    }
}

// Directories are descriptors, and of these there are not many. Under the lock.
static bool keep_root(struct library *library, struct image_root *root)
{
    for (size_t i = 0; i < library->kept_roots.n; i++) {
        if (library->kept_roots.at[i] == root) {
            return true;
        }
    }
    if (library->kept_roots.n == LIMIT_KEPT_ROOTS) {
        return false;
    }
    vec_push(&library->kept_roots, image_root_ref(root));
    return true;
}

static struct image *image_new(const struct image_identity *identity, struct image_root *root)
{
    struct image *image = NEW(struct image);
    image->kind = identity->kind;
    image->path = alloc_text((const char *)identity->path.data, identity->path.n);
    image->build_id = identity->build_id;
    image->device = identity->device;
    image->inode = identity->inode;
    image->mapped_unix_ns = identity->mapped_unix_ns;
    image->root = image_root_ref(root);
    image->root_key = image_root_key(root);
    atomic_init(&image->state, identity->kind == IMAGE_ANONYMOUS ? IMAGE_READY : IMAGE_NEW);
    init_cfi(image);
    return image;
}

static uint32_t append(struct library *library, struct image *image)
{
    uint32_t id = atomic_load_explicit(&library->n, memory_order_relaxed);
    image->id = id;
    atomic_store_explicit(&library->images[id], image, memory_order_release);
    atomic_store_explicit(&library->n, id + 1, memory_order_release);
    return id;
}

// Stands for every image that has no place any more.
static uint32_t add_overflow(struct library *library, struct image_root *root)
{
    struct image_identity identity = {.kind = IMAGE_FILE,
                                      .path = slice_of_text("[too many files]")};
    struct image *image = image_new(&identity, root);
    image_root_unref(TAKE(image->root));
    err_set(&image->note, 0, "more than %d different files were mapped; the rest has no names",
            LIMIT_LOADED_IMAGES - 1);
    atomic_store(&image->state, IMAGE_FAILED);
    return append(library, image);
}

// Under the lock.
static uint32_t add(struct library *library, uint64_t hash, const struct image_identity *identity,
                    struct image_root *root)
{
    uint32_t n = atomic_load_explicit(&library->n, memory_order_relaxed);
    if (n == LIMIT_LOADED_IMAGES) {
        return n - 1;
    }
    if (n == LIMIT_LOADED_IMAGES - 1) {
        return add_overflow(library, root);
    }
    struct image *image = image_new(identity, root);
    image->keeps_root = keep_root(library, root);
    uint32_t id = append(library, image);
    map_add(&library->by_identity, hash, id);
    return id;
}

uint32_t library_get(struct library *library, const struct image_identity *identity,
                     struct image_root *root)
{
    ASSERT(!library->is_saved);
    struct image_identity kept = *identity;
    kept.path.n = MIN(kept.path.n, (size_t)LIMIT_NAME_BYTES);
    uint64_t hash = hash_identity(&kept);
    struct image_root_key root_key = image_root_key(root);
    for (uint32_t outdated = MAP_NONE;;) {
        pthread_mutex_lock(&library->lock);
        uint32_t id = find_newest(library, hash, &kept, &root_key);
        bool is_new = id == MAP_NONE || id == outdated;
        if (is_new) {
            id = add(library, hash, &kept, root);
        }
        pthread_mutex_unlock(&library->lock);
        if (is_new || still_right(library_at(library, id), &kept, root)) {
            return id;
        }
        outdated = id; // unless somebody was faster, there will be a new one
    }
}

// ---- Its symbols, please
// -------------------------------------------------------------------------

void library_want(struct library *library, uint32_t id)
{
    struct image *image = library_at(library, id);
    int expected = IMAGE_NEW;
    if (atomic_compare_exchange_strong(&image->state, &expected, IMAGE_QUEUED)) {
        wanted_push(&library->symbols.wanted, image, NULL);
    }
}

static bool is_done(const struct image *image)
{
    int state = atomic_load_explicit(&image->state, memory_order_acquire);
    return state == IMAGE_READY || state == IMAGE_FAILED;
}

// Until `done` is true of the image, or until that moment; whether it is.
static bool await(struct library *library, pthread_cond_t *cond, const struct image *image,
                  bool (*done)(const struct image *image), uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                             .tv_nsec = (long)(until_ns % NS_PER_S)};
    pthread_mutex_lock(&library->done_lock);
    while (!done(image) && pthread_cond_timedwait(cond, &library->done_lock, &until) == 0) {
    }
    pthread_mutex_unlock(&library->done_lock);
    return done(image);
}

bool library_await_symbols(struct library *library, uint32_t id, uint64_t until_ns)
{
    return await(library, &library->symbols_done, library_at(library, id), is_done, until_ns);
}

void library_heat(struct library *library, uint32_t id, uint64_t n_samples)
{
    atomic_fetch_add_explicit(&library_at(library, id)->heat, n_samples, memory_order_relaxed);
}

struct image *library_at(const struct library *library, uint32_t id)
{
    ASSERT(id < atomic_load_explicit(&library->n, memory_order_acquire));
    return atomic_load_explicit(&library->images[id], memory_order_acquire);
}

const struct symtab *image_symtab(const struct image *image)
{
    return atomic_load_explicit(&image->symtab, memory_order_acquire);
}

// ---- Better names ------------------------------------------------------------------------------

static bool is_missing(const struct image *image)
{
    return atomic_load_explicit(&image->state, memory_order_acquire) == IMAGE_READY &&
           atomic_load_explicit(&image->names_missing, memory_order_relaxed) &&
           !atomic_load_explicit(&image->fetch_claimed, memory_order_relaxed);
}

static struct image *hottest_missing(const struct library *library)
{
    struct image *hottest = NULL;
    uint64_t most = 0;
    uint32_t n = atomic_load_explicit(&library->n, memory_order_acquire);
    for (uint32_t id = 0; id < n; id++) {
        struct image *image = library_at(library, id);
        uint64_t heat = atomic_load_explicit(&image->heat, memory_order_relaxed);
        if (is_missing(image) && (hottest == NULL || heat > most)) {
            hottest = image;
            most = heat;
        }
    }
    return hottest;
}

uint32_t library_next_missing(struct library *library)
{
    for (struct image *image; (image = hottest_missing(library)) != NULL;) {
        if (!atomic_exchange(&image->fetch_claimed, true)) { // nobody was faster
            return image->id;
        }
    }
    return LIBRARY_NONE;
}

void library_missing_again(struct library *library, uint32_t id)
{
    atomic_store(&library_at(library, id)->fetch_claimed, false);
}

void library_add_debug_file(struct library *library, uint32_t id, const char *path)
{
    wanted_push(&library->symbols.wanted, library_at(library, id), alloc_text(path, strlen(path)));
}

// ---- Unwinding ---------------------------------------------------------------------------------

const struct cfi_table *image_cfi(const struct image *image)
{
    return atomic_load_explicit(&image->cfi, memory_order_acquire);
}

bool image_cfi_is_done(const struct image *image)
{
    int state = atomic_load_explicit(&image->cfi_state, memory_order_acquire);
    return state == IMAGE_READY || state == IMAGE_FAILED;
}

void library_want_cfi(struct library *library, uint32_t id)
{
    struct image *image = library_at(library, id);
    int expected = IMAGE_NEW;
    if (atomic_compare_exchange_strong(&image->cfi_state, &expected, IMAGE_QUEUED)) {
        wanted_push(&library->rules.wanted, image, NULL);
    }
}

bool library_await_cfi(struct library *library, uint32_t id, uint64_t until_ns)
{
    struct image *image = library_at(library, id);
    if (image_cfi_is_done(image)) {
        return true;
    }
    atomic_store_explicit(&image->awaited, true, memory_order_relaxed);
    return await(library, &library->cfi_done, image, image_cfi_is_done, until_ns);
}

// ---- Inlined functions -------------------------------------------------------------------------

static void answer_saved(struct inline_batch *batch)
{
    const struct image *image = batch->image;
    for (size_t i = 0; i < batch->at.n; i++) {
        struct inline_address *at = &batch->at.at[i];
        at->chain = image->saved_inlines == NULL
                        ? NULL
                        : saved_inlines_find(image->saved_inlines, at->addr);
    }
    batch->note = image->saved_inline_note;
    inline_mailbox_put(batch);
}

void library_want_inlines(struct library *library, struct inline_batch *batch)
{
    if (library->is_saved) {
        answer_saved(batch);
    } else {
        inliner_ask(library->inliner, batch);
    }
}

// ---- Saved ones --------------------------------------------------------------------------------

static void take_over(struct image *image, struct saved_names *names)
{
    image->is_saved = true;
    image->file_build_id = names->build_id;
    image->note = names->note;
    image->has_dwarf = names->has_dwarf || names->inlines != NULL;
    image->saved_inlines = TAKE(names->inlines);
    image->saved_inline_note = names->inline_note;
    image->saved_symbols = names->n_symbols;
    bool is_ready = names->symtab != NULL || image->kind == IMAGE_ANONYMOUS;
    atomic_store(&image->symtab, TAKE(names->symtab));
    atomic_store(&image->state, is_ready ? IMAGE_READY : IMAGE_FAILED);
    atomic_store(&image->cfi_state, IMAGE_FAILED);
    err_set(&image->cfi_note, 0, "was saved without what says how to unwind it");
}

uint32_t library_add_saved(struct library *library, const struct image_identity *identity,
                           struct saved_names *names)
{
    ASSERT(library->is_saved);
    uint32_t n = atomic_load_explicit(&library->n, memory_order_relaxed);
    if (n >= LIMIT_LOADED_IMAGES - 1) {
        symtab_free(TAKE(names->symtab));
        saved_inlines_free(TAKE(names->inlines));
        return n == LIMIT_LOADED_IMAGES ? n - 1 : add_overflow(library, NULL);
    }
    struct image_identity kept = *identity;
    kept.path.n = MIN(kept.path.n, (size_t)LIMIT_NAME_BYTES);
    struct image *image = image_new(&kept, NULL);
    take_over(image, names);
    return append(library, image);
}
