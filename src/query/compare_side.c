#include "query/compare_side.h"

void compare_side_init(struct compare_side *side, const struct store *store, enum compare_by by,
                       enum answer_mode mode)
{
    *side = (struct compare_side){.store = store, .by = by, .mode = mode};
    side->start_ns = store->started_ns;
    side->end_ns = MAX(store_end_ns(store), side->start_ns + 1);
    side->n_rows = mode == MODE_ON_CPU
                       ? atomic_load_explicit(&store->samples.n, memory_order_acquire)
                       : atomic_load_explicit(&store->intervals.n, memory_order_acquire);
}

void compare_side_fini(struct compare_side *side)
{
    vec_fini(&side->place_of);
    map_fini(&side->by_end);
    vec_fini(&side->cells);
    map_fini(&side->by_place);
}

static void add(struct compare_side *side, uint32_t place, uint64_t block,
                const struct compare_place_cell *more)
{
    uint64_t key = (uint64_t)place * COMPARE_BLOCKS + block;
    uint32_t index = map_find(&side->by_place, key);
    if (index == MAP_NONE) {
        if (side->cells.n == LIMIT_COMPARE_CELLS) {
            side->full = true;
            return;
        }
        index = (uint32_t)side->cells.n;
        vec_push(&side->cells,
                 (struct compare_place_cell){.place = place, .block = (uint32_t)block});
        map_set(&side->by_place, key, index);
    }
    struct compare_place_cell *cell = &side->cells.at[index];
    cell->n += more->n;
    cell->value += more->value;
    cell->squares += more->squares;
}

// ---- Samples -----------------------------------------------------------------------------------

static bool is_kernel(const struct store *store, frame_id frame)
{
    image_id image = stacks_get_frame(&store->stacks, frame)->image;
    enum image_row_kind kind = store_image(store, image)->kind;
    return kind == IMAGE_ROW_KERNEL || kind == IMAGE_ROW_NAMED;
}

static uint64_t hash_of_end(const struct store *store, stack_id stack)
{
    const struct stack_row *row = stacks_get(&store->stacks, stack);
    uint64_t hash = row->frame;
    while (row->caller != STACK_ROOT && is_kernel(store, row->frame)) {
        row = stacks_get(&store->stacks, row->caller);
        hash = is_kernel(store, row->frame) ? hash_pair(hash, row->frame) : hash;
    }
    return hash;
}

// The first stack that was met with such an end.
static stack_id place_of_stack(struct compare_side *side, stack_id stack)
{
    vec_grow_zeroed(&side->place_of, (size_t)stack + 1);
    if (side->place_of.at[stack] == 0) {
        uint64_t hash = hash_of_end(side->store, stack);
        stack_id first = map_find(&side->by_end, hash);
        if (first == MAP_NONE) {
            first = stack;
            map_set(&side->by_end, hash, stack);
        }
        side->place_of.at[stack] = first + 1;
    }
    return side->place_of.at[stack] - 1;
}

static uint32_t place_of(struct compare_side *side, thread_id thread, stack_id stack)
{
    if (side->by == COMPARE_BY_THREAD) {
        return thread;
    }
    // Where a thread waits is told by more than how its stack ends.
    bool whole = side->by == COMPARE_BY_STACK || side->mode == MODE_OFF_CPU;
    return whole || stack == STACK_ROOT ? stack : place_of_stack(side, stack);
}

static void count_samples(struct compare_side *side, uint64_t end)
{
    static const struct compare_place_cell one = {.n = 1, .value = 1, .squares = 1};
    while (side->cursor < end) {
        struct samples_span span;
        samples_pin(&side->store->samples, side->cursor, end, &span);
        for (size_t i = 0; i < span.n; i++) {
            uint64_t block = (span.first + i) * COMPARE_BLOCKS / side->n_rows;
            add(side, place_of(side, span.thread[i], span.stack[i]), block, &one);
        }
        side->cursor += span.n;
        samples_unpin(&side->store->samples, &span);
    }
}

// ---- Waits -------------------------------------------------------------------------------------

// The start of a block, from the start of the window.
static double block_start(const struct compare_side *side, uint64_t block)
{
    return (double)(side->end_ns - side->start_ns) * (double)block / COMPARE_BLOCKS;
}

static uint64_t block_at(const struct compare_side *side, double ns)
{
    double block = ns * COMPARE_BLOCKS / (double)(side->end_ns - side->start_ns);
    return (uint64_t)MIN(MAX(block, 0.0), (double)(COMPARE_BLOCKS - 1));
}

static void count_wait(struct compare_side *side, const struct interval *wait)
{
    uint64_t start_ns = MAX(wait->start_ns, side->start_ns);
    uint64_t end_ns = MIN(wait->start_ns + wait->duration_ns, side->end_ns);
    if ((wait->flags & INTERVAL_RUNNABLE) != 0 || end_ns <= start_ns) {
        return;
    }
    double start = (double)(start_ns - side->start_ns);
    double end = (double)(end_ns - side->start_ns);
    uint32_t place = place_of(side, wait->thread, wait->stack);
    uint64_t first = block_at(side, start);
    uint64_t last = block_at(side, end);
    for (uint64_t block = first; block <= last; block++) {
        double from = block == first ? start : block_start(side, block);
        double to = block == last ? end : block_start(side, block + 1);
        struct compare_place_cell part = {.value = MAX(0.0, to - from)};
        if (block == first) {
            part.n = 1;
            part.squares = (end - start) * (end - start);
        }
        add(side, place, block, &part);
    }
}

static void count_waits(struct compare_side *side, uint64_t end)
{
    while (side->cursor < end) {
        struct intervals_span span;
        intervals_pin(&side->store->intervals, side->cursor, end, &span);
        for (size_t i = 0; i < span.n; i++) {
            struct interval wait = intervals_span_get(&span, i);
            count_wait(side, &wait);
        }
        side->cursor += span.n;
        intervals_unpin(&side->store->intervals, &span);
    }
}

bool compare_side_advance(struct compare_side *side, uint64_t max_rows)
{
    uint64_t end = side->cursor + MIN(max_rows, side->n_rows - side->cursor);
    if (side->mode == MODE_ON_CPU) {
        count_samples(side, end);
    } else {
        count_waits(side, end);
    }
    return side->cursor == side->n_rows || side->full;
}
