#include "server/annotated_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// A listing with instructions of 4 bytes, and heat, both made by hand.
struct world {
    struct listing listing;
    struct function_heat heat;
    struct annotated_rows rows;
};

static int set_up(void **state)
{
    struct world *w = NEW(struct world);
    vec_push(&w->heat.paths, (struct heat_path){0});
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    annotated_rows_fini(&w->rows);
    function_heat_fini(&w->heat);
    vec_fini(&w->listing.parts);
    vec_fini(&w->listing.lines);
    free(w);
    return 0;
}

static void add_part(struct world *w, uint32_t code, uint64_t addr, uint32_t n, uint32_t n_known)
{
    struct listing_part part = {.range = {.addr = addr, .end = addr + 4 * n, .code = code},
                                .first = (uint32_t)w->listing.lines.n,
                                .n = n_known};
    vec_push(&w->listing.parts, part);
    for (uint32_t i = 0; i < n_known; i++) {
        struct listing_line line = {.instruction = {.addr = addr + 4 * i, .n_bytes = 4}};
        vec_push(&w->listing.lines, line);
    }
}

// Each place a leaf, but for those with a caller: `below` is the path that it continues.
static uint32_t add_place(struct world *w, uint32_t code, uint64_t addr, uint64_t samples,
                          uint32_t below)
{
    struct heat_place place = {
        .addr = addr, .code = code, .self_samples = samples, .self_on_cpu_ns = 10 * samples};
    struct heat_path path = {.caller = below,
                             .place = (uint32_t)w->heat.places.n,
                             .samples = samples,
                             .on_cpu_ns = 10 * (double)samples};
    vec_push(&w->heat.places, place);
    vec_push(&w->heat.paths, path);
    w->heat.self_samples += samples;
    return (uint32_t)(w->heat.paths.n - 1);
}

// "address:self/total …", with a `?` where there is no code.
static void check(struct world *w, const char *expected)
{
    CLEANUP(text_fini) struct text text = {0};
    annotated_rows_fini(&w->rows);
    annotated_rows_make(&w->rows, &w->listing, &w->heat);
    uint64_t self_samples = 0;
    for (size_t i = 0; i < w->rows.rows.n; i++) {
        const struct annotated_row *row = &w->rows.rows.at[i];
        struct code_numbers n = annotated_rows_numbers(&w->rows, i);
        text_addf(&text, "%s%lx%s:%u/%u", i > 0 ? " " : "", (unsigned long)row->addr,
                  row->line == LISTING_NONE ? "?" : "", (unsigned)n.self_samples,
                  (unsigned)n.total_samples);
        self_samples += n.self_samples;
    }
    assert_string_equal(text_get(&text), expected);
    assert_int_equal(self_samples, w->heat.self_samples);
    assert_int_equal(w->rows.first_of_part.n, w->listing.parts.n + 1);
}

static void test_places_of_one_instruction(void **state)
{
    struct world *w = *state;
    add_part(w, CODE_NONE, 0x100, 3, 3);
    uint32_t call = add_place(w, CODE_NONE, 0x107, 0, 0); // the last byte of the second one
    add_place(w, CODE_NONE, 0x104, 2, call);              // recursion: it is in both of its places
    add_place(w, CODE_NONE, 0x108, 5, call);
    check(w, "100:0/0 104:2/7 108:5/5");
    assert_int_equal(annotated_rows_cut_samples(&w->rows, 0, 3), 0);
    assert_int_equal(annotated_rows_cut_samples(&w->rows, 1, 1), 5);
    assert_int_equal(annotated_rows_cut_samples(&w->rows, 3, 0), 7);
}

static void test_samples_without_code(void **state)
{
    struct world *w = *state;
    add_part(w, CODE_NONE, 0x100, 4, 2); // the other two are not to be had
    add_place(w, CODE_NONE, 0x0, 1, 0);
    add_place(w, CODE_NONE, 0x104, 2, 0);
    add_place(w, CODE_NONE, 0x10c, 3, 0);
    add_place(w, CODE_NONE, UINT64_MAX, 4, 0);
    check(w, "0?:1/1 100:0/0 104:2/2 10c?:3/3 ffffffffffffffff?:4/4");
}

static void test_versions(void **state)
{
    struct world *w = *state;
    add_part(w, 7, 0x200, 1, 1); // in the order of the listing
    add_part(w, 3, 0x100, 2, 0);
    add_place(w, 3, 0x104, 1, 0);
    add_place(w, 5, 0x200, 2, 0); // was at the same address, and is not listed
    add_place(w, 7, 0x200, 4, 0);
    add_place(w, CODE_NONE, 0x300, 8, 0); // of no version
    check(w, "200:4/4 104?:1/1 200?:2/2 300?:8/8");
    assert_int_equal(w->rows.first_of_part.at[0], 0);
    assert_int_equal(w->rows.first_of_part.at[1], 1);
    assert_int_equal(w->rows.first_of_part.at[2], 2);
}

static void test_nothing_at_all(void **state)
{
    struct world *w = *state;
    check(w, "");
    add_part(w, CODE_NONE, 0x100, 2, 2);
    check(w, "100:0/0 104:0/0");
}

static void test_other_rows_have_another_key(void **state)
{
    struct world *w = *state;
    add_part(w, CODE_NONE, 0x100, 2, 1);
    check(w, "100:0/0");
    uint64_t key = w->rows.key;
    add_place(w, CODE_NONE, 0x100, 1, 0);
    check(w, "100:1/1");
    assert_int_equal(w->rows.key, key); // other numbers only
    add_place(w, CODE_NONE, 0x104, 1, 0);
    check(w, "100:1/1 104?:1/1");
    assert_int_not_equal(w->rows.key, key);
    key = w->rows.key;
    w->listing.serial++;
    check(w, "100:1/1 104?:1/1");
    assert_int_not_equal(w->rows.key, key);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_places_of_one_instruction),
        test(test_samples_without_code),
        test(test_versions),
        test(test_nothing_at_all),
        test(test_other_rows_have_another_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
