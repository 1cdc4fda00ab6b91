// A store that is copied through what can be read of it is the same store; and nothing that does
// not fit gets in.

#include "store/restore.h"

#include "base/limits.h"
#include "base/vec.h"
#include "store/row_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t dice(uint64_t *random, uint64_t sides)
{
    *random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (*random >> 33) % sides;
}

// ---- A random run ------------------------------------------------------------------------------

enum { STARTED_NS = 1000, MAX_NAMES = 60, MAX_IMAGES = 30 };

static string_id any_string(struct store *store, uint64_t *random)
{
    char name[64];
    int n = snprintf(name, sizeof name, "name %u%c%u", (unsigned)dice(random, MAX_NAMES), 0,
                     (unsigned)dice(random, 9));
    size_t with_zero = strlen(name) + 1 + dice(random, 2);
    return strings_add(&store->strings,
                       (struct slice){(const uint8_t *)name, MIN((size_t)n, with_zero)});
}

static string_id any_build_id(struct store *store, uint64_t *random)
{
    uint8_t bytes[20];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)dice(random, 256);
    }
    return strings_add(&store->strings, (struct slice){bytes, dice(random, sizeof bytes + 1)});
}

static void add_images(struct store *store, uint64_t *random)
{
    uint64_t n = 1 + dice(random, MAX_IMAGES);
    for (uint64_t i = 0; i < n; i++) {
        struct image_row row = {
            .kind = (enum image_row_kind)dice(random, IMAGE_ROW_TRUNCATED + 1),
            .path = any_string(store, random),
            .library = (uint32_t)dice(random, UINT32_MAX),
            .load_bias = dice(random, UINT64_MAX),
            .build_id = any_build_id(store, random),
            .process = (process_id)dice(random, 2),
            .since_ns = dice(random, 5000),
            .until_ns = dice(random, 2) == 0 ? UINT64_MAX : dice(random, 5000),
        };
        store_add_image(store, &row);
    }
}

static void add_processes(struct store *store, uint64_t *random)
{
    for (uint32_t i = 0; i < 3; i++) {
        process_id id = store_add_process(store, 10 + i, i, STARTED_NS + i,
                                          any_string(store, random));
        struct process_row *row = store_process_mut(store, id);
        if (dice(random, 2) == 0) {
            atomic_store(&row->ended_ns, STARTED_NS + 77);
            atomic_store(&row->main_image, (image_id)dice(random, atomic_load(&store->images.n)));
        }
    }
}

static void add_codes(struct store *store, uint64_t *random)
{
    for (uint64_t i = dice(random, 20); i > 0; i--) {
        store_add_code(store, &(struct code_row){
                                  .process = (process_id)dice(random, 3),
                                  .addr = dice(random, UINT32_MAX),
                                  .size_bytes = dice(random, 500),
                                  .index = dice(random, 9),
                                  .loaded_ns = dice(random, 5000),
                                  .ended_ns = dice(random, 2) * 7000,
                                  .name = any_string(store, random),
                                  .code = any_string(store, random),
                              });
    }
}

static uint64_t any_off(const struct store *store, uint64_t *random, image_id image)
{
    switch (store_image(store, image)->kind) {
    case IMAGE_ROW_NAMED:
        return dice(random, atomic_load(&store->strings.n));
    case IMAGE_ROW_TRUNCATED:
        return truncation_off((enum truncation)dice(random, TRUNCATION_COUNT),
                              (image_id)dice(random, atomic_load(&store->images.n)));
    case IMAGE_ROW_FILE:
    case IMAGE_ROW_VDSO:
    case IMAGE_ROW_ANONYMOUS:
    case IMAGE_ROW_KERNEL:
        break;
    }
    return dice(random, 3000);
}

static stack_id add_stack(struct store *store, uint64_t *random)
{
    stack_id stack = STACK_ROOT;
    bool cut = false;
    for (uint64_t i = dice(random, 12); i > 0; i--) {
        image_id image = (image_id)dice(random, atomic_load(&store->images.n));
        struct frame_row frame = {
            .off = any_off(store, random, image), .image = image, .leaf = dice(random, 2) == 0};
        stack = stacks_push(&store->stacks, stack, stacks_frame(&store->stacks, &frame), &cut);
    }
    return stack;
}

static stack_id any_stack(const struct store *store, uint64_t *random)
{
    return (stack_id)dice(random, atomic_load(&store->stacks.n_nodes));
}

static thread_id any_thread(const struct store *store, uint64_t *random)
{
    return (thread_id)dice(random, atomic_load(&store->threads.n));
}

static uint8_t any_reason(uint64_t *random)
{
    uint64_t reason = dice(random, STORE_REASONS + 1);
    return reason == STORE_REASONS ? REASON_BY_STACK : (uint8_t)reason;
}

