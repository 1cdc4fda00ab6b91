// Whatever store_restore_*() takes makes a store that can be asked everything.
//
// The input is a list of things to be restored: a byte that says what, then its fields. A field is
// one byte, which is likely to be the number of something that exists, or 0xff and eight bytes.

#include "query/answers.h"
#include "query/fake_library.h"
#include "query/interval_search.h"
#include "query/now.h"
#include "query/timeline.h"
#include "query/wakers.h"
#include "store/restore.h"

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { THINGS = 2000, BLOCK_ROWS = 16 };

static uint64_t field(struct reader *from)
{
    uint64_t value = read_u8(from);
    return value == 0xff ? read_u64(from) : value;
}

static uint32_t field32(struct reader *from)
{
    return (uint32_t)field(from);
}

// ---- Restoring ---------------------------------------------------------------------------------

static void restore_image(struct store *store, struct reader *from)
{
    struct image_row row = {
        .kind = (enum image_row_kind)field32(from),
        .path = field32(from),
        .build_id = field32(from),
        .process = field32(from),
        .load_bias = field(from),
        .since_ns = field(from),
        .until_ns = field(from),
    };
    store_restore_image(store, &row); // of library image 0: the caller answers for that
}

static void restore_process(struct store *store, struct reader *from)
{
    struct process_row row = {
        .pid = field32(from),
        .started_ns = field(from),
        .ended_ns = field(from),
        .name = field32(from),
        .main_image = field32(from),
    };
    store_restore_process(store, &row);
}

static void restore_thread(struct store *store, struct reader *from)
{
    struct thread_row row = {
        .tid = field32(from),
        .process = field32(from),
        .foreign = field(from) == 1,
        .started_ns = field(from),
        .ended_ns = field(from),
        .name = field32(from),
        .off_since_ns = field(from),
        .last_stack = field32(from),
        .last_wakeup = field(from),
    };
    uint64_t stack = field(from);
    uint64_t reason = field(from);
    atomic_store(&row.off_what, stack << 32 | reason << 8 | field(from));
    store_restore_thread(store, &row);
}

static void restore_code(struct store *store, struct reader *from)
{
    struct code_row row = {
        .process = field32(from),
        .addr = field(from),
        .size_bytes = field(from),
        .loaded_ns = field(from),
        .ended_ns = field(from),
        .name = field32(from),
        .code = field32(from),
    };
    store_restore_code(store, &row);
}

static uint64_t cell(enum row_table table, uint32_t column, struct reader *from)
{
    uint64_t value = field(from);
    if (table == ROW_INTERVALS && column == 1) {
        value = value << 16 | field(from) << 8;
        return value | field(from);
    }
    return value;
}

static void restore_rows(struct store *store, enum row_table table, struct reader *from)
{
    uint64_t cells[ROW_COLUMNS_MAX][BLOCK_ROWS * sizeof(struct counter_row) / 8] = {{0}};
    struct row_block block = {
        .table = table, .first = store_rows(store, table), .n = read_u8(from) % BLOCK_ROWS};
    const struct row_layout *layout = row_layout(table);
    for (uint32_t c = 0; c < ROW_COLUMNS_MAX; c++) {
        block.columns[c] = cells[c];
    }
    for (size_t i = 0; i < block.n; i++) {
        for (uint32_t c = 0; c < layout->n_columns; c++) {
            uint64_t value = cell(table, c, from);
            size_t bytes = MIN(layout->row_bytes[c], (uint32_t)sizeof value);
            memcpy((uint8_t *)block.columns[c] + i * layout->row_bytes[c], &value, bytes);
        }
    }
    store_restore_rows(store, &block);
}

static void restore_thing(struct store *store, struct reader *from)
{
    struct frame_row frame;
    struct stack_row node;
    uint8_t what = read_u8(from) % 12;
    switch (what) {
    case 0:
        store_restore_string(store, read_slice(from, read_u8(from)));
        break;
    case 1:
        restore_image(store, from);
        break;
    case 2:
        restore_process(store, from);
        break;
    case 3:
        restore_thread(store, from);
        break;
    case 4:
        restore_code(store, from);
        break;
    case 5:
        frame = (struct frame_row){.off = field(from), .image = field32(from)};
        frame.off |= field(from) << 32; // a truncation
        frame.leaf = field(from) == 1;
        store_restore_frame(store, &frame);
        break;
    case 6:
        node = (struct stack_row){.caller = field32(from), .frame = field32(from)};
        store_restore_node(store, &node);
        break;
    case 7:
        store_restore_account(store, (enum account)field32(from), field(from));
        break;
    default:
        restore_rows(store, (enum row_table)(what - 8), from);
        break;
    }
}

