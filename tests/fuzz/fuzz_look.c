// Any bytes as what /proc and a target say of a waiting thread: every line is taken or refused, and
// any memory around a futex is some object. The first byte says how the rest is read.

#include "capture/linux/futex.h"
#include "capture/linux/look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_lines(struct slice bytes)
{
    struct look_syscall call;
    if (look_syscall_parse(bytes, &call)) {
        ASSERT(!call.running || !call.inside);
    }
    char place[CAPTURE_PLACE_BYTES];
    look_place_parse(bytes, place);
    ASSERT(memchr(place, 0, sizeof place) != NULL);
    for (const char *at = place; *at != 0; at++) {
        ASSERT(*at > ' ' && *at < 0x7f);
    }
    uint32_t tid;
    uint32_t depth;
    if (look_status_parse(bytes, &tid, &depth)) {
        ASSERT(tid > 0 && tid <= INT32_MAX);
    }
}

static void classify(struct reader *from)
{
    struct futex_wait wait = {.op = read_u32(from), .value = read_u32(from)};
    uint8_t flags = read_u8(from);
    wait.timeout = (flags & 1) != 0;
    wait.value_is_thread = (flags & 2) != 0;
    wait.addr = read_u64(from);
    // Somewhere near the word, or anywhere.
    wait.memory_addr = (flags & 4) != 0 ? read_u64(from) : wait.addr - read_u8(from) % 64;
    wait.memory = read_slice(from, reader_left(from));
    struct futex_object object;
    enum event_reason reason;
    futex_classify(&wait, &object);
    bool told = futex_reason(object.object, &reason);
    ASSERT(reason < EVENT_REASON_COUNT && capture_object_name(object.object) != NULL);
    ASSERT(object.owner_tid == 0 || told);
    ASSERT(object.object != CAPTURE_OBJECT_THREAD || futex_may_join(&wait));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader from = reader_of((struct slice){data, size});
    if (read_u8(&from) % 2 == 0) {
        classify(&from);
    } else {
        read_lines(read_slice(&from, reader_left(&from)));
    }
    return 0;
}
