#include "archive/test_support.h"

#include "base/alloc.h"
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

uint64_t random_next(uint64_t *random, uint64_t n)
{
    *random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (*random >> 33) % n;
}

static uint64_t pick(struct random_run *run, uint64_t n)
{
    return random_next(&run->random, n);
}

// ---- Runs by chance -----------------------------------------------------------------------------

static string_id add_name(struct random_run *run, const char *what)
{
    char name[40];
    int n = snprintf(name, sizeof name, "%s %llu", what, (unsigned long long)pick(run, 5000));
    if (pick(run, 50) == 0) {
        name[0] = (char)0xff; // not of any text
        name[1] = 0;
    }
    return strings_add(&run->store->strings, (struct slice){(const uint8_t *)name, (size_t)n});
}

static void add_image(struct random_run *run)
{
    struct image_row row = {
        .kind = pick(run, 3) == 0 ? IMAGE_ROW_ANONYMOUS : IMAGE_ROW_FILE,
        .path = add_name(run, "/lib"),
        .load_bias = 0 - pick(run, 1 << 30),
        .process = (process_id)pick(run, atomic_load(&run->store->processes.n)),
        .since_ns = run->now_ns,
    };
    if (pick(run, 2) == 0) {
        row.build_id = strings_add(&run->store->strings, slice_of_text("\x01\xfe build id"));
    }
    store_add_image(run->store, &row);
}

static void add_process(struct random_run *run)
{
    process_id id = store_add_process(run->store, (uint32_t)pick(run, 30000), 1, run->now_ns,
                                      add_name(run, "process"));
    if (pick(run, 2) == 0) {
        atomic_store(&store_process_mut(run->store, id)->main_image,
                     (image_id)pick(run, atomic_load(&run->store->images.n)));
    }
}

static void add_thread(struct random_run *run)
{
    process_id process = (process_id)pick(run, atomic_load(&run->store->processes.n));
    uint32_t tid = (uint32_t)pick(run, 30000);
    if (pick(run, 5) == 0) {
        store_add_foreign_thread(run->store, 1, tid, process, run->now_ns, add_name(run, "other"));
    } else {
        store_add_thread(run->store, 1, tid, process, run->now_ns, add_name(run, "thread"));
    }
}

static void add_code(struct random_run *run)
{
    struct code_row row = {
        .process = (process_id)pick(run, atomic_load(&run->store->processes.n)),
        .addr = pick(run, 1 << 30) << 12,
        .size_bytes = 1 + pick(run, 4096),
        .index = pick(run, 10),
        .loaded_ns = run->now_ns,
        .name = add_name(run, "function"),
        .code = add_name(run, "\x90\x90\xc3"),
    };
    store_add_code(run->store, &row);
}

static stack_id add_stack(struct random_run *run)
{
    struct stacks *stacks = &run->store->stacks;
    stack_id at = STACK_ROOT;
    bool cut = false;
    size_t depth = pick(run, 24);
    for (size_t i = 0; i < depth; i++) {
        struct frame_row frame = {
            .off = pick(run, i < 12 ? 3 : 300),
            .image = (image_id)pick(run, MIN(atomic_load(&run->store->images.n), 4U)),
            .leaf = i + 1 == depth,
        };
        at = stacks_push(stacks, at, stacks_frame(stacks, &frame), &cut);
    }
    return at;
}

static thread_id any_thread(struct random_run *run)
{
    return (thread_id)pick(run, atomic_load(&run->store->threads.n));
}

static void end_stay(struct random_run *run, thread_id thread, const struct thread_off *off,
                     uint8_t more_flags)
{
    store_add_interval(run->store, &(struct interval){
                                       .start_ns = off->since_ns,
                                       .duration_ns = run->now_ns - off->since_ns,
                                       .reason = off->reason,
                                       .flags = off->flags | more_flags,
                                       .thread = thread,
                                       .stack = off->stack,
                                   });
}

