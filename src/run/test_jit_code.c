// Stories about code that a JIT makes, told as events to the pipeline.

#include "run/pipeline.h"

#include "base/clock.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS (UINT64_C(1000000))
enum { PID = 100, MEMORY = 0x10000, START_MS = 1000 };

struct story {
    struct library library;
    struct store *store;
    struct pipeline *pipeline;
};

static int begin(void **state)
{
    struct story *s = NEW(struct story);
    library_init(&s->library, NULL, NULL);
    s->store = store_new(START_MS * MS, START_MS * MS, 1);
    s->pipeline = pipeline_new(s->store, &s->library);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct story *s = *state;
    pipeline_free(s->pipeline);
    store_free(s->store);
    library_fini(&s->library);
    free(s);
    return 0;
}

// Times count in ms from the start.
static void apply(struct story *s, uint64_t ms, struct event event)
{
    event.time_ns = (START_MS + ms) * MS;
    event.pid = event.pid == 0 ? PID : event.pid;
    event.tid = event.pid;
    pipeline_apply(s->pipeline, &event);
}

static void map(struct story *s, uint64_t ms, enum event_image_kind kind, uint64_t addr,
                const char *path)
{
    apply(s, ms,
          (struct event){.kind = EVENT_IMAGE_MAPPED,
                         .image_mapped = {.kind = kind,
                                          .start_addr = addr,
                                          .size_bytes = 0x1000,
                                          .path = slice_of_text(path)}});
}

static void load(struct story *s, uint64_t ms, uint64_t addr, uint64_t size, uint64_t index,
                 const char *name)
{
    apply(s, ms,
          (struct event){.kind = EVENT_CODE_LOADED,
                         .code_loaded = {.addr = addr,
                                         .size_bytes = size,
                                         .index = index,
                                         .name = slice_of_text(name),
                                         .code = slice_of_text("code")}});
}

static void move(struct story *s, uint64_t ms, uint64_t from, uint64_t to, uint64_t index)
{
    apply(s, ms,
          (struct event){
              .kind = EVENT_CODE_MOVED,
              .code_moved = {.from_addr = from, .to_addr = to, .size_bytes = 16, .index = index}});
}

// The image of the frame that a sample of that process at `addr` becomes.
static image_id sample_of(struct story *s, uint64_t ms, uint32_t pid, uint64_t addr)
{
    apply(s, ms,
          (struct event){
              .kind = EVENT_SAMPLE, .pid = pid, .sample = {.stack = {.user = &addr, .n_user = 1}}});
    struct samples_span span;
    uint64_t n = atomic_load(&s->store->samples.n);
    samples_pin(&s->store->samples, n - 1, n, &span);
    frame_id frame = stacks_get(&s->store->stacks, span.stack[0])->frame;
    samples_unpin(&s->store->samples, &span);
    return stacks_get_frame(&s->store->stacks, frame)->image;
}

static image_id sample(struct story *s, uint64_t ms)
{
    return sample_of(s, ms, PID, MEMORY + 4);
}

static uint64_t ms_of(uint64_t ns)
{
    return ns / MS - START_MS;
}

static void check_epoch(struct story *s, image_id image, uint64_t since_ms, uint64_t until_ms)
{
    const struct image_row *row = store_image(s->store, image);
    assert_int_equal(row->kind, IMAGE_ROW_ANONYMOUS);
    assert_int_equal(ms_of(row->since_ns), since_ms);
    assert_int_equal(ms_of(atomic_load(&row->until_ns)), until_ms);
}

static void check_code(struct story *s, uint32_t code, uint64_t addr, uint64_t since_ms,
                       uint64_t ended_ms)
{
    const struct code_row *row = store_code(s->store, code);
    uint64_t ended_ns = atomic_load(&row->ended_ns);
    assert_int_equal(row->addr, addr);
    assert_int_equal(ms_of(row->loaded_ns), since_ms);
    assert_int_equal(ended_ns == 0 ? 0 : ms_of(ended_ns), ended_ms);
}

static void test_without_a_jit_memory_is_one_image(void **state)
{
    struct story *s = *state;
    map(s, 0, EVENT_IMAGE_ANONYMOUS, MEMORY, "//anon");
    image_id first = sample(s, 1);
    assert_int_equal(sample(s, 100000), first);
    assert_int_equal(atomic_load(&store_image(s->store, first)->until_ns), UINT64_MAX);
    assert_int_equal(store_image(s->store, first)->process, 0);
}

static void test_epochs_begin_with_a_jitdump(void **state)
{
    struct story *s = *state;
    map(s, 0, EVENT_IMAGE_ANONYMOUS, MEMORY, "//anon");
    image_id before = sample(s, 1);
    map(s, 10, EVENT_IMAGE_FILE, 0x90000, "/no/such/jit-100.dump");
    image_id first = sample(s, 11);
    assert_int_not_equal(first, before);
    check_epoch(s, before, 0, 10);
    check_epoch(s, first, 11, 261);
    assert_int_equal(sample(s, 260), first);
    image_id second = sample(s, 400); // nothing ran in between
    check_epoch(s, first, 11, 261);
    check_epoch(s, second, 400, 650);
    assert_int_equal(sample(s, 401), second);
    map(s, 500, EVENT_IMAGE_ANONYMOUS, 0x20000, "//anon"); // of the same epoch
    assert_int_equal(sample_of(s, 501, PID, 0x20000), second);
}

