// Any bytes as the content of a ring: records are taken out, stamped and parsed, and everything
// that an event points at is read. The first byte says where in the buffer the ring begins.

#include "capture/linux/perf_ring.h"
#include "capture/perf/perf_record.h"

enum { RING_BYTES = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum;

static void read_slice_of(struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        sum += bytes.data[i];
    }
}

static void read_event(const struct event *event)
{
    if (event->kind == EVENT_SAMPLE) {
        const struct event_stack *stack = &event->sample.stack;
        for (uint32_t i = 0; i < stack->n_kernel; i++) {
            ASSERT(stack->kernel[i] != 0);
            sum += stack->kernel[i];
        }
        for (uint32_t i = 0; i < stack->n_user; i++) {
            ASSERT(stack->user[i] != 0);
            sum += stack->user[i];
        }
        for (unsigned i = 0; stack->regs != NULL && i < EVENT_REGS_MAX; i++) {
            sum += stack->regs->valid >> i & 1 ? stack->regs->at[i] : 0;
        }
        read_slice_of(stack->copy);
    } else if (event->kind == EVENT_IMAGE_MAPPED) {
        ASSERT(event->image_mapped.size_bytes > 0);
        read_slice_of(event->image_mapped.path);
    } else if (event->kind == EVENT_THREAD_NAMED) {
        read_slice_of(event->thread_named.name);
    } else if (event->kind == EVENT_EXEC) {
        read_slice_of(event->exec.name);
    }
}

// A sample of any event, whatever it may hold: its parts lie within the record.
static void read_as_sample(const struct perf_event_header *record, const struct perf_layout *layout)
{
    const uint8_t *end = (const uint8_t *)record + record->size;
    struct perf_sample sample;
    if (record->type != PERF_RECORD_SAMPLE || !perf_sample_parse(layout, record, &sample)) {
        return;
    }
    struct event_regs regs;
    struct event_stack stack;
    perf_sample_stack(layout, record, &sample, &regs, &stack);
    read_event(&(struct event){.kind = EVENT_SAMPLE, .sample.stack = stack});
    read_slice_of(sample.raw);
    ASSERT(sample.raw.n == 0 || sample.raw.data + sample.raw.n <= end);
    ASSERT(stack.copy.n == 0 || (stack.regs != NULL && stack.copy.data + stack.copy.n <= end));
    ASSERT((layout->regs == NULL) <= (stack.regs == NULL));
}

static void read_as_all_samples(const struct perf_event_header *record)
{
    static const struct perf_regs *const tables[] = {NULL, &perf_regs_x86_64, &perf_regs_aarch64};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        for (unsigned parts = 0; parts < 4; parts++) {
            read_as_sample(record, &(struct perf_layout){.meaning = PERF_MEANS_WAKEUP,
                                                         .callchain = (parts & 1) != 0,
                                                         .raw = (parts & 2) != 0,
                                                         .regs = tables[i],
                                                         .max_stack = 127});
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct perf_layout layout = {.callchain = true, .weight_ns = 1, .max_stack = 127};
    if (size < 1 || size > RING_BYTES) {
        return 0;
    }
    struct perf_event_mmap_page control = {.data_tail = (uint64_t)data[0] * 16};
    _Alignas(8) static uint8_t bytes[RING_BYTES];
    for (size_t i = 1; i < size; i++) {
        bytes[(control.data_tail + i - 1) % RING_BYTES] = data[i];
    }
    control.data_head = control.data_tail + size - 1;
    struct perf_ring ring;
    perf_ring_init(&ring, &control, bytes, RING_BYTES);
    perf_ring_look(&ring);
    const struct perf_event_header *record;
    while ((record = perf_ring_peek(&ring)) != NULL) {
        struct event event;
        if (perf_record_parse(&layout, record, NULL, &event) == PERF_OK) {
            read_event(&event);
        }
        read_as_all_samples(record);
        const struct perf_event_header *ahead = perf_ring_peek_ahead(&ring);
        sum += ahead == NULL ? 0 : ((const uint8_t *)ahead)[ahead->size - 1];
        perf_ring_next(&ring);
    }
    perf_ring_release(&ring);
    ASSERT(control.data_tail == control.data_head);
    perf_ring_fini(&ring);
    return 0;
}
