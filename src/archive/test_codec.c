// Rows come back as they were, whatever they are; anything else is refused.

#include "archive/codec.h"

#include "archive/numbers.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ALL_ROWS = COLUMN_CHUNK_ROWS, ROW_BYTES_MAX = sizeof(struct counter_row) };

static const uint32_t widths[ROW_TABLES][ROW_COLUMNS_MAX] = {
    [ROW_SAMPLES] = {8, 4, 4},
    [ROW_INTERVALS] = {8, 8, 4, 4},
    [ROW_WAKEUPS] = {8, 4, 4, 4},
    [ROW_COUNTERS] = {sizeof(struct counter_row)},
};

static struct row_block block_new(enum row_table table, size_t n)
{
    struct row_block block = {.table = table, .n = n};
    for (size_t c = 0; c < ROW_COLUMNS_MAX; c++) {
        if (widths[table][c] > 0) {
            block.columns[c] = alloc_zeroed(n, widths[table][c]);
        }
    }
    return block;
}

static void block_fini(struct row_block *block)
{
    for (size_t c = 0; c < ROW_COLUMNS_MAX; c++) {
        free(block->columns[c]);
    }
}

static uint64_t dice_state = 1;

static uint64_t dice(uint64_t sides)
{
    dice_state += 0x9e3779b97f4a7c15ULL;
    return hash_u64(dice_state) % sides;
}

static uint64_t any_u64(void)
{
    uint64_t bits = dice(64);
    return dice(UINT64_MAX) >> bits;
}

// ---- Rows --------------------------------------------------------------------------------------

static struct slice slice_of(const struct text *text)
{
    return (struct slice){(const uint8_t *)text->at, text->n};
}

static bool blocks_equal(const struct row_block *a, const struct row_block *b)
{
    for (size_t c = 0; c < ROW_COLUMNS_MAX && a->columns[c] != NULL; c++) {
        if (memcmp(a->columns[c], b->columns[c], a->n * widths[a->table][c]) != 0) {
            return false;
        }
    }
    return true;
}

static void assert_comes_back(const struct row_block *block)
{
    CLEANUP(text_fini) struct text packed = {0};
    text_add(&packed, "before");
    codec_put_rows(&packed, block);
    assert_memory_equal(packed.at, "before", 6);
    struct slice bytes = {(const uint8_t *)packed.at + 6, packed.n - 6};
    CLEANUP(block_fini) struct row_block copy = block_new(block->table, block->n);
    for (size_t c = 0; c < ROW_COLUMNS_MAX && copy.columns[c] != NULL; c++) {
        memset(copy.columns[c], 0xa5, block->n * widths[block->table][c]);
    }
    assert_int_equal(codec_parse_rows(bytes, &copy), 0);
    assert_true(blocks_equal(&copy, block));
}

static void fill_with(const struct row_block *block, uint64_t (*number)(void))
{
    for (size_t i = 0; i < block->n; i++) {
        if (block->table == ROW_COUNTERS) {
            struct counter_row *row = (struct counter_row *)block->columns[0] + i;
            row->sample = number();
            row->valid = (uint32_t)number();
            for (size_t c = 0; c < COUNTER_COUNT; c++) {
                row->delta[c] = number();
            }
            continue;
        }
        for (size_t c = 0; c < ROW_COLUMNS_MAX && block->columns[c] != NULL; c++) {
            uint64_t value = number();
            if (widths[block->table][c] == 8) {
                ((uint64_t *)block->columns[c])[i] = value;
            } else {
                ((uint32_t *)block->columns[c])[i] = (uint32_t)value;
            }
        }
    }
}

static uint64_t all_ones(void)
{
    return UINT64_MAX;
}

static uint64_t zero(void)
{
    return 0;
}

static uint64_t either_end(void)
{
    return dice(2) == 0 ? UINT64_MAX - dice(3) : dice(3);
}

static void test_any_numbers_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 255, 256, 257, 3000, ALL_ROWS - 1, ALL_ROWS};
    static uint64_t (*const numbers[])(void) = {any_u64, all_ones, zero, either_end};
    for (int table = 0; table < ROW_TABLES; table++) {
        for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
            for (size_t f = 0; f < ARRAY_LEN(numbers); f++) {
                CLEANUP(block_fini)
                struct row_block block = block_new((enum row_table)table, sizes[s]);
                fill_with(&block, numbers[f]);
                assert_comes_back(&block);
            }
        }
    }
}

