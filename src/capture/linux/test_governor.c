#include "base/clock.h"
#include "capture/linux/governor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct taken {
    uint64_t stacks;
    uint64_t pauses;
};

// So many switches a second, for so long, looked at every `step_ms`.
static struct taken run(struct governor *governor, uint64_t *now_ns, uint64_t per_s,
                        uint64_t seconds, uint64_t step_ms)
{
    struct taken taken = {0};
    for (uint64_t ms = 0; ms < seconds * 1000; ms += step_ms) {
        bool was_on = governor->on;
        uint64_t n = was_on ? per_s * step_ms / 1000 : 0;
        *now_ns += step_ms * NS_PER_MS;
        taken.stacks += n;
        taken.pauses += was_on && !governor_pay(governor, n, false, *now_ns);
        if (!was_on) {
            governor_pay(governor, 0, false, *now_ns);
        }
    }
    return taken;
}

static void test_few_are_all_taken(void **state)
{
    (void)state;
    static const uint64_t rates[] = {0, 1, 500, 20000, GOVERNOR_PLENTY_PER_S};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        uint64_t now_ns = 1000;
        struct governor governor;
        governor_init(&governor, GOVERNOR_SAVINGS, now_ns);
        struct taken taken = run(&governor, &now_ns, rates[i], 20, 10);
        assert_int_equal(taken.pauses, 0);
        assert_true(governor.on);
    }
}

static void test_a_storm_is_sampled(void **state)
{
    (void)state;
    static const uint64_t steps_ms[] = {1, 4, 10};
    for (size_t i = 0; i < ARRAY_LEN(steps_ms); i++) {
        uint64_t now_ns = 1000;
        struct governor governor;
        governor_init(&governor, GOVERNOR_SAVINGS, now_ns);
        run(&governor, &now_ns, 400000, 1, steps_ms[i]); // what had been saved goes quickly
        struct taken taken = run(&governor, &now_ns, 400000, 60, steps_ms[i]);
        assert_true(taken.pauses >= 2);
        assert_in_range(taken.stacks, GOVERNOR_SCARCE_PER_S * 30, GOVERNOR_SCARCE_PER_S * 77);
    }
}

static void test_calm_comes_back(void **state)
{
    (void)state;
    uint64_t now_ns = 1000;
    struct governor governor;
    governor_init(&governor, GOVERNOR_SAVINGS, now_ns);
    run(&governor, &now_ns, 400000, 5, 10);
    run(&governor, &now_ns, 500, 35, 10); // down to nothing first
    assert_false(governor.storm);
    assert_int_equal(run(&governor, &now_ns, 20000, 5, 10).pauses, 0);
}

static void test_small_steps_add_up(void **state)
{
    (void)state;
    uint64_t now_ns = 1000;
    struct governor governor;
    governor_init(&governor, GOVERNOR_SAVINGS, now_ns);
    run(&governor, &now_ns, 400000, 2, 10);
    while (governor.on) {
        run(&governor, &now_ns, 400000, 1, 100);
    }
    uint64_t paused_ns = now_ns;
    for (int i = 0; i < 1000000 && !governor.on; i++) {
        now_ns += 100000; // a tenth of a millisecond earns less than one stack
        governor_pay(&governor, 0, false, now_ns);
    }
    assert_true(governor.on);
    assert_true(now_ns - paused_ns < (uint64_t)60 * NS_PER_S);
}

// Rings that fill up end a burst at once; what is in them is paid before the next one.
static void test_a_crowd_pauses_at_once(void **state)
{
    (void)state;
    enum { IN_RINGS = 240 };
    uint64_t now_ns = 1000;
    struct governor governor;
    governor_init(&governor, GOVERNOR_SAVINGS, now_ns);
    uint64_t n_bursts = 0;
    uint64_t paid = 0;
    while (now_ns < 60 * (uint64_t)NS_PER_S) {
        now_ns += NS_PER_MS;
        if (governor.on) {
            assert_false(governor_pay(&governor, 0, true, now_ns));
            now_ns += NS_PER_MS;
            // Full rings say nothing new while nothing is taken.
            assert_false(governor_pay(&governor, IN_RINGS, true, now_ns));
            paid += IN_RINGS;
            n_bursts++;
        }
        governor_pay(&governor, 0, false, now_ns);
    }
    assert_true(governor.storm);
    assert_in_range(n_bursts, 60 * GOVERNOR_SCARCE_PER_S / IN_RINGS * 7 / 10,
                    60 * GOVERNOR_SCARCE_PER_S / IN_RINGS * 11 / 10);
    assert_in_range(paid, GOVERNOR_SCARCE_PER_S * 42, GOVERNOR_SCARCE_PER_S * 66);
}

static void test_prices(void **state)
{
    (void)state;
    assert_int_equal(governor_price(0), 1);
    assert_int_equal(governor_price(1024), 1);
    assert_int_equal(governor_price(4096), 2);
    assert_int_equal(governor_price(8192), 2);
    assert_int_equal(governor_price(65528), 9);
}

// Two clocks are read in turns, of which one is behind: that is no income.
static void test_a_clock_that_is_behind(void **state)
{
    (void)state;
    struct governor governor;
    governor_init(&governor, GOVERNOR_SAVINGS, NS_PER_S);
    assert_false(governor_pay(&governor, GOVERNOR_SAVINGS + 1000, false, NS_PER_S + 1000));
    int64_t balance = governor.balance;
    for (int i = 0; i < 100; i++) {
        assert_false(governor_pay(&governor, 1, false, NS_PER_S));
    }
    assert_int_equal(governor.balance, balance - 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clock_that_is_behind),
        cmocka_unit_test(test_few_are_all_taken),
        cmocka_unit_test(test_a_storm_is_sampled),
        cmocka_unit_test(test_calm_comes_back),
        cmocka_unit_test(test_small_steps_add_up),
        cmocka_unit_test(test_a_crowd_pauses_at_once),
        cmocka_unit_test(test_prices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
