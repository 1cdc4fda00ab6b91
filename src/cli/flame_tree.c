#include "cli/flame_tree.h"

#include "cli/session.h"

#include <errno.h>
#include <stdlib.h>

// ---- Reading -----------------------------------------------------------------------------------

static const char *const column_names[] = {
    "parent",       "function",     "binary",         "address",         "on_cpu_ns",
    "samples",      "self_samples", "off_cpu_ns",     "self_off_cpu_ns", "off_cpu_intervals",
    "cut_children", "cut_samples",  "cut_off_cpu_ns", "inlined",
};

static int check_columns(const json_t *columns, size_t *ret_n, struct err *reterr)
{
    *ret_n = json_array_size(json_object_get(columns, "parent"));
    for (size_t i = 0; i < ARRAY_LEN(column_names); i++) {
        const json_t *column = json_object_get(columns, column_names[i]);
        if (!json_is_array(column) || json_array_size(column) != *ret_n) {
            return err_set(reterr, EPROTO, "bad tree: nodes.%s has not as many rows as others",
                           column_names[i]);
        }
    }
    return 0;
}

static uint64_t cell(const json_t *columns, const char *name, size_t row)
{
    json_int_t value = json_integer_value(json_array_get(json_object_get(columns, name), row));
    return value > 0 ? (uint64_t)value : 0;
}

static struct flame_tree_node read_node(const json_t *columns, size_t row)
{
    const char *address = json_string_value(
        json_array_get(json_object_get(columns, "address"), row));
    return (struct flame_tree_node){
        .parent = (uint32_t)MIN(cell(columns, "parent", row), (uint64_t)FLAME_NODE_NONE),
        .first_child = FLAME_NODE_NONE,
        .next_sibling = FLAME_NODE_NONE,
        .function = (uint32_t)MIN(cell(columns, "function", row), (uint64_t)FLAME_NODE_NONE),
        .binary = (uint32_t)MIN(cell(columns, "binary", row), (uint64_t)FLAME_NODE_NONE),
        .inlined = json_is_true(json_array_get(json_object_get(columns, "inlined"), row)),
        .on_cpu_ns = cell(columns, "on_cpu_ns", row),
        .samples = cell(columns, "samples", row),
        .self_samples = cell(columns, "self_samples", row),
        .cut_children = cell(columns, "cut_children", row),
        .cut_samples = cell(columns, "cut_samples", row),
        .waits = {.largest = WAITS_REASONS, .total_ns = cell(columns, "off_cpu_ns", row)},
        .self_off_cpu_ns = cell(columns, "self_off_cpu_ns", row),
        .off_cpu_intervals = cell(columns, "off_cpu_intervals", row),
        .cut_off_cpu_ns = cell(columns, "cut_off_cpu_ns", row),
        .address = address == NULL ? "" : address,
    };
}

static int check_node(const struct flame_tree *tree, size_t row, const struct flame_tree_node *node,
                      struct err *reterr)
{
    size_t n_strings = json_array_size(tree->strings);
    if (row > 0 && node->parent >= row) {
        return err_set(reterr, EPROTO, "bad tree: node %zu comes before its parent", row);
    }
    if (node->function >= n_strings || node->binary >= n_strings) {
        return err_set(reterr, EPROTO, "bad tree: node %zu has no name", row);
    }
    return 0;
}

// Reasons come as a table of their own: most nodes have one or none.
static int read_waits(struct flame_tree *tree, const json_t *table, struct err *reterr)
{
    size_t n = json_array_size(json_object_get(table, "node"));
    if (json_array_size(json_object_get(table, "reason")) != n ||
        json_array_size(json_object_get(table, "ns")) != n) {
        return err_set(reterr, EPROTO, "bad tree: waits has columns of unequal length");
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t index = cell(table, "node", i);
        uint64_t reason = cell(table, "reason", i);
        if (index >= tree->nodes.n || reason >= WAITS_REASONS) {
            return err_set(reterr, EPROTO, "bad tree: wait %zu is of no node", i);
        }
        struct waits *waits = &tree->nodes.at[index].waits;
        waits->ns[reason] = cell(table, "ns", i);
        if (waits->largest == WAITS_REASONS || waits->ns[reason] > waits->ns[waits->largest]) {
            waits->largest = reason;
        }
    }
    return 0;
}

// Children are linked from the last to the first, so that each list begins with the heaviest.
static void link_children(struct flame_tree *tree)
{
    for (size_t i = 1; i < tree->nodes.n; i++) {
        tree->nodes.at[i].depth = tree->nodes.at[tree->nodes.at[i].parent].depth + 1;
    }
    for (size_t i = tree->nodes.n; i-- > 1;) {
        struct flame_tree_node *node = &tree->nodes.at[i];
        struct flame_tree_node *parent = &tree->nodes.at[node->parent];
        node->next_sibling = parent->first_child;
        parent->first_child = (uint32_t)i;
    }
}

