#include "run/pauses.h"

#include "base/base.h"

static uint32_t n_switches(const struct pauses *pauses)
{
    return atomic_load_explicit(&pauses->n, memory_order_acquire);
}

static void add_switch(struct pauses *pauses, uint64_t at_ns)
{
    uint32_t n = n_switches(pauses);
    pauses->at_ns[n] = n == 0 ? at_ns : MAX(at_ns, pauses->at_ns[n - 1]);
    atomic_store_explicit(&pauses->n, n + 1, memory_order_release);
}

bool pauses_set(struct pauses *pauses, bool paused, uint64_t now_ns)
{
    if (pauses_are_on(pauses) == paused) {
        return true;
    }
    if (n_switches(pauses) == ARRAY_LEN(pauses->at_ns)) {
        return false;
    }
    add_switch(pauses, now_ns);
    return true;
}

bool pauses_drop(struct pauses *pauses, uint64_t time_ns)
{
    uint32_t n = n_switches(pauses);
    while (pauses->n_passed < n && pauses->at_ns[pauses->n_passed] <= time_ns) {
        pauses->n_passed++;
    }
    if (pauses->n_passed % 2 == 0) {
        return false;
    }
    atomic_fetch_add_explicit(&pauses->dropped[pauses->n_passed / 2], 1, memory_order_relaxed);
    return true;
}

bool pauses_are_on(const struct pauses *pauses)
{
    return n_switches(pauses) % 2 != 0;
}

uint32_t pauses_count(const struct pauses *pauses)
{
    return (n_switches(pauses) + 1) / 2;
}

struct pause pauses_get(const struct pauses *pauses, uint32_t at)
{
    return (struct pause){
        .start_ns = pauses->at_ns[2 * at],
        .end_ns = 2 * at + 1 < n_switches(pauses) ? pauses->at_ns[2 * at + 1] : 0,
        .dropped = atomic_load_explicit(&pauses->dropped[at], memory_order_relaxed),
    };
}

uint64_t pauses_dropped(const struct pauses *pauses)
{
    uint64_t sum = 0;
    uint32_t n = pauses_count(pauses);
    for (uint32_t i = 0; i < n; i++) {
        sum += atomic_load_explicit(&pauses->dropped[i], memory_order_relaxed);
    }
    return sum;
}

bool pauses_restore(struct pauses *pauses, const struct pause *pause)
{
    uint32_t n = n_switches(pauses);
    bool fits = n % 2 == 0 && n < ARRAY_LEN(pauses->at_ns);
    bool behind = n == 0 || (fits && pauses->at_ns[n - 1] <= pause->start_ns);
    if (!fits || !behind || (pause->end_ns != 0 && pause->end_ns < pause->start_ns)) {
        return false;
    }
    atomic_store(&pauses->dropped[n / 2], pause->dropped);
    add_switch(pauses, pause->start_ns);
    if (pause->end_ns != 0) {
        add_switch(pauses, pause->end_ns);
    }
    return true;
}
