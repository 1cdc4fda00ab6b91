// What the questions about waiting cost over ten million stays off a CPU of a program of ordinary
// shape: 64 threads that wait for a millisecond or so in some hundred places, are each woken by a
// few others, and then wait for a CPU. Prints `name value unit` lines.

#include "query/fake_library.h"
#include "query/interval_search.h"
#include "query/timeline.h"
#include "query/wakers.h"

#include "base/clock.h"

#include <stdio.h>

enum {
    N_INTERVALS = 10000000, // half of them blocked, half ready
    N_THREADS = 64,
    N_STACKS = 300,
    DEPTH = 25,
    REPEATS = 5,
    SLICE_ROWS = 1 << 20,
};

static uint64_t random_state = 1;

static uint64_t dice(uint64_t sides)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (random_state >> 33) % sides;
}

static void print(const char *name, double value, const char *unit)
{
    printf("%-32s %10.2f %s\n", name, value, unit);
}

// The best of several: what the work costs, not what else the machine does.
#define BEST_MS(statement)                                                                         \
    __extension__({                                                                                \
        double best_ms_ = 1e9;                                                                     \
        for (int repeat_ = 0; repeat_ < REPEATS; repeat_++) {                                      \
            uint64_t start_ns_ = clock_now_ns();                                                   \
            statement;                                                                             \
            best_ms_ = MIN(best_ms_, (double)(clock_now_ns() - start_ns_) / NS_PER_MS);            \
        }                                                                                          \
        best_ms_;                                                                                  \
    })

// ---- The run -----------------------------------------------------------------------------------

struct bench {
    struct store *store;
    struct library library;
    struct names names;
    struct reasons reasons;
    stack_id stacks[N_STACKS];
};

// A few functions of the program, and a kernel function in which threads wait.
static stack_id make_stack(struct store *store, image_id program, image_id kernel)
{
    static const char *const waits[] = {"futex_wait_queue", "hrtimer_nanosleep", "pipe_read",
                                        "ep_poll", "folio_wait_bit_common"};
    stack_id stack = STACK_ROOT;
    bool cut = false;
    for (uint64_t i = 0; i < DEPTH; i++) {
        struct frame_row frame = {.off = i * 1000 + dice(i < DEPTH / 2 ? 1 : 4), .image = program};
        stack = stacks_push(&store->stacks, stack, stacks_frame(&store->stacks, &frame), &cut);
    }
    struct frame_row leaf = {
        .off = strings_add(&store->strings, slice_of_text(waits[dice(ARRAY_LEN(waits))])),
        .image = kernel,
    };
    return stacks_push(&store->stacks, stack, stacks_frame(&store->stacks, &leaf), &cut);
}

static void make_stacks(struct bench *b)
{
    image_id program = store_add_image(
        b->store,
        &(struct image_row){.path = strings_add(&b->store->strings, slice_of_text("/bin/program")),
                            .library = fake_library_add(&b->library, IMAGE_FILE)});
    image_id kernel = store_add_image(
        b->store, &(struct image_row){.kind = IMAGE_ROW_NAMED, .library = UINT32_MAX});
    for (size_t i = 0; i < N_STACKS; i++) {
        b->stacks[i] = make_stack(b->store, program, kernel);
    }
}

static void add_wakeup(struct bench *b, uint64_t now_ns, thread_id thread)
{
    store_add_wakeup(b->store,
                     &(struct wakeup){.time_ns = now_ns,
                                      .wakee = thread,
                                      .waker = (thread_id)((thread + 1 + dice(4)) % N_THREADS),
                                      .stack = b->stacks[dice(8)]});
}

// Threads that come by at random are blocked, ready or running, one after the other.
static void add_rows(struct bench *b)
{
    struct interval last[N_THREADS] = {0};
    uint64_t now_ns = 1;
    for (thread_id i = 0; i < N_THREADS; i++) {
        store_add_thread(b->store, 1, i + 1, 0, now_ns, 0);
    }
    for (uint64_t n = 0; n < N_INTERVALS;) {
        thread_id thread = (thread_id)dice(N_THREADS);
        struct interval *stay = &last[thread];
        now_ns += 1000 + dice(20000);
        bool runs = stay->start_ns == 0;
        bool ready = (stay->flags & INTERVAL_RUNNABLE) != 0;
        if (!runs) {
            stay->duration_ns = now_ns - stay->start_ns;
            store_add_interval(b->store, stay);
            n++;
        }
        if (!runs && !ready) {
            add_wakeup(b, now_ns, thread);
        }
        uint64_t few = dice(N_STACKS); // the product of two: small indices are the likely ones
        *stay = (struct interval){
            .start_ns = !runs && ready ? 0 : now_ns,
            .flags = runs || ready ? 0 : INTERVAL_RUNNABLE,
            .reason = runs ? REASON_BY_STACK : 0,
            .thread = thread,
            .stack = b->stacks[few * dice(N_STACKS) / N_STACKS],
        };
    }
    b->store->has_switches = true;
    atomic_store(&b->store->ended_ns, now_ns);
}

