#include "base/map.h"
#include "server/answer_code_parts.h"
#include "server/answers.h"
#include "server/cfg_rows.h"
#include "server/sent.h"

// ---- A block -----------------------------------------------------------------------------------

// Whether a name was put before; else it is remembered, as number `n`.
static bool is_put(struct map *put, const char *const *names, uint32_t n)
{
    uint64_t hash = hash_bytes(names[n], strlen(names[n]));
    size_t cursor = 0;
    for (uint32_t at; (at = map_find_from(put, hash, &cursor)) != MAP_NONE;) {
        if (strcmp(names[at], names[n]) == 0) {
            return true;
        }
    }
    map_add(put, hash, n);
    return false;
}

static void put_calls(struct json *j, const struct listing_line *lines, uint32_t n)
{
    VEC(const char *) names = {0};
    CLEANUP(map_fini) struct map put = {0};
    for (uint32_t i = 0; i < n; i++) {
        if (lines[i].instruction.flow == FLOW_CALL && lines[i].target_name != NULL) {
            vec_push(&names, lines[i].target_name);
        }
    }
    if (names.n > 0) {
        json_key(j, "calls");
        json_array_begin(j);
        for (uint32_t i = 0; i < names.n && !answer_is_full(j); i++) {
            if (!is_put(&put, names.at, i)) {
                json_cstr(j, names.at[i]);
            }
        }
        json_array_end(j);
    }
    vec_fini(&names);
}

static uint32_t first_source(const struct listing_line *lines, uint32_t n)
{
    uint32_t i = 0;
    while (i < n && lines[i].source == LISTING_NONE) {
        i++;
    }
    return i < n ? lines[i].source : LISTING_NONE;
}

static void put_block(struct json *j, const struct listing *listing, const struct cfg_rows *rows,
                      size_t b)
{
    const struct block *block = &rows->all.blocks.at[b];
    const struct listing_line *lines = &listing->lines.at[block->first];
    const struct listing_line *last = &lines[block->n - 1];
    struct code_numbers numbers = cfg_rows_numbers(rows, b);
    json_object_begin(j);
    json_u64_field(j, "id", b);
    json_hex_field(j, "address", lines->instruction.addr);
    json_hex_field(j, "end_address", last->instruction.addr + last->instruction.n_bytes);
    json_u64_field(j, "n_instructions", block->n);
    json_u64_field(j, "first_line", rows->row_of_block.at[b]);
    json_string_field(j, "end", block_end_name(block->end));
    if (block->end == BLOCK_TAIL_CALLS && last->target_name != NULL) {
        json_string_field(j, "target_name", last->target_name);
    }
    put_code_numbers(j, &numbers);
    put_source_header(j, listing, first_source(lines, block->n));
    put_calls(j, lines, block->n);
    json_object_end(j);
}

static void put_blocks(struct json *j, const struct listing *listing, const struct cfg_rows *rows)
{
    json_key(j, "blocks");
    json_array_begin(j);
    for (size_t b = 0; b < rows->all.blocks.n && !answer_is_full(j); b++) {
        put_block(j, listing, rows, b);
    }
    json_array_end(j);
}

static void put_edges(struct json *j, const struct cfg_rows *rows)
{
    json_key(j, "edges");
    json_array_begin(j);
    for (size_t i = 0; i < rows->all.edges.n && !answer_is_full(j); i++) {
        const struct block_edge *edge = &rows->all.edges.at[i];
        json_object_begin(j);
        json_u64_field(j, "from", edge->from);
        json_u64_field(j, "to", edge->to);
        json_string_field(j, "kind", edge_kind_name(edge->kind));
        json_object_end(j);
    }
    json_array_end(j);
}

// ---- The answer --------------------------------------------------------------------------------

static void put_versions(struct json *j, const struct listing *listing, const struct cfg_rows *rows)
{
    json_key(j, "versions");
    json_array_begin(j);
    for (size_t part = 0; part < listing->parts.n; part++) {
        const struct listing_range *range = &listing->parts.at[part].range;
        if (range->code == CODE_NONE) {
            continue;
        }
        uint32_t first = rows->first_of_part.at[part];
        json_object_begin(j);
        json_hex_field(j, "address", range->addr);
        json_u64_field(j, "first_block", first);
        json_u64_field(j, "n_blocks", rows->first_of_part.at[part + 1] - first);
        json_object_end(j);
    }
    json_array_end(j);
}

// Blocks and edges, or what has changed of the blocks' numbers since the last answer.
static void put_graph(struct json *j, const struct code_work *work, struct sent *sent,
                      const struct cfg_rows *rows)
{
    struct code_rows numbers = {0};
    for (size_t b = 0; sent != NULL && b < rows->all.blocks.n; b++) {
        vec_push(&numbers.list, cfg_rows_numbers(rows, b));
    }
    if (!put_code_changed(j, sent == NULL ? NULL : &sent->code, work->listing->serial, &numbers,
                          0)) {
        put_blocks(j, work->listing, rows);
        put_edges(j, rows);
    }
    vec_fini(&numbers.list);
}

void answer_cfg(struct text *to, struct analysis *analysis, const struct question *question)
{
    struct json j;
    const struct code_work *work = question->code;
    struct cfg_rows rows;
    cfg_rows_make(&rows, work->listing, &work->heat);
    struct code_numbers unplaced = cfg_rows_numbers(&rows, rows.all.blocks.n);
    json_init(&j, to);
    json_object_begin(&j);
    put_view_fields(&j, analysis, question->kept);
    put_target_fields(&j, analysis, work);
    put_listing_fields(&j, analysis, work);
    put_heat_fields(&j, &work->heat);
    put_versions(&j, work->listing, &rows);
    json_u64_field(&j, "unplaced_samples", unplaced.self_samples);
    json_u64_field(&j, "unplaced_on_cpu_ns", unplaced.self_on_cpu_ns);
    json_u64_field(&j, "n_blocks", rows.all.blocks.n);
    json_u64_field(&j, "n_into_middle", rows.all.n_into_middle);
    json_u64_field(&j, "n_unknown", rows.all.n_unknown);
    put_graph(&j, work, question->sent, &rows);
    json_object_end(&j);
    cfg_rows_fini(&rows);
}