// Off, ready, on again.
static void switch_thread(struct random_run *run)
{
    thread_id thread = any_thread(run);
    struct thread_off off;
    if (!store_thread_off(run->store, thread, &off)) {
        off = (struct thread_off){.since_ns = run->now_ns,
                                  .stack = add_stack(run),
                                  .reason = (uint8_t)pick(run, 5),
                                  .flags = pick(run, 3) == 0 ? INTERVAL_APPROXIMATE : 0};
        store_set_off(run->store, thread, &off);
        return;
    }
    end_stay(run, thread, &off, 0);
    if ((off.flags & INTERVAL_RUNNABLE) == 0 && pick(run, 2) == 0) {
        struct wakeup wakeup = {.time_ns = run->now_ns,
                                .wakee = thread,
                                .waker = pick(run, 4) == 0 ? THREAD_INTERRUPT : any_thread(run),
                                .stack = add_stack(run),
                                .approximate = pick(run, 9) == 0};
        store_add_wakeup(run->store, &wakeup);
        off = (struct thread_off){
            .since_ns = run->now_ns, .stack = off.stack, .flags = INTERVAL_RUNNABLE};
        store_set_off(run->store, thread, &off);
    } else {
        store_set_off(run->store, thread, NULL);
    }
}

static void add_sample(struct random_run *run)
{
    thread_id thread = any_thread(run);
    stack_id stack = add_stack(run);
    store_add_sample(run->store, run->now_ns, thread, stack);
    atomic_store(&store_thread_mut(run->store, thread)->last_stack, stack);
    store_count(run->store, ACCOUNT_FRAMES, 3);
    store_count_event(run->store, (uint32_t)pick(run, 4));
    if (pick(run, 8) == 0) {
        struct counter_row row = {
            .sample = atomic_load(&run->store->samples.n) - 1, .valid = 1, .delta = {run->now_ns}};
        store_add_counters(run->store, &row);
    }
}

static void change_something(struct random_run *run)
{
    struct store *store = run->store;
    switch (pick(run, 5)) {
    case 0:
        atomic_store(&store_thread_mut(store, any_thread(run))->name, add_name(run, "renamed"));
        break;
    case 1: {
        struct process_row *row = store_process_mut(
            store, (process_id)pick(run, atomic_load(&store->processes.n)));
        atomic_store(&row->ended_ns, run->now_ns);
        atomic_store(&row->name, add_name(run, "exec"));
        break;
    }
    case 2:
        atomic_store(
            &store_image_mut(store, (image_id)pick(run, atomic_load(&store->images.n)))->until_ns,
            run->now_ns);
        break;
    case 3:
        if (atomic_load(&store->codes.n) > 0) {
            uint32_t code = (uint32_t)pick(run, atomic_load(&store->codes.n));
            atomic_store(&store_code_mut(store, code)->ended_ns, run->now_ns);
        }
        break;
    default:
        atomic_store(&store_thread_mut(store, any_thread(run))->ended_ns, run->now_ns);
    }
}

void random_run_init(struct random_run *run, uint64_t seed)
{
    *run = (struct random_run){.random = seed, .now_ns = 1000000};
    run->store = store_new(run->now_ns, UINT64_C(1700000000000000000), 1111);
    run->store->has_switches = true;
    add_process(run);
    add_image(run);
    add_thread(run);
}

void random_run_go_on(struct random_run *run, size_t n_events)
{
    static void (*const rare[])(struct random_run * run) = {add_image, add_process, add_thread,
                                                            add_code, change_something};
    for (size_t i = 0; i < n_events; i++) {
        run->now_ns += pick(run, 1000);
        atomic_store_explicit(&run->store->last_ns, run->now_ns, memory_order_release);
        uint64_t what = pick(run, 1000);
        if (what < 10) {
            rare[pick(run, ARRAY_LEN(rare))](run);
        } else if (what < 600) {
            add_sample(run);
        } else {
            switch_thread(run);
        }
    }
}

void random_run_end(struct random_run *run)
{
    for (thread_id id = 0; id < atomic_load(&run->store->threads.n); id++) {
        struct thread_off off;
        if (store_thread_off(run->store, id, &off)) {
            end_stay(run, id, &off, INTERVAL_ENDED_BY_RUN);
            store_set_off(run->store, id, NULL);
        }
    }
    atomic_store(&run->store->ended_ns, atomic_load(&run->store->last_ns));
}

