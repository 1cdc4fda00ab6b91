// From rows to lists of numbers (numbers.h), and back.
//
// What makes them small is knowing what a number depends on, and that is most often the row before
// of the same thread, not the row before:
//
//     rows, by time       a b a c b a      who: the only list in the order of time
//     by thread           a a a b b c      everything else: stacks, why, and often times, too
//
// The order of threads follows from the list of who, so it costs nothing to undo. Of intervals
//
//     ── on a CPU ──┤ blocked ├ ready ├── on a CPU ──┤ blocked ├ …      one thread
//        gap          length    length    gap          length           (gap before ready: 0)
//
// gaps and lengths are kept, those of blocked rows apart from those of ready ones: three numbers
// for what are four times. Their sum is exact whatever the rows say: all arithmetic wraps around.

#include "archive/codec.h"

#include "archive/numbers.h"
#include "archive/zstd_frame.h"
#include "base/alloc.h"
#include "base/map.h"

#include <errno.h>

enum { BYTES_LEVEL = 3, WHAT_BITS = 16, DURATION_BYTES = 6, WHAT_BYTES = 2 };

// What is worked on, of n rows each.
struct desk {
    size_t n;
    uint64_t *numbers;
    uint64_t *others;  // a second list
    uint32_t *who;     // of each row, counted from 0 in the order of their first rows
    uint32_t *by_who;  // the rows, sorted by that; otherwise in their order
    uint32_t *by_time; // the rows as they are
    uint32_t *starts;  // n + 1: where each one's rows start in by_who
};

static void desk_init(struct desk *desk, size_t n)
{
    ASSERT(n <= COLUMN_CHUNK_ROWS);
    *desk = (struct desk){
        .n = n,
        .numbers = alloc_resize(NULL, n, sizeof *desk->numbers),
        .others = alloc_resize(NULL, n, sizeof *desk->others),
        .who = alloc_resize(NULL, n, sizeof *desk->who),
        .by_who = alloc_resize(NULL, n, sizeof *desk->by_who),
        .by_time = alloc_resize(NULL, n, sizeof *desk->by_time),
        .starts = alloc_resize(NULL, n + 1, sizeof *desk->starts),
    };
    for (size_t i = 0; i < n; i++) {
        desk->by_time[i] = (uint32_t)i;
    }
}

static void desk_fini(struct desk *desk)
{
    free(desk->numbers);
    free(desk->others);
    free(desk->who);
    free(desk->by_who);
    free(desk->by_time);
    free(desk->starts);
}

// ---- A block -----------------------------------------------------------------------------------

// What n rows can take when unpacked: 48 bytes each are more than any of them needs, and the counts
// of planes are few.
static size_t rows_limit_bytes(size_t n)
{
    enum { ROW_BYTES = 48, OTHER_BYTES = 100 };
    return n * ROW_BYTES + OTHER_BYTES;
}

// 0, or -EBADMSG: not a block of that many rows.
static int open_rows(struct unpacker *unpacker, struct slice bytes, size_t n)
{
    *unpacker = (struct unpacker){0};
    if (n > COLUMN_CHUNK_ROWS) {
        return -EBADMSG;
    }
    int r = unpacker_init(unpacker, bytes, rows_limit_bytes(n));
    if (r < 0) {
        return r;
    }
    return unpacker_take_one(unpacker, sizeof(uint32_t)) == n ? 0 : -EBADMSG;
}

// ---- Who ---------------------------------------------------------------------------------------

// Fills in by_who from who, all of which are below `n_who`, which is at most n.
static void sort_by_who(struct desk *desk, size_t n_who)
{
    memset(desk->starts, 0, (n_who + 1) * sizeof *desk->starts);
    for (size_t i = 0; i < desk->n; i++) {
        desk->starts[desk->who[i] + 1]++;
    }
    for (size_t w = 0; w < n_who; w++) {
        desk->starts[w + 1] += desk->starts[w];
    }
    for (size_t i = 0; i < desk->n; i++) {
        desk->by_who[desk->starts[desk->who[i]]++] = (uint32_t)i;
    }
}

