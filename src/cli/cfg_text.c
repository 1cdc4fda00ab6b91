#include "cli/cfg_text.h"

#include "cli/format.h"
#include "cli/session.h"

enum { BAR_CHARS = 8, SHOWN_CASES = 12, SHOWN_CALLS = 4 };

// Functions with more blocks than that are not shown whole.
enum { MANY_BLOCKS = 40, ELIDED_MIN = 3 };

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

// ---- Which ones --------------------------------------------------------------------------------

static bool is_cold(const struct cfg_graph *g, size_t b)
{
    const json_t *block = cfg_graph_block(g, b);
    return result_u64(block, "self_samples") == 0 && result_u64(block, "total_samples") == 0;
}

static void show_neighbours(const struct cfg_graph *g, bool *shown, const bool *hot)
{
    for (size_t b = 0; b < g->n_blocks; b++) {
        for (size_t e = g->first_edge[b]; e < g->first_edge[b + 1]; e++) {
            shown[b] |= hot[g->edges[e].to];
            shown[g->edges[e].to] |= hot[b];
        }
    }
}

// By block; the caller frees it.
static bool *choose(const struct cfg_graph *g, bool all)
{
    bool *shown = NEW_ARRAY(bool, g->n_blocks + 1);
    bool *hot = NEW_ARRAY(bool, g->n_blocks + 1);
    size_t n_hot = 0;
    for (size_t b = 0; b < g->n_blocks; b++) {
        hot[b] = !is_cold(g, b);
        n_hot += hot[b];
    }
    memcpy(shown, hot, g->n_blocks);
    show_neighbours(g, shown, hot);
    shown[0] = true; // where one comes in
    if (all || g->n_blocks <= MANY_BLOCKS || n_hot == 0) {
        memset(shown, true, g->n_blocks);
    }
    free(hot);
    return shown;
}

// Blocks from `b` on that are left out together; fewer than ELIDED_MIN never are.
static size_t n_elided(const bool *shown, size_t b, size_t end)
{
    size_t n = 0;
    while (b + n < end && !shown[b + n]) {
        n++;
    }
    return n < ELIDED_MIN ? 0 : n;
}

static void add_elided(struct table *table, size_t b, size_t n)
{
    struct text cell = {0};
    for (size_t column = 0; column < 5; column++) {
        table_add(table, &cell);
    }
    text_add(&cell, "…");
    table_add(table, &cell);
    text_addf(&cell, "B%zu to B%zu", b, b + n - 1);
    table_add(table, &cell);
    table_add(table, &cell);
    table_add(table, &cell);
    text_addf(&cell, "%zu blocks without samples (--all shows them)", n);
    table_add(table, &cell);
}

static void put_table(struct text *to, const struct cfg_graph *g, size_t first, size_t n,
                      const struct cfg_look *look)
{
    CLEANUP(freep) bool *shown = choose(g, look->all);
    size_t end = MIN(first + n, g->n_blocks);
    struct table table;
    table_init(&table, columns, ARRAY_LEN(columns));
    for (size_t b = first; b < end; b++) {
        size_t elided = n_elided(shown, b, end);
        if (elided > 0) {
            add_elided(&table, b, elided);
            b += elided - 1;
        } else {
            add_block(&table, g, b);
        }
    }
    table_put(&table, to, look->width, look->colour);
    table_fini(&table);
}

static void put_versions(struct text *to, const struct cfg_graph *g, const struct cfg_look *look)
{
    const json_t *versions = json_object_get(g->answer, "versions");
    size_t i;
    const json_t *version;
    json_array_foreach(versions, i, version)
    {
        text_addf(to, "version %zu of %zu, at %s\n", i + 1, json_array_size(versions),
                  result_text(version, "address"));
        put_table(to, g, (size_t)result_u64(version, "first_block"),
                  (size_t)result_u64(version, "n_blocks"), look);
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

void cfg_text_put(struct text *to, const struct cfg_graph *graph, const struct cfg_look *look)
{
    put_unknown(to, graph->answer);
    if (json_array_size(json_object_get(graph->answer, "versions")) > 0) {
        put_versions(to, graph, look);
    } else if (graph->n_blocks > 0) {
        put_table(to, graph, 0, graph->n_blocks, look);
    }
}