// ---- Comparing ----------------------------------------------------------------------------------

static void check_rows(const struct store *store, const struct store *copy, enum row_table table)
{
    uint64_t n = store_rows(copy, table);
    ASSERT(n <= store_rows(store, table));
    const struct row_layout *layout = row_layout(table);
    for (uint64_t at = 0; at < n;) {
        struct row_block a;
        struct row_block b;
        store_pin(store, table, at, n, &a);
        store_pin(copy, table, at, n, &b);
        size_t here = MIN(a.n, b.n);
        for (size_t i = 0; i < layout->n_columns; i++) {
            ASSERT(memcmp(a.columns[i], b.columns[i], here * layout->row_bytes[i]) == 0);
        }
        store_unpin(copy, &b);
        store_unpin(store, &a);
        at += here;
    }
}

static void check_tree(const struct store *store, const struct store *copy)
{
    for (frame_id i = 0; i < atomic_load(&copy->stacks.n_frames); i++) {
        const struct frame_row *a = stacks_get_frame(&store->stacks, i);
        const struct frame_row *b = stacks_get_frame(&copy->stacks, i);
        ASSERT(a->off == b->off && a->image == b->image && a->leaf == b->leaf);
    }
    for (stack_id i = 1; i < atomic_load(&copy->stacks.n_nodes); i++) {
        const struct stack_row *a = stacks_get(&store->stacks, i);
        const struct stack_row *b = stacks_get(&copy->stacks, i);
        ASSERT(a->caller == b->caller && a->frame == b->frame);
    }
}

static void check_ids(const struct store *store, const struct store *copy)
{
    for (string_id i = 0; i < atomic_load(&copy->strings.n); i++) {
        ASSERT(slice_equal(strings_get(&store->strings, i), strings_get(&copy->strings, i)));
    }
    for (image_id i = 0; i < atomic_load(&copy->images.n); i++) {
        const struct image_row *a = store_image(store, i);
        const struct image_row *b = store_image(copy, i);
        ASSERT(a->kind == b->kind && a->path == b->path && a->build_id == b->build_id);
        ASSERT(a->load_bias == b->load_bias && a->since_ns == b->since_ns);
        ASSERT(a->process == b->process || b->process == PROCESS_NONE);
    }
    for (process_id i = 0; i < atomic_load(&copy->processes.n); i++) {
        const struct process_row *a = store_process(store, i);
        const struct process_row *b = store_process(copy, i);
        ASSERT(a->pid == b->pid && a->parent_pid == b->parent_pid);
        ASSERT(a->started_ns == b->started_ns);
    }
    for (thread_id i = 0; i < atomic_load(&copy->threads.n); i++) {
        const struct thread_row *a = store_thread(store, i);
        const struct thread_row *b = store_thread(copy, i);
        ASSERT(a->pid == b->pid && a->tid == b->tid && a->process == b->process);
        ASSERT(a->foreign == b->foreign && a->started_ns == b->started_ns);
    }
    for (uint32_t i = 0; i < atomic_load(&copy->codes.n); i++) {
        const struct code_row *a = store_code(store, i);
        const struct code_row *b = store_code(copy, i);
        ASSERT(a->process == b->process && a->addr == b->addr && a->index == b->index);
        ASSERT(a->size_bytes == b->size_bytes && a->loaded_ns == b->loaded_ns);
        ASSERT(a->name == b->name && a->code == b->code);
    }
}

// Every stay off the CPU that began before the end of the copy and lasted on is open in it, and
// nothing else is.
static void check_open_stays(const struct store *store, const struct store *copy, uint64_t end_ns)
{
    uint32_t n = atomic_load(&copy->threads.n);
    struct thread_off *wanted = NEW_ARRAY(struct thread_off, n);
    for (thread_id i = 0; i < n; i++) {
        if (!store_thread_off(store, i, &wanted[i]) || wanted[i].since_ns >= end_ns) {
            wanted[i].since_ns = 0;
        }
    }
    uint64_t n_intervals = store_rows(store, ROW_INTERVALS);
    for (uint64_t i = store_rows(copy, ROW_INTERVALS); i < n_intervals; i++) {
        struct interval row = intervals_get(&store->intervals, i);
        if (row.thread < n && row.start_ns < end_ns && wanted[row.thread].since_ns == 0) {
            wanted[row.thread] = (struct thread_off){
                .since_ns = row.start_ns, .stack = row.stack, .reason = row.reason};
        }
    }
    for (thread_id i = 0; i < n; i++) {
        struct thread_off off;
        bool is_off = store_thread_off(copy, i, &off);
        ASSERT(is_off == (wanted[i].since_ns != 0));
        ASSERT(!is_off || (off.since_ns == wanted[i].since_ns && off.stack == wanted[i].stack &&
                           off.reason == wanted[i].reason));
    }
    free(wanted);
}