// Fills in who, and the different ids in `others`. How many there are.
static size_t count_who(struct desk *desk, const uint32_t *ids)
{
    CLEANUP(map_fini) struct map known = {0};
    uint32_t n_who = 0;
    for (size_t i = 0; i < desk->n; i++) {
        if (i > 0 && ids[i] == ids[i - 1]) { // the usual case, and quicker
            desk->who[i] = desk->who[i - 1];
            continue;
        }
        desk->who[i] = map_find(&known, ids[i]);
        if (desk->who[i] == MAP_NONE) {
            map_set(&known, ids[i], n_who);
            desk->who[i] = n_who;
            desk->others[n_who++] = ids[i];
        }
    }
    return n_who;
}

// The different ones, and which of them each row is about.
static void put_who(struct packer *packer, struct desk *desk, const uint32_t *ids)
{
    size_t n_who = count_who(desk, ids);
    uint32_t before = 0;
    for (size_t w = 0; w < n_who; w++) {
        uint32_t id = (uint32_t)desk->others[w];
        desk->others[w] = number_fold((uint64_t)id - before);
        before = id;
    }
    packer_add_one(packer, n_who);
    packer_add(packer, desk->others, n_who);
    for (size_t i = 0; i < desk->n; i++) {
        desk->numbers[i] = desk->who[i];
    }
    packer_add(packer, desk->numbers, desk->n);
    sort_by_who(desk, n_who);
}

static int take_who(struct unpacker *unpacker, struct desk *desk, uint32_t *ret_ids)
{
    size_t n_who = unpacker_take_one(unpacker, sizeof(uint32_t));
    if (n_who > desk->n) {
        return -EBADMSG;
    }
    unpacker_take(unpacker, desk->others, n_who, sizeof(uint32_t) + 1);
    uint64_t id = 0;
    for (size_t w = 0; w < n_who; w++) {
        id += number_unfold(desk->others[w]);
        desk->others[w] = id;
    }
    unpacker_take(unpacker, desk->numbers, desk->n, sizeof(uint32_t));
    for (size_t i = 0; i < desk->n; i++) {
        if (desk->numbers[i] >= n_who) {
            return -EBADMSG;
        }
        desk->who[i] = (uint32_t)desk->numbers[i];
        ret_ids[i] = (uint32_t)desk->others[desk->numbers[i]];
    }
    sort_by_who(desk, n_who);
    return 0;
}

// ---- Columns -----------------------------------------------------------------------------------

// What is added to a column, so that its numbers are small: THREAD_INTERRUPT becomes 0.
enum { PLUS_NOTHING = 0, PLUS_SPECIAL_THREADS = 2 };

static void put_u32(struct packer *packer, struct desk *desk, const uint32_t *column, uint32_t plus)
{
    for (size_t i = 0; i < desk->n; i++) {
        desk->numbers[i] = column[desk->by_who[i]] + plus;
    }
    packer_add(packer, desk->numbers, desk->n);
}

static void take_u32(struct unpacker *unpacker, struct desk *desk, uint32_t *ret_column,
                     uint32_t plus)
{
    unpacker_take(unpacker, desk->numbers, desk->n, sizeof *ret_column);
    for (size_t i = 0; i < desk->n; i++) {
        ret_column[desk->by_who[i]] = (uint32_t)desk->numbers[i] - plus;
    }
}

static void differences(uint64_t *ret, const uint64_t *column, const uint32_t *order, size_t n)
{
    uint64_t before = column[0];
    for (size_t i = 0; i < n; i++) {
        uint64_t value = column[order[i]];
        ret[i] = number_fold(value - before);
        before = value;
    }
}

// Of a few thousand numbers from all over the list.
static size_t packed_sample_bytes(const uint64_t *numbers, size_t n)
{
    enum { SAMPLE = 1 << 12 };
    uint64_t sample[SAMPLE];
    size_t step = n / SAMPLE + 1;
    size_t taken = 0;
    for (size_t i = 0; i < n; i += step) {
        sample[taken++] = numbers[i];
    }
    CLEANUP(packer_fini) struct packer packer = {0};
    CLEANUP(text_fini) struct text packed = {0};
    packer_add(&packer, sample, taken);
    packer_finish(&packer, &packed);
    return packed.n;
}