int flame_tree_read(struct flame_tree *ret, const json_t *holder, const json_t *strings,
                    struct err *reterr)
{
    const json_t *columns = json_object_get(holder, "nodes");
    *ret = (struct flame_tree){.strings = strings};
    size_t n;
    int r = check_columns(columns, &n, reterr);
    if (r < 0) {
        return r;
    }
    vec_reserve(&ret->nodes, n);
    for (size_t i = 0; i < n; i++) {
        struct flame_tree_node node = read_node(columns, i);
        r = check_node(ret, i, &node, reterr);
        if (r < 0) {
            flame_tree_fini(ret);
            return r;
        }
        vec_push(&ret->nodes, node);
    }
    r = read_waits(ret, json_object_get(holder, "waits"), reterr);
    if (r < 0) {
        flame_tree_fini(ret);
        return r;
    }
    link_children(ret);
    return 0;
}

void flame_tree_fini(struct flame_tree *tree)
{
    vec_fini(&tree->nodes);
}

// ---- Walking -----------------------------------------------------------------------------------

const char *flame_tree_string(const struct flame_tree *tree, uint32_t index)
{
    const char *text = json_string_value(json_array_get(tree->strings, index));
    return text == NULL ? "" : text;
}

uint32_t flame_tree_next(const struct flame_tree *tree, uint32_t node)
{
    if (tree->nodes.at[node].first_child != FLAME_NODE_NONE) {
        return tree->nodes.at[node].first_child;
    }
    while (node != 0 && tree->nodes.at[node].next_sibling == FLAME_NODE_NONE) {
        node = tree->nodes.at[node].parent;
    }
    return node == 0 ? (uint32_t)FLAME_NODE_NONE : tree->nodes.at[node].next_sibling;
}

// ---- JSON --------------------------------------------------------------------------------------

void flame_tree_put_value(struct json *j, const json_t *answer, const char *key)
{
    const json_t *value = json_object_get(answer, key);
    char *bytes = value == NULL
                      ? NULL
                      : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    if (bytes != NULL) {
        json_key(j, key);
        text_add(j->to, bytes);
        j->comma = true;
    }
    free(bytes);
}

static void put_node_fields(struct json *j, const struct flame_tree *tree,
                            const struct flame_tree_node *node)
{
    json_string_field(j, "function_name", flame_tree_string(tree, node->function));
    json_string_field(j, "binary", flame_tree_string(tree, node->binary));
    json_bool_field(j, "inlined", node->inlined);
    json_string_field(j, "address", node->address);
    json_u64_field(j, "on_cpu_ns", node->on_cpu_ns);
    json_u64_field(j, "samples", node->samples);
    json_u64_field(j, "self_samples", node->self_samples);
    json_u64_field(j, "off_cpu_ns", node->waits.total_ns);
    json_u64_field(j, "self_off_cpu_ns", node->self_off_cpu_ns);
    json_u64_field(j, "off_cpu_intervals", node->off_cpu_intervals);
    json_key(j, "off_cpu");
    json_object_begin(j);
    for (size_t i = 0; i < WAITS_REASONS; i++) {
        json_u64_field(j, waits_field(i), node->waits.ns[i]);
    }
    json_object_end(j);
    json_u64_field(j, "cut_children", node->cut_children);
    json_u64_field(j, "cut_samples", node->cut_samples);
    json_u64_field(j, "cut_off_cpu_ns", node->cut_off_cpu_ns);
    json_key(j, "children");
    json_array_begin(j);
}

void flame_tree_put_nested(struct json *j, const struct flame_tree *tree)
{
    uint32_t depth = 0; // of the innermost open node
    for (uint32_t i = 0; i < tree->nodes.n && i != FLAME_NODE_NONE; i = flame_tree_next(tree, i)) {
        const struct flame_tree_node *node = &tree->nodes.at[i];
        for (; i != 0 && depth >= node->depth; depth--) {
            json_array_end(j);
            json_object_end(j);
        }
        if (i != 0) {
            json_object_begin(j);
        }
        put_node_fields(j, tree, node);
        depth = node->depth;
    }
    for (uint32_t i = 0; tree->nodes.n > 0 && i < depth; i++) {
        json_array_end(j);
        json_object_end(j);
    }
    if (tree->nodes.n > 0) {
        json_array_end(j);
    }
}