static void add_thread(struct store *store, uint64_t *random)
{
    uint32_t n = atomic_load(&store->threads.n);
    string_id name = any_string(store, random);
    process_id process = (process_id)dice(random, 3);
    if (dice(random, 4) == 0) {
        store_add_foreign_thread(store, 10, 100 + n, process, STARTED_NS + n, name);
    } else {
        store_add_thread(store, 11, 100 + n, process, STARTED_NS + n, name);
    }
}

static void change_thread(struct store *store, uint64_t *random, uint64_t now_ns)
{
    thread_id thread = any_thread(store, random);
    struct thread_row *row = store_thread_mut(store, thread);
    struct thread_off off = {.since_ns = now_ns,
                             .stack = any_stack(store, random),
                             .reason = any_reason(random),
                             .flags = (uint8_t)dice(random, 8)};
    store_set_off(store, thread, dice(random, 3) == 0 ? NULL : &off);
    atomic_store(&row->last_stack, any_stack(store, random));
    atomic_store(&row->name, any_string(store, random));
    if (dice(random, 3) == 0) {
        atomic_store(&row->ended_ns, now_ns);
    }
}

static void add_row(struct store *store, uint64_t *random, uint64_t now_ns)
{
    uint64_t what = dice(random, 10);
    if (what < 4) {
        store_add_sample(store, now_ns, any_thread(store, random), any_stack(store, random));
    } else if (what < 7) {
        uint64_t duration_ns = dice(random, now_ns);
        store_add_interval(store, &(struct interval){.start_ns = now_ns - duration_ns,
                                                     .duration_ns = duration_ns,
                                                     .reason = any_reason(random),
                                                     .flags = (uint8_t)dice(random, 8),
                                                     .thread = any_thread(store, random),
                                                     .stack = any_stack(store, random)});
    } else if (what < 9) {
        thread_id waker = dice(random, 5) == 0 ? (thread_id)THREAD_INTERRUPT
                                               : any_thread(store, random);
        store_add_wakeup(store, &(struct wakeup){.time_ns = now_ns,
                                                 .wakee = any_thread(store, random),
                                                 .waker = waker,
                                                 .stack = any_stack(store, random),
                                                 .approximate = dice(random, 2) == 0});
    } else if (atomic_load(&store->samples.n) > 0) {
        struct counter_row row = {.sample = atomic_load(&store->samples.n) - 1,
                                  .valid = (uint32_t)dice(random, 1 << COUNTER_COUNT)};
        row.delta[dice(random, COUNTER_COUNT)] = dice(random, UINT64_MAX);
        store_add_counters(store, &row);
    }
}

static struct store *random_store(uint64_t seed, uint64_t n_rows)
{
    uint64_t random = seed * 977 + 1;
    struct store *store = store_new(STARTED_NS, 777, 1 + dice(&random, 1000));
    store->has_switches = dice(&random, 2) == 0;
    add_images(store, &random);
    add_processes(store, &random);
    add_codes(store, &random);
    add_thread(store, &random);
    uint64_t now_ns = STARTED_NS;
    for (uint64_t i = 0; i < n_rows; i++) {
        now_ns += dice(&random, 5);
        if (dice(&random, 100) == 0) {
            add_thread(store, &random);
            add_stack(store, &random);
            change_thread(store, &random, now_ns);
        }
        add_row(store, &random, now_ns);
        store_count_event(store, (uint32_t)dice(&random, STORE_EVENT_KINDS));
        store_count(store, (enum account)dice(&random, ACCOUNT_COUNT), 3);
    }
    atomic_store(&store->last_ns, now_ns + dice(&random, 9));
    atomic_store(&store->ended_ns, atomic_load(&store->last_ns));
    return store;
}

// ---- The copy ----------------------------------------------------------------------------------

static void copy_ids(struct store *to, const struct store *from)
{
    for (uint32_t i = 1; i < atomic_load(&from->strings.n); i++) {
        ASSERT(store_restore_string(to, strings_get(&from->strings, i)));
    }
    for (uint32_t i = 1; i < atomic_load(&from->images.n); i++) {
        ASSERT(store_restore_image(to, store_image(from, i)));
    }
    for (uint32_t i = 0; i < atomic_load(&from->processes.n); i++) {
        ASSERT(store_restore_process(to, store_process(from, i)));
    }
    for (uint32_t i = 0; i < atomic_load(&from->threads.n); i++) {
        ASSERT(store_restore_thread(to, store_thread(from, i)));
    }
    for (uint32_t i = 0; i < atomic_load(&from->codes.n); i++) {
        ASSERT(store_restore_code(to, store_code(from, i)));
    }
    for (uint32_t i = 1; i < atomic_load(&from->stacks.n_frames); i++) {
        ASSERT(store_restore_frame(to, stacks_get_frame(&from->stacks, i)));
    }
    for (uint32_t i = 1; i < atomic_load(&from->stacks.n_nodes); i++) {
        ASSERT(store_restore_node(to, stacks_get(&from->stacks, i)));
    }
}

