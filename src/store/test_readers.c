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

// ---- Stays that are over, and those that are not ------------------------------------------------

// Each thread goes round and round: on a CPU, blocked, ready. So how long it has been what is known
// for any moment, and what readers add up has to be that, to the nanosecond.
enum { ON_NS = 3, BLOCKED_NS = 5, READY_NS = 2, ROUND_NS = 10, N_GOING = 8, N_TIMES = 150000 };

static uint64_t birth_ns(thread_id thread)
{
    return 10 + thread * 7;
}

static uint64_t death_ns(thread_id thread)
{
    return thread % 2 == 0 ? N_TIMES / 2 + thread : UINT64_MAX;
}

// Of a life of that length.
static void spent(uint64_t life_ns, uint64_t ret_off_ns[2])
{
    uint64_t rest_ns = life_ns % ROUND_NS;
    ret_off_ns[0] = life_ns / ROUND_NS * BLOCKED_NS;
    ret_off_ns[1] = life_ns / ROUND_NS * READY_NS;
    if (rest_ns > ON_NS) {
        ret_off_ns[0] += MIN(rest_ns - ON_NS, (uint64_t)BLOCKED_NS);
    }
    if (rest_ns > ON_NS + BLOCKED_NS) {
        ret_off_ns[1] += rest_ns - ON_NS - BLOCKED_NS;
    }
}

// As run/waits.c does it: the row, then what comes after it.
static void end_stay(struct store *store, thread_id thread, uint64_t since_ns, uint64_t now_ns,
                     bool ready)
{
    store_add_interval(store, &(struct interval){.start_ns = since_ns,
                                                 .duration_ns = now_ns - since_ns,
                                                 .flags = ready ? INTERVAL_RUNNABLE : 0,
                                                 .thread = thread,
                                                 .stack = thread});
}

static void start_stay(struct store *store, thread_id thread, uint64_t now_ns, bool ready)
{
    store_set_off(store, thread,
                  &(struct thread_off){
                      .since_ns = now_ns, .stack = thread, .flags = ready ? INTERVAL_RUNNABLE : 0});
}

static void go_on(struct store *store, thread_id thread, uint64_t now_ns)
{
    uint64_t at_ns = (now_ns - birth_ns(thread)) % ROUND_NS;
    bool dies = now_ns == death_ns(thread);
    if (at_ns == ON_NS && !dies) {
        start_stay(store, thread, now_ns, false);
        if (thread % 3 == 0) { // a stay may become better known
            start_stay(store, thread, now_ns, false);
        }
    } else if (at_ns == ON_NS + BLOCKED_NS) {
        end_stay(store, thread, now_ns - BLOCKED_NS, now_ns, false);
        if (!dies) {
            start_stay(store, thread, now_ns, true);
        }
    } else if (at_ns == 0 && now_ns > birth_ns(thread)) {
        end_stay(store, thread, now_ns - READY_NS, now_ns, true);
        store_set_off(store, thread, NULL);
    } else if (dies && at_ns > ON_NS) {
        bool ready = at_ns > ON_NS + BLOCKED_NS;
        end_stay(store, thread, now_ns - at_ns + ON_NS + (ready ? BLOCKED_NS : 0), now_ns, ready);
    }
    if (dies) {
        store_set_off(store, thread, NULL);
        atomic_store(&store_thread_mut(store, thread)->ended_ns, now_ns);
    }
}

static void *write_stays(void *context)
{
    struct store *store = context;
    for (uint64_t now_ns = 1; now_ns < N_TIMES; now_ns++) {
        atomic_store_explicit(&store->last_ns, now_ns, memory_order_release);
        for (thread_id thread = 0; thread < N_GOING; thread++) {
            if (now_ns == birth_ns(thread)) {
                store_add_thread(store, 1, thread, 0, now_ns, 0);
            } else if (now_ns > birth_ns(thread) && now_ns <= death_ns(thread)) {
                go_on(store, thread, now_ns);
            }
        }
    }
    atomic_store(&store->ended_ns, N_TIMES);
    return NULL;
}

// What a reader has seen of a thread, as of one moment.
struct seen {
    bool is_off;
    struct thread_off off;
    uint64_t life_ns;
    uint64_t off_ns[2]; // blocked, ready
};

static void see_now(const struct store *store, thread_id thread, uint64_t horizon_ns,
                    struct seen *ret)
{
    ret->is_off = store_thread_off(store, thread, &ret->off) && ret->off.since_ns < horizon_ns;
    const struct thread_row *row = store_thread(store, thread);
    uint64_t ended_ns = atomic_load_explicit(&row->ended_ns, memory_order_acquire);
    uint64_t end_ns = ended_ns != 0 ? MIN(ended_ns, horizon_ns) : horizon_ns;
    ret->life_ns = end_ns - MIN(end_ns, row->started_ns);
    if (ret->is_off) {
        ASSERT(ret->off.stack == thread);
        bool ready = (ret->off.flags & INTERVAL_RUNNABLE) != 0;
        ret->off_ns[ready] += horizon_ns - ret->off.since_ns;
    }
}

static void see_row(const struct interval *row, uint64_t horizon_ns, struct seen *ret)
{
    uint64_t end_ns = MIN(row->start_ns + row->duration_ns, horizon_ns);
    bool open = ret->is_off && row->start_ns >= ret->off.since_ns;
    if (row->start_ns < end_ns && !open) {
        ret->off_ns[(row->flags & INTERVAL_RUNNABLE) != 0] += end_ns - row->start_ns;
    }
}

static void *read_stays(void *context)
{
    const struct store *store = context;
    uint64_t folded_ns[N_GOING][2] = {{0}}; // by rows that were over at an earlier moment
    uint64_t folded = 0;
    for (bool ended = false; !ended;) {
        ended = atomic_load(&store->ended_ns) != 0;
        uint64_t horizon_ns = atomic_load_explicit(&store->last_ns, memory_order_acquire);
        uint32_t n_threads = atomic_load_explicit(&store->threads.n, memory_order_acquire);
        struct seen seen[N_GOING] = {0};
        for (thread_id thread = 0; thread < n_threads; thread++) {
            see_now(store, thread, horizon_ns, &seen[thread]);
        }
        uint64_t n = atomic_load_explicit(&store->intervals.n, memory_order_acquire);
        for (uint64_t i = folded; i < n; i++) {
            struct interval row = intervals_get(&store->intervals, i);
            if (i == folded && row.start_ns + row.duration_ns < horizon_ns) {
                folded_ns[row.thread][(row.flags & INTERVAL_RUNNABLE) != 0] += row.duration_ns;
                folded++;
            } else if (row.thread < n_threads) {
                see_row(&row, horizon_ns, &seen[row.thread]);
            }
        }
        for (thread_id thread = 0; thread < n_threads; thread++) {
            uint64_t wanted_ns[2];
            spent(seen[thread].life_ns, wanted_ns);
            ASSERT(seen[thread].off_ns[0] + folded_ns[thread][0] == wanted_ns[0]);
            ASSERT(seen[thread].off_ns[1] + folded_ns[thread][1] == wanted_ns[1]);
        }
    }
    return NULL;
}

static void test_every_moment_adds_up(void **state)
{
    (void)state;
    struct store *store = store_new(0, 0, 1);
    pthread_t readers[N_READERS];
    pthread_t writer;
    for (size_t i = 0; i < N_READERS; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_stays, store), 0);
    }
    assert_int_equal(pthread_create(&writer, NULL, write_stays, store), 0);
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
        cmocka_unit_test(test_every_moment_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
