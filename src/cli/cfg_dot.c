#include "cli/cfg_text.h"

#include "cli/format.h"
#include "cli/session.h"

// In a label of DOT a backslash begins something, and a quote ends it; everything else that could
// is no text that text_add_escaped() lets pass.
static void add_label(struct text *to, const char *untrusted)
{
    CLEANUP(text_fini) struct text plain = {0};
    text_add_escaped(&plain, untrusted, strlen(untrusted));
    for (const char *at = text_get(&plain); *at != 0; at++) {
        if (*at == '"' || *at == '\\') {
            text_add_char(to, '\\');
        }
        text_add_char(to, *at);
    }
}

static void put_source(struct text *to, const json_t *block)
{
    const json_t *header = json_object_get(block, "source_header");
    const char *file = result_text(header, "file");
    if (file[0] != 0) {
        add_label(to, file);
        text_addf(to, ":%llu\\l", (unsigned long long)result_u64(header, "line"));
    }
}

static void put_calls(struct text *to, const json_t *block)
{
    size_t i;
    const json_t *call;
    json_array_foreach(json_object_get(block, "calls"), i, call)
    {
        const char *name = json_string_value(call);
        text_add(to, "calls ");
        add_label(to, name == NULL ? "" : name);
        text_add(to, "\\l");
    }
}

static void put_block(struct text *to, const struct cfg_graph *g, size_t b)
{
    const json_t *block = cfg_graph_block(g, b);
    uint64_t self = result_u64(block, "self_samples");
    double share = g->whole > 0 ? (double)self / g->whole : 0;
    const char *target = result_text(block, "target_name");
    text_addf(to, "  b%zu [label=\"B%zu", b, b);
    if (self > 0) {
        text_add(to, "  ");
        format_percent(to, (double)self, g->whole);
        text_add(to, " %, ");
        format_things(to, self, "sample", "samples");
    }
    text_addf(to, "\\l%s-%s, ", result_text(block, "address"), result_text(block, "end_address"));
    format_things(to, result_u64(block, "n_instructions"), "instruction", "instructions");
    text_add(to, "\\l");
    put_source(to, block);
    put_calls(to, block);
    if (target[0] != 0) {
        text_add(to, "tail call to ");
        add_label(to, target);
        text_add(to, "\\l");
    }
    text_add(to, result_text(block, "end"));
    // From white to red. What is hot at all can be seen.
    double red = self == 0 ? 0 : MIN(MAX(share, 0.1), 1.0);
    text_addf(to, "\\l\", fillcolor=\"0.000 %.3f 1.000\"%s];\n", red,
              g->is_head[b] ? ", penwidth=2" : "");
}

static void put_edge(struct text *to, const struct cfg_edge *edge)
{
    const char *style = strcmp(edge->kind, "taken") == 0    ? "color=darkgreen, label=\"taken\""
                        : strcmp(edge->kind, "jump") == 0   ? "color=blue"
                        : strcmp(edge->kind, "switch") == 0 ? "color=purple, style=dashed"
                                                            : "color=black";
    text_addf(to, "  b%u -> b%u [%s%s];\n", edge->from, edge->to, style,
              edge->is_back ? ", penwidth=2" : "");
}

void cfg_dot_put(struct text *to, const struct cfg_graph *graph)
{
    text_add(to, "digraph cfg {\n  label=\"");
    add_label(to, result_text(graph->answer, "function_name"));
    text_add(to, " (");
    add_label(to, result_text(graph->answer, "binary"));
    text_add(to, ")\";\n  node [shape=box, style=filled, fontname=\"monospace\"];\n");
    for (size_t b = 0; b < graph->n_blocks; b++) {
        put_block(to, graph, b);
    }
    for (size_t i = 0; i < graph->n_edges; i++) {
        put_edge(to, &graph->edges[i]);
    }
    text_add(to, "}\n");
}