static void test_replaced_code_ends_an_epoch(void **state)
{
    struct story *s = *state;
    map(s, 0, EVENT_IMAGE_ANONYMOUS, MEMORY, "//anon");
    load(s, 1, MEMORY, 16, 1, "a");
    image_id first = sample(s, 2);
    assert_int_equal(sample(s, 90), first);
    load(s, 100, MEMORY + 16, 16, 2, "beside it");
    assert_int_equal(sample(s, 101), first);
    load(s, 110, MEMORY + 8, 16, 3, "b"); // takes the place of both
    image_id second = sample(s, 112);
    assert_int_not_equal(second, first);
    check_epoch(s, first, 2, 110);
    check_epoch(s, second, 112, 362);
    check_code(s, 0, MEMORY, 1, 110);
    check_code(s, 1, MEMORY + 16, 100, 110);
    check_code(s, 2, MEMORY + 8, 110, 0);
}

static void test_late_code_does_not_disturb(void **state)
{
    struct story *s = *state;
    map(s, 0, EVENT_IMAGE_ANONYMOUS, MEMORY, "//anon");
    load(s, 0, MEMORY, 16, 1, "a");
    sample(s, 1);
    image_id now = sample(s, 600);
    uint64_t n_out = store_account(s->store, ACCOUNT_OUT_OF_ORDER);
    load(s, 100, MEMORY, 16, 2, "b"); // told half a second after its time
    load(s, 50, MEMORY, 16, 3, "earlier still");
    assert_int_equal(sample(s, 610), now);
    assert_int_equal(store_account(s->store, ACCOUNT_OUT_OF_ORDER), n_out);
    check_code(s, 0, MEMORY, 0, 100);
    check_code(s, 1, MEMORY, 100, 0);
    check_code(s, 2, MEMORY, 50, 100); // ended by what was known before
    assert_int_equal(ms_of(atomic_load(&s->store->last_ns)), 610);
}

static void test_time_is_not_told_by_jits(void **state)
{
    struct story *s = *state;
    sample(s, 5);
    load(s, 1000000, MEMORY, 16, 1, "of the future");
    assert_int_equal(ms_of(atomic_load(&s->store->last_ns)), 5);
    sample(s, 6);
    assert_int_equal(store_account(s->store, ACCOUNT_OUT_OF_ORDER), 0);
}

static void test_moves(void **state)
{
    struct story *s = *state;
    load(s, 1, 0x1000, 16, 7, "a");
    move(s, 2, 0x1000, 0x2000, 7);
    move(s, 3, 0x1000, 0x3000, 7); // it is not there any more
    move(s, 4, 0x2000, 0x3000, 8); // no such number
    move(s, 5, 0x2000, 0x4000, 7);
    assert_int_equal(atomic_load(&s->store->codes.n), 3);
    check_code(s, 0, 0x1000, 1, 2);
    check_code(s, 1, 0x2000, 2, 5);
    check_code(s, 2, 0x4000, 5, 0);
    assert_int_equal(store_code(s->store, 2)->name, store_code(s->store, 0)->name);
    load(s, 6, 0x1000, 16, 9, "b"); // the old place is free
    check_code(s, 2, 0x4000, 5, 0);
}

static void test_exec_ends_all_code(void **state)
{
    struct story *s = *state;
    map(s, 0, EVENT_IMAGE_ANONYMOUS, MEMORY, "//anon");
    load(s, 1, MEMORY, 16, 1, "a");
    load(s, 2, 0x20000, 16, 2, "b");
    image_id before = sample(s, 3);
    apply(s, 50, (struct event){.kind = EVENT_EXEC, .exec = {.name = slice_of_text("other")}});
    check_code(s, 0, MEMORY, 1, 50);
    check_code(s, 1, 0x20000, 2, 50);
    check_epoch(s, before, 3, 50);
    load(s, 40, 0x30000, 16, 3, "told late by the old program");
    check_code(s, 2, 0x30000, 40, 50);
    load(s, 60, 0x30000, 16, 4, "new");
    check_code(s, 3, 0x30000, 60, 0);
    map(s, 61, EVENT_IMAGE_ANONYMOUS, MEMORY, "//anon");
    assert_int_not_equal(sample(s, 62), before);
}

static void test_a_child_keeps_what_it_inherited(void **state)
{
    struct story *s = *state;
    map(s, 0, EVENT_IMAGE_ANONYMOUS, MEMORY, "//anon");
    load(s, 1, MEMORY, 16, 1, "a");
    image_id at_fork = sample(s, 2);
    apply(s, 3,
          (struct event){.kind = EVENT_PROCESS_FORKED,
                         .pid = PID + 1,
                         .process_forked = {.parent_pid = PID, .recorded = true}});
    assert_int_not_equal(sample(s, 300), at_fork); // the parent's time goes on
    assert_int_equal(sample_of(s, 301, PID + 1, MEMORY + 4), at_fork);
    apply(s, 302,
          (struct event){.kind = EVENT_CODE_LOADED,
                         .pid = PID + 1,
                         .code_loaded = {.addr = MEMORY,
                                         .size_bytes = 16,
                                         .name = slice_of_text("of the child")}});
    image_id own = sample_of(s, 303, PID + 1, MEMORY + 4);
    assert_int_not_equal(own, at_fork);
    assert_int_equal(store_image(s->store, own)->process, 1);
}

