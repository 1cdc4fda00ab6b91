// One writer and several readers at full speed. Whatever prefix a reader sees has to make sense;
// with -Db_sanitize=thread this also proves that no access races.

#include "store/store.h"

#include "base/alloc.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_SAMPLES = 100000, N_READERS = 3, N_THREADS = 100 };

static uint64_t next_random(uint64_t *random)
{
    *random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
    return *random >> 33;
}

static string_id add_name(struct store *store, uint32_t number)
{
    char name[32];
    int n = snprintf(name, sizeof name, "thread %u", number);
    return strings_add(&store->strings, (struct slice){(const uint8_t *)name, (size_t)n});
}

static stack_id add_stack(struct store *store, uint64_t *random)
{
    stack_id at = STACK_ROOT;
    bool cut = false;
    size_t depth = 1 + next_random(random) % 20;
    for (size_t i = 0; i < depth; i++) {
        struct frame_row frame = {.off = next_random(random) % (i < 8 ? 3 : 200), .image = 0};
        at = stacks_push(&store->stacks, at, stacks_frame(&store->stacks, &frame), &cut);
    }
    return at;
}

static void *write_run(void *context)
{
    struct store *store = context;
    uint64_t random = 1;
    for (uint32_t i = 0; i < N_SAMPLES; i++) {
        if (i % (N_SAMPLES / N_THREADS) == 0) {
            store_add_thread(store, 1, i, 0, i, add_name(store, i));
        }
        thread_id thread = (thread_id)(next_random(&random) % atomic_load(&store->threads.n));
        if (i % 7 == 0) {
            atomic_store(&store_thread_mut(store, thread)->name, add_name(store, i));
        }
        store_add_sample(store, i, thread, add_stack(store, &random));
        store_count(store, ACCOUNT_FRAMES, 1);
    }
    atomic_store(&store->ended_ns, N_SAMPLES);
    return NULL;
}

static void check_stack(const struct store *store, stack_id stack)
{
    ASSERT(stack < atomic_load(&store->stacks.n_nodes));
    while (stack != STACK_ROOT) {
        const struct stack_row *row = stacks_get(&store->stacks, stack);
        ASSERT(row->caller < stack);
        ASSERT(row->frame != 0 && row->frame < atomic_load(&store->stacks.n_frames));
        ASSERT(stacks_get_frame(&store->stacks, row->frame)->off < 200);
        stack = row->caller;
    }
}

static void check_thread(const struct store *store, thread_id thread)
{
    ASSERT(thread < atomic_load(&store->threads.n));
    const struct thread_row *row = store_thread(store, thread);
    struct slice name = strings_get(&store->strings, atomic_load(&row->name));
    ASSERT(name.n > 7 && memcmp(name.data, "thread ", 7) == 0 && name.data[name.n] == 0);
}

// Rows [first, n) of a published prefix.
static void check_rows(const struct store *store, uint64_t first, uint64_t n)
{
    while (first < n) {
        struct samples_span span;
        samples_pin(&store->samples, first, n, &span);
        for (size_t i = 0; i < span.n; i++) {
            ASSERT(span.time_ns[i] == span.first + i);
            check_thread(store, span.thread[i]);
            if (i % 16 == 0) {
                check_stack(store, span.stack[i]);
            }
        }
        first += span.n;
        samples_unpin(&store->samples, &span);
    }
}

static void *read_run(void *context)
{
    const struct store *store = context;
    uint64_t seen = 0;
    uint64_t memory = 0;
    for (;;) {
        bool ended = atomic_load(&store->ended_ns) != 0;
        uint64_t n = atomic_load_explicit(&store->samples.n, memory_order_acquire);
        ASSERT(n >= seen);
        check_rows(store, seen, n);
        ASSERT(samples_find(&store->samples, n, n / 2) == n / 2);
        ASSERT(store_account(store, ACCOUNT_FRAMES) + 1 >= n);
        uint64_t now = store_memory(store).total_bytes;
        ASSERT(now >= memory);
        memory = now;
        seen = n;
        if (ended) {
            ASSERT(n == N_SAMPLES);
            return NULL;
        }
    }
}

static void test_every_prefix_makes_sense(void **state)
{
    (void)state;
    struct store *store = store_new(0, 0, 1);
    pthread_t readers[N_READERS];
    pthread_t writer;
    for (size_t i = 0; i < N_READERS; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_run, store), 0);
    }
    assert_int_equal(pthread_create(&writer, NULL, write_run, store), 0);
    pthread_join(writer, NULL);
    for (size_t i = 0; i < N_READERS; i++) {
        pthread_join(readers[i], NULL);
    }
    store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_prefix_makes_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
