#include "cli/cfg_text.h"

#include "cli/format.h"
#include "cli/session.h"

enum { BAR_CHARS = 8, SHOWN_CASES = 12, SHOWN_CALLS = 4 };

static const struct column columns[] = {
    {.title = "self %"},
    {.title = "samples"},
    {.title = "ms"},
    {.title = "below %"},
    {.title = "heat", .left = true},
    {.title = "block", .left = true},
    {.title = "address", .left = true},
    {.title = "instr"},
    {.title = "source", .left = true, .flexible = true},
    {.title = "ends", .left = true, .flexible = true},
};

// ---- Numbers -----------------------------------------------------------------------------------

static void add_or_dot(struct table *table, struct text *cell, bool is_something)
{
    if (!is_something) {
        text_clear(cell);
        text_add(cell, ".");
    }
    table_add(table, cell);
}

static void add_numbers(struct table *table, const struct cfg_graph *g, const json_t *block)
{
    uint64_t self = result_u64(block, "self_samples");
    uint64_t total = result_u64(block, "total_samples");
    uint64_t below = total > self ? total - self : 0;
    struct text cell = {0};
    format_percent(&cell, (double)self, g->whole);
    add_or_dot(table, &cell, self > 0);
    format_count(&cell, self);
    add_or_dot(table, &cell, self > 0);
    format_ms(&cell, result_u64(block, "self_on_cpu_ns"));
    add_or_dot(table, &cell, self > 0);
    format_percent(&cell, (double)below, g->whole);
    add_or_dot(table, &cell, below > 0);
    double share = g->whole > 0 ? (double)self / g->whole : 0;
    for (int i = 0; i < (int)(share * BAR_CHARS + 0.5); i++) {
        text_add_char(&cell, '#');
    }
    table_add(table, &cell);
}

// ---- How it ends -------------------------------------------------------------------------------

static void add_way(struct text *to, const struct cfg_edge *edge)
{
    text_addf(to, "%s B%u", edge->is_back ? "↑" : "→", edge->to);
}

static void add_cases(struct text *to, const struct cfg_edge *edges, size_t n)
{
    text_add(to, "switch");
    for (size_t i = 0; i < MIN(n, (size_t)SHOWN_CASES); i++) {
        text_add(to, i == 0 ? " " : ", ");
        add_way(to, &edges[i]);
    }
    if (n > SHOWN_CASES) {
        text_addf(to, " and %zu more", n - SHOWN_CASES);
    }
}

// "taken → B7, else → B4"
static void add_ways(struct text *to, const struct cfg_edge *edges, size_t n, bool is_branch)
{
    const char *comma = "";
    for (size_t turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < n; i++) {
            bool is_next = strcmp(edges[i].kind, "next") == 0;
            if (is_next == (turn == 1)) {
                text_addf(to, "%s%s", comma, !is_branch ? "" : is_next ? "else " : "taken ");
                add_way(to, &edges[i]);
                comma = ", ";
            }
        }
    }
}

static void add_name(struct text *to, const char *name)
{
    text_add_escaped(to, name, strlen(name));
}

static void add_calls(struct text *to, const json_t *calls)
{
    size_t n = json_array_size(calls);
    for (size_t i = 0; i < MIN(n, (size_t)SHOWN_CALLS); i++) {
        const char *name = json_string_value(json_array_get(calls, i));
        text_add(to, i > 0 ? ", " : to->n > 0 ? "; calls " : "calls ");
        add_name(to, name == NULL ? "" : name);
    }
    if (n > SHOWN_CALLS) {
        text_addf(to, " and %zu more", n - SHOWN_CALLS);
    }
}

