#include "server/cfg_rows.h"

#include "server/annotated_rows.h"

// The part that blocks are being made of.
struct part_view {
    const struct listing *listing;
    const struct listing_part *part;
    const struct instruction *instructions;
};

static bool never_returns(void *context, const struct instruction *call)
{
    const struct part_view *view = context;
    size_t line = view->part->first + (size_t)(call - view->instructions);
    const char *name = view->listing->lines.at[line].target_name;
    return name != NULL && noreturn_name(name);
}

static void add_part(struct cfg_rows *rows, const struct listing *listing, size_t part)
{
    const struct listing_part *of = &listing->parts.at[part];
    uint32_t base = (uint32_t)rows->all.blocks.n;
    CLEANUP(freep) struct instruction *instructions = NEW_ARRAY(struct instruction, of->n + 1);
    for (uint32_t i = 0; i < of->n; i++) {
        instructions[i] = listing->lines.at[of->first + i].instruction;
    }
    struct part_view view = {listing, of, instructions};
    struct blocks made;
    blocks_make(instructions, of->n, part == 0 ? &listing->tables : NULL, never_returns, &view,
                &made);
    vec_push(&rows->first_of_part, base);
    for (size_t i = 0; i < made.blocks.n; i++) {
        struct block block = made.blocks.at[i];
        block.first += of->first;
        vec_push(&rows->all.blocks, block);
    }
    for (size_t i = 0; i < made.edges.n; i++) {
        struct block_edge edge = made.edges.at[i];
        edge.from += base;
        edge.to += base;
        vec_push(&rows->all.edges, edge);
    }
    rows->all.n_into_middle += made.n_into_middle;
    rows->all.n_unknown += made.n_unknown;
    blocks_fini(&made);
}

// The block of each line. Lines between parts there are none.
static uint32_t *block_of_lines(const struct cfg_rows *rows, const struct listing *listing)
{
    uint32_t *of = NEW_ARRAY(uint32_t, listing->lines.n + 1);
    for (size_t b = 0; b < rows->all.blocks.n; b++) {
        const struct block *block = &rows->all.blocks.at[b];
        for (uint32_t i = 0; i < block->n; i++) {
            of[block->first + i] = (uint32_t)b;
        }
    }
    return of;
}

static void place_heat(struct cfg_rows *rows, const struct listing *listing,
                       const struct function_heat *heat)
{
    uint32_t n = (uint32_t)rows->all.blocks.n;
    CLEANUP(freep) uint32_t *block_of = block_of_lines(rows, listing);
    CLEANUP(freep) uint32_t *group_of = NEW_ARRAY(uint32_t, heat->places.n + 1);
    for (size_t i = 0; i < heat->places.n; i++) {
        const struct heat_place *place = &heat->places.at[i];
        uint32_t line = listing_line_at(listing, place->code, place->addr);
        group_of[i] = line == LISTING_NONE ? n : block_of[line];
    }
    vec_grow_zeroed(&rows->heat, n + 1);
    function_heat_group(heat, group_of, rows->heat.at, rows->heat.n);
}

static void count_rows(struct cfg_rows *rows, const struct listing *listing,
                       const struct function_heat *heat)
{
    struct annotated_rows annotated;
    annotated_rows_make(&annotated, listing, heat);
    CLEANUP(freep) uint32_t *row_of_line = NEW_ARRAY(uint32_t, listing->lines.n + 1);
    for (size_t row = 0; row < annotated.rows.n; row++) {
        uint32_t line = annotated.rows.at[row].line;
        if (line != LISTING_NONE) {
            row_of_line[line] = (uint32_t)row;
        }
    }
    for (size_t b = 0; b < rows->all.blocks.n; b++) {
        vec_push(&rows->row_of_block, row_of_line[rows->all.blocks.at[b].first]);
    }
    annotated_rows_fini(&annotated);
}

void cfg_rows_make(struct cfg_rows *ret, const struct listing *listing,
                   const struct function_heat *heat)
{
    *ret = (struct cfg_rows){0};
    for (size_t part = 0; part < listing->parts.n; part++) {
        add_part(ret, listing, part);
    }
    vec_push(&ret->first_of_part, (uint32_t)ret->all.blocks.n);
    place_heat(ret, listing, heat);
    count_rows(ret, listing, heat);
}

void cfg_rows_fini(struct cfg_rows *rows)
{
    blocks_fini(&rows->all);
    vec_fini(&rows->first_of_part);
    vec_fini(&rows->heat);
    vec_fini(&rows->row_of_block);
}

struct code_numbers cfg_rows_numbers(const struct cfg_rows *rows, size_t block)
{
    const struct heat_place *heat = &rows->heat.at[block];
    return (struct code_numbers){.self_samples = heat->self_samples,
                                 .self_on_cpu_ns = heat->self_on_cpu_ns,
                                 .total_samples = heat->total_samples,
                                 .total_on_cpu_ns = heat->total_on_cpu_ns,
                                 .total_off_ns = heat->total_off_ns};
}