// What changes in place, and counts: in the end.
static void check_ends(const struct store *store, const struct store *copy)
{
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        ASSERT(store_rows(store, table) == store_rows(copy, table));
    }
    ASSERT(atomic_load(&store->threads.n) == atomic_load(&copy->threads.n));
    ASSERT(atomic_load(&store->threads.n_recorded) == atomic_load(&copy->threads.n_recorded));
    ASSERT(atomic_load(&store->intervals.n_waits) == atomic_load(&copy->intervals.n_waits));
    ASSERT(atomic_load(&store->strings.n) == atomic_load(&copy->strings.n));
    ASSERT(store_end_ns(store) == store_end_ns(copy));
    for (thread_id i = 0; i < atomic_load(&copy->threads.n); i++) {
        const struct thread_row *a = store_thread(store, i);
        const struct thread_row *b = store_thread(copy, i);
        ASSERT(a->ended_ns == b->ended_ns && a->name == b->name);
        ASSERT(a->last_stack == b->last_stack && a->last_wakeup == b->last_wakeup);
    }
    for (process_id i = 0; i < atomic_load(&copy->processes.n); i++) {
        const struct process_row *a = store_process(store, i);
        const struct process_row *b = store_process(copy, i);
        ASSERT(a->ended_ns == b->ended_ns && a->name == b->name);
        ASSERT(a->main_image == b->main_image);
    }
    for (image_id i = 1; i < atomic_load(&copy->images.n); i++) {
        ASSERT(store_image(store, i)->until_ns == store_image(copy, i)->until_ns);
    }
    for (uint32_t i = 0; i < atomic_load(&copy->codes.n); i++) {
        ASSERT(store_code(store, i)->ended_ns == store_code(copy, i)->ended_ns);
    }
    for (enum account i = 0; i < ACCOUNT_COUNT; i++) {
        ASSERT(store_account(store, i) == store_account(copy, i));
    }
    for (size_t i = 0; i < STORE_EVENT_KINDS; i++) {
        ASSERT(atomic_load(&store->events[i]) == atomic_load(&copy->events[i]));
    }
}

// As of one moment: all rows of before it, of each table, and no others.
static void check_is_one_moment(const struct store *store, const struct store *copy,
                                uint64_t end_ns)
{
    ASSERT(samples_find(&store->samples, store_rows(store, ROW_SAMPLES), end_ns) ==
           store_rows(copy, ROW_SAMPLES));
    ASSERT(wakeups_find(&store->wakeups, store_rows(store, ROW_WAKEUPS), end_ns) ==
           store_rows(copy, ROW_WAKEUPS));
    ASSERT(intervals_find(&store->intervals, store_rows(store, ROW_INTERVALS), end_ns - 1) ==
           store_rows(copy, ROW_INTERVALS));
}

static bool holds_any_of(const struct store *copy, uint64_t time_ns)
{
    uint64_t n_samples = store_rows(copy, ROW_SAMPLES);
    uint64_t n_intervals = store_rows(copy, ROW_INTERVALS);
    bool any = samples_find(&copy->samples, n_samples, time_ns) < n_samples ||
               intervals_find(&copy->intervals, n_intervals, time_ns - 1) < n_intervals;
    for (thread_id i = 0; i < atomic_load(&copy->threads.n); i++) {
        struct thread_off off;
        any = any || (store_thread_off(copy, i, &off) && off.since_ns == time_ns);
    }
    return any;
}