// However long it runs and whatever is replaced, epochs do not run out of images.
static void test_epochs_are_bounded(void **state)
{
    struct story *s = *state;
    map(s, 0, EVENT_IMAGE_ANONYMOUS, MEMORY, "//anon");
    uint64_t ms = 1;
    for (uint64_t i = 0; i < 3 * LIMIT_ANON_EPOCHS; i++) {
        load(s, ms, MEMORY, 16, i, "again");
        sample(s, ms + 1);
        ms += 25;
    }
    uint32_t n_split = atomic_load(&s->store->images.n);
    assert_true(n_split > LIMIT_ANON_EPOCHS / 2 && n_split < LIMIT_ANON_EPOCHS);
    image_id last = 0;
    for (int i = 0; i < LIMIT_ANON_EPOCHS; i++) {
        last = sample(s, ms);
        ms += 1000;
    }
    assert_true(atomic_load(&s->store->images.n) > n_split);
    uint64_t since_ms = ms_of(store_image(s->store, last)->since_ns);
    assert_true(ms - since_ms < ms / 100); // later epochs are longer, but not the rest of the run
    for (int i = 0; i < 10 * LIMIT_ANON_EPOCHS; i++) {
        sample(s, ms);
        ms += 1000 + ms / 1000;
    }
    assert_true(atomic_load(&s->store->images.n) <= LIMIT_ANON_EPOCHS + 2);
}

static void test_sizes_that_are_none(void **state)
{
    struct story *s = *state;
    load(s, 1, MEMORY, 0, 1, "empty");
    load(s, 1, UINT64_MAX - 3, 16, 2, "beyond the end");
    load(s, 1, MEMORY, 16, 3, "good");
    move(s, 2, MEMORY, UINT64_MAX - 3, 3);
    assert_int_equal(atomic_load(&s->store->codes.n), 1);
    check_code(s, 0, MEMORY, 1, 0);
}

static void test_instructions_are_kept_up_to_a_limit(void **state)
{
    struct story *s = *state;
    enum { PART = LIMIT_JIT_CODE_BYTES / 4 };
    CLEANUP(freep) uint8_t *bytes = alloc_zeroed(1, PART);
    for (uint8_t i = 1; i <= 6; i++) {
        bytes[0] = i; // equal ones would be kept once
        apply(s, i,
              (struct event){.kind = EVENT_CODE_LOADED,
                             .code_loaded = {.addr = MEMORY * (uint64_t)i,
                                             .size_bytes = 1,
                                             .name = slice_of_text("large"),
                                             .code = {bytes, PART}}});
        assert_int_equal(store_code(s->store, i - 1u)->code != 0, i <= 4);
    }
    assert_int_equal(store_account(s->store, ACCOUNT_JIT_BYTES_DROPPED), 2 * (uint64_t)PART);
}

// A JIT with too many names does not take those of files and threads away.
static void test_names_are_kept_up_to_a_limit(void **state)
{
    struct story *s = *state;
    struct strings *strings = &s->store->strings;
    for (uint32_t i = 0; atomic_load(&strings->n) < LIMIT_JIT_STRINGS; i++) {
        strings_add(strings, (struct slice){(const uint8_t *)&i, sizeof i});
    }
    load(s, 1, MEMORY, 16, 1, "one too many");
    assert_int_equal(atomic_load(&s->store->codes.n), 0);
    assert_int_equal(store_account(s->store, ACCOUNT_JIT_CODES_DROPPED), 1);
    assert_int_not_equal(strings_add(strings, slice_of_text("/lib/of/somebody.so")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_without_a_jit_memory_is_one_image, begin, end),
        cmocka_unit_test_setup_teardown(test_epochs_begin_with_a_jitdump, begin, end),
        cmocka_unit_test_setup_teardown(test_replaced_code_ends_an_epoch, begin, end),
        cmocka_unit_test_setup_teardown(test_late_code_does_not_disturb, begin, end),
        cmocka_unit_test_setup_teardown(test_time_is_not_told_by_jits, begin, end),
        cmocka_unit_test_setup_teardown(test_moves, begin, end),
        cmocka_unit_test_setup_teardown(test_exec_ends_all_code, begin, end),
        cmocka_unit_test_setup_teardown(test_a_child_keeps_what_it_inherited, begin, end),
        cmocka_unit_test_setup_teardown(test_epochs_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(test_sizes_that_are_none, begin, end),
        cmocka_unit_test_setup_teardown(test_instructions_are_kept_up_to_a_limit, begin, end),
        cmocka_unit_test_setup_teardown(test_names_are_kept_up_to_a_limit, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
