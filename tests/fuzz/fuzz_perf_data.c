// Any bytes as a perf.data file: opened, drained in slices to its end, and everything that an event
// points at is read. What does not end, or asks for more memory than the limits say, is a bug too.

#include "base/file.h"
#include "capture/capture.h"

#include <stdio.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum;

static void read_slice_of(struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        sum += bytes.data[i];
    }
}

static void read_stack(const struct event_stack *stack)
{
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
}

static void read_event(void *context, const struct event *event)
{
    (void)context;
    ASSERT(event->kind < EVENT_KIND_COUNT);
    if (event->kind == EVENT_SAMPLE) {
        read_stack(&event->sample.stack);
    } else if (event->kind == EVENT_SWITCH_OUT && event->switch_out.has_stack) {
        read_stack(&event->switch_out.stack);
    } else if (event->kind == EVENT_WAKEUP) {
        read_stack(&event->wakeup.stack);
        read_slice_of(event->wakeup.foreign_name);
    } else if (event->kind == EVENT_IMAGE_MAPPED) {
        ASSERT(event->image_mapped.build_id.n <= EVENT_BUILD_ID_MAX);
        read_slice_of(event->image_mapped.path);
    } else if (event->kind == EVENT_THREAD_NAMED) {
        read_slice_of(event->thread_named.name);
    } else if (event->kind == EVENT_EXEC) {
        read_slice_of(event->exec.name);
    }
}

static void drain(struct capture *capture)
{
    int r = CAPTURE_OK;
    while (r == CAPTURE_OK) {
        r = capture->backend->drain(capture, false, read_event, NULL);
    }
    ASSERT(r == CAPTURE_E_ENDED);
    ASSERT(capture->backend->drain(capture, true, read_event, NULL) == CAPTURE_E_ENDED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(closep) int fd = memfd_create("perf.data", MFD_CLOEXEC);
    ASSERT(fd >= 0 && fd_write_all(fd, data, size) == 0);
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct capture_request request = {.replay_path = path};
    struct capture *capture = NULL;
    struct err err = {0};
    int r = capture_perf_data.open(&request, &capture, &err);
    ASSERT((r < 0) == (capture == NULL) && (r < 0) == (err.text[0] != 0));
    if (capture != NULL) {
        ASSERT(capture->weight_ns > 0 && capture->frequency_hz > 0);
        drain(capture);
    }
    capture_perf_data.close(capture);
    return 0;
}