// Times as differences to the row before, or to the row before of the same thread: threads that
// run all the time have samples at regular times, each of its own. Which is better is tried.
static void put_times(struct packer *packer, struct desk *desk, const uint64_t *times)
{
    if (desk->n == 0) {
        return;
    }
    differences(desk->numbers, times, desk->by_time, desk->n);
    differences(desk->others, times, desk->by_who, desk->n);
    bool by_who = packed_sample_bytes(desk->others, desk->n) <
                  packed_sample_bytes(desk->numbers, desk->n);
    packer_add_one(packer, by_who);
    packer_add_one(packer, times[0]);
    packer_add(packer, by_who ? desk->others : desk->numbers, desk->n);
}

static int take_times(struct unpacker *unpacker, struct desk *desk, uint64_t *ret_times)
{
    if (desk->n == 0) {
        return 0;
    }
    uint64_t by_who = unpacker_take_one(unpacker, 1);
    uint64_t time = unpacker_take_one(unpacker, sizeof time);
    unpacker_take(unpacker, desk->numbers, desk->n, sizeof time);
    const uint32_t *order = by_who == 0 ? desk->by_time : desk->by_who;
    for (size_t i = 0; i < desk->n; i++) {
        time += number_unfold(desk->numbers[i]);
        ret_times[order[i]] = time;
    }
    return by_who > 1 ? -EBADMSG : 0;
}

// ---- Intervals ---------------------------------------------------------------------------------

static bool is_ready(uint64_t length)
{
    return (length & INTERVAL_RUNNABLE) != 0;
}

// Of blocked rows first, of ready ones then; each in the order of threads.
static void put_by_kind(struct packer *packer, struct desk *desk, const uint64_t *lengths)
{
    size_t n_blocked = 0;
    size_t n_ready = 0;
    for (size_t i = 0; i < desk->n; i++) {
        uint64_t number = desk->numbers[i];
        if (is_ready(lengths[desk->by_who[i]])) {
            desk->others[n_ready++] = number;
        } else {
            desk->numbers[n_blocked++] = number;
        }
    }
    packer_add(packer, desk->numbers, n_blocked);
    packer_add(packer, desk->others, n_ready);
}

static void take_by_kind(struct unpacker *unpacker, struct desk *desk, const uint64_t *lengths,
                         uint32_t bytes_each)
{
    size_t n_ready = 0;
    for (size_t i = 0; i < desk->n; i++) {
        n_ready += is_ready(lengths[i]);
    }
    size_t n_blocked = desk->n - n_ready;
    unpacker_take(unpacker, desk->others, n_blocked, bytes_each);
    unpacker_take(unpacker, desk->others + n_blocked, n_ready, bytes_each);
    size_t blocked = 0;
    size_t ready = n_blocked;
    for (size_t i = 0; i < desk->n; i++) {
        desk->numbers[i] = desk->others[is_ready(lengths[desk->by_who[i]]) ? ready++ : blocked++];
    }
}

static void put_lengths(struct packer *packer, struct desk *desk, const uint64_t *lengths)
{
    for (size_t i = 0; i < desk->n; i++) {
        desk->numbers[i] = lengths[desk->by_who[i]] & ((1 << WHAT_BITS) - 1);
    }
    packer_add(packer, desk->numbers, desk->n);
    for (size_t i = 0; i < desk->n; i++) {
        desk->numbers[i] = lengths[desk->by_who[i]] >> WHAT_BITS;
    }
    put_by_kind(packer, desk, lengths);
}

static void take_lengths(struct unpacker *unpacker, struct desk *desk, uint64_t *ret_lengths)
{
    unpacker_take(unpacker, desk->numbers, desk->n, WHAT_BYTES);
    for (size_t i = 0; i < desk->n; i++) {
        ret_lengths[desk->by_who[i]] = desk->numbers[i];
    }
    take_by_kind(unpacker, desk, ret_lengths, DURATION_BYTES);
    for (size_t i = 0; i < desk->n; i++) {
        ret_lengths[desk->by_who[i]] |= desk->numbers[i] << WHAT_BITS;
    }
}