// What a recording looks like: 30 threads; each waits, is ready, and runs.
static void fill_intervals(const struct row_block *block)
{
    uint64_t end_ns[30] = {0};
    uint64_t now_ns = UINT64_C(1) << 50;
    uint64_t *starts = block->columns[0];
    uint64_t *lengths = block->columns[1];
    for (size_t i = 0; i < block->n; i++) {
        size_t thread = dice(30);
        bool ready = i > 0 && lengths[i - 1] % 2 == 0 && dice(8) != 0;
        thread = ready ? ((uint32_t *)block->columns[2])[i - 1] : thread;
        uint64_t gap_ns = ready || end_ns[thread] == 0 ? 0 : 5000 + dice(50000);
        now_ns = MAX(now_ns + dice(20000), end_ns[thread] + gap_ns);
        starts[i] = end_ns[thread] == 0 ? now_ns : end_ns[thread] + gap_ns;
        lengths[i] = (now_ns - starts[i]) << 16 | (ready ? 1 : dice(3) << 8);
        end_ns[thread] = now_ns;
        ((uint32_t *)block->columns[2])[i] = (uint32_t)thread;
        ((uint32_t *)block->columns[3])[i] = (uint32_t)(dice(40) * dice(5));
    }
}

static void fill_samples(const struct row_block *block, uint64_t step_ns)
{
    uint64_t now_ns = UINT64_C(1) << 50;
    for (size_t i = 0; i < block->n; i++) {
        now_ns += dice(step_ns);
        ((uint64_t *)block->columns[0])[i] = now_ns;
        ((uint32_t *)block->columns[1])[i] = (uint32_t)dice(30);
        ((uint32_t *)block->columns[2])[i] = (uint32_t)(dice(200) * dice(10));
    }
}

static size_t packed_bytes(const struct row_block *block)
{
    CLEANUP(text_fini) struct text packed = {0};
    codec_put_rows(&packed, block);
    return packed.n;
}

static void test_recordings_come_back_and_are_small(void **state)
{
    (void)state;
    CLEANUP(block_fini) struct row_block samples = block_new(ROW_SAMPLES, ALL_ROWS);
    fill_samples(&samples, 20000);
    assert_comes_back(&samples);
    assert_true(packed_bytes(&samples) < samples.n * 4);
    CLEANUP(block_fini) struct row_block intervals = block_new(ROW_INTERVALS, ALL_ROWS);
    fill_intervals(&intervals);
    assert_comes_back(&intervals);
    assert_true(packed_bytes(&intervals) < intervals.n * 8);
}

// Eight threads that run all the time: each has a sample every millisecond, give or take 100 ns.
static void test_regular_samples_are_smaller(void **state)
{
    (void)state;
    CLEANUP(block_fini) struct row_block block = block_new(ROW_SAMPLES, ALL_ROWS);
    uint64_t *times = block.columns[0];
    for (size_t i = 0; i < block.n; i++) {
        times[i] = i / 8 * 1000000 + i % 8 * 93000 + dice(100);
        ((uint32_t *)block.columns[1])[i] = (uint32_t)(i % 8);
    }
    assert_comes_back(&block);
    assert_true(packed_bytes(&block) < block.n * 3 / 2);
}

static void test_equal_rows_take_next_to_nothing(void **state)
{
    (void)state;
    for (int table = 0; table < ROW_TABLES; table++) {
        CLEANUP(block_fini) struct row_block block = block_new((enum row_table)table, ALL_ROWS);
        fill_with(&block, zero);
        assert_true(packed_bytes(&block) < 100);
    }
}

// A block says the same wherever it is packed, and after whatever.
static void test_packing_is_a_function(void **state)
{
    (void)state;
    CLEANUP(block_fini) struct row_block block = block_new(ROW_SAMPLES, 5000);
    CLEANUP(text_fini) struct text once = {0};
    CLEANUP(text_fini) struct text again = {0};
    fill_samples(&block, 1000);
    codec_put_rows(&once, &block);
    block.first = 77777;
    codec_put_rows(&again, &block);
    assert_true(slice_equal(slice_of(&once), slice_of(&again)));
}

