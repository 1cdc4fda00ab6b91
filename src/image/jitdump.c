#include "image/jitdump.h"

#include "base/limits.h"

#include <elf.h>
#include <errno.h>

enum {
    MAGIC = 0x4a695444, // "JiTD" in the byte order of who wrote it
    MAGIC_SWAPPED = 0x4454694a,
    VERSION = 1,
    HEADER_BYTES = 40,
    PREFIX_BYTES = 16,
    FLAG_ARCH_TIMESTAMP = 1,
};

enum record_id { LOAD, MOVE, DEBUG_INFO, CLOSE, UNWINDING_INFO };

// What every record begins with.
struct prefix {
    uint32_t id;
    uint32_t total_bytes; // with the prefix
    uint64_t time_ns;
};

#if defined(__x86_64__)
static const uint32_t our_machine = EM_X86_64;
#elif defined(__aarch64__)
static const uint32_t our_machine = EM_AARCH64;
#endif

void jitdump_fini(struct jitdump *dump)
{
    vec_fini(&dump->pending);
    vec_fini(&dump->eh_frame);
}

bool jitdump_is_cut(const struct jitdump *dump)
{
    return !dump->closed && (dump->pending.n > 0 || dump->skip_bytes > 0);
}

static int refuse(struct jitdump *dump, struct err *reterr, const char *why)
{
    dump->closed = true;
    vec_clear(&dump->pending);
    return err_set(reterr, EBADMSG, "%s", why);
}

// ---- Records -----------------------------------------------------------------------------------

static bool is_range(uint64_t addr, uint64_t size_bytes)
{
    return size_bytes > 0 && size_bytes <= UINT64_MAX - addr;
}

static bool parse_load(struct jitdump *dump, struct reader *from, struct jitdump_record *ret)
{
    ret->kind = JITDUMP_LOADED;
    read_u32(from); // pid and tid: it is the process that mapped the file that counts
    read_u32(from);
    read_u64(from); // "vma": the same address again
    ret->addr = read_u64(from);
    ret->size_bytes = read_u64(from);
    ret->index = read_u64(from);
    ret->name = read_text(from);
    bool whole = !from->bad && ret->size_bytes == reader_left(from);
    if (!whole || ret->name.n > LIMIT_SYMBOL_BYTES || !is_range(ret->addr, ret->size_bytes)) {
        return false;
    }
    ret->code = read_slice(from, reader_left(from));
    ret->eh_frame = (struct slice){dump->eh_frame.at, dump->eh_frame.n};
    return true;
}

static bool parse_move(struct reader *from, struct jitdump_record *ret)
{
    ret->kind = JITDUMP_MOVED;
    read_u32(from);
    read_u32(from);
    read_u64(from);
    ret->from_addr = read_u64(from);
    ret->addr = read_u64(from);
    ret->size_bytes = read_u64(from);
    ret->index = read_u64(from);
    return !from->bad && is_range(ret->addr, ret->size_bytes);
}

// The .eh_frame of the next function, followed by an .eh_frame_hdr that is of no use for one.
static bool keep_unwinding(struct jitdump *dump, struct reader *from)
{
    uint64_t data_bytes = read_u64(from);
    uint64_t header_bytes = read_u64(from);
    read_u64(from); // how much of it the JIT has mapped: none, as a rule
    vec_clear(&dump->eh_frame);
    if (from->bad || data_bytes > reader_left(from) || header_bytes > data_bytes) {
        return false;
    }
    struct slice frame = read_slice(from, (size_t)(data_bytes - header_bytes));
    vec_reserve(&dump->eh_frame, frame.n);
    if (frame.n > 0) {
        memcpy(dump->eh_frame.at, frame.data, frame.n);
    }
    dump->eh_frame.n = frame.n;
    return true;
}

static void take_record(struct jitdump *dump, const struct prefix *prefix, struct reader from,
                        jitdump_sink_fn sink, void *context)
{
    struct jitdump_record record = {.time_ns = prefix->time_ns};
    bool good = true;
    dump->n_backwards += prefix->time_ns < dump->last_time_ns;
    dump->last_time_ns = prefix->time_ns;
    switch (prefix->id) {
    case LOAD:
        good = parse_load(dump, &from, &record);
        dump->n_loaded += good;
        break;
    case MOVE:
        good = parse_move(&from, &record);
        dump->n_moved += good;
        break;
    case UNWINDING_INFO:
        dump->n_bad += !keep_unwinding(dump, &from);
        return;
    case CLOSE:
        dump->closed = true;
        return;
    default: // DEBUG_INFO, and what is newer than this
        dump->n_skipped++;
        return;
    }
    dump->n_bad += !good;
    if (good) {
        sink(context, &record);
    }
    if (prefix->id == LOAD) {
        vec_clear(&dump->eh_frame);
    }
}

