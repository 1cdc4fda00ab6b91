// From the bytes of the rings to rows of the store: ring -> merge -> parse -> pipeline -> store.
// Names play no part in it. Prints lines `name value unit`. Then a storm of switches, from events
// to rows: threads that leave their CPU and come back, as fast as the pipeline takes it. And
// samples that come with registers and a copy of the stack, and are walked.
//
// The stacks are those of an invented program: a random tree of calls, 30 deep, with 30,000
// distinct stacks of 3,000 functions, drawn with the skew of real programs (Zipf: the k-th hottest
// is taken in proportion to 1/k).

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/linux/perf_merge.h"
#include "run/pipeline.h"
#include "unwind/test_frames.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    RINGS = 2,
    RING_BYTES = 64 << 20,
    FRAMES = 30,
    STACKS = 30000,
    FUNCTIONS = 3000,
    FUNCTION_BYTES = 256,
    SAMPLES = 10000000,
    PID = 1000,
    SWITCHES = 4000000, // of each storm: half of them out, half in
    SWITCH_THREADS = 200,
    WALKED_SAMPLES = 1000000,
    WALKED_STACKS = 3000, // their copies fill the caches as they do in a recording
};

static const uint64_t TEXT_ADDR = 0x400000;

struct bench {
    struct perf_layouts layouts;
    struct pipeline *pipeline;
    uint64_t time_offset_ns;
    uint64_t n_samples;
};

static uint64_t random_u64(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15ULL;
    return hash_u64(*state);
}

static uint64_t random_addr(uint64_t *state)
{
    return TEXT_ADDR + random_u64(state) % FUNCTIONS * FUNCTION_BYTES +
           random_u64(state) % (FUNCTION_BYTES / 16) * 16;
}

// Each stack is an earlier one that is left at some depth and goes on differently, leaf first.
static uint64_t *make_stacks(uint64_t *state)
{
    uint64_t *stacks = NEW_ARRAY(uint64_t, (size_t)STACKS * FRAMES);
    for (size_t i = 0; i < STACKS; i++) {
        uint64_t *stack = stacks + i * FRAMES;
        bool near = random_u64(state) % 8 != 0; // most differ in their last few calls
        size_t apart = 1 + random_u64(state) % (near ? 8 : FRAMES - 4);
        size_t shared = i == 0 ? 0 : FRAMES - apart;
        const uint64_t *from = stacks + (i == 0 ? 0 : random_u64(state) % i) * FRAMES;
        memcpy(stack + FRAMES - shared, from + FRAMES - shared, shared * sizeof *stack);
        for (size_t k = 0; k < FRAMES - shared; k++) {
            stack[k] = random_addr(state);
        }
    }
    return stacks;
}

// The inverse of the distribution function of 1/k, by its integral.
static size_t draw_stack(uint64_t *state)
{
    double u = (double)(random_u64(state) >> 11) / (double)(1ULL << 53);
    return (size_t)pow((double)STACKS, u) - 1;
}

static size_t put_sample(uint8_t *to, uint64_t time_ns, uint32_t cpu, const uint64_t *stack)
{
    struct {
        struct perf_event_header header;
        uint64_t id, ip;
        uint32_t pid, tid;
        uint64_t time_ns;
        uint32_t cpu, reserved;
        uint64_t n, context;
    } sample = {.header = {.type = PERF_RECORD_SAMPLE, .misc = PERF_RECORD_MISC_USER},
                .id = cpu,
                .pid = PID,
                .tid = PID + cpu,
                .time_ns = time_ns,
                .cpu = cpu,
                .n = FRAMES + 1,
                .context = PERF_CONTEXT_USER};
    size_t n = sizeof sample + FRAMES * sizeof(uint64_t);
    sample.header.size = (uint16_t)n;
    memcpy(to, &sample, sizeof sample);
    memcpy(to + sizeof sample, stack, FRAMES * sizeof *stack);
    return n;
}

