// A stream from a file (event/wire.h) in place of a live target: for tests, benchmarks and bug
// reports. Times are as they were; drains deliver it in slices, as fast as they are asked for.

#include "base/alloc.h"
#include "base/file.h"
#include "capture/capture.h"
#include "event/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SLICE_EVENTS = 65536 };

static const size_t file_limit_bytes = (size_t)8 << 30;

struct replay {
    struct capture base;
    struct text bytes;
    struct reader from;
    struct wire_scratch scratch;
    uint64_t n_delivered;
    bool stopped;
};

static struct replay *replay_of(struct capture *capture)
{
    return CONTAINER_OF(capture, struct replay, base);
}

static void replay_probe(struct capture_abilities *ret)
{
    *ret = (struct capture_abilities){0};
    for (int i = 0; i < CAPTURE_ABILITY_COUNT; i++) {
        err_set(&ret->at[i].reason, ENOTSUP, "a replay has what its file has");
    }
}

static void replay_close(struct capture *capture)
{
    if (capture == NULL) {
        return;
    }
    struct replay *replay = replay_of(capture);
    closep(&replay->base.poll_fd);
    wire_scratch_fini(&replay->scratch);
    text_fini(&replay->bytes);
    free(replay);
}

// The time of the first event, without taking it.
static uint64_t first_time_ns(struct replay *replay)
{
    struct reader ahead = replay->from;
    struct event event;
    return wire_parse(&ahead, &replay->scratch, &event) == WIRE_OK ? event.time_ns : 0;
}

static int load(struct replay *replay, const char *path, struct err *reterr)
{
    int r = file_read(path, file_limit_bytes, &replay->bytes);
    if (r < 0) {
        return err_set(reterr, -r, "cannot read %s: %s", path, strerror(-r));
    }
    replay->from = reader_of((struct slice){(const uint8_t *)replay->bytes.at, replay->bytes.n});
    struct wire_header header = {0};
    r = wire_parse_header(&replay->from, &header, reterr);
    replay->base.frequency_hz = header.frequency_hz;
    replay->base.abilities.at[CAPTURE_OFF_CPU].available = header.switches;
    if (r < 0) {
        if (reterr != NULL) {
            err_prefix(reterr, "%s", path);
        }
        return r;
    }
    replay->base.started_ns = first_time_ns(replay);
    replay->base.poll_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    if (replay->base.poll_fd < 0) {
        return err_set(reterr, errno, "eventfd: %s", strerror(errno));
    }
    return 0;
}

static int replay_open(const struct capture_request *request, struct capture **ret,
                       struct err *reterr)
{
    if (request->replay_path == NULL) {
        return err_set(reterr, EINVAL, "nothing to replay: no file was given");
    }
    struct replay *replay = NEW(struct replay);
    replay->base.backend = &capture_replay;
    replay->base.poll_fd = -1;
    replay_probe(&replay->base.abilities);
    int r = load(replay, request->replay_path, reterr);
    if (r < 0) {
        replay_close(&replay->base);
        return r;
    }
    *ret = &replay->base;
    return 0;
}

// The descriptor stays readable as long as there is more: it is read here only.
static int end(struct replay *replay, int outcome)
{
    uint64_t count;
    ssize_t n = read(replay->base.poll_fd, &count, sizeof count);
    (void)n; // at the second time there is nothing to read
    return outcome;
}

static int end_early(struct replay *replay, enum wire_outcome why)
{
    bool cut = why == WIRE_E_CUT;
    err_set(&replay->base.note, EBADMSG, "the stream %s after %llu events, at byte %zu",
            cut ? "is cut off" : "makes no sense", (unsigned long long)replay->n_delivered,
            replay->from.at);
    return end(replay, cut ? CAPTURE_E_ENDED : -EBADMSG);
}

static int replay_drain(struct capture *capture, bool final, event_sink_fn sink, void *context)
{
    struct replay *replay = replay_of(capture);
    struct event event;
    for (size_t n = 0; (final || n < SLICE_EVENTS) && !replay->stopped; n++) {
        enum wire_outcome outcome = wire_parse(&replay->from, &replay->scratch, &event);
        if (outcome == WIRE_E_END) {
            return end(replay, CAPTURE_E_ENDED);
        }
        if (outcome != WIRE_OK) {
            return end_early(replay, outcome);
        }
        replay->n_delivered++;
        sink(context, &event);
    }
    return replay->stopped ? end(replay, CAPTURE_E_ENDED) : CAPTURE_OK;
}

static void replay_stop(struct capture *capture)
{
    replay_of(capture)->stopped = true;
}

const struct capture_backend capture_replay = {
    .name = "replay",
    .probe = replay_probe,
    .open = replay_open,
    .drain = replay_drain,
    .stop = replay_stop,
    .close = replay_close,
};