// ---- The file ----------------------------------------------------------------------------------

// The header; in `*from` stands at least its fixed part. False: some of it is still to come.
static int take_header(struct jitdump *dump, struct reader *from, struct err *reterr)
{
    uint32_t magic = read_u32(from);
    uint32_t version = read_u32(from);
    uint32_t total_bytes = read_u32(from);
    uint32_t machine = read_u32(from);
    read_u32(from); // padding
    dump->pid = read_u32(from);
    read_u64(from); // when it was begun
    uint64_t flags = read_u64(from);
    if (magic == MAGIC_SWAPPED) {
        return refuse(dump, reterr, "was written in another byte order");
    }
    if (magic != MAGIC) {
        return refuse(dump, reterr, "is not a jitdump: it begins otherwise");
    }
    if (version != VERSION) {
        return refuse(dump, reterr, "has a version of the format that stax does not know");
    }
    if (machine != our_machine) {
        return refuse(dump, reterr, "has code for another kind of processor");
    }
    if ((flags & FLAG_ARCH_TIMESTAMP) != 0) {
        return refuse(dump, reterr,
                      "has times of the processor's own counter; run the JIT without that option");
    }
    if (total_bytes < HEADER_BYTES) {
        return refuse(dump, reterr, "has a header that says it is shorter than headers are");
    }
    dump->has_header = true;
    dump->skip_bytes = total_bytes - HEADER_BYTES;
    return 0;
}

// One step through `from`: skips, reads the header or one record. False: what is left there is not
// complete yet.
static bool take_next(struct jitdump *dump, struct reader *from, jitdump_sink_fn sink,
                      void *context, int *ret_error, struct err *reterr)
{
    if (dump->skip_bytes > 0) {
        size_t n = (size_t)MIN(dump->skip_bytes, (uint64_t)reader_left(from));
        read_slice(from, n);
        dump->skip_bytes -= n;
        return n > 0;
    }
    size_t left = reader_left(from);
    if (!dump->has_header) {
        if (left < HEADER_BYTES) {
            return false;
        }
        *ret_error = take_header(dump, from, reterr);
        return *ret_error == 0;
    }
    if (left < PREFIX_BYTES) {
        return false;
    }
    struct reader ahead = *from;
    struct prefix prefix = {.id = read_u32(&ahead)};
    prefix.total_bytes = read_u32(&ahead);
    prefix.time_ns = read_u64(&ahead);
    if (prefix.total_bytes < PREFIX_BYTES) {
        *ret_error = refuse(dump, reterr,
                            "has a record that is shorter than records are: the rest is not read");
        return false;
    }
    if (prefix.total_bytes > JITDUMP_RECORD_MAX_BYTES) {
        dump->n_skipped++;
        dump->skip_bytes = prefix.total_bytes;
        return true;
    }
    if (left < prefix.total_bytes) {
        return false;
    }
    struct slice record = read_slice(from, prefix.total_bytes);
    record = (struct slice){record.data + PREFIX_BYTES, record.n - PREFIX_BYTES};
    take_record(dump, &prefix, reader_of(record), sink, context);
    return !dump->closed;
}

int jitdump_feed(struct jitdump *dump, struct slice bytes, jitdump_sink_fn sink, void *context,
                 struct err *reterr)
{
    if (dump->closed || bytes.n == 0) {
        return 0;
    }
    bool joined = dump->pending.n > 0;
    if (joined) {
        vec_reserve(&dump->pending, dump->pending.n + bytes.n);
        memcpy(dump->pending.at + dump->pending.n, bytes.data, bytes.n);
        dump->pending.n += bytes.n;
        bytes = (struct slice){dump->pending.at, dump->pending.n};
    }
    struct reader from = reader_of(bytes);
    int r = 0;
    while (take_next(dump, &from, sink, context, &r, reterr)) {
    }
    size_t left = dump->closed ? 0 : reader_left(&from);
    vec_reserve(&dump->pending, left);
    if (left > 0) {
        memmove(dump->pending.at, bytes.data + from.at, left);
    }
    dump->pending.n = left;
    return r;
}
