// Any bytes as a core file of the kernel: what is found of it lies within one of its segments, and
// no address leads behind the end of what a file can be.

#include "base/limits.h"
#include "image/kcore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_find(const struct kcore_segments *segments, uint64_t addr, uint64_t end)
{
    uint64_t off = UINT64_MAX;
    if (!kcore_find(segments, addr, end, &off)) {
        return;
    }
    ASSERT(addr < end && off <= INT64_MAX && end - addr <= INT64_MAX - off);
    bool is_within = false;
    for (size_t i = 0; i < segments->list.n && !is_within; i++) {
        const struct kcore_segment *segment = &segments->list.at[i];
        is_within = addr >= segment->addr && end <= segment->addr + segment->size_bytes &&
                    off - segment->file_off == addr - segment->addr;
    }
    ASSERT(is_within);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {data, size};
    struct kcore_table table;
    struct err err = {0};
    if (kcore_parse_header(bytes, &table, &err) < 0) {
        ASSERT(err.text[0] != 0);
        return 0;
    }
    ASSERT(table.n <= LIMIT_KCORE_SEGMENTS);
    size_t from = table.file_off < size ? (size_t)table.file_off : size;
    size_t n = MIN(size - from, (size_t)table.n * KCORE_SEGMENT_BYTES);
    CLEANUP(kcore_segments_fini) struct kcore_segments segments = {0};
    kcore_parse_segments((struct slice){data + from, n}, &segments);
    ASSERT(segments.list.n <= table.n);
    for (size_t i = 0; i < segments.list.n; i++) {
        uint64_t addr = segments.list.at[i].addr;
        uint64_t end = addr + segments.list.at[i].size_bytes;
        ASSERT(addr < end);
        check_find(&segments, addr, end);
        check_find(&segments, addr, end + 1);
        check_find(&segments, addr - 1, end);
        check_find(&segments, end - 1, end);
        check_find(&segments, end, addr);
    }
    return 0;
}