// ---- What is refused ---------------------------------------------------------------------------

// zstd has bits that mean nothing (there is one in each frame's head): with these flipped, the rows
// are the same. With any other, they are refused.
static void test_flipped_bits_are_found(void **state)
{
    (void)state;
    for (int table = 0; table < ROW_TABLES; table++) {
        CLEANUP(block_fini) struct row_block block = block_new((enum row_table)table, 50);
        CLEANUP(block_fini) struct row_block copy = block_new((enum row_table)table, 50);
        fill_with(&block, any_u64);
        CLEANUP(text_fini) struct text packed = {0};
        codec_put_rows(&packed, &block);
        size_t harmless = 0;
        for (size_t bit = 0; bit < packed.n * 8; bit++) {
            packed.at[bit / 8] = (char)(packed.at[bit / 8] ^ 1 << bit % 8);
            int r = codec_parse_rows(slice_of(&packed), &copy);
            assert_true(r == -EBADMSG || (r == 0 && blocks_equal(&copy, &block)));
            harmless += r == 0;
            packed.at[bit / 8] = (char)(packed.at[bit / 8] ^ 1 << bit % 8);
        }
        assert_true(harmless < packed.n * 8 / 100);
    }
}

static void test_cut_and_longer_ones_are_refused(void **state)
{
    (void)state;
    for (int table = 0; table < ROW_TABLES; table++) {
        CLEANUP(block_fini) struct row_block block = block_new((enum row_table)table, 50);
        fill_with(&block, any_u64);
        CLEANUP(text_fini) struct text packed = {0};
        codec_put_rows(&packed, &block);
        for (size_t n = 0; n < packed.n; n++) {
            // A copy of that length, so that reading beyond it is noticed.
            CLEANUP(freep) void *cut = alloc_resize(NULL, n, 1);
            memcpy(cut, packed.at, n);
            assert_int_equal(codec_parse_rows((struct slice){cut, n}, &block), -EBADMSG);
        }
        text_add_char(&packed, 0);
        assert_int_equal(codec_parse_rows(slice_of(&packed), &block), -EBADMSG);
    }
}

static void test_other_numbers_of_rows_are_refused(void **state)
{
    (void)state;
    for (int table = 0; table < ROW_TABLES; table++) {
        CLEANUP(block_fini) struct row_block block = block_new((enum row_table)table, 300);
        fill_with(&block, any_u64);
        CLEANUP(text_fini) struct text packed = {0};
        codec_put_rows(&packed, &block);
        for (size_t n = 0; n < 300; n++) {
            block.n = n;
            assert_int_equal(codec_parse_rows(slice_of(&packed), &block), -EBADMSG);
        }
        block.n = 300;
        assert_int_equal(codec_parse_rows(slice_of(&packed), &block), 0);
        CLEANUP(block_fini) struct row_block more = block_new((enum row_table)table, 301);
        assert_int_equal(codec_parse_rows(slice_of(&packed), &more), -EBADMSG);
    }
}

static void test_no_block_is_longer_than_a_chunk(void **state)
{
    (void)state;
    CLEANUP(packer_fini) struct packer packer = {0};
    CLEANUP(text_fini) struct text packed = {0};
    packer_add_one(&packer, ALL_ROWS + 1);
    packer_add(&packer, NULL, 0); // two lists of zeros
    packer_add(&packer, NULL, 0);
    packer_finish(&packer, &packed);
    CLEANUP(freep) struct stack_row *nodes = NEW_ARRAY(struct stack_row, ALL_ROWS + 1);
    assert_int_equal(codec_parse_nodes(slice_of(&packed), nodes, 0, ALL_ROWS + 1), -EBADMSG);
}

static void assert_refused(const struct packer *packer, enum row_table table, size_t n)
{
    CLEANUP(text_fini) struct text packed = {0};
    packer_finish(packer, &packed);
    CLEANUP(block_fini) struct row_block block = block_new(table, n);
    assert_int_equal(codec_parse_rows(slice_of(&packed), &block), -EBADMSG);
}

