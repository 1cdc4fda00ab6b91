#include "query/select.h"

#include "base/map.h"

#include <stdlib.h>
#include <string.h>

struct selection {
    char *elements;
    size_t element_bytes;
    select_compare_fn compare;
    void *context;
};

static char *at(const struct selection *s, size_t i)
{
    return s->elements + i * s->element_bytes;
}

static void swap(const struct selection *s, size_t i, size_t j)
{
    char kept[SELECT_MAX_BYTES];
    memcpy(kept, at(s, i), s->element_bytes);
    memcpy(at(s, i), at(s, j), s->element_bytes);
    memcpy(at(s, j), kept, s->element_bytes);
}

// Splits [low, high) by one of its elements, which ends up at the returned place: smaller ones
// before it, larger ones behind. The choice is by hash, so that no order of the input is a bad one.
static size_t partition(const struct selection *s, size_t low, size_t high)
{
    swap(s, low + hash_u64(high - low) % (high - low), high - 1);
    size_t place = low;
    for (size_t i = low; i < high - 1; i++) {
        if (s->compare(at(s, i), at(s, high - 1), s->context) < 0) {
            if (i != place) {
                swap(s, i, place);
            }
            place++;
        }
    }
    swap(s, place, high - 1);
    return place;
}

void select_first(void *elements, size_t n, size_t element_bytes, size_t first,
                  select_compare_fn compare, void *context)
{
    ASSERT(element_bytes <= SELECT_MAX_BYTES);
    struct selection s = {elements, element_bytes, compare, context};
    size_t low = 0;
    size_t high = n;
    while (first < n && high - low > 1) {
        size_t place = partition(&s, low, high);
        if (place == first) {
            break;
        }
        if (place < first) {
            low = place + 1;
        } else {
            high = place;
        }
    }
    if (n > 0) {
        qsort_r(elements, MIN(first, n), element_bytes, compare, context);
    }
}