// In blocks of any size.
static void copy_rows(struct store *to, const struct store *from, uint64_t *random)
{
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        uint64_t n = store_rows(from, table);
        for (uint64_t first = 0; first < n;) {
            struct row_block block;
            uint64_t end = MIN(n, first + 1 + dice(random, 2 * COLUMN_CHUNK_ROWS));
            store_pin(from, table, first, end, &block);
            ASSERT(store_restore_rows(to, &block));
            first += block.n;
            store_unpin(from, &block);
        }
    }
}

static struct store *copy_store(const struct store *from, uint64_t *random)
{
    struct store *to = store_restore_new(&(struct restore_params){
        .started_ns = from->started_ns,
        .started_unix_ns = from->started_unix_ns,
        .weight_ns = from->samples.weight_ns,
        .has_switches = from->has_switches,
    });
    copy_ids(to, from);
    copy_rows(to, from, random);
    for (enum account account = 0; account < ACCOUNT_COUNT; account++) {
        store_restore_account(to, account, store_account(from, account));
    }
    for (uint32_t kind = 0; kind < STORE_EVENT_KINDS; kind++) {
        store_restore_event_count(to, kind, atomic_load(&from->events[kind]));
    }
    store_restore_end(to, store_end_ns(from));
    return to;
}

// ---- The comparison ----------------------------------------------------------------------------

#define SAME(a, b, field)        assert_true((a)->field == (b)->field)
#define SAME_ATOMIC(a, b, field) assert_true(atomic_load(&(a)->field) == atomic_load(&(b)->field))

static void compare_images(const struct store *x, const struct store *y)
{
    SAME_ATOMIC(x, y, images.n);
    for (uint32_t i = 0; i < atomic_load(&x->images.n); i++) {
        const struct image_row *a = store_image(x, i);
        const struct image_row *b = store_image(y, i);
        SAME(a, b, kind);
        SAME(a, b, path);
        SAME(a, b, library);
        SAME(a, b, load_bias);
        SAME(a, b, build_id);
        SAME(a, b, process);
        SAME(a, b, since_ns);
        SAME_ATOMIC(a, b, until_ns);
    }
}

static void compare_processes(const struct store *x, const struct store *y)
{
    SAME_ATOMIC(x, y, processes.n);
    for (uint32_t i = 0; i < atomic_load(&x->processes.n); i++) {
        const struct process_row *a = store_process(x, i);
        const struct process_row *b = store_process(y, i);
        SAME(a, b, pid);
        SAME(a, b, parent_pid);
        SAME(a, b, started_ns);
        SAME_ATOMIC(a, b, ended_ns);
        SAME_ATOMIC(a, b, name);
        SAME_ATOMIC(a, b, main_image);
    }
}

static void compare_threads(const struct store *x, const struct store *y)
{
    SAME_ATOMIC(x, y, threads.n);
    assert_int_equal(store_count_threads(x), store_count_threads(y));
    for (uint32_t i = 0; i < atomic_load(&x->threads.n); i++) {
        const struct thread_row *a = store_thread(x, i);
        const struct thread_row *b = store_thread(y, i);
        SAME(a, b, pid);
        SAME(a, b, tid);
        SAME(a, b, process);
        SAME(a, b, foreign);
        SAME(a, b, started_ns);
        SAME_ATOMIC(a, b, ended_ns);
        SAME_ATOMIC(a, b, name);
        SAME_ATOMIC(a, b, off_since_ns);
        SAME_ATOMIC(a, b, off_what);
        SAME_ATOMIC(a, b, last_stack);
        SAME_ATOMIC(a, b, last_wakeup);
    }
}

static void compare_codes(const struct store *x, const struct store *y)
{
    SAME_ATOMIC(x, y, codes.n);
    for (uint32_t i = 0; i < atomic_load(&x->codes.n); i++) {
        const struct code_row *a = store_code(x, i);
        const struct code_row *b = store_code(y, i);
        SAME(a, b, process);
        SAME(a, b, addr);
        SAME(a, b, size_bytes);
        SAME(a, b, index);
        SAME(a, b, loaded_ns);
        SAME_ATOMIC(a, b, ended_ns);
        SAME(a, b, name);
        SAME(a, b, code);
    }
}

