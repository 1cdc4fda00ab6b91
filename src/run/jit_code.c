#include "run/jit_code.h"

#include "base/limits.h"

enum {
    EPOCH_AGES = 512,               // an epoch lasts at least this part of the time so far
    EPOCHS_KEPT = 64,               // the last ones double in length
    IMAGES_KEPT = LIMIT_IMAGES / 2, // for everything that is no epoch
    LATER_MAX = 64, // of what has replaced late code by now: more need not be looked at
};

void jit_code_init(struct jit_code *jit, struct store *store, struct library *library,
                   uint64_t *space_versions)
{
    struct image_identity identity = {.kind = IMAGE_ANONYMOUS, .path = slice_of_text("[anon]")};
    *jit = (struct jit_code){
        .store = store,
        .library = library,
        .space_versions = space_versions,
        .anonymous = library_get(library, &identity, NULL),
    };
}

void jit_code_fini(struct jit_code *jit)
{
    map_fini(&jit->by_index);
}

void jit_process_init(struct jit_process *process)
{
    *process = (struct jit_process){
        .home = IMAGE_NONE, .image = IMAGE_NONE, .until_ns = UINT64_MAX};
}

void jit_process_fini(struct jit_process *process)
{
    code_ranges_fini(&process->live);
}

// ---- Epochs ------------------------------------------------------------------------------------

static image_id add_image(struct jit_code *jit, process_id id, uint64_t since_ns, uint64_t until_ns)
{
    struct image_row row = {
        .kind = IMAGE_ROW_ANONYMOUS,
        .path = strings_add(&jit->store->strings, slice_of_text("[anon]")),
        .library = jit->anonymous,
        .process = id,
        .since_ns = since_ns,
        .until_ns = until_ns,
    };
    return store_add_image(jit->store, &row);
}

static uint64_t epoch_ns(const struct jit_process *process, uint64_t now_ns)
{
    uint64_t age_ns = now_ns - MIN(now_ns, process->source_ns);
    bool last = process->n_epochs + EPOCHS_KEPT >= LIMIT_ANON_EPOCHS;
    return MAX(JIT_EPOCH_NS, last ? age_ns : age_ns / EPOCH_AGES);
}

static bool may_turn(const struct jit_code *jit, const struct jit_process *process)
{
    return process->n_epochs < LIMIT_ANON_EPOCHS &&
           atomic_load_explicit(&jit->store->images.n, memory_order_relaxed) < IMAGES_KEPT;
}

image_id jit_code_image(struct jit_code *jit, process_id id, struct jit_process *process,
                        uint64_t now_ns)
{
    if (process->image == IMAGE_NONE) {
        process->since_ns = now_ns;
        process->image = add_image(jit, id, now_ns, process->until_ns);
        process->home = process->image;
    }
    return process->image;
}

void jit_code_source(struct jit_process *process, uint64_t now_ns)
{
    if (!process->has_source) {
        process->has_source = true;
        process->source_ns = now_ns;
        process->until_ns = now_ns; // the next stack begins an epoch
    }
}

static void end_epoch(struct jit_code *jit, struct jit_process *process)
{
    if (process->image != IMAGE_NONE) {
        struct image_row *row = store_image_mut(jit->store, process->image);
        atomic_store_explicit(&row->until_ns, process->until_ns, memory_order_release);
    }
}

void jit_code_turn(struct jit_code *jit, process_id id, struct jit_process *process,
                   struct space *space, uint64_t now_ns)
{
    if (!may_turn(jit, process)) {
        process->until_ns = UINT64_MAX;
        end_epoch(jit, process);
        return;
    }
    end_epoch(jit, process);
    process->n_epochs++;
    process->since_ns = now_ns;
    process->until_ns = now_ns + epoch_ns(process, now_ns);
    process->image = add_image(jit, id, now_ns, process->until_ns);
    process->home = process->home == IMAGE_NONE ? process->image : process->home;
    for (size_t i = 0; i < space->mappings.n; i++) {
        struct mapping *mapping = &space->mappings.at[i];
        if (store_image(jit->store, mapping->image)->kind == IMAGE_ROW_ANONYMOUS) {
            mapping->image = process->image;
        }
    }
    space->version = ++*jit->space_versions;
}

// Known code was replaced at that time. If stacks of the epoch are older than that, those to come
// are better kept apart from them.
static void split_epoch(struct jit_process *process, uint64_t time_ns, uint64_t now_ns)
{
    uint64_t at_ns = MAX(time_ns, now_ns);
    if (time_ns > process->since_ns && at_ns < process->until_ns &&
        at_ns - process->since_ns >= JIT_EPOCH_SPLIT_NS &&
        process->n_epochs < LIMIT_ANON_EPOCHS / 2) {
        process->until_ns = at_ns;
    }
}

// ---- Code --------------------------------------------------------------------------------------