// Whole frames with a right checksum, in which there is something else.
static void test_wrong_lists_are_refused(void **state)
{
    (void)state;
    CLEANUP(packer_fini) struct packer nobody = {0}; // rows that nobody has
    packer_add_one(&nobody, 2);
    packer_add_one(&nobody, 0);
    packer_add(&nobody, NULL, 0);
    packer_add(&nobody, (uint64_t[]){0, 0}, 2);
    assert_refused(&nobody, ROW_SAMPLES, 2);
    CLEANUP(packer_fini) struct packer third = {0}; // the third one of two
    packer_add_one(&third, 2);
    packer_add_one(&third, 2);
    packer_add(&third, (uint64_t[]){2, 4}, 2);
    packer_add(&third, (uint64_t[]){0, 2}, 2);
    assert_refused(&third, ROW_WAKEUPS, 2);
    CLEANUP(packer_fini) struct packer crowd = {0}; // more threads than rows
    packer_add_one(&crowd, 2);
    packer_add_one(&crowd, 3);
    packer_add(&crowd, (uint64_t[]){2, 4, 6}, 3);
    packer_add(&crowd, (uint64_t[]){0, 1}, 2);
    assert_refused(&crowd, ROW_INTERVALS, 2);
    CLEANUP(packer_fini) struct packer large = {0}; // a way of keeping times that there is not
    packer_add_one(&large, 1);
    packer_add_one(&large, 1);
    packer_add(&large, (uint64_t[]){2}, 1);
    packer_add(&large, (uint64_t[]){0}, 1);
    packer_add_one(&large, 2);
    packer_add_one(&large, 0);
    packer_add(&large, (uint64_t[]){0}, 1);
    packer_add(&large, (uint64_t[]){0}, 1);
    assert_refused(&large, ROW_SAMPLES, 1);
}

// A frame of a hundred bytes that unpacks to gigabytes is not unpacked.
static void test_bombs_are_refused(void **state)
{
    (void)state;
    CLEANUP(freep) uint8_t *zeros = alloc_zeroed(LIMIT_BLOB_BYTES, 1);
    CLEANUP(text_fini) struct text packed = {0};
    CLEANUP(text_fini) struct text out = {0};
    codec_put_bytes(&packed, (struct slice){zeros, LIMIT_BLOB_BYTES});
    assert_true(packed.n < 10000);
    CLEANUP(block_fini) struct row_block block = block_new(ROW_SAMPLES, ALL_ROWS);
    assert_int_equal(codec_parse_rows(slice_of(&packed), &block), -EBADMSG);
    assert_int_equal(codec_parse_bytes(slice_of(&packed), LIMIT_BLOB_BYTES - 1, &out), -EFBIG);
    assert_int_equal(out.n, 0);
}

// ---- The tree of stacks ------------------------------------------------------------------------

static void test_frames_come_back(void **state)
{
    (void)state;
    enum { N = 3000 };
    CLEANUP(freep) struct frame_row *frames = NEW_ARRAY(struct frame_row, N);
    CLEANUP(freep) struct frame_row *copy = NEW_ARRAY(struct frame_row, N + 1);
    for (size_t n = 0; n <= N; n += n < 3 ? 1 : N - 3) {
        for (size_t i = 0; i < n; i++) {
            frames[i].off = any_u64();
            frames[i].image = (image_id)any_u64();
            frames[i].leaf = dice(2) == 0;
        }
        CLEANUP(text_fini) struct text packed = {0};
        codec_put_frames(&packed, frames, n);
        assert_int_equal(codec_parse_frames(slice_of(&packed), copy, n), 0);
        for (size_t i = 0; i < n; i++) {
            assert_true(copy[i].off == frames[i].off && copy[i].image == frames[i].image &&
                        copy[i].leaf == frames[i].leaf);
        }
        assert_int_equal(codec_parse_frames(slice_of(&packed), copy, n + 1), -EBADMSG);
    }
}