static void compare_stacks(const struct store *x, const struct store *y)
{
    SAME_ATOMIC(x, y, strings.n);
    for (uint32_t i = 0; i < atomic_load(&x->strings.n); i++) {
        assert_true(slice_equal(strings_get(&x->strings, i), strings_get(&y->strings, i)));
    }
    SAME_ATOMIC(x, y, stacks.n_frames);
    for (uint32_t i = 0; i < atomic_load(&x->stacks.n_frames); i++) {
        const struct frame_row *a = stacks_get_frame(&x->stacks, i);
        const struct frame_row *b = stacks_get_frame(&y->stacks, i);
        assert_true(a->off == b->off && a->image == b->image && a->leaf == b->leaf);
    }
    SAME_ATOMIC(x, y, stacks.n_nodes);
    for (uint32_t i = 0; i < atomic_load(&x->stacks.n_nodes); i++) {
        const struct stack_row *a = stacks_get(&x->stacks, i);
        const struct stack_row *b = stacks_get(&y->stacks, i);
        assert_true(a->caller == b->caller && a->frame == b->frame);
    }
}

static bool same_row(const struct row_block *a, const struct row_block *b, size_t i)
{
    if (a->table == ROW_COUNTERS) { // there is room between its fields
        const struct counter_row *x = &((const struct counter_row *)a->columns[0])[i];
        const struct counter_row *y = &((const struct counter_row *)b->columns[0])[i];
        return x->sample == y->sample && x->valid == y->valid &&
               memcmp(x->delta, y->delta, sizeof x->delta) == 0;
    }
    const struct row_layout *layout = row_layout(a->table);
    for (uint32_t c = 0; c < layout->n_columns; c++) {
        size_t bytes = layout->row_bytes[c];
        const uint8_t *x = a->columns[c];
        const uint8_t *y = b->columns[c];
        if (memcmp(x + i * bytes, y + i * bytes, bytes) != 0) {
            return false;
        }
    }
    return true;
}

static void compare_rows(const struct store *x, const struct store *y)
{
    SAME_ATOMIC(x, y, intervals.n_waits);
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        uint64_t n = store_rows(x, table);
        assert_int_equal(store_rows(y, table), n);
        for (uint64_t first = 0; first < n;) {
            struct row_block a;
            struct row_block b;
            store_pin(x, table, first, n, &a);
            store_pin(y, table, first, n, &b);
            assert_int_equal(a.n, b.n);
            for (size_t i = 0; i < a.n; i++) {
                assert_true(same_row(&a, &b, i));
            }
            first += a.n;
            store_unpin(x, &a);
            store_unpin(y, &b);
        }
    }
}

static void compare_searches(const struct store *x, const struct store *y, uint64_t *random)
{
    for (int i = 0; i < 200; i++) {
        uint64_t time_ns = dice(random, store_end_ns(x) + 10);
        uint64_t n = dice(random, store_rows(x, ROW_SAMPLES) + 1);
        assert_int_equal(samples_find(&x->samples, n, time_ns),
                         samples_find(&y->samples, n, time_ns));
        n = dice(random, store_rows(x, ROW_INTERVALS) + 1);
        assert_int_equal(intervals_find(&x->intervals, n, time_ns),
                         intervals_find(&y->intervals, n, time_ns));
        n = dice(random, store_rows(x, ROW_WAKEUPS) + 1);
        assert_int_equal(wakeups_find(&x->wakeups, n, time_ns),
                         wakeups_find(&y->wakeups, n, time_ns));
    }
}

static void compare_stores(const struct store *x, const struct store *y, uint64_t *random)
{
    SAME(x, y, started_ns);
    SAME(x, y, started_unix_ns);
    SAME(x, y, has_switches);
    SAME(x, y, samples.weight_ns);
    SAME_ATOMIC(x, y, last_ns);
    SAME_ATOMIC(x, y, ended_ns);
    compare_images(x, y);
    compare_processes(x, y);
    compare_threads(x, y);
    compare_codes(x, y);
    compare_stacks(x, y);
    compare_rows(x, y);
    compare_searches(x, y, random);
    for (enum account account = 0; account < ACCOUNT_COUNT; account++) {
        assert_int_equal(store_account(x, account), store_account(y, account));
    }
    for (uint32_t kind = 0; kind < STORE_EVENT_KINDS; kind++) {
        SAME_ATOMIC(x, y, events[kind]);
    }
}

static void test_a_copy_is_the_same(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t n_rows = seed % 20 == 0 ? 6 * COLUMN_CHUNK_ROWS : seed * 50;
        uint64_t random = seed;
        struct store *store = random_store(seed, n_rows);
        struct store *copy = copy_store(store, &random);
        compare_stores(store, copy, &random);
        store_free(copy);
        store_free(store);
    }
}