// From the end of the row before, in the order of threads, to the start of this one.
static void put_gaps(struct packer *packer, struct desk *desk, const uint64_t *starts,
                     const uint64_t *lengths)
{
    if (desk->n == 0) {
        return;
    }
    packer_add_one(packer, starts[0]);
    uint64_t end = starts[0];
    for (size_t i = 0; i < desk->n; i++) {
        size_t row = desk->by_who[i];
        desk->numbers[i] = number_fold(starts[row] - end);
        end = starts[row] + (lengths[row] >> WHAT_BITS);
    }
    put_by_kind(packer, desk, lengths);
}

static void take_gaps(struct unpacker *unpacker, struct desk *desk, uint64_t *ret_starts,
                      const uint64_t *lengths)
{
    if (desk->n == 0) {
        return;
    }
    uint64_t end = unpacker_take_one(unpacker, sizeof end);
    take_by_kind(unpacker, desk, lengths, sizeof end);
    for (size_t i = 0; i < desk->n; i++) {
        size_t row = desk->by_who[i];
        ret_starts[row] = end + number_unfold(desk->numbers[i]);
        end = ret_starts[row] + (lengths[row] >> WHAT_BITS);
    }
}

// A ready row has the stack of the blocked row before it, most of the time: 0 says so.
static void put_stacks(struct packer *packer, struct desk *desk, const uint32_t *stacks,
                       const uint64_t *lengths)
{
    uint32_t before = 0;
    for (size_t i = 0; i < desk->n; i++) {
        size_t row = desk->by_who[i];
        desk->numbers[i] = stacks[row] ^ (is_ready(lengths[row]) ? before : 0);
        before = stacks[row];
    }
    put_by_kind(packer, desk, lengths);
}

static void take_stacks(struct unpacker *unpacker, struct desk *desk, uint32_t *ret_stacks,
                        const uint64_t *lengths)
{
    take_by_kind(unpacker, desk, lengths, sizeof *ret_stacks);
    uint32_t before = 0;
    for (size_t i = 0; i < desk->n; i++) {
        size_t row = desk->by_who[i];
        ret_stacks[row] = (uint32_t)desk->numbers[i] ^ (is_ready(lengths[row]) ? before : 0);
        before = ret_stacks[row];
    }
}

// ---- Counters ----------------------------------------------------------------------------------

static void put_counters(struct packer *packer, struct desk *desk, const struct counter_row *rows)
{
    uint64_t before = 0;
    for (size_t i = 0; i < desk->n; i++) {
        desk->numbers[i] = number_fold(rows[i].sample - before);
        desk->others[i] = rows[i].valid;
        before = rows[i].sample;
    }
    packer_add(packer, desk->numbers, desk->n);
    packer_add(packer, desk->others, desk->n);
    for (size_t c = 0; c < COUNTER_COUNT; c++) {
        for (size_t i = 0; i < desk->n; i++) {
            desk->numbers[i] = rows[i].delta[c];
        }
        packer_add(packer, desk->numbers, desk->n);
    }
}

static void take_counters(struct unpacker *unpacker, struct desk *desk, struct counter_row *ret)
{
    unpacker_take(unpacker, desk->numbers, desk->n, sizeof(uint64_t));
    unpacker_take(unpacker, desk->others, desk->n, sizeof(uint32_t));
    uint64_t sample = 0;
    for (size_t i = 0; i < desk->n; i++) {
        sample += number_unfold(desk->numbers[i]);
        memset(&ret[i], 0, sizeof ret[i]); // between its fields, too
        ret[i].sample = sample;
        ret[i].valid = (uint32_t)desk->others[i];
    }
    for (size_t c = 0; c < COUNTER_COUNT; c++) {
        unpacker_take(unpacker, desk->numbers, desk->n, sizeof(uint64_t));
        for (size_t i = 0; i < desk->n; i++) {
            ret[i].delta[c] = desk->numbers[i];
        }
    }
}

// ---- Tables ------------------------------------------------------------------------------------

