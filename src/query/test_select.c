#include "query/select.h"

#include "base/alloc.h"
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct element {
    uint64_t weight;
    uint32_t id;
};

static int compare(const void *a, const void *b, void *context)
{
    (void)context;
    const struct element *x = a;
    const struct element *y = b;
    if (x->weight != y->weight) {
        return x->weight > y->weight ? -1 : 1;
    }
    return x->id < y->id ? -1 : x->id > y->id;
}

static void check(size_t n, size_t first, uint64_t seed)
{
    struct element *picked = NEW_ARRAY(struct element, n);
    struct element *sorted = NEW_ARRAY(struct element, n);
    for (uint32_t i = 0; i < n; i++) {
        // Few weights, so that ties are common; some inputs are in order already.
        uint64_t weight = seed % 3 == 0 ? i : hash_pair(seed, i) % (n / 2 + 1);
        picked[i] = sorted[i] = (struct element){.weight = weight, .id = i};
    }
    select_first(picked, n, sizeof *picked, first, compare, NULL);
    if (n > 0) {
        qsort_r(sorted, n, sizeof *sorted, compare, NULL);
    }
    for (size_t i = 0; i < first && i < n; i++) {
        assert_int_equal(picked[i].id, sorted[i].id);
    }
    uint64_t ids = 0; // nothing is lost behind them
    for (size_t i = 0; i < n; i++) {
        ids += picked[i].id;
    }
    assert_int_equal(ids, n == 0 ? 0 : (uint64_t)n * (n - 1) / 2);
    free(picked);
    free(sorted);
}

static void test_agrees_with_sorting_everything(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 600; seed++) {
        size_t n = hash_pair(seed, 1) % 50;
        check(n, hash_pair(seed, 2) % (n + 3), seed);
    }
    check(100000, 20, 1);
    check(100000, 20, 3); // in order already
    check(100000, 99990, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_sorting_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