// Ends the code that [start, end) overlaps, at the time that the new code was loaded. What was
// loaded later than that stays, and the time of the first of it is returned: it ended the new one
// before that became known. UINT64_MAX: there is none.
static uint64_t end_overlapped(struct jit_code *jit, const struct code_ranges *live, uint64_t start,
                               uint64_t end, uint64_t time_ns)
{
    uint64_t ended_ns = UINT64_MAX;
    int n_later = 0;
    const struct code_span *range = code_ranges_find(live, start);
    while (range != NULL && range->start < end && n_later < LATER_MAX) {
        struct code_row *row = store_code_mut(jit->store, (uint32_t)range->what);
        if (row->loaded_ns > time_ns) {
            ended_ns = MIN(ended_ns, row->loaded_ns);
            n_later++;
        } else {
            atomic_store_explicit(&row->ended_ns, MAX(time_ns, UINT64_C(1)), memory_order_release);
        }
        range = code_ranges_find(live, range->end);
    }
    return ended_ns;
}

static bool add(struct jit_code *jit, process_id id, struct jit_process *process,
                struct code_row *row, uint64_t now_ns)
{
    jit_code_source(process, now_ns);
    uint64_t end = row->addr + row->size_bytes;
    uint64_t ended_ns = row->loaded_ns < process->exec_ns
                            ? process->exec_ns
                            : end_overlapped(jit, &process->live, row->addr, end, row->loaded_ns);
    atomic_init(&row->ended_ns, ended_ns == UINT64_MAX ? 0 : ended_ns);
    uint32_t code = store_add_code(jit->store, row);
    if (code == CODE_NONE) {
        store_count(jit->store, ACCOUNT_JIT_CODES_DROPPED, 1);
        return false;
    }
    map_set(&jit->by_index, hash_pair(id, row->index), code);
    if (ended_ns != UINT64_MAX) {
        return false;
    }
    if (code_ranges_put(&process->live, row->addr, end, code)) {
        split_epoch(process, row->loaded_ns, now_ns);
    }
    return true;
}

static bool is_range(uint64_t addr, uint64_t size_bytes)
{
    return size_bytes > 0 && size_bytes <= UINT64_MAX - addr;
}

// The strings of a run are bounded, and names of files and threads need some, too.
static bool has_strings(const struct jit_code *jit)
{
    const struct strings *strings = &jit->store->strings;
    return atomic_load_explicit(&strings->n, memory_order_relaxed) < LIMIT_JIT_STRINGS;
}

static string_id keep_bytes(struct jit_code *jit, struct slice bytes)
{
    if (bytes.n == 0) {
        return 0;
    }
    if (!has_strings(jit) || bytes.n > LIMIT_JIT_CODE_BYTES - jit->n_bytes) {
        store_count(jit->store, ACCOUNT_JIT_BYTES_DROPPED, bytes.n);
        return 0;
    }
    jit->n_bytes += bytes.n;
    return strings_add(&jit->store->strings, bytes);
}

bool jit_code_loaded(struct jit_code *jit, process_id id, struct jit_process *process,
                     const struct event *event, uint64_t now_ns)
{
    uint64_t size_bytes = event->code_loaded.size_bytes;
    if (!is_range(event->code_loaded.addr, size_bytes)) {
        return false;
    }
    if (!has_strings(jit)) {
        store_count(jit->store, ACCOUNT_JIT_CODES_DROPPED, 1);
        return false;
    }
    struct code_row row = {
        .process = id,
        .addr = event->code_loaded.addr,
        .size_bytes = size_bytes,
        .index = event->code_loaded.index,
        .loaded_ns = event->time_ns,
        .name = strings_add(&jit->store->strings, event->code_loaded.name),
        .code = keep_bytes(jit, event->code_loaded.code),
    };
    return add(jit, id, process, &row, now_ns);
}

bool jit_code_moved(struct jit_code *jit, process_id id, struct jit_process *process,
                    const struct event *event, uint64_t now_ns)
{
    uint32_t code = map_find(&jit->by_index, hash_pair(id, event->code_moved.index));
    if (code == MAP_NONE || !is_range(event->code_moved.to_addr, event->code_moved.size_bytes)) {
        return false;
    }
    struct code_row *old = store_code_mut(jit->store, code);
    if (old->process != id || old->index != event->code_moved.index ||
        old->addr != event->code_moved.from_addr || atomic_load(&old->ended_ns) != 0) {
        return false;
    }
    atomic_store_explicit(&old->ended_ns, MAX(event->time_ns, UINT64_C(1)), memory_order_release);
    code_ranges_remove(&process->live, old->addr, old->addr + old->size_bytes);
    struct code_row row = {
        .process = id,
        .addr = event->code_moved.to_addr,
        .size_bytes = event->code_moved.size_bytes,
        .index = old->index,
        .loaded_ns = event->time_ns,
        .name = old->name,
        .code = old->code,
    };
    return add(jit, id, process, &row, now_ns);
}

void jit_code_exec(struct jit_code *jit, struct jit_process *process, uint64_t now_ns)
{
    const struct code_span *range = code_ranges_find(&process->live, 0);
    while (range != NULL) {
        struct code_row *row = store_code_mut(jit->store, (uint32_t)range->what);
        atomic_store_explicit(&row->ended_ns, MAX(now_ns, UINT64_C(1)), memory_order_release);
        range = code_ranges_find(&process->live, range->end);
    }
    if (process->image != IMAGE_NONE) {
        process->until_ns = MIN(process->until_ns, now_ns);
        end_epoch(jit, process);
    }
    jit_process_fini(process);
    jit_process_init(process);
    process->exec_ns = now_ns;
}