static uint64_t fill(uint8_t *data, uint32_t cpu, const uint64_t *stacks, uint64_t *state,
                     uint64_t *ret_last_ns)
{
    size_t at = 0;
    uint64_t time_ns = cpu;
    size_t sample_bytes = put_sample(data, 0, cpu, stacks);
    for (; at + sample_bytes <= RING_BYTES; at += sample_bytes) {
        time_ns += 1000;
        put_sample(data + at, time_ns, cpu, stacks + draw_stack(state) * FRAMES);
    }
    *ret_last_ns = time_ns;
    return at;
}

static void take(void *context, const struct perf_event_header *record, uint64_t time_ns,
                 uint32_t ring)
{
    (void)ring;
    struct bench *bench = context;
    struct event event;
    const struct perf_layout *layout = perf_layouts_find(&bench->layouts, record);
    if (perf_record_parse(layout, record, NULL, &event) != PERF_OK || event.kind != EVENT_SAMPLE) {
        abort();
    }
    event.time_ns = time_ns + bench->time_offset_ns;
    pipeline_apply(bench->pipeline, &event);
    bench->n_samples++;
}

static void map_text(struct pipeline *pipeline)
{
    struct event event = {.kind = EVENT_IMAGE_MAPPED,
                          .pid = PID,
                          .tid = PID,
                          .time_ns = 1,
                          .image_mapped = {.kind = EVENT_IMAGE_FILE,
                                           .start_addr = TEXT_ADDR,
                                           .size_bytes = FUNCTIONS * FUNCTION_BYTES,
                                           .inode = 1,
                                           .path = slice_of_text("/no/such/program")}};
    pipeline_apply(pipeline, &event);
}

// Each thread leaves and comes back in turn, staying off for a microsecond or for a millisecond.
// Every `stack_every`-th comes with a stack; 0: none does.
static void storm(const char *name, const char *wanted, const uint64_t *stacks, uint64_t *state,
                  uint64_t stack_every)
{
    struct library library;
    library_init(&library, NULL, NULL);
    struct store *store = store_new(1, 1, 1000);
    store->has_switches = true;
    struct pipeline *pipeline = pipeline_new(store, &library);
    map_text(pipeline);
    uint64_t before_bytes = store_memory(store).total_bytes;
    uint64_t time_ns = 1000;
    uint64_t start_ns = clock_thread_cpu_ns();
    for (uint64_t i = 0; i < SWITCHES / 2; i++) {
        struct event event = {.kind = EVENT_SWITCH_OUT, .pid = PID, .time_ns = time_ns};
        event.tid = PID + (uint32_t)(i % SWITCH_THREADS);
        event.switch_out.has_stack = stack_every != 0 && i % stack_every == 0;
        if (event.switch_out.has_stack) {
            event.switch_out.stack.user = stacks + draw_stack(state) * FRAMES;
            event.switch_out.stack.n_user = FRAMES;
        }
        pipeline_apply(pipeline, &event);
        time_ns += i % 8 == 0 ? 1000000 : 1000;
        event = (struct event){
            .kind = EVENT_SWITCH_IN, .pid = PID, .tid = event.tid, .time_ns = time_ns};
        pipeline_apply(pipeline, &event);
    }
    uint64_t spent_ns = clock_thread_cpu_ns() - start_ns;
    uint64_t n = atomic_load(&store->intervals.n);
    printf("%s %.0f ns per switch%s\n", name, (double)spent_ns / SWITCHES, wanted);
    if (stack_every == 0) {
        uint64_t grown_bytes = store_memory(store).total_bytes - before_bytes;
        printf("bytes_per_interval %.2f\n", (double)grown_bytes / (double)n);
    }
    ASSERT(n == SWITCHES / 2);
    pipeline_free(pipeline);
    store_free(store);
    library_fini(&library);
}