void check_is_prefix(const struct store *store, const struct store *copy, bool is_whole)
{
    ASSERT(store->started_ns == copy->started_ns);
    ASSERT(store->started_unix_ns == copy->started_unix_ns);
    ASSERT(store->samples.weight_ns == copy->samples.weight_ns);
    ASSERT(store->has_switches == copy->has_switches);
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        check_rows(store, copy, table);
    }
    check_tree(store, copy);
    check_ids(store, copy);
    if (is_whole) {
        check_ends(store, copy);
    } else {
        // With what is of the last nanosecond, when the run was quiet.
        uint64_t end_ns = store_end_ns(copy);
        end_ns += holds_any_of(copy, end_ns);
        check_is_one_moment(store, copy, end_ns);
        check_open_stays(store, copy, end_ns);
    }
}

// ---- Walking ------------------------------------------------------------------------------------

static uint64_t walk_ids(const struct store *store)
{
    uint64_t sum = 0;
    uint32_t n_strings = atomic_load(&store->strings.n);
    uint32_t n_stacks = atomic_load(&store->stacks.n_nodes);
    for (string_id i = 0; i < n_strings; i++) {
        struct slice bytes = strings_get(&store->strings, i);
        sum += bytes.n > 0 ? hash_bytes(bytes.data, bytes.n) : 0;
    }
    for (image_id i = 0; i < atomic_load(&store->images.n); i++) {
        const struct image_row *row = store_image(store, i);
        ASSERT(row->path < n_strings && row->build_id < n_strings);
    }
    for (thread_id i = 0; i < atomic_load(&store->threads.n); i++) {
        const struct thread_row *row = store_thread(store, i);
        struct thread_off off;
        ASSERT(atomic_load(&row->name) < n_strings);
        ASSERT(row->process < atomic_load(&store->processes.n));
        ASSERT(atomic_load(&row->last_stack) < n_stacks);
        ASSERT(atomic_load(&row->last_wakeup) <= store_rows(store, ROW_WAKEUPS));
        ASSERT(!store_thread_off(store, i, &off) || off.stack < n_stacks);
    }
    for (stack_id i = 1; i < n_stacks; i++) {
        const struct stack_row *row = stacks_get(&store->stacks, i);
        ASSERT(row->caller < i && row->frame < atomic_load(&store->stacks.n_frames));
        ASSERT(stacks_get_frame(&store->stacks, row->frame)->image < atomic_load(&store->images.n));
    }
    return sum;
}

uint64_t store_walk(const struct store *store)
{
    uint64_t sum = walk_ids(store);
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        uint64_t n = store_rows(store, table);
        uint64_t key = 0;
        for (uint64_t at = 0; at < n;) {
            struct row_block block;
            store_pin(store, table, at, n, &block);
            for (size_t i = 0; i < block.n; i++) {
                ASSERT(row_block_key(&block, i) >= key);
                key = row_block_key(&block, i);
            }
            at += block.n;
            store_unpin(store, &block);
        }
        sum += key;
    }
    return sum;
}

// ---- Folders ------------------------------------------------------------------------------------

char *folder_make(void)
{
    const char *base = getenv("TMPDIR");
    char name[256];
    snprintf(name, sizeof name, "%s/stax-archive-XXXXXX", base != NULL ? base : "/tmp");
    ASSERT(mkdtemp(name) != NULL);
    return alloc_text(name, strlen(name));
}

char *folder_path(const char *folder, const char *name)
{
    CLEANUP(text_fini) struct text path = {0};
    text_addf(&path, "%s/%s", folder, name);
    return text_take(&path);
}

size_t folder_count(const char *folder)
{
    DIR *dir = opendir(folder);
    ASSERT(dir != NULL);
    size_t n = 0;
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n - 2;
}

void folder_remove(char *folder)
{
    DIR *dir = opendir(folder);
    ASSERT(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_type == DT_DIR) {
            unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR); // empty ones, and not . and ..
        } else {
            unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    closedir(dir);
    rmdir(folder);
    free(folder);
}

void file_put(const char *path, const void *bytes, size_t n)
{
    CLEANUP(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ASSERT(fd >= 0 && fd_write_all(fd, bytes, n) == 0);
}
