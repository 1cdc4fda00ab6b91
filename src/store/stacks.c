#include "store/stacks.h"

#include "base/limits.h"

static uint32_t published(const _Atomic uint32_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed); // for the writer, who made it
}

frame_id stacks_append_frame(struct stacks *stacks, const struct frame_row *frame)
{
    frame_id id = published(&stacks->n_frames);
    *(struct frame_row *)column_put(&stacks->frames, id) = *frame;
    atomic_store_explicit(&stacks->n_frames, id + 1, memory_order_release);
    return id;
}

stack_id stacks_append(struct stacks *stacks, const struct stack_row *row)
{
    stack_id id = published(&stacks->n_nodes);
    *(struct stack_row *)column_put(&stacks->nodes, id) = *row;
    atomic_store_explicit(&stacks->n_nodes, id + 1, memory_order_release);
    return id;
}

void stacks_init(struct stacks *stacks)
{
    column_init(&stacks->frames, sizeof(struct frame_row));
    column_init(&stacks->nodes, sizeof(struct stack_row));
    stacks_append_frame(stacks, &(struct frame_row){0}); // not in the table: it is never looked up
    stacks_append(stacks, &(struct stack_row){.caller = STACK_ROOT});
}

void stacks_fini(struct stacks *stacks)
{
    map_fini(&stacks->node_by_edge);
    map_fini(&stacks->frame_by_hash);
    column_fini(&stacks->nodes);
    column_fini(&stacks->frames);
}

static void count_map_bytes(struct stacks *stacks)
{
    size_t slots = stacks->frame_by_hash.n_slots + stacks->node_by_edge.n_slots;
    atomic_store_explicit(&stacks->map_bytes, slots * sizeof(struct map_slot),
                          memory_order_relaxed);
}

static uint32_t find_frame(const struct stacks *stacks, uint64_t hash,
                           const struct frame_row *frame)
{
    size_t cursor = 0;
    uint32_t id;
    while ((id = map_find_from(&stacks->frame_by_hash, hash, &cursor)) != MAP_NONE) {
        const struct frame_row *row = stacks_get_frame(stacks, id);
        if (row->off == frame->off && row->image == frame->image && row->leaf == frame->leaf) {
            break;
        }
    }
    return id;
}

frame_id stacks_frame(struct stacks *stacks, const struct frame_row *frame)
{
    uint64_t hash = hash_pair(frame->off, (uint64_t)frame->image << 1 | frame->leaf);
    uint32_t id = find_frame(stacks, hash, frame);
    if (id != MAP_NONE) {
        return id;
    }
    if (published(&stacks->n_frames) >= LIMIT_FRAMES) {
        return 0;
    }
    id = stacks_append_frame(stacks, frame);
    map_add(&stacks->frame_by_hash, hash, id);
    count_map_bytes(stacks);
    return id;
}

stack_id stacks_push(struct stacks *stacks, stack_id caller, frame_id frame, bool *ret_cut)
{
    uint64_t edge = (uint64_t)caller << 32 | frame;
    uint32_t id = map_find(&stacks->node_by_edge, edge);
    if (id != MAP_NONE) {
        return id;
    }
    if (published(&stacks->n_nodes) >= LIMIT_STACK_NODES) {
        *ret_cut = true;
        return caller;
    }
    id = stacks_append(stacks, &(struct stack_row){.caller = caller, .frame = frame});
    map_add(&stacks->node_by_edge, edge, id);
    count_map_bytes(stacks);
    return id;
}

const struct frame_row *stacks_get_frame(const struct stacks *stacks, frame_id frame)
{
    return column_at(&stacks->frames, frame);
}

const struct stack_row *stacks_get(const struct stacks *stacks, stack_id stack)
{
    return column_at(&stacks->nodes, stack);
}

uint64_t stacks_bytes(const struct stacks *stacks)
{
    return column_bytes(&stacks->frames, atomic_load(&stacks->n_frames)) +
           column_bytes(&stacks->nodes, atomic_load(&stacks->n_nodes)) +
           atomic_load(&stacks->map_bytes);
}
