#include "image/wanted.h"

#include "image/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_next(struct wanted *wanted, const struct image *image)
{
    struct wanted_job job;
    assert_true(wanted_pop(wanted, &job));
    assert_ptr_equal(job.image, image);
    free(job.debug_file);
}

static void test_the_hottest_goes_first(void **state)
{
    (void)state;
    struct wanted wanted;
    wanted_init(&wanted);
    struct image images[4] = {{.heat = 0}, {.heat = 5}, {.heat = 5}, {.heat = 7}};
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        wanted_push(&wanted, &images[i], NULL);
    }
    assert_next(&wanted, &images[3]);
    assert_next(&wanted, &images[1]); // it has waited longer
    images[0].heat = 6;               // heat counts when it is taken, not when it is wanted
    assert_next(&wanted, &images[0]);
    assert_next(&wanted, &images[2]);
    wanted_fini(&wanted);
}

static void test_equally_hot_ones_keep_their_order(void **state)
{
    (void)state;
    struct wanted wanted;
    wanted_init(&wanted);
    struct image images[10] = {{.heat = 0}};
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        wanted_push(&wanted, &images[i], NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        assert_next(&wanted, &images[i]);
    }
    wanted_fini(&wanted);
}

static void *push_one(void *context)
{
    struct wanted *wanted = context;
    static struct image image;
    wanted_push(wanted, &image, alloc_text("debug", 5));
    return NULL;
}

static void *close_it(void *context)
{
    wanted_close(context);
    return NULL;
}

static void test_waits_and_ends(void **state)
{
    (void)state;
    struct wanted wanted;
    struct wanted_job job;
    pthread_t thread;
    wanted_init(&wanted);
    assert_int_equal(pthread_create(&thread, NULL, push_one, &wanted), 0);
    assert_true(wanted_pop(&wanted, &job));
    assert_string_equal(job.debug_file, "debug");
    free(job.debug_file);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, close_it, &wanted), 0);
    assert_false(wanted_pop(&wanted, &job));
    assert_int_equal(pthread_join(thread, NULL), 0);
    push_one(&wanted); // is left behind, and freed
    assert_false(wanted_pop(&wanted, &job));
    wanted_fini(&wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_hottest_goes_first),
        cmocka_unit_test(test_equally_hot_ones_keep_their_order),
        cmocka_unit_test(test_waits_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