static struct store *restore(struct reader *from)
{
    struct store *store = store_restore_new(&(struct restore_params){
        .started_ns = field(from),
        .weight_ns = field(from),
        .has_switches = field(from) == 1,
    });
    for (int i = 0; i < THINGS && reader_left(from) > 0; i++) {
        restore_thing(store, from);
    }
    store_restore_end(store, field(from));
    return store;
}

// ---- Asking ------------------------------------------------------------------------------------

struct asked {
    struct store *store;
    struct library library;
    struct names names;
    struct calltree tree;
    struct reasons reasons;
};

static void ask_tree(struct asked *a, struct fold *fold, enum answer_mode mode)
{
    struct top top;
    top_make(&top, &a->tree, fold, a->store, &a->reasons, &(struct top_params){.mode = mode});
    top_fini(&top);
    struct flame flame;
    flame_make(&flame, &a->tree, fold, a->store, &a->reasons, &(struct flame_params){.mode = mode});
    flame_fini(&flame);
}

static void ask_fold(struct asked *a, const struct view *view)
{
    struct view copy;
    view_copy(&copy, view);
    struct fold fold;
    fold_init(&fold, &copy);
    while (!fold_advance(&fold, a->store, &a->names, 7)) {
    }
    fold_settle(&fold, a->store, &a->names);
    calltree_refresh(&a->tree);
    ask_tree(a, &fold, MODE_ON_CPU);
    ask_tree(a, &fold, MODE_OFF_CPU);
    struct threads_answer threads;
    threads_make(&threads, &a->tree, &fold, a->store, &a->reasons, 0);
    threads_fini(&threads);
    struct image_reports images;
    image_reports_make(&images, &a->tree, &fold, a->store);
    image_reports_fini(&images);
    struct truncations truncations;
    truncations_make(&truncations, &a->tree, &fold, a->store, 0);
    truncations_fini(&truncations);
    struct unexplained unexplained;
    unexplained_make(&unexplained, &a->tree, &fold, &a->reasons, 0);
    unexplained_fini(&unexplained);
    fold_fini(&fold);
}

static void ask_timeline(struct asked *a, const struct view *view)
{
    struct view copy;
    view_copy(&copy, view);
    struct timeline *timeline = timeline_new(&copy);
    while (!timeline_advance(timeline, a->store, &a->names, &a->reasons, 7)) {
    }
    struct timeline_answer answer;
    timeline_make(&answer, timeline, a->store, 50, 5);
    timeline_answer_fini(&answer);
    timeline_free(timeline);
}

static void ask_wakers(struct asked *a, const struct view *view)
{
    struct view copy;
    view_copy(&copy, view);
    struct wakers wakers;
    wakers_init(&wakers, &copy);
    while (!wakers_advance(&wakers, a->store, &a->reasons, 7)) {
    }
    struct wakers_answer answer;
    wakers_make(&answer, &wakers, a->store, &a->reasons, 1, 0);
    wakers_answer_fini(&answer);
    wakers_fini(&wakers);
}

static void ask_intervals(struct asked *a, const struct view *view)
{
    for (enum interval_order order = 0; order <= INTERVALS_OLDEST; order++) {
        struct interval_search search;
        interval_search_init(&search, view, &(struct interval_filter){.order = order, .limit = 5});
        while (!interval_search_advance(&search, a->store, &a->names, &a->reasons, 7)) {
        }
        interval_search_make(&search, a->store, &a->names, &a->reasons);
        interval_search_fini(&search);
    }
}

static void ask_now(struct asked *a, const struct view *view)
{
    struct now now;
    now_make(&now, a->store, &a->names, &a->reasons, view, NULL, 0, 10);
    now_fini(&now);
}

static void ask_everything(struct asked *a)
{
    const struct view views[] = {
        {0},
        {.has_time_range = true, .start_ns = 3, .end_ns = 100},
        {.has_tid = true, .tid = 1},
    };
    names_refresh(&a->names, atomic_load(&a->store->stacks.n_frames));
    calltree_refresh(&a->tree);
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        ask_fold(a, &views[i]);
        ask_timeline(a, &views[i]);
        ask_wakers(a, &views[i]);
        ask_intervals(a, &views[i]);
        ask_now(a, &views[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader from = reader_of((struct slice){data, size});
    struct asked a = {.store = restore(&from)};
    fake_library_init(&a.library);
    fake_library_add(&a.library, IMAGE_FILE);
    names_init(&a.names, a.store, &a.library);
    calltree_init(&a.tree, &a.names);
    reasons_init(&a.reasons, &a.names);
    ask_everything(&a);
    reasons_fini(&a.reasons);
    calltree_fini(&a.tree);
    names_fini(&a.names);
    fake_library_fini(&a.library);
    store_free(a.store);
    return 0;
}
