#include "invented.h"

#include "base/alloc.h"
#include "base/map.h"

#include <limits.h>
#include <link.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    KINDS = 4,
    STACKS = 6000, // of each kind
    WAITING_STACKS = 10,
    CODES_MAX = 8,
    LATE_NS = 400,
    RUN_NS = 40000, // these three: on average
    BLOCKED_NS = 400000,
    READY_NS = 12000,
};

const struct invented_shape invented_usual = {
    .n_threads = 32,
    .n_serving = 16,
    .period_ns = 1111111,
    .start_ns = UINT64_C(1) << 50,
};

static uint64_t random_state = 1;

static uint64_t random_u64(void)
{
    random_state += 0x9e3779b97f4a7c15ULL;
    return hash_u64(random_state);
}

static double random_share(void) // in (0, 1]
{
    return (double)((random_u64() >> 11) + 1) / (double)(UINT64_C(1) << 53);
}

static uint64_t random_time(uint64_t mean_ns)
{
    return (uint64_t)(-log(random_share()) * (double)mean_ns);
}

static uint32_t random_rank(uint32_t n)
{
    return (uint32_t)pow((double)n, random_share()) - 1;
}

enum state { RUNS, BLOCKED, READY };

struct thread {
    enum state state;
    uint64_t since_ns;
    uint64_t until_ns;
    uint64_t sample_ns; // of CPU time that is left to the next sample
    stack_id waits_in;
};

struct code {
    image_id image;
    uint64_t first_off;
    uint64_t n_bytes;
};

struct invented {
    struct invented_shape shape;
    struct store *store;
    struct library *library;
    struct code codes[CODES_MAX];
    size_t n_codes;
    stack_id stacks[KINDS * STACKS];
    struct thread threads[INVENTED_THREADS_MAX];
};

// ---- Its code ----------------------------------------------------------------------------------

static void add_code(struct invented *server, const char *path, const ElfW(Phdr) * segment)
{
    struct image_identity identity = {.kind = IMAGE_FILE, .path = slice_of_text(path)};
    struct image_row image = {.kind = IMAGE_ROW_FILE,
                              .path = strings_add(&server->store->strings, identity.path),
                              .library = library_get(server->library, &identity, NULL)};
    server->codes[server->n_codes++] = (struct code){
        .image = store_add_image(server->store, &image),
        .first_off = segment->p_offset,
        .n_bytes = segment->p_filesz,
    };
}

static int take_object(struct dl_phdr_info *object, size_t size, void *context)
{
    struct invented *server = context;
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    ASSERT(n > 0 && size >= sizeof *object);
    self[n] = 0;
    const char *path = object->dlpi_name[0] != 0 ? object->dlpi_name : self;
    for (size_t i = 0; i < object->dlpi_phnum && path[0] == '/'; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) != 0 &&
            server->n_codes < CODES_MAX) {
            add_code(server, path, segment);
        }
    }
    return 0;
}

static struct frame_row random_frame(const struct invented *server)
{
    const struct code *code = &server->codes[random_u64() % server->n_codes];
    return (struct frame_row){.off = code->first_off + random_u64() % code->n_bytes,
                              .image = code->image,
                              .leaf = random_u64() % 2 == 0};
}

// ---- Its life ----------------------------------------------------------------------------------

// Trees that grow where they have grown before. What a thread is found in is any node of them.
static void make_stacks(struct invented *server)
{
    bool cut = false;
    for (size_t i = 0; i < ARRAY_LEN(server->stacks); i++) {
        struct frame_row frame = random_frame(server);
        size_t first = i / STACKS * STACKS;
        stack_id caller = i == first ? STACK_ROOT
                                     : server->stacks[first + random_u64() % (i - first)];
        frame_id id = stacks_frame(&server->store->stacks, &frame);
        server->stacks[i] = stacks_push(&server->store->stacks, caller, id, &cut);
    }
}

// The hottest stacks are not those that were met first.
static stack_id draw_stack(const struct invented *server, size_t thread, uint32_t n)
{
    uint64_t rank = random_rank(n) * UINT64_C(2654435761) % STACKS;
    return server->stacks[thread % KINDS * STACKS + rank];
}

static void sample_until(struct invented *server, size_t i, uint64_t until_ns)
{
    struct thread *thread = &server->threads[i];
    while (thread->since_ns + thread->sample_ns <= until_ns) {
        thread->since_ns += thread->sample_ns;
        store_add_sample(server->store, thread->since_ns, (thread_id)i,
                         draw_stack(server, i, STACKS));
        thread->sample_ns = server->shape.period_ns + random_u64() % LATE_NS;
    }
}

