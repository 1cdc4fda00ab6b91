// Bytes as packed rows: as they are, and as what is in a sound frame, where no checksum is in the
// way. What parses must survive being packed and parsed again unchanged. And bytes as rows.
//
// The first byte says which table, the next two how many rows.

#include "archive/codec.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES = ROW_TABLES, NODES, KINDS, N_MAX = 1 << 12 };

static const uint32_t widths[KINDS][ROW_COLUMNS_MAX] = {
    [ROW_SAMPLES] = {8, 4, 4},
    [ROW_INTERVALS] = {8, 8, 4, 4},
    [ROW_WAKEUPS] = {8, 4, 4, 4},
    [ROW_COUNTERS] = {sizeof(struct counter_row)},
    [FRAMES] = {sizeof(struct frame_row)},
    [NODES] = {sizeof(struct stack_row)},
};

struct rows {
    uint32_t kind; // a table, or the two above
    stack_id first;
    size_t n;
    void *columns[ROW_COLUMNS_MAX]; // exactly as long as they may be written
};

static struct rows rows_new(uint32_t kind, size_t n)
{
    struct rows rows = {.kind = kind, .first = (stack_id)n * 3, .n = n};
    for (size_t c = 0; c < ROW_COLUMNS_MAX && widths[kind][c] > 0; c++) {
        rows.columns[c] = alloc_zeroed(n, widths[kind][c]);
    }
    return rows;
}

static void rows_fini(struct rows *rows)
{
    for (size_t c = 0; c < ROW_COLUMNS_MAX; c++) {
        free(rows->columns[c]);
    }
}

static struct row_block block_of(const struct rows *rows)
{
    struct row_block block = {.table = (enum row_table)rows->kind, .n = rows->n};
    memcpy(block.columns, rows->columns, sizeof block.columns);
    return block;
}

static int parse(struct slice bytes, const struct rows *rows)
{
    if (rows->kind == FRAMES) {
        return codec_parse_frames(bytes, rows->columns[0], rows->n);
    }
    if (rows->kind == NODES) {
        return codec_parse_nodes(bytes, rows->columns[0], rows->first, rows->n);
    }
    struct row_block block = block_of(rows);
    return codec_parse_rows(bytes, &block);
}

static void put(struct text *to, const struct rows *rows)
{
    if (rows->kind == FRAMES) {
        codec_put_frames(to, rows->columns[0], rows->n);
    } else if (rows->kind == NODES) {
        codec_put_nodes(to, rows->columns[0], rows->first, rows->n);
    } else {
        struct row_block block = block_of(rows);
        codec_put_rows(to, &block);
    }
}

static struct slice slice_of(const struct text *text)
{
    return (struct slice){(const uint8_t *)text->at, text->n};
}

static bool frames_equal(const struct frame_row *a, const struct frame_row *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i].off != b[i].off || a[i].image != b[i].image || a[i].leaf != b[i].leaf) {
            return false;
        }
    }
    return true;
}

static void check_round_trip(const struct rows *rows)
{
    CLEANUP(text_fini) struct text packed = {0};
    CLEANUP(rows_fini) struct rows copy = rows_new(rows->kind, rows->n);
    put(&packed, rows);
    ASSERT(parse(slice_of(&packed), &copy) == 0);
    for (size_t c = 0; c < ROW_COLUMNS_MAX && rows->columns[c] != NULL; c++) {
        size_t bytes = rows->n * widths[rows->kind][c];
        ASSERT(rows->kind == FRAMES ? frames_equal(rows->columns[c], copy.columns[c], rows->n)
                                    : memcmp(rows->columns[c], copy.columns[c], bytes) == 0);
    }
}

static void check_parse(struct slice bytes, uint32_t kind, size_t n)
{
    CLEANUP(rows_fini) struct rows rows = rows_new(kind, n);
    int r = parse(bytes, &rows);
    ASSERT(r == 0 || r == -EBADMSG);
    if (r == 0) {
        check_round_trip(&rows);
    }
}

static void check_rows(struct slice bytes, uint32_t kind)
{
    size_t row_bytes = 0;
    for (size_t c = 0; c < ROW_COLUMNS_MAX; c++) {
        row_bytes += widths[kind][c];
    }
    struct reader from = reader_of(bytes);
    CLEANUP(rows_fini) struct rows rows = rows_new(kind, MIN(bytes.n / row_bytes, (size_t)N_MAX));
    for (size_t c = 0; c < ROW_COLUMNS_MAX && rows.columns[c] != NULL; c++) {
        read_bytes(&from, rows.columns[c], rows.n * widths[kind][c]);
    }
    for (size_t i = 0; i < rows.n; i++) { // what no writer has: other bools, bytes between fields
        if (kind == FRAMES) {
            const uint8_t *bytes_of = (const uint8_t *)rows.columns[0] +
                                      i * sizeof(struct frame_row);
            bool leaf = (bytes_of[offsetof(struct frame_row, leaf)] & 1) != 0;
            memset((uint8_t *)rows.columns[0] + i * sizeof(struct frame_row) +
                       offsetof(struct frame_row, leaf),
                   leaf, 1);
        } else if (kind == ROW_COUNTERS) {
            memset((uint8_t *)rows.columns[0] + i * sizeof(struct counter_row) + 12, 0, 4);
        }
    }
    check_round_trip(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader from = reader_of((struct slice){data, size});
    uint32_t kind = read_u8(&from) % KINDS;
    size_t n = read_u8(&from);
    n |= (size_t)read_u8(&from) << 8;
    n %= N_MAX + 1;
    struct slice rest = read_slice(&from, reader_left(&from));
    check_parse(rest, kind, n);
    CLEANUP(text_fini) struct text framed = {0};
    CLEANUP(text_fini) struct text bytes = {0};
    codec_put_bytes(&framed, rest);
    ASSERT(codec_parse_bytes(slice_of(&framed), size, &bytes) == 0);
    ASSERT(slice_equal(slice_of(&bytes), rest));
    check_parse(slice_of(&framed), kind, n);
    text_clear(&bytes);
    int r = codec_parse_bytes(rest, 1 << 20, &bytes);
    ASSERT(r == 0 || r == -EBADMSG || r == -EFBIG);
    check_rows(rest, kind);
    return 0;
}