static void test_a_block_may_span_chunks(void **state)
{
    (void)state;
    enum { N = 2 * COLUMN_CHUNK_ROWS + 9, CUT = 77 };
    struct store *store = store_restore_new(&(struct restore_params){.started_ns = 0});
    assert_true(store_restore_process(store, &(struct process_row){.main_image = IMAGE_NONE}));
    assert_true(store_restore_thread(store, &(struct thread_row){.tid = 1}));
    CLEANUP(freep) uint64_t *times = NEW_ARRAY(uint64_t, N);
    CLEANUP(freep) uint32_t *ids = NEW_ARRAY(uint32_t, N);
    for (uint64_t i = 0; i < N; i++) {
        times[i] = i * 3;
    }
    struct row_block first = {.table = ROW_SAMPLES, .n = CUT, .columns = {times, ids, ids}};
    struct row_block rest = {
        .table = ROW_SAMPLES, .first = CUT, .n = N - CUT, .columns = {times + CUT, ids, ids}};
    assert_true(store_restore_rows(store, &first));
    assert_true(store_restore_rows(store, &rest));
    store_restore_end(store, 0);
    assert_int_equal(store_end_ns(store), (N - 1) * 3);
    for (uint64_t i = 0; i < N; i += 11) {
        assert_int_equal(samples_find(&store->samples, N, i * 3), i);
        assert_int_equal(samples_find(&store->samples, N, i * 3 + 1), i + 1);
    }
    store_free(store);
}

// ---- Refusals ----------------------------------------------------------------------------------

// Two strings, a file, a named and a truncated image, a process, two threads, two frames, two
// stacks; samples at 100 and 200.
enum { S_NAME = 1, S_LONG, I_FILE = 1, I_NAMED, I_TRUNCATED, N_IMAGES, N_THREADS = 2, N_NODES = 3 };

static struct store *small_store(void)
{
    struct store *store = store_restore_new(&(struct restore_params){.started_ns = 50});
    assert_true(store_restore_string(store, slice_of_text("name")));
    assert_true(store_restore_string(store, slice_of_text("twenty-one bytes of it")));
    const enum image_row_kind kinds[] = {IMAGE_ROW_FILE, IMAGE_ROW_NAMED, IMAGE_ROW_TRUNCATED};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_true(store_restore_image(store, &(struct image_row){.kind = kinds[i]}));
    }
    assert_true(store_restore_process(store, &(struct process_row){.main_image = IMAGE_NONE}));
    for (uint32_t i = 0; i < N_THREADS; i++) {
        assert_true(store_restore_thread(store, &(struct thread_row){.tid = i}));
    }
    for (uint32_t i = 1; i < N_NODES; i++) {
        assert_true(store_restore_frame(store, &(struct frame_row){.off = i, .image = I_FILE}));
        assert_true(store_restore_node(store, &(struct stack_row){.caller = i - 1, .frame = i}));
    }
    struct row_block block = {
        .table = ROW_SAMPLES,
        .n = 2,
        .columns = {(uint64_t[]){100, 200}, (thread_id[]){0, 1}, (stack_id[]){0, 2}},
    };
    assert_true(store_restore_rows(store, &block));
    return store;
}

static void test_strings_end_at_their_limits(void **state)
{
    (void)state;
    struct store *store = small_store();
    struct slice huge = {.data = (const uint8_t *)"", .n = (size_t)LIMIT_STRING_BYTES};
    assert_false(store_restore_string(store, huge)); // two are there already
    assert_true(store_restore_string(store, slice_of_text("")));
    assert_int_equal(atomic_load(&store->strings.n), 4);
    atomic_store(&store->strings.n, LIMIT_STRINGS);
    assert_false(store_restore_string(store, slice_of_text("x")));
    atomic_store(&store->strings.n, 4);
    store_free(store);
}

static void test_images_are_checked(void **state)
{
    (void)state;
    const struct {
        struct image_row row;
        bool sound;
    } rows[] = {
        {{.kind = IMAGE_ROW_KERNEL, .path = S_NAME, .build_id = S_NAME}, true},
        {{.until_ns = UINT64_MAX, .process = 7}, true}, // forgotten in the end
        {{.kind = IMAGE_ROW_TRUNCATED + 1}, false},
        {{.kind = (enum image_row_kind) - 1}, false},
        {{.path = S_LONG + 1}, false},
        {{.build_id = S_LONG + 1}, false},
        {{.build_id = S_LONG}, false}, // too long for one
    };
    struct store *store = small_store();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t n = atomic_load(&store->images.n);
        assert_int_equal(store_restore_image(store, &rows[i].row), rows[i].sound);
        assert_int_equal(atomic_load(&store->images.n), n + rows[i].sound);
    }
    atomic_store(&store->images.n, LIMIT_IMAGES);
    assert_false(store_restore_image(store, &rows[0].row));
    atomic_store(&store->images.n, N_IMAGES + 2);
    store_restore_end(store, 0);
    assert_int_equal(store_image(store, N_IMAGES + 1)->process, PROCESS_NONE);
    store_free(store);
}