static void leave(struct invented *server, size_t i, uint64_t now_ns)
{
    struct thread *thread = &server->threads[i];
    thread->sample_ns -= now_ns - thread->since_ns;
    thread->state = BLOCKED;
    thread->waits_in = draw_stack(server, i, WAITING_STACKS);
    thread->until_ns = now_ns + random_time(BLOCKED_NS);
}

static void wake(struct invented *server, size_t i, uint64_t now_ns)
{
    struct thread *thread = &server->threads[i];
    struct wakeup wakeup = {
        .time_ns = now_ns,
        .wakee = (thread_id)i,
        .waker = random_u64() % 4 == 0
                     ? THREAD_INTERRUPT
                     : (thread_id)((i + 1 + random_u64() % 4) % server->shape.n_serving)};
    wakeup.stack = wakeup.waker == THREAD_INTERRUPT ? STACK_ROOT
                                                    : draw_stack(server, wakeup.waker, 8);
    store_add_wakeup(server->store, &wakeup);
    thread->state = READY;
    thread->until_ns = now_ns + random_time(READY_NS);
}

// The thread's next step, at its time.
static void step(struct invented *server, size_t i)
{
    struct thread *thread = &server->threads[i];
    uint64_t now_ns = thread->until_ns;
    if (thread->state == RUNS) {
        sample_until(server, i, now_ns);
        if (i < server->shape.n_serving && now_ns - thread->since_ns < thread->sample_ns) {
            leave(server, i, now_ns);
            thread->since_ns = now_ns;
            return;
        }
        thread->until_ns = thread->since_ns + thread->sample_ns;
        return;
    }
    struct interval interval = {.start_ns = thread->since_ns,
                                .duration_ns = now_ns - thread->since_ns,
                                .reason = thread->state == BLOCKED ? REASON_BY_STACK : 0,
                                .flags = thread->state == BLOCKED ? 0 : INTERVAL_RUNNABLE,
                                .thread = (thread_id)i,
                                .stack = thread->waits_in};
    store_add_interval(server->store, &interval);
    thread->since_ns = now_ns;
    if (thread->state == BLOCKED) {
        wake(server, i, now_ns);
    } else {
        thread->state = RUNS;
        thread->until_ns = now_ns + MIN(1 + random_time(RUN_NS), thread->sample_ns);
    }
}

// ---- Life and death ----------------------------------------------------------------------------

static void add_threads(struct invented *server)
{
    const struct invented_shape *shape = &server->shape;
    string_id name = strings_add(&server->store->strings, slice_of_text("server"));
    process_id process = store_add_process(server->store, 1000, 1, shape->start_ns, name);
    for (size_t i = 0; i < shape->n_threads; i++) {
        store_add_thread(server->store, 1000, 1000 + (uint32_t)i, process, shape->start_ns, name);
        uint64_t sample_ns = 1 + random_u64() % shape->period_ns;
        server->threads[i] = (struct thread){.since_ns = shape->start_ns,
                                             .until_ns = shape->start_ns + sample_ns,
                                             .sample_ns = sample_ns};
    }
}

struct invented *invented_new(const struct invented_shape *shape, struct library *library)
{
    ASSERT(shape->n_threads <= INVENTED_THREADS_MAX && shape->n_serving <= shape->n_threads);
    struct invented *server = NEW(struct invented);
    server->shape = *shape;
    server->library = library;
    server->store = store_new(shape->start_ns, 0, shape->period_ns);
    server->store->has_switches = shape->n_serving > 0;
    dl_iterate_phdr(take_object, server);
    ASSERT(server->n_codes > 0);
    add_threads(server);
    make_stacks(server);
    return server;
}

void invented_free(struct invented *server)
{
    free(server);
}

struct store *invented_store(const struct invented *server)
{
    return server->store;
}

void invented_go_on(struct invented *server, uint64_t until_ns, uint64_t n_samples)
{
    while (atomic_load(&server->store->samples.n) < n_samples) {
        size_t next = 0;
        for (size_t i = 1; i < server->shape.n_threads; i++) {
            next = server->threads[i].until_ns < server->threads[next].until_ns ? i : next;
        }
        if (server->threads[next].until_ns > until_ns) {
            return;
        }
        step(server, next);
    }
}

void invented_end(struct invented *server)
{
    struct store *store = server->store;
    atomic_store(&store->ended_ns, atomic_load(&store->last_ns));
}
