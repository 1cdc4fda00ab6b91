#include "image/space.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_mapping(const struct space *space, uint64_t addr, uint64_t start, uint64_t end,
                           uint64_t off, uint32_t image)
{
    const struct mapping *mapping = space_find(space, addr);
    assert_non_null(mapping);
    assert_int_equal(mapping->start, start);
    assert_int_equal(mapping->end, end);
    assert_int_equal(mapping->off, off);
    assert_int_equal(mapping->image, image);
}

static void test_a_hole_splits_and_keeps_offsets(void **state)
{
    (void)state;
    uint64_t versions = 0;
    struct space space;
    space_init(&space, &versions);
    assert_null(space_find(&space, 0));
    assert_true(space_map(&space, &versions, 0x10000, 0x8000, 0x2000, 1));
    assert_true(space_map(&space, &versions, 0x12000, 0x1000, 0x12000, 2));
    space_unmap(&space, &versions, 0x16000, 0x1000);
    assert_mapping(&space, 0x11fff, 0x10000, 0x12000, 0x2000, 1);
    assert_mapping(&space, 0x12000, 0x12000, 0x13000, 0x12000, 2);
    assert_mapping(&space, 0x13000, 0x13000, 0x16000, 0x5000, 1);
    assert_null(space_find(&space, 0x16fff));
    assert_mapping(&space, 0x17fff, 0x17000, 0x18000, 0x9000, 1);
    assert_null(space_find(&space, 0xffff));
    assert_null(space_find(&space, 0x18000));
    space_fini(&space);
}

static void test_refuses_empty_and_wrapping_ranges(void **state)
{
    (void)state;
    uint64_t versions = 0;
    struct space space;
    space_init(&space, &versions);
    uint64_t version = space.version;
    assert_false(space_map(&space, &versions, 0x1000, 0, 0, 1));
    assert_false(space_map(&space, &versions, UINT64_MAX - 10, 12, 0, 1));
    assert_false(space_map(&space, &versions, 1, UINT64_MAX, 0, 1));
    assert_int_equal(space.version, version);
    assert_true(space_map(&space, &versions, UINT64_MAX - 10, 10, 0, 1));
    assert_mapping(&space, UINT64_MAX - 1, UINT64_MAX - 10, UINT64_MAX, 0, 1);
    assert_null(space_find(&space, UINT64_MAX));
    space_unmap(&space, &versions, UINT64_MAX - 5, UINT64_MAX);
    assert_null(space_find(&space, UINT64_MAX - 5));
    assert_non_null(space_find(&space, UINT64_MAX - 6));
    space_fini(&space);
}

static void test_every_change_gives_a_version_of_its_own(void **state)
{
    (void)state;
    uint64_t versions = 0;
    struct space a;
    struct space b;
    space_init(&a, &versions);
    space_init(&b, &versions);
    assert_true(a.version != b.version);
    uint64_t seen = a.version;
    space_map(&a, &versions, 0x1000, 0x1000, 0, 7);
    assert_true(a.version != seen && a.version != b.version);
    seen = a.version;
    space_unmap(&a, &versions, 0x5000, 0x1000);
    assert_int_equal(a.version, seen);
    space_copy(&b, &versions, &a);
    assert_true(a.version != b.version);
    assert_mapping(&b, 0x1800, 0x1000, 0x2000, 0, 7);
    space_clear(&a, &versions);
    assert_true(a.version != seen);
    assert_null(space_find(&a, 0x1800));
    assert_mapping(&b, 0x1800, 0x1000, 0x2000, 0, 7);
    space_fini(&a);
    space_fini(&b);
}

static void test_stops_at_the_limit(void **state)
{
    (void)state;
    uint64_t versions = 0;
    struct space space;
    space_init(&space, &versions);
    for (uint64_t i = 0; i < LIMIT_MAPPINGS; i++) {
        assert_true(space_map(&space, &versions, (i + 1) * 0x4000, 0x3000, 0, 1));
    }
    assert_false(space_map(&space, &versions, 0x1000, 0x1000, 0, 2));
    assert_true(space_map(&space, &versions, 0x4000, 0x3000, 0, 2)); // replaces one
    space_unmap(&space, &versions, 0x9000, 0x1000);                  // would split one
    assert_int_equal(space.mappings.n, LIMIT_MAPPINGS);
    assert_non_null(space_find(&space, 0x8000));
    assert_null(space_find(&space, 0x9000));
    assert_null(space_find(&space, 0xa000));
    assert_non_null(space_find(&space, 0xc000));
    space_fini(&space);
}

// ---- Against a model that cannot be wrong: one cell per byte
// -------------------------------------

enum { MODEL_BYTES = 512 };

struct cell {
    uint32_t image; // 0: nobody's
    uint64_t off;
};

static void assert_like_model(const struct space *space, const struct cell *model)
{
    for (uint64_t addr = 0; addr < MODEL_BYTES; addr++) {
        const struct mapping *mapping = space_find(space, addr);
        if (model[addr].image == 0) {
            assert_null(mapping);
        } else {
            assert_non_null(mapping);
            assert_int_equal(mapping->image, model[addr].image);
            assert_int_equal(mapping->off + (addr - mapping->start), model[addr].off);
        }
    }
    for (size_t i = 1; i < space->mappings.n; i++) {
        assert_true(space->mappings.at[i - 1].end <= space->mappings.at[i].start);
    }
}

static void test_agrees_with_a_map_of_bytes(void **state)
{
    (void)state;
    uint64_t versions = 0;
    struct space space;
    space_init(&space, &versions);
    struct cell model[MODEL_BYTES] = {0};
    srandom(20240607);
    for (uint32_t step = 1; step < 4000; step++) {
        uint64_t start = (uint64_t)random() % MODEL_BYTES;
        uint64_t size = 1 + (uint64_t)random() % (step % 8 == 0 ? 200 : 24);
        size = MIN(size, MODEL_BYTES - start);
        bool is_map = random() % 3 != 0;
        uint64_t off = random() % 2 ? start : (uint64_t)random();
        if (is_map) {
            assert_true(space_map(&space, &versions, start, size, off, step));
        } else {
            space_unmap(&space, &versions, start, size);
        }
        for (uint64_t i = 0; i < size; i++) {
            model[start + i] = (struct cell){is_map ? step : 0, is_map ? off + i : 0};
        }
        assert_like_model(&space, model);
    }
    space_fini(&space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hole_splits_and_keeps_offsets),
        cmocka_unit_test(test_refuses_empty_and_wrapping_ranges),
        cmocka_unit_test(test_every_change_gives_a_version_of_its_own),
        cmocka_unit_test(test_stops_at_the_limit),
        cmocka_unit_test(test_agrees_with_a_map_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