static void test_a_leaf_is_a_leaf_or_not(void **state)
{
    (void)state;
    for (uint64_t leaf = 0; leaf < 3; leaf++) {
        CLEANUP(packer_fini) struct packer packer = {0};
        CLEANUP(text_fini) struct text packed = {0};
        packer_add_one(&packer, 1);
        packer_add_one(&packer, 1);
        packer_add(&packer, (uint64_t[]){2}, 1);
        packer_add(&packer, (uint64_t[]){0}, 1);
        packer_add(&packer, (uint64_t[]){20}, 1);
        packer_add(&packer, &leaf, 1);
        packer_finish(&packer, &packed);
        struct frame_row frame;
        int r = codec_parse_frames(slice_of(&packed), &frame, 1);
        assert_int_equal(r, leaf < 2 ? 0 : -EBADMSG);
        if (r == 0) {
            assert_true(frame.image == 1 && frame.off == 10 && frame.leaf == (leaf == 1));
        }
    }
}

static void test_nodes_come_back(void **state)
{
    (void)state;
    enum { N = 3000 };
    CLEANUP(freep) struct stack_row *nodes = NEW_ARRAY(struct stack_row, N);
    CLEANUP(freep) struct stack_row *copy = NEW_ARRAY(struct stack_row, N + 1);
    static const stack_id firsts[] = {0, 1, 1000000, UINT32_MAX};
    for (size_t f = 0; f < ARRAY_LEN(firsts); f++) {
        for (size_t n = 0; n <= N; n += n < 3 ? 1 : N - 3) {
            for (size_t i = 0; i < n; i++) {
                nodes[i] = (struct stack_row){(stack_id)any_u64(), (frame_id)any_u64()};
            }
            CLEANUP(text_fini) struct text packed = {0};
            codec_put_nodes(&packed, nodes, firsts[f], n);
            assert_int_equal(codec_parse_nodes(slice_of(&packed), copy, firsts[f], n), 0);
            assert_memory_equal(copy, nodes, n * sizeof *nodes);
            assert_int_equal(codec_parse_nodes(slice_of(&packed), copy, firsts[f], n + 1),
                             -EBADMSG);
        }
    }
}

// ---- Bytes -------------------------------------------------------------------------------------

static void test_bytes_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 1000000};
    CLEANUP(freep) uint8_t *bytes = alloc_zeroed(1000000, 1);
    for (size_t i = 0; i < 1000000; i++) {
        bytes[i] = (uint8_t)any_u64();
    }
    for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
        CLEANUP(text_fini) struct text packed = {0};
        CLEANUP(text_fini) struct text out = {0};
        codec_put_bytes(&packed, (struct slice){bytes, sizes[s]});
        text_add(&out, "before");
        assert_int_equal(codec_parse_bytes(slice_of(&packed), sizes[s], &out), 0);
        assert_int_equal(out.n, 6 + sizes[s]);
        assert_memory_equal(out.at, "before", 6);
        if (sizes[s] > 0) {
            assert_memory_equal(out.at + 6, bytes, sizes[s]);
            assert_int_equal(codec_parse_bytes(slice_of(&packed), sizes[s] - 1, &out), -EFBIG);
        }
        packed.at[packed.n - 1] = (char)(packed.at[packed.n - 1] ^ 1);
        assert_int_equal(codec_parse_bytes(slice_of(&packed), sizes[s], &out), -EBADMSG);
        assert_int_equal(out.n, 6 + sizes[s]);
    }
    CLEANUP(text_fini) struct text out = {0};
    assert_int_equal(codec_parse_bytes((struct slice){0}, 100, &out), -EBADMSG);
    assert_int_equal(codec_parse_bytes(slice_of_text("not packed at all"), 100, &out), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_numbers_come_back),
        cmocka_unit_test(test_recordings_come_back_and_are_small),
        cmocka_unit_test(test_regular_samples_are_smaller),
        cmocka_unit_test(test_equal_rows_take_next_to_nothing),
        cmocka_unit_test(test_packing_is_a_function),
        cmocka_unit_test(test_flipped_bits_are_found),
        cmocka_unit_test(test_cut_and_longer_ones_are_refused),
        cmocka_unit_test(test_other_numbers_of_rows_are_refused),
        cmocka_unit_test(test_no_block_is_longer_than_a_chunk),
        cmocka_unit_test(test_wrong_lists_are_refused),
        cmocka_unit_test(test_bombs_are_refused),
        cmocka_unit_test(test_frames_come_back),
        cmocka_unit_test(test_a_leaf_is_a_leaf_or_not),
        cmocka_unit_test(test_nodes_come_back),
        cmocka_unit_test(test_bytes_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
