#include "query/neighbors.h"

#include "server/answer_code_parts.h"
#include "server/answer_tree_parts.h"
#include "server/answers.h"

// Own: innermost; of the function: anywhere on the stack, which is what the roots weigh.
static void put_function_numbers(struct json *j, const struct neighbors *neighbors)
{
    const struct flame_node *root = &neighbors->callees.nodes.at[0];
    json_u64_field(j, "own_on_cpu_ns", neighbors->own_on_cpu_ns);
    json_u64_field(j, "own_samples", neighbors->own_samples);
    put_off_cpu(j, "own_off_cpu", &neighbors->own_off_cpu);
    json_u64_field(j, "own_off_cpu_intervals", neighbors->own_waits);
    json_u64_field(j, "function_on_cpu_ns", root->on_cpu_ns);
    json_u64_field(j, "function_samples", root->total_samples);
    put_off_cpu(j, "function_off_cpu", &root->off_cpu);
    json_u64_field(j, "function_off_cpu_intervals", root->waits);
    json_u64_field(j, "recursive_on_cpu_ns", neighbors->recursive_on_cpu_ns);
    json_u64_field(j, "recursive_samples", neighbors->recursive_samples);
    json_u64_field(j, "recursive_off_cpu_ns", neighbors->recursive_off_ns);
}

static void put_ways(struct json *j, const struct neighbors *neighbors)
{
    json_key(j, "recursion");
    json_array_begin(j);
    for (size_t i = 0; i < neighbors->ways.n; i++) {
        const struct neighbors_way *way = &neighbors->ways.at[i];
        json_object_begin(j);
        put_function(j, "function_name", "binary", way->function);
        json_bool_field(j, "inlined", way->function->inlined);
        json_hex_field(j, "address", way->function->addr);
        json_u64_field(j, "on_cpu_ns", way->on_cpu_ns);
        json_u64_field(j, "samples", way->samples);
        json_u64_field(j, "off_cpu_ns", way->off_ns);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_side(struct json *j, const char *key, const struct flame *tree,
                     struct string_table *strings)
{
    json_key(j, key);
    json_object_begin(j);
    put_tree(j, tree, strings);
    json_object_end(j);
}

void answer_neighbors(struct text *to, struct analysis *analysis, const struct question *question)
{
    const struct store *store = analysis->run->store;
    struct neighbors neighbors;
    neighbors_make(&neighbors, analysis->tree, &question->kept->fold, store, &analysis->reasons,
                   question->code->function, &question->params.flame);
    CLEANUP(string_table_fini) struct string_table strings = {0};
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_u64_field(&j, "total_on_cpu_ns", neighbors.total_on_cpu_ns);
    put_health(&j, &neighbors.health);
    put_off_cpu(&j, "total_off_cpu", &neighbors.total_off_cpu);
    put_target_fields(&j, analysis, question->code);
    put_function_numbers(&j, &neighbors);
    put_ways(&j, &neighbors);
    put_side(&j, "callers_tree", &neighbors.callers, &strings);
    put_side(&j, "callees_tree", &neighbors.callees, &strings);
    put_strings(&j, &strings);
    json_object_end(&j);
    neighbors_fini(&neighbors);
}
