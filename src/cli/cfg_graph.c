#include "cli/cfg_graph.h"

#include "base/vec.h"
#include "cli/session.h"

#include <stdlib.h>

static int compare_edges(const void *a, const void *b)
{
    const struct cfg_edge *x = a, *y = b;
    if (x->from != y->from) {
        return x->from < y->from ? -1 : 1;
    }
    return (x->to > y->to) - (x->to < y->to);
}

static void read_edges(struct cfg_graph *g)
{
    const json_t *edges = json_object_get(g->answer, "edges");
    g->edges = NEW_ARRAY(struct cfg_edge, json_array_size(edges) + 1);
    size_t i;
    const json_t *edge;
    json_array_foreach(edges, i, edge)
    {
        uint64_t from = result_u64(edge, "from");
        uint64_t to = result_u64(edge, "to");
        if (from < g->n_blocks && to < g->n_blocks) {
            g->edges[g->n_edges++] = (struct cfg_edge){(uint32_t)from, (uint32_t)to,
                                                       result_text(edge, "kind"), false};
        }
    }
    qsort(g->edges, g->n_edges, sizeof *g->edges, compare_edges);
    g->first_edge = NEW_ARRAY(uint32_t, g->n_blocks + 1);
    for (size_t b = 0, e = 0; b <= g->n_blocks; b++) {
        while (e < g->n_edges && g->edges[e].from < b) {
            e++;
        }
        g->first_edge[b] = (uint32_t)e;
    }
}

enum state { NEW_BLOCK, OPEN_BLOCK, DONE_BLOCK };

struct visit {
    uint32_t block;
    uint32_t edge; // the next one
};

// Into the depth from one block: edges to blocks that are open lead back.
static void walk(struct cfg_graph *g, uint8_t *state, uint32_t entry)
{
    VEC(struct visit) open = {0};
    vec_push(&open, (struct visit){entry, g->first_edge[entry]});
    state[entry] = OPEN_BLOCK;
    while (open.n > 0) {
        struct visit *visit = vec_last(&open);
        if (visit->edge == g->first_edge[visit->block + 1]) {
            state[visit->block] = DONE_BLOCK;
            open.n--;
            continue;
        }
        struct cfg_edge *edge = &g->edges[visit->edge++];
        if (state[edge->to] == OPEN_BLOCK) {
            edge->is_back = true;
            g->is_head[edge->to] = true;
        } else if (state[edge->to] == NEW_BLOCK) {
            state[edge->to] = OPEN_BLOCK;
            vec_push(&open, (struct visit){edge->to, g->first_edge[edge->to]});
        }
    }
    vec_fini(&open);
}

void cfg_graph_init(struct cfg_graph *graph, const json_t *answer)
{
    *graph = (struct cfg_graph){
        .answer = answer,
        .blocks = json_object_get(answer, "blocks"),
        .whole = (double)result_u64(answer, "function_samples"),
    };
    graph->n_blocks = json_array_size(graph->blocks);
    read_edges(graph);
    graph->is_head = NEW_ARRAY(bool, graph->n_blocks + 1);
    CLEANUP(freep) uint8_t *state = NEW_ARRAY(uint8_t, graph->n_blocks + 1);
    for (uint32_t b = 0; b < graph->n_blocks; b++) { // some are entered from who knows where
        if (state[b] == NEW_BLOCK) {
            walk(graph, state, b);
        }
    }
}

void cfg_graph_fini(struct cfg_graph *graph)
{
    free(graph->edges);
    free(graph->first_edge);
    free(graph->is_head);
}

const json_t *cfg_graph_block(const struct cfg_graph *graph, size_t block)
{
    return json_array_get(graph->blocks, block);
}