static void test_processes_are_checked(void **state)
{
    (void)state;
    const struct {
        struct process_row row;
        bool sound;
    } rows[] = {
        {{.name = S_NAME, .main_image = I_FILE, .ended_ns = ROW_TIME_MAX}, true},
        {{.main_image = IMAGE_NONE}, true},
        {{.name = S_LONG + 1}, false},
        {{.main_image = N_IMAGES}, false},
        {{.started_ns = ROW_TIME_MAX + 1}, false},
        {{.ended_ns = UINT64_MAX}, false},
    };
    struct store *store = small_store();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t n = atomic_load(&store->processes.n);
        assert_int_equal(store_restore_process(store, &rows[i].row), rows[i].sound);
        assert_int_equal(atomic_load(&store->processes.n), n + rows[i].sound);
    }
    atomic_store(&store->processes.n, LIMIT_PROCESSES);
    assert_false(store_restore_process(store, &rows[0].row));
    store_free(store);
}

static void test_threads_are_checked(void **state)
{
    (void)state;
    const struct {
        struct thread_row row;
        bool sound;
    } rows[] = {
        {{.name = S_NAME, .off_since_ns = 7, .off_what = 0xf07}, true},
        {{.foreign = true, .last_stack = N_NODES, .last_wakeup = 99}, true}, // forgotten in the end
        {{.off_what = (uint64_t)N_NODES << 32 | 0x902}, true},               // likewise
        {{.process = 1}, false},
        {{.process = PROCESS_NONE}, false},
        {{.name = S_LONG + 1}, false},
        {{.started_ns = UINT64_MAX}, false},
        {{.ended_ns = UINT64_MAX}, false},
        {{.off_since_ns = UINT64_MAX}, false},
        {{.off_what = 8}, false},       // no such flag
        {{.off_what = 0xa00}, false},   // no such reason
        {{.off_what = 0x10000}, false}, // nothing lies there
    };
    struct store *store = small_store();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t n = atomic_load(&store->threads.n);
        assert_int_equal(store_restore_thread(store, &rows[i].row), rows[i].sound);
        assert_int_equal(atomic_load(&store->threads.n), n + rows[i].sound);
    }
    assert_int_equal(store_count_threads(store), N_THREADS + 2);
    store_restore_end(store, 0);
    assert_int_equal(atomic_load(&store_thread(store, 2)->off_what), 0xf07);
    assert_int_equal(atomic_load(&store_thread(store, 3)->last_stack), STACK_ROOT);
    assert_int_equal(atomic_load(&store_thread(store, 3)->last_wakeup), 0);
    assert_int_equal(atomic_load(&store_thread(store, 4)->off_what), 0x902);
    store_free(store);
    store = small_store();
    atomic_store(&store->threads.n, LIMIT_THREADS);
    assert_false(store_restore_thread(store, &rows[0].row));
    atomic_store(&store->threads.n, N_THREADS);
    store_free(store);
}

static void test_codes_are_checked(void **state)
{
    (void)state;
    const struct {
        struct code_row row;
        bool sound;
    } rows[] = {
        {{.addr = UINT64_MAX - 7, .size_bytes = 7, .name = S_NAME, .code = S_LONG}, true},
        {{.addr = UINT64_MAX - 7, .size_bytes = 8}, false},
        {{.process = 1}, false},
        {{.name = S_LONG + 1}, false},
        {{.code = S_LONG + 1}, false},
    };
    struct store *store = small_store();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t n = atomic_load(&store->codes.n);
        assert_int_equal(store_restore_code(store, &rows[i].row), rows[i].sound);
        assert_int_equal(atomic_load(&store->codes.n), n + rows[i].sound);
    }
    atomic_store(&store->codes.n, LIMIT_JIT_CODES);
    assert_false(store_restore_code(store, &rows[0].row));
    store_free(store);
}

static void test_frames_are_checked(void **state)
{
    (void)state;
    const struct {
        struct frame_row row;
        bool sound;
    } rows[] = {
        {{.off = UINT64_MAX, .image = I_FILE, .leaf = true}, true},
        {{.image = N_IMAGES}, false},
        {{.image = I_NAMED, .off = S_LONG}, true},
        {{.image = I_NAMED, .off = S_LONG + 1}, false},
        {{.image = I_NAMED, .off = UINT64_C(1) << 32}, false},
        {{.image = I_TRUNCATED, .off = UINT64_C(7) << 32 | (N_IMAGES - 1)}, true},
        {{.image = I_TRUNCATED, .off = UINT64_C(8) << 32}, false},
        {{.image = I_TRUNCATED, .off = N_IMAGES}, false},
    };
    _Static_assert(TRUNCATION_COUNT == 8, "the table above knows all of them");
    struct store *store = small_store();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t n = atomic_load(&store->stacks.n_frames);
        assert_int_equal(store_restore_frame(store, &rows[i].row), rows[i].sound);
        assert_int_equal(atomic_load(&store->stacks.n_frames), n + rows[i].sound);
    }
    atomic_store(&store->stacks.n_frames, LIMIT_FRAMES);
    assert_false(store_restore_frame(store, &rows[0].row));
    store_free(store);
}