static void storms(const uint64_t *stacks, uint64_t *state)
{
    storm("switches_without_stacks", " (wanted: less than 150)", stacks, state, 0);
    storm("switches_some_with_stacks", ", every 17th out with 30 frames", stacks, state, 17);
    storm("switches_with_stacks", ", every out with 30 frames", stacks, state, 1);
}

// ---- Walked stacks -----------------------------------------------------------------------------

// One rule for all functions but the first, which is the outermost: the return address is in the
// second word of a frame of 32 bytes.
static struct cfi_table *make_rules(void)
{
    struct frames frames = {0};
    frames_cie(&frames, "zR", 0x1b, USUAL);
    frames_fde(&frames, CODE_ADDR, FUNCTION_BYTES, PROGRAM(0x07, 16)); // undefined
    for (uint64_t i = 1; i < CODE_BYTES / FUNCTION_BYTES; i++) {
        frames_fde(&frames, CODE_ADDR + i * FUNCTION_BYTES, FUNCTION_BYTES, PROGRAM(0x0e, 32));
    }
    struct cfi_table *table = frames_table(&frames, NULL);
    frames_fini(&frames);
    return table;
}

enum { WALKED_FRAME_WORDS = 4, WALKED_WORDS = FRAMES * WALKED_FRAME_WORDS };

static uint64_t walked_addr(uint64_t addr) // of a stack of make_stacks()
{
    uint64_t function = 1 + (addr - TEXT_ADDR) / FUNCTION_BYTES % (CODE_BYTES / FUNCTION_BYTES - 1);
    return TEXT_ADDR + function * FUNCTION_BYTES + (addr - TEXT_ADDR) % FUNCTION_BYTES + 1;
}

static uint64_t *make_copies(const uint64_t *stacks)
{
    uint64_t *copies = NEW_ARRAY(uint64_t, (size_t)WALKED_STACKS * WALKED_WORDS);
    for (size_t i = 0; i < WALKED_STACKS; i++) {
        for (size_t k = 1; k < FRAMES; k++) {
            uint64_t addr = k == FRAMES - 1 ? TEXT_ADDR + 16 : walked_addr(stacks[i * FRAMES + k]);
            copies[i * WALKED_WORDS + k * WALKED_FRAME_WORDS - 1] = addr;
        }
    }
    return copies;
}

static void publish_rules(struct pipeline *pipeline)
{
    image_id image = atomic_load(&pipeline->store->images.n) - 1;
    struct image *known = library_at(pipeline->library,
                                     store_image(pipeline->store, image)->library);
    atomic_store(&known->cfi, make_rules());
    atomic_store(&known->cfi_state, IMAGE_READY);
}

static void map_walked(struct pipeline *pipeline)
{
    struct event event = {.kind = EVENT_IMAGE_MAPPED,
                          .pid = PID,
                          .tid = PID,
                          .time_ns = 1,
                          .image_mapped = {.kind = EVENT_IMAGE_FILE,
                                           .start_addr = TEXT_ADDR,
                                           .size_bytes = CODE_BYTES,
                                           .file_off = CODE_OFF,
                                           .inode = 2,
                                           .path = slice_of_text("/no/such/program")}};
    pipeline_apply(pipeline, &event);
    publish_rules(pipeline);
}