void codec_put_rows(struct text *to, const struct row_block *block)
{
    CLEANUP(packer_fini) struct packer packer = {0};
    CLEANUP(desk_fini) struct desk desk;
    desk_init(&desk, block->n);
    packer_add_one(&packer, block->n);
    void *const *columns = block->columns;
    switch (block->table) {
    case ROW_SAMPLES:
        put_who(&packer, &desk, columns[1]);
        put_times(&packer, &desk, columns[0]);
        put_u32(&packer, &desk, columns[2], PLUS_NOTHING);
        break;
    case ROW_INTERVALS:
        put_who(&packer, &desk, columns[2]);
        put_lengths(&packer, &desk, columns[1]);
        put_gaps(&packer, &desk, columns[0], columns[1]);
        put_stacks(&packer, &desk, columns[3], columns[1]);
        break;
    case ROW_WAKEUPS:
        put_who(&packer, &desk, columns[1]);
        put_times(&packer, &desk, columns[0]);
        put_u32(&packer, &desk, columns[2], PLUS_SPECIAL_THREADS);
        put_u32(&packer, &desk, columns[3], PLUS_NOTHING);
        break;
    case ROW_COUNTERS:
        put_counters(&packer, &desk, columns[0]);
        break;
    case ROW_TABLES:
        ASSERT(false);
    }
    packer_finish(&packer, to);
}

static int take_rows(struct unpacker *unpacker, struct desk *desk, const struct row_block *block)
{
    void *const *columns = block->columns;
    int r = 0;
    switch (block->table) {
    case ROW_SAMPLES:
        r = take_who(unpacker, desk, columns[1]);
        r = r < 0 ? r : take_times(unpacker, desk, columns[0]);
        if (r == 0) {
            take_u32(unpacker, desk, columns[2], PLUS_NOTHING);
        }
        return r;
    case ROW_INTERVALS:
        r = take_who(unpacker, desk, columns[2]);
        if (r == 0) {
            take_lengths(unpacker, desk, columns[1]);
            take_gaps(unpacker, desk, columns[0], columns[1]);
            take_stacks(unpacker, desk, columns[3], columns[1]);
        }
        return r;
    case ROW_WAKEUPS:
        r = take_who(unpacker, desk, columns[1]);
        r = r < 0 ? r : take_times(unpacker, desk, columns[0]);
        if (r == 0) {
            take_u32(unpacker, desk, columns[2], PLUS_SPECIAL_THREADS);
            take_u32(unpacker, desk, columns[3], PLUS_NOTHING);
        }
        return r;
    case ROW_COUNTERS:
        take_counters(unpacker, desk, columns[0]);
        return 0;
    case ROW_TABLES:
        break;
    }
    return -EBADMSG;
}

int codec_parse_rows(struct slice bytes, const struct row_block *block)
{
    CLEANUP(unpacker_fini) struct unpacker unpacker;
    CLEANUP(desk_fini) struct desk desk = {0};
    int r = open_rows(&unpacker, bytes, block->n);
    if (r < 0) {
        return r;
    }
    desk_init(&desk, block->n);
    r = take_rows(&unpacker, &desk, block);
    return r < 0 ? r : unpacker_end(&unpacker);
}

// ---- The tree of stacks ------------------------------------------------------------------------

void codec_put_frames(struct text *to, const struct frame_row *frames, size_t n)
{
    CLEANUP(packer_fini) struct packer packer = {0};
    CLEANUP(desk_fini) struct desk desk;
    desk_init(&desk, n);
    packer_add_one(&packer, n);
    CLEANUP(freep) uint32_t *images = alloc_resize(NULL, n, sizeof *images);
    for (size_t i = 0; i < n; i++) {
        images[i] = frames[i].image;
    }
    put_who(&packer, &desk, images);
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        const struct frame_row *frame = &frames[desk.by_who[i]];
        desk.numbers[i] = number_fold(frame->off - before);
        desk.others[i] = frame->leaf;
        before = frame->off;
    }
    packer_add(&packer, desk.numbers, n);
    packer_add(&packer, desk.others, n);
    packer_finish(&packer, to);
}