static void put_end(struct text *to, const struct cfg_graph *g, size_t b)
{
    const json_t *block = cfg_graph_block(g, b);
    const char *end = result_text(block, "end");
    const struct cfg_edge *edges = &g->edges[g->first_edge[b]];
    size_t n = g->first_edge[b + 1] - g->first_edge[b];
    if (strcmp(end, "switches") == 0) {
        add_cases(to, edges, n);
    } else if (strcmp(end, "jumps_anywhere") == 0) {
        text_add(to, "jumps, nobody knows where to");
    } else if (strcmp(end, "returns") == 0) {
        text_add(to, "returns");
    } else if (strcmp(end, "calls_noreturn") == 0) {
        text_add(to, "its last call never returns");
    } else if (strcmp(end, "stops") == 0) {
        text_add(to, "stops");
    } else if (strcmp(end, "tail_calls") == 0) {
        const char *name = result_text(block, "target_name");
        text_add(to, "tail call to ");
        add_name(to, name[0] != 0 ? name : "elsewhere");
        text_add(to, n > 0 ? ", " : "");
        add_ways(to, edges, n, true);
    } else if (n > 0) {
        add_ways(to, edges, n, strcmp(end, "branches") == 0);
    } else {
        text_add(to, "jumps into an instruction");
    }
    add_calls(to, json_object_get(block, "calls"));
}

// ---- Blocks ------------------------------------------------------------------------------------

static void put_source(struct text *to, const json_t *block)
{
    const json_t *header = json_object_get(block, "source_header");
    const char *file = result_text(header, "file");
    const char *slash = strrchr(file, '/');
    if (file[0] != 0) {
        add_name(to, slash == NULL || slash[1] == 0 ? file : slash + 1);
        text_addf(to, ":%llu", (unsigned long long)result_u64(header, "line"));
    }
}

static void add_block(struct table *table, const struct cfg_graph *g, size_t b)
{
    const json_t *block = cfg_graph_block(g, b);
    struct text cell = {0};
    add_numbers(table, g, block);
    text_addf(&cell, "B%zu%s", b, g->is_head[b] ? " o" : "");
    table_add(table, &cell);
    text_addf(&cell, "%s-%s", result_text(block, "address"), result_text(block, "end_address"));
    table_add(table, &cell);
    table_add_count(table, result_u64(block, "n_instructions"));
    put_source(&cell, block);
    table_add(table, &cell);
    put_end(&cell, g, b);
    table_add(table, &cell);
}

static void put_table(struct text *to, const struct cfg_graph *g, size_t first, size_t n,
                      size_t width, bool colour)
{
    struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    for (size_t b = first; b < MIN(first + n, g->n_blocks); b++) {
        add_block(&table, g, b);
    }
    table_put(&table, to, width, colour);
    table_fini(&table);
}

static void put_versions(struct text *to, const struct cfg_graph *g, size_t width, bool colour)
{
    const json_t *versions = json_object_get(g->answer, "versions");
    size_t i;
    const json_t *version;
    json_array_foreach(versions, i, version)
    {
        text_addf(to, "version %zu of %zu, at %s\n", i + 1, json_array_size(versions),
                  result_text(version, "address"));
        put_table(to, g, (size_t)result_u64(version, "first_block"),
                  (size_t)result_u64(version, "n_blocks"), width, colour);
    }
}

static void put_unknown(struct text *to, const json_t *answer)
{
    static const struct {
        const char *key;
        const char *one, *many;
    } counts[] = {
        {"n_unknown", "jump leads nobody knows where to", "jumps lead nobody knows where to"},
        {"n_into_middle", "jump leads into the middle of an instruction",
         "jumps lead into the middle of an instruction"},
        {"unplaced_samples", "sample is in no block: its code is not to be had",
         "samples are in no block: their code is not to be had"},
    };
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        uint64_t n = result_u64(answer, counts[i].key);
        if (n > 0) {
            text_add(to, "note: ");
            format_things(to, n, counts[i].one, counts[i].many);
            text_add(to, "\n");
        }
    }
}

void cfg_text_put(struct text *to, const struct cfg_graph *graph, size_t width, bool colour)
{
    put_unknown(to, graph->answer);
    if (json_array_size(json_object_get(graph->answer, "versions")) > 0) {
        put_versions(to, graph, width, colour);
    } else if (graph->n_blocks > 0) {
        put_table(to, graph, 0, graph->n_blocks, width, colour);
    }
}