static void walks(const uint64_t *stacks, uint64_t *state)
{
    struct library library;
    library_init(&library, NULL, NULL);
    struct store *store = store_new(1, 1, 1000);
    struct pipeline *pipeline = pipeline_new(store, &library);
    map_walked(pipeline);
    uint64_t *copies = make_copies(stacks);
    struct event_regs regs = {.arch = EVENT_ARCH_X86_64,
                              .valid = UINT64_C(1) << 7 | UINT64_C(1) << 16};
    regs.at[7] = 0x7ff000000000;
    uint64_t start_ns = clock_thread_cpu_ns();
    for (uint64_t i = 0; i < WALKED_SAMPLES; i++) {
        size_t which = draw_stack(state) % WALKED_STACKS;
        regs.at[16] = walked_addr(stacks[which * FRAMES]);
        struct slice copy = {.data = (const uint8_t *)(copies + which * WALKED_WORDS),
                             .n = WALKED_WORDS * sizeof *copies};
        struct event event = {.kind = EVENT_SAMPLE,
                              .pid = PID,
                              .tid = PID + (uint32_t)(i % RINGS),
                              .time_ns = 1000 + i,
                              .sample = {.stack = {.regs = &regs, .copy = copy}}};
        pipeline_apply(pipeline, &event);
    }
    uint64_t spent_ns = clock_thread_cpu_ns() - start_ns;
    const struct unwinder_counts *counts = &pipeline->stacks.unwinder.counts;
    ASSERT(counts->n_complete == WALKED_SAMPLES);
    printf("walked_samples %.0f ns per sample of %d frames, from event to row\n",
           (double)spent_ns / WALKED_SAMPLES, FRAMES);
    printf("walked_places_not_in_the_cache %.2f %%\n",
           100.0 * (double)counts->n_missed / ((double)WALKED_SAMPLES * FRAMES));
    pipeline_free(pipeline);
    store_free(store);
    library_fini(&library);
    free(copies);
}

int main(void)
{
    uint64_t state = 1;
    uint64_t *stacks = make_stacks(&state);
    struct perf_ring rings[RINGS] = {0};
    struct perf_event_mmap_page *controls = NEW_ARRAY(struct perf_event_mmap_page, RINGS);
    uint8_t *data = alloc_resize(NULL, RINGS, RING_BYTES);
    uint64_t n_bytes = 0;
    uint64_t last_ns = 0;
    for (uint32_t i = 0; i < RINGS; i++) {
        n_bytes = fill(data + (size_t)i * RING_BYTES, i, stacks, &state, &last_ns);
        perf_ring_init(&rings[i], &controls[i], data + (size_t)i * RING_BYTES, RING_BYTES);
    }
    struct library library;
    library_init(&library, NULL, NULL);
    struct store *store = store_new(1, 1, 1000);
    struct bench bench = {.layouts = {.n = 1}, .pipeline = pipeline_new(store, &library)};
    bench.layouts.at[0] = (struct perf_layout){.callchain = true, .weight_ns = 1, .max_stack = 127};
    struct perf_merge merge;
    perf_merge_init(&merge, rings, RINGS);
    map_text(bench.pipeline);
    uint64_t start_ns = clock_thread_cpu_ns();
    for (; bench.n_samples < SAMPLES; bench.time_offset_ns += last_ns + 1000) {
        for (int i = 0; i < RINGS; i++) { // the same bytes over and over
            rings[i].at = rings[i].next = rings[i].tail = 0;
            controls[i].data_tail = 0;
            controls[i].data_head = n_bytes;
        }
        perf_merge_drain(&merge, 0, true, take, &bench);
    }
    double seconds = (double)(clock_thread_cpu_ns() - start_ns) / NS_PER_S;
    printf("ring_to_store %.2f million samples/s of %d frames (wanted: at least 2)\n",
           (double)bench.n_samples / seconds / 1e6, FRAMES);
    printf("distinct_stack_nodes %u in that input\n", atomic_load(&store->stacks.n_nodes));
    printf("steps_not_in_the_cache %.2f %%\n", 100.0 *
                                                   (double)bench.pipeline->stacks.edges.n_missed /
                                                   ((double)bench.n_samples * FRAMES));
    bool complete = atomic_load(&store->samples.n) == bench.n_samples;
    perf_merge_fini(&merge);
    for (int i = 0; i < RINGS; i++) {
        perf_ring_fini(&rings[i]);
    }
    pipeline_free(bench.pipeline);
    store_free(store);
    library_fini(&library);
    free(data);
    free(controls);
    storms(stacks, &state);
    walks(stacks, &state);
    free(stacks);
    return complete ? 0 : 1;
}
