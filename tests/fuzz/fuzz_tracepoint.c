// Any text as the description of a tracepoint, and any bytes as a record of it: the text up to the
// first zero byte is the description, what follows are the bytes.

#include "base/base.h"
#include "capture/perf/tracepoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader from = reader_of((struct slice){data, size});
    struct slice text = read_text(&from);
    struct slice raw = read_slice(&from, reader_left(&from));
    if (from.bad) {
        text = (struct slice){data, size};
        raw = (struct slice){0};
    }
    struct tracepoint_field field;
    if (tracepoint_find_field(text, "comm", &field)) {
        ASSERT(field.off < 1 << 16 && field.size_bytes < 1 << 16);
    }
    struct waking_format format;
    struct waking waking = {0};
    if (waking_format_parse(text, &format) && waking_parse(&format, raw, &waking)) {
        ASSERT(raw.n >= sizeof waking.wakee_tid);
    }
    return 0;
}
