#include "capture/capture.h"

#include "base/alloc.h"
#include "base/file.h"
#include "event/wire.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { EVENTS = 100000, FREQUENCY_HZ = 997 };

struct seen {
    size_t n;
    uint64_t last_ns;
};

static void count(void *context, const struct event *event)
{
    struct seen *seen = context;
    assert_int_equal(event->kind, EVENT_SAMPLE);
    assert_int_equal(event->sample.stack.n_user, 2);
    assert_int_equal(event->time_ns, 1000 + seen->n);
    seen->last_ns = event->time_ns;
    seen->n++;
}

static void put_stream(struct text *stream)
{
    static const uint64_t addrs[] = {0x401000, 0x402000};
    wire_put_header(stream, &(struct wire_header){.frequency_hz = FREQUENCY_HZ});
    for (uint64_t i = 0; i < EVENTS; i++) {
        struct event event = {.kind = EVENT_SAMPLE, .pid = 1, .tid = 1, .time_ns = 1000 + i};
        event.sample.stack.user = addrs;
        event.sample.stack.n_user = ARRAY_LEN(addrs);
        wire_put(stream, &event);
    }
}

// Opens a replay of these bytes; the file is gone again afterwards.
static int open_bytes(const void *bytes, size_t n, struct capture **ret, struct err *err)
{
    char path[] = "/tmp/test_replay.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, bytes, n), 0);
    close(fd);
    struct capture_request request = {.replay_path = path};
    int r = capture_replay.open(&request, ret, err);
    unlink(path);
    return r;
}

static bool is_readable(const struct capture *capture)
{
    struct pollfd fd = {.fd = capture->poll_fd, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static void test_delivers_all_in_slices(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text stream = {0};
    put_stream(&stream);
    struct capture *capture;
    assert_int_equal(open_bytes(stream.at, stream.n, &capture, NULL), 0);
    assert_int_equal(capture->frequency_hz, FREQUENCY_HZ);
    assert_int_equal(capture->started_ns, 1000);
    struct seen seen = {0};
    int r = CAPTURE_OK;
    size_t rounds = 0;
    while (r == CAPTURE_OK) {
        assert_true(is_readable(capture));
        size_t before = seen.n;
        r = capture_replay.drain(capture, false, count, &seen);
        assert_true(seen.n - before <= 65536);
        rounds++;
    }
    assert_int_equal(r, CAPTURE_E_ENDED);
    assert_int_equal(seen.n, EVENTS);
    assert_true(rounds > 1);
    assert_false(is_readable(capture));
    assert_int_equal(capture_replay.drain(capture, true, count, &seen), CAPTURE_E_ENDED);
    assert_int_equal(seen.n, EVENTS);
    assert_string_equal(capture->note.text, "");
    capture_replay.close(capture);
}

static void test_it_has_switches_if_the_file_says_so(void **state)
{
    (void)state;
    for (int switches = 0; switches <= 1; switches++) {
        CLEANUP(text_fini) struct text stream = {0};
        struct wire_header header = {.frequency_hz = FREQUENCY_HZ, .switches = switches == 1};
        wire_put_header(&stream, &header);
        struct capture *capture;
        assert_int_equal(open_bytes(stream.at, stream.n, &capture, NULL), 0);
        assert_int_equal(capture->abilities.at[CAPTURE_OFF_CPU].available, switches);
        capture_replay.close(capture);
    }
}

static void test_a_stop_ends_it_where_it_is(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text stream = {0};
    put_stream(&stream);
    struct capture *capture;
    assert_int_equal(open_bytes(stream.at, stream.n, &capture, NULL), 0);
    struct seen seen = {0};
    assert_int_equal(capture_replay.drain(capture, false, count, &seen), CAPTURE_OK);
    size_t before = seen.n;
    capture_replay.stop(capture);
    assert_int_equal(capture_replay.drain(capture, true, count, &seen), CAPTURE_E_ENDED);
    assert_int_equal(seen.n, before);
    capture_replay.close(capture);
}

static void test_a_cut_stream_ends_with_a_note(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text stream = {0};
    put_stream(&stream);
    struct capture *capture;
    assert_int_equal(open_bytes(stream.at, stream.n - 1, &capture, NULL), 0);
    struct seen seen = {0};
    assert_int_equal(capture_replay.drain(capture, true, count, &seen), CAPTURE_E_ENDED);
    assert_int_equal(seen.n, EVENTS - 1);
    assert_non_null(strstr(capture->note.text, "cut off after 99999 events"));
    capture_replay.close(capture);
}

static void test_a_bad_stream_ends_with_an_error(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text stream = {0};
    put_stream(&stream);
    size_t event_bytes = (stream.n - WIRE_HEADER_BYTES) / EVENTS;
    stream.at[WIRE_HEADER_BYTES + 10 * event_bytes + 4] = 99; // the kind of the 11th
    struct capture *capture;
    assert_int_equal(open_bytes(stream.at, stream.n, &capture, NULL), 0);
    struct seen seen = {0};
    assert_int_equal(capture_replay.drain(capture, false, count, &seen), -EBADMSG);
    assert_int_equal(seen.n, 10);
    assert_non_null(strstr(capture->note.text, "no sense after 10 events"));
    assert_int_equal(capture_replay.drain(capture, false, count, &seen), -EBADMSG);
    capture_replay.close(capture);
}

static void test_files_that_are_no_streams(void **state)
{
    (void)state;
    struct capture *capture = NULL;
    struct err err = {0};
    assert_int_equal(open_bytes("hello, world, hello", 19, &capture, &err), -EINVAL);
    assert_non_null(strstr(err.text, "not a stax event stream"));
    assert_int_equal(open_bytes("", 0, &capture, &err), -EINVAL);
    struct capture_request request = {.replay_path = "/nonexistent/stream"};
    assert_int_equal(capture_replay.open(&request, &capture, &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nonexistent/stream"));
    request.replay_path = NULL;
    assert_int_equal(capture_replay.open(&request, &capture, &err), -EINVAL);
    assert_null(capture);
    capture_replay.close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivers_all_in_slices),
        cmocka_unit_test(test_it_has_switches_if_the_file_says_so),
        cmocka_unit_test(test_a_stop_ends_it_where_it_is),
        cmocka_unit_test(test_a_cut_stream_ends_with_a_note),
        cmocka_unit_test(test_a_bad_stream_ends_with_an_error),
        cmocka_unit_test(test_files_that_are_no_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