// ---- The questions -----------------------------------------------------------------------------

static void search(struct bench *b, const struct view *view, struct interval_filter filter)
{
    struct interval_search search;
    interval_search_init(&search, view, &filter);
    while (!interval_search_advance(&search, b->store, &b->names, &b->reasons, SLICE_ROWS)) {
    }
    ASSERT(interval_search_make(&search, b->store, &b->names, &b->reasons)->entries.n > 0);
    interval_search_fini(&search);
}

static void fold_wakers(struct bench *b)
{
    struct view view = {0};
    struct wakers wakers;
    wakers_init(&wakers, &view);
    while (!wakers_advance(&wakers, b->store, &b->reasons, SLICE_ROWS)) {
    }
    struct wakers_answer answer;
    wakers_make(&answer, &wakers, b->store, &b->reasons, 7, 20);
    ASSERT(answer.entries.n > 0 && answer.n_wakeups > 0);
    wakers_answer_fini(&answer);
    wakers_fini(&wakers);
}

static struct timeline *fold_timeline(struct bench *b)
{
    struct view view = {0};
    struct timeline *timeline = timeline_new(&view);
    while (!timeline_advance(timeline, b->store, &b->names, &b->reasons, SLICE_ROWS)) {
    }
    return timeline;
}

static void ask_timeline(struct bench *b, struct timeline *timeline)
{
    struct timeline_answer answer;
    timeline_make(&answer, timeline, b->store, 60, 20);
    ASSERT(answer.threads.n == 20);
    timeline_answer_fini(&answer);
}

static void ask(struct bench *b)
{
    struct view all = {0};
    struct view one = {.has_tid = true, .tid = 7};
    struct view half = {.has_time_range = true, .end_ns = atomic_load(&b->store->ended_ns) / 2};
    struct interval_filter longest = {.limit = 20};
    struct interval_filter newest = {.limit = 20, .order = INTERVALS_NEWEST};
    struct interval_filter sleeps = {.limit = 20, .has_reason = true, .reason = EVENT_REASON_SLEEP};
    double ms = BEST_MS(search(b, &all, longest));
    print("intervals_longest", ms, "ms");
    print("intervals_longest_per_row", ms * 1e6 / N_INTERVALS, "ns");
    print("intervals_newest", BEST_MS(search(b, &all, newest)), "ms");
    print("intervals_of_a_reason", BEST_MS(search(b, &all, sleeps)), "ms");
    print("intervals_of_a_thread", BEST_MS(search(b, &one, longest)), "ms");
    print("intervals_half_the_time", BEST_MS(search(b, &half, longest)), "ms");
    ms = BEST_MS(fold_wakers(b));
    print("wakers", ms, "ms");
    print("wakers_per_row", ms * 1e6 / (1.5 * N_INTERVALS), "ns");
    ms = BEST_MS(timeline_free(fold_timeline(b)));
    print("timeline_fold", ms, "ms");
    print("timeline_fold_per_row", ms * 1e6 / N_INTERVALS, "ns");
    struct timeline *timeline = fold_timeline(b);
    print("timeline_answer", BEST_MS(ask_timeline(b, timeline)), "ms");
    timeline_free(timeline);
}

int main(void)
{
    struct bench b = {.store = store_new(1, 0, 1000000)};
    fake_library_init(&b.library);
    make_stacks(&b);
    add_rows(&b);
    names_init(&b.names, b.store, &b.library);
    names_refresh(&b.names, atomic_load(&b.store->stacks.n_frames));
    reasons_init(&b.reasons, &b.names);
    ask(&b);
    reasons_fini(&b.reasons);
    names_fini(&b.names);
    fake_library_fini(&b.library);
    store_free(b.store);
    return 0;
}