static int take_frames(struct unpacker *unpacker, struct desk *desk, struct frame_row *frames)
{
    CLEANUP(freep) uint32_t *images = alloc_resize(NULL, desk->n, sizeof *images);
    int r = take_who(unpacker, desk, images);
    if (r < 0) {
        return r;
    }
    unpacker_take(unpacker, desk->numbers, desk->n, sizeof(uint64_t));
    unpacker_take(unpacker, desk->others, desk->n, 1);
    uint64_t off = 0;
    for (size_t i = 0; i < desk->n; i++) {
        size_t row = desk->by_who[i];
        off += number_unfold(desk->numbers[i]);
        if (desk->others[i] > 1) {
            return -EBADMSG;
        }
        frames[row] = (struct frame_row){.off = off, .image = images[row], .leaf = desk->others[i]};
    }
    return unpacker_end(unpacker);
}

int codec_parse_frames(struct slice bytes, struct frame_row *frames, size_t n)
{
    CLEANUP(unpacker_fini) struct unpacker unpacker;
    CLEANUP(desk_fini) struct desk desk = {0};
    int r = open_rows(&unpacker, bytes, n);
    if (r < 0) {
        return r;
    }
    desk_init(&desk, n);
    return take_frames(&unpacker, &desk, frames);
}

void codec_put_nodes(struct text *to, const struct stack_row *nodes, stack_id first, size_t n)
{
    CLEANUP(packer_fini) struct packer packer = {0};
    CLEANUP(desk_fini) struct desk desk;
    desk_init(&desk, n);
    packer_add_one(&packer, n);
    uint32_t before = 0;
    for (size_t i = 0; i < n; i++) {
        desk.numbers[i] = first + (uint32_t)i - nodes[i].caller;
        desk.others[i] = number_fold((uint64_t)nodes[i].frame - before);
        before = nodes[i].frame;
    }
    packer_add(&packer, desk.numbers, n);
    packer_add(&packer, desk.others, n);
    packer_finish(&packer, to);
}

int codec_parse_nodes(struct slice bytes, struct stack_row *nodes, stack_id first, size_t n)
{
    CLEANUP(unpacker_fini) struct unpacker unpacker;
    CLEANUP(desk_fini) struct desk desk = {0};
    int r = open_rows(&unpacker, bytes, n);
    if (r < 0) {
        return r;
    }
    desk_init(&desk, n);
    unpacker_take(&unpacker, desk.numbers, n, sizeof(uint32_t));
    unpacker_take(&unpacker, desk.others, n, sizeof(uint32_t) + 1);
    uint64_t frame = 0;
    for (size_t i = 0; i < n; i++) {
        frame += number_unfold(desk.others[i]);
        nodes[i] = (struct stack_row){.caller = first + (uint32_t)i - (uint32_t)desk.numbers[i],
                                      .frame = (uint32_t)frame};
    }
    return unpacker_end(&unpacker);
}

// ---- Bytes -------------------------------------------------------------------------------------

void codec_put_bytes(struct text *to, struct slice bytes)
{
    size_t room = ZSTD_compressBound(bytes.n);
    CLEANUP(freep) uint8_t *packed = alloc_resize(NULL, room, 1);
    ZSTD_CCtx *zstd = zstd_frame_new(BYTES_LEVEL);
    size_t n = ZSTD_compress2(zstd, packed, room, bytes.data, bytes.n);
    ASSERT(!ZSTD_isError(n));
    ZSTD_freeCCtx(zstd);
    text_add_bytes(to, packed, n);
}

int codec_parse_bytes(struct slice packed, size_t limit_bytes, struct text *to)
{
    uint64_t n = 0;
    int r = zstd_frame_size(packed, &n);
    if (r < 0) {
        return r;
    }
    if (n > limit_bytes) {
        return -EFBIG;
    }
    CLEANUP(freep) uint8_t *bytes = alloc_resize(NULL, (size_t)n, 1);
    r = zstd_frame_unpack(packed, bytes, (size_t)n);
    if (r == 0) {
        text_add_bytes(to, bytes, (size_t)n);
    }
    return r;
}