static void test_stacks_are_checked(void **state)
{
    (void)state;
    struct store *store = small_store();
    assert_false(store_restore_node(store, &(struct stack_row){.caller = N_NODES, .frame = 1}));
    assert_false(store_restore_node(store, &(struct stack_row){.caller = 0, .frame = 3}));
    uint32_t n = N_NODES;
    while (store_restore_node(store, &(struct stack_row){.caller = n - 1, .frame = 1})) {
        n++;
    }
    assert_in_range(n, 2 * LIMIT_STACK_DEPTH + 2, 3 * LIMIT_STACK_DEPTH); // it ended: too deep
    assert_true(store_restore_node(store, &(struct stack_row){.caller = n - 2, .frame = 0}));
    assert_int_equal(atomic_load(&store->stacks.n_nodes), n + 1);
    atomic_store(&store->stacks.n_nodes, LIMIT_STACK_NODES);
    assert_false(store_restore_node(store, &(struct stack_row){.caller = 0, .frame = 1}));
    store_free(store);
}

#define U64(...) ((uint64_t[]){__VA_ARGS__})
#define U32(...) ((uint32_t[]){__VA_ARGS__})

// One row, of 200 ns or later.
static void test_rows_are_checked(void **state)
{
    (void)state;
    enum { FIRST = 2 }; // of samples; of the others there is none yet
    const struct {
        struct row_block block;
        bool sound;
    } blocks[] = {
        {{ROW_SAMPLES, FIRST, 1, {U64(200), U32(1), U32(2)}}, true},
        {{ROW_SAMPLES, FIRST, 1, {U64(ROW_TIME_MAX), U32(1), U32(2)}}, true},
        {{ROW_SAMPLES, FIRST, 1, {U64(199), U32(1), U32(2)}}, false},
        {{ROW_SAMPLES, FIRST, 1, {U64(UINT64_MAX), U32(1), U32(2)}}, false},
        {{ROW_SAMPLES, FIRST, 1, {U64(200), U32(N_THREADS), U32(2)}}, false},
        {{ROW_SAMPLES, FIRST, 1, {U64(200), U32(THREAD_INTERRUPT), U32(2)}}, false},
        {{ROW_SAMPLES, FIRST, 1, {U64(200), U32(1), U32(N_NODES)}}, false},
        {{ROW_SAMPLES, FIRST, 2, {U64(300, 299), U32(1, 1), U32(2, 2)}}, false},
        {{ROW_SAMPLES, FIRST - 1, 1, {U64(200), U32(1), U32(2)}}, false},
        {{ROW_SAMPLES, FIRST + 1, 1, {U64(200), U32(1), U32(2)}}, false},
        {{ROW_SAMPLES, FIRST, COLUMN_MAX_ROWS, {U64(200), U32(1), U32(2)}}, false},
        {{ROW_SAMPLES, FIRST, 0, {NULL}}, true},
        {{ROW_INTERVALS, 0, 1, {U64(100), U64(50 << 16 | 0x907), U32(1), U32(2)}}, true},
        {{ROW_INTERVALS, 0, 1, {U64(100), U64(50 << 16 | 0xf01), U32(1), U32(2)}}, true},
        {{ROW_INTERVALS, 0, 1, {U64(100), U64(50 << 16 | 8), U32(1), U32(2)}}, false},
        {{ROW_INTERVALS, 0, 1, {U64(100), U64(50 << 16 | 0xa00), U32(1), U32(2)}}, false},
        {{ROW_INTERVALS, 0, 1, {U64(100), U64(50 << 16 | 0xff00), U32(1), U32(2)}}, false},
        {{ROW_INTERVALS, 0, 1, {U64(100), U64(0), U32(N_THREADS), U32(2)}}, false},
        {{ROW_INTERVALS, 0, 1, {U64(100), U64(0), U32(1), U32(N_NODES)}}, false},
        {{ROW_INTERVALS, 0, 1, {U64(UINT64_MAX), U64(1 << 16), U32(1), U32(2)}}, false},
        {{ROW_INTERVALS, 0, 1, {U64(ROW_TIME_MAX), U64(1 << 16), U32(1), U32(2)}}, false},
        {{ROW_INTERVALS, 0, 2, {U64(10, 30), U64(90 << 16, 70 << 16), U32(1, 0), U32(2, 0)}}, true},
        {{ROW_INTERVALS, 0, 2, {U64(10, 30), U64(90 << 16, 69 << 16), U32(1, 0), U32(2, 0)}},
         false},
        {{ROW_WAKEUPS, 0, 1, {U64(7), U32(1), U32(0), U32(2 | WAKEUP_APPROXIMATE)}}, true},
        {{ROW_WAKEUPS, 0, 1, {U64(7), U32(1), U32(THREAD_INTERRUPT), U32(0)}}, true},
        {{ROW_WAKEUPS, 0, 1, {U64(7), U32(1), U32(THREAD_NONE), U32(0)}}, false},
        {{ROW_WAKEUPS, 0, 1, {U64(7), U32(1), U32(N_THREADS), U32(0)}}, false},
        {{ROW_WAKEUPS, 0, 1, {U64(7), U32(N_THREADS), U32(1), U32(0)}}, false},
        {{ROW_WAKEUPS, 0, 1, {U64(7), U32(THREAD_INTERRUPT), U32(1), U32(0)}}, false},
        {{ROW_WAKEUPS, 0, 1, {U64(7), U32(1), U32(0), U32(3 | WAKEUP_APPROXIMATE)}}, false},
        {{ROW_WAKEUPS, 0, 2, {U64(7, 6), U32(1, 1), U32(0, 0), U32(0, 0)}}, false},
        {{ROW_COUNTERS, 0, 1, {&(struct counter_row){.sample = 1, .valid = 15}}}, true},
        {{ROW_COUNTERS, 0, 1, {&(struct counter_row){.sample = 2}}}, false},
        {{ROW_COUNTERS, 0, 1, {&(struct counter_row){.valid = 16}}}, false},
        {{ROW_COUNTERS, 0, 2, {((struct counter_row[]){{.sample = 1}, {.sample = 0}})}}, false},
        {{ROW_TABLES, 0, 1, {U64(1)}}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        struct store *store = small_store();
        const struct row_block *block = &blocks[i].block;
        assert_int_equal(store_rows_are_sound(store, block), blocks[i].sound);
        assert_int_equal(store_restore_rows(store, block), blocks[i].sound);
        for (enum row_table table = 0; table < ROW_TABLES; table++) {
            size_t more = table == block->table && blocks[i].sound ? block->n : 0;
            assert_int_equal(store_rows(store, table), (table == ROW_SAMPLES ? FIRST : 0) + more);
        }
        store_free(store);
    }
}

static void test_what_is_left_out_does_not_count(void **state)
{
    (void)state;
    struct store *store = small_store();
    store_restore_account(store, ACCOUNT_COUNT, 7);
    store_restore_account(store, (enum account) - 1, 7);
    store_restore_event_count(store, STORE_EVENT_KINDS, 7);
    store_restore_account(store, ACCOUNT_FRAMES, 8);
    store_restore_event_count(store, 3, 9);
    assert_int_equal(store_account(store, ACCOUNT_FRAMES), 8);
    assert_int_equal(atomic_load(&store->events[3]), 9);
    for (enum account account = 0; account < ACCOUNT_COUNT; account++) {
        assert_int_equal(store_account(store, account), account == ACCOUNT_FRAMES ? 8 : 0);
    }
    store_free(store); // not finished: that is its caller's right
}

static void test_the_end_is_not_before_the_last_row(void **state)
{
    (void)state;
    const uint64_t ends[][2] = {{0, 200}, {199, 200}, {201, 201}, {UINT64_MAX, ROW_TIME_MAX}};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct store *store = small_store();
        store_restore_end(store, ends[i][0]);
        assert_int_equal(store_end_ns(store), ends[i][1]);
        assert_int_equal(atomic_load(&store->last_ns), ends[i][1]);
        store_free(store);
    }
    struct store *empty = store_restore_new(&(struct restore_params){.started_ns = 0});
    store_restore_end(empty, 0);
    assert_true(atomic_load(&empty->ended_ns) != 0); // it has ended
    store_free(empty);
}

static void test_no_sum_of_weights_overflows(void **state)
{
    (void)state;
    struct store *store = store_restore_new(
        &(struct restore_params){.started_ns = UINT64_MAX, .weight_ns = UINT64_MAX});
    assert_true(store->samples.weight_ns >= UINT64_C(10000000000));
    assert_true(store->samples.weight_ns <= (uint64_t)INT64_MAX / COLUMN_MAX_ROWS);
    assert_int_equal(store->started_ns, INT64_MAX);
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_is_the_same),
        cmocka_unit_test(test_a_block_may_span_chunks),
        cmocka_unit_test(test_strings_end_at_their_limits),
        cmocka_unit_test(test_images_are_checked),
        cmocka_unit_test(test_processes_are_checked),
        cmocka_unit_test(test_threads_are_checked),
        cmocka_unit_test(test_codes_are_checked),
        cmocka_unit_test(test_frames_are_checked),
        cmocka_unit_test(test_stacks_are_checked),
        cmocka_unit_test(test_rows_are_checked),
        cmocka_unit_test(test_what_is_left_out_does_not_count),
        cmocka_unit_test(test_the_end_is_not_before_the_last_row),
        cmocka_unit_test(test_no_sum_of_weights_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
