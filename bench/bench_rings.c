// From the bytes of the rings to events: ring -> merge -> parse -> sink, with a sink that only
// counts. Prints lines `name value unit`. `bench_rings [RINGS [FRAMES]]`, default 4 rings, 30
// frames.

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/linux/perf_merge.h"

#include <stdio.h>
#include <stdlib.h>

enum { RING_BYTES = 2 << 20, KERNEL_FRAMES = 6, SAMPLES = 20000000 };

struct sink {
    struct perf_layouts layouts;
    uint64_t n_samples;
    uint64_t n_frames;
    uint64_t addr_sum; // so that nothing is left out
};

static void count(void *context, const struct perf_event_header *record, uint64_t time_ns,
                  uint32_t ring)
{
    (void)ring;
    struct sink *sink = context;
    struct event event;
    const struct perf_layout *layout = perf_layouts_find(&sink->layouts, record);
    if (perf_record_parse(layout, record, NULL, &event) != PERF_OK || event.kind != EVENT_SAMPLE) {
        abort();
    }
    event.time_ns = time_ns;
    sink->n_samples++;
    sink->n_frames += event.sample.stack.n_kernel + event.sample.stack.n_user;
    sink->addr_sum += event.sample.stack.user[0];
}

static size_t put_sample(uint8_t *to, uint64_t time_ns, unsigned cpu, unsigned n_frames)
{
    struct {
        struct perf_event_header header;
        uint64_t id, ip;
        uint32_t pid, tid;
        uint64_t time_ns;
        uint32_t cpu, reserved;
        uint64_t n;
    } sample = {.header = {.type = PERF_RECORD_SAMPLE, .misc = PERF_RECORD_MISC_USER},
                .id = cpu,
                .pid = 1000,
                .tid = 1000 + cpu,
                .time_ns = time_ns,
                .cpu = cpu,
                .n = n_frames + 2};
    size_t n = sizeof sample + sample.n * sizeof(uint64_t);
    sample.header.size = (uint16_t)n;
    memcpy(to, &sample, sizeof sample);
    uint64_t *chain = (void *)(to + sizeof sample);
    *chain++ = PERF_CONTEXT_KERNEL;
    for (unsigned i = 0; i < n_frames; i++) {
        if (i == KERNEL_FRAMES) {
            *chain++ = PERF_CONTEXT_USER;
        }
        *chain++ = i < KERNEL_FRAMES ? 0xffffffff81000000 + i * 64 : 0x401000 + i * 64;
    }
    return n;
}

// Fills a ring once; the times of all rings interleave. Returns the bytes in it.
static uint64_t fill(uint8_t *data, unsigned cpu, unsigned n_rings, unsigned n_frames)
{
    size_t sample_bytes = put_sample(data, 0, cpu, n_frames);
    uint64_t n = RING_BYTES / sample_bytes;
    for (uint64_t i = 0; i < n; i++) {
        put_sample(data + i * sample_bytes, 1 + (i * n_rings + cpu) * 1000, cpu, n_frames);
    }
    return n * sample_bytes;
}

// The same bytes over and over: the writer's side of the ring starts again at 0.
static void rewind_to(struct perf_ring *ring, uint64_t n_bytes)
{
    ring->at = ring->next = ring->tail = 0;
    ring->control->data_tail = 0;
    ring->control->data_head = n_bytes;
}

static unsigned number(int argc, char **argv, int at, unsigned otherwise, unsigned limit)
{
    long value = argc > at ? strtol(argv[at], NULL, 10) : (long)otherwise;
    return value < 1 || value > (long)limit ? otherwise : (unsigned)value;
}

int main(int argc, char **argv)
{
    unsigned n_rings = number(argc, argv, 1, 4, 256);
    unsigned n_frames = MAX(number(argc, argv, 2, 30, 1000), KERNEL_FRAMES + 1u);
    struct perf_ring *rings = NEW_ARRAY(struct perf_ring, n_rings);
    struct perf_event_mmap_page *controls = NEW_ARRAY(struct perf_event_mmap_page, n_rings);
    uint8_t *data = NEW_ARRAY(uint8_t, (size_t)n_rings * RING_BYTES);
    uint64_t n_bytes = 0;
    for (unsigned i = 0; i < n_rings; i++) {
        uint8_t *ring_data = data + (size_t)i * RING_BYTES;
        n_bytes = fill(ring_data, i, n_rings, n_frames);
        perf_ring_init(&rings[i], &controls[i], ring_data, RING_BYTES);
    }
    struct perf_merge merge;
    perf_merge_init(&merge, rings, n_rings);
    struct sink sink = {.layouts = {.n = 1}};
    sink.layouts.at[0] = (struct perf_layout){.callchain = true, .weight_ns = 1, .max_stack = 127};
    uint64_t start_ns = clock_thread_cpu_ns();
    while (sink.n_samples < SAMPLES) {
        for (unsigned i = 0; i < n_rings; i++) {
            rewind_to(&rings[i], n_bytes);
        }
        perf_merge_drain(&merge, 0, true, count, &sink);
    }
    double s = (double)(clock_thread_cpu_ns() - start_ns) / NS_PER_S;
    printf("ring_to_event %.1f million samples/s of %u frames, from %u rings of 2 MiB\n",
           (double)sink.n_samples / s / 1e6, n_frames, n_rings);
    int status = sink.n_frames == sink.n_samples * n_frames && sink.addr_sum > 0 ? 0 : 1;
    perf_merge_fini(&merge);
    for (unsigned i = 0; i < n_rings; i++) {
        perf_ring_fini(&rings[i]);
    }
    free(data);
    free(controls);
    free(rings);
    return status;
}
