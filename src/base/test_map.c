#include "base/map.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_finds_what_was_set(void **state)
{
    (void)state;
    struct map map = {0};
    assert_int_equal(map_find(&map, 7), MAP_NONE);
    for (uint32_t i = 0; i < 10000; i++) {
        map_set(&map, (uint64_t)i * 4096, i);
    }
    map_set(&map, 4096, 77);
    assert_int_equal(map.n, 10000);
    assert_int_equal(map_find(&map, 4096), 77);
    for (uint32_t i = 2; i < 10000; i++) {
        assert_int_equal(map_find(&map, (uint64_t)i * 4096), i);
        assert_int_equal(map_find(&map, (uint64_t)i * 4096 + 1), MAP_NONE);
    }
    map_fini(&map);
}

static void test_keeps_all_values_of_equal_keys(void **state)
{
    (void)state;
    struct map map = {0};
    for (uint32_t i = 0; i < 100; i++) {
        map_add(&map, 5, i);
        map_add(&map, i + 1000, i);
    }
    bool seen[100] = {0};
    size_t cursor = 0;
    int n = 0;
    for (uint32_t value; (value = map_find_from(&map, 5, &cursor)) != MAP_NONE; n++) {
        assert_false(seen[value]);
        seen[value] = true;
    }
    assert_int_equal(n, 100);
    map_fini(&map);
}

static void test_hash_depends_on_every_byte_and_on_the_length(void **state)
{
    (void)state;
    uint8_t bytes[32] = {0};
    uint64_t all_zero = hash_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 1;
        assert_true(hash_bytes(bytes, sizeof bytes) != all_zero);
        bytes[i] = 0;
        assert_true(hash_bytes(bytes, i) != all_zero);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_was_set),
        cmocka_unit_test(test_keeps_all_values_of_equal_keys),
        cmocka_unit_test(test_hash_depends_on_every_byte_and_on_the_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
