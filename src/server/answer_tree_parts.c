#include "server/answer_tree_parts.h"

// ---- Names -------------------------------------------------------------------------------------

void string_table_fini(struct string_table *table)
{
    map_fini(&table->by_pointer);
    vec_fini(&table->strings);
}

static uint32_t string_of(struct string_table *table, const char *text)
{
    uint64_t key = (uint64_t)(uintptr_t)text;
    uint32_t index = map_find(&table->by_pointer, key);
    if (index == MAP_NONE) {
        index = (uint32_t)table->strings.n;
        vec_push(&table->strings, text);
        map_set(&table->by_pointer, key, index);
    }
    return index;
}

void put_strings(struct json *j, const struct string_table *table)
{
    json_key(j, "strings");
    json_array_begin(j);
    for (size_t i = 0; i < table->strings.n && !answer_is_full(j); i++) {
        json_cstr(j, table->strings.at[i]);
    }
    json_array_end(j);
}

// ---- Nodes -------------------------------------------------------------------------------------

enum flame_column {
    FLAME_PARENT,
    FLAME_FUNCTION,
    FLAME_BINARY,
    FLAME_INLINED,
    FLAME_ADDRESS,
    FLAME_ON_CPU,
    FLAME_SAMPLES,
    FLAME_SELF,
    FLAME_OFF_CPU,
    FLAME_SELF_OFF_CPU,
    FLAME_INTERVALS,
    FLAME_CUT_CHILDREN,
    FLAME_CUT_SAMPLES,
    FLAME_CUT_OFF_CPU,
    FLAME_COLUMNS
};

static void put_flame_cell(struct json *j, struct string_table *strings,
                           const struct flame_node *node, enum flame_column column)
{
    const struct function *function = node->function;
    switch (column) {
    case FLAME_PARENT:
        json_u64(j, node->parent);
        break;
    case FLAME_FUNCTION:
        json_u64(j, string_of(strings, function ? function->name : ""));
        break;
    case FLAME_BINARY:
        json_u64(j, string_of(strings, function ? function->binary : ""));
        break;
    case FLAME_INLINED:
        json_bool(j, function != NULL && function->inlined);
        break;
    case FLAME_ADDRESS:
        json_hex(j, function != NULL ? function->addr : 0);
        break;
    case FLAME_ON_CPU:
        json_u64(j, node->on_cpu_ns);
        break;
    case FLAME_SAMPLES:
        json_u64(j, node->total_samples);
        break;
    case FLAME_SELF:
        json_u64(j, node->self_samples);
        break;
    case FLAME_OFF_CPU:
        json_u64(j, node->off_ns);
        break;
    case FLAME_SELF_OFF_CPU:
        json_u64(j, node->self_off_ns);
        break;
    case FLAME_INTERVALS:
        json_u64(j, node->waits);
        break;
    case FLAME_CUT_CHILDREN:
        json_u64(j, node->cut_children);
        break;
    case FLAME_CUT_SAMPLES:
        json_u64(j, node->cut_samples);
        break;
    case FLAME_CUT_OFF_CPU:
        json_u64(j, node->cut_off_ns);
        break;
    case FLAME_COLUMNS:
        ASSERT(false);
    }
}

static void put_flame_nodes(struct json *j, const struct flame *flame, struct string_table *strings)
{
    static const char *const names[FLAME_COLUMNS] = {
        [FLAME_PARENT] = "parent",
        [FLAME_FUNCTION] = "function",
        [FLAME_BINARY] = "binary",
        [FLAME_INLINED] = "inlined",
        [FLAME_ADDRESS] = "address",
        [FLAME_ON_CPU] = "on_cpu_ns",
        [FLAME_SAMPLES] = "samples",
        [FLAME_SELF] = "self_samples",
        [FLAME_OFF_CPU] = "off_cpu_ns",
        [FLAME_SELF_OFF_CPU] = "self_off_cpu_ns",
        [FLAME_INTERVALS] = "off_cpu_intervals",
        [FLAME_CUT_CHILDREN] = "cut_children",
        [FLAME_CUT_SAMPLES] = "cut_samples",
        [FLAME_CUT_OFF_CPU] = "cut_off_cpu_ns",
    };
    json_key(j, "nodes");
    json_object_begin(j);
    for (enum flame_column column = 0; column < FLAME_COLUMNS; column++) {
        json_key(j, names[column]);
        json_array_begin(j);
        for (size_t i = 0; i < flame->nodes.n; i++) {
            put_flame_cell(j, strings, &flame->nodes.at[i], column);
        }
        json_array_end(j);
    }
    json_object_end(j);
}

// ---- Waits -------------------------------------------------------------------------------------

enum flame_waits_column { WAITS_NODE, WAITS_REASON, WAITS_NS, WAITS_COLUMNS };

static void put_flame_waits_column(struct json *j, const struct flame *flame,
                                   enum flame_waits_column column)
{
    for (size_t i = 0; i < flame->nodes.n; i++) {
        const struct off_cpu *off_cpu = &flame->nodes.at[i].off_cpu;
        for (enum event_reason reason = 0; reason < EVENT_REASON_COUNT; reason++) {
            const uint64_t values[WAITS_COLUMNS] = {
                [WAITS_NODE] = i,
                [WAITS_REASON] = reason,
                [WAITS_NS] = off_cpu->ns[reason],
            };
            if (off_cpu->ns[reason] > 0) {
                json_u64(j, values[column]);
            }
        }
    }
}

static void put_flame_waits(struct json *j, const struct flame *flame)
{
    static const char *const names[WAITS_COLUMNS] = {
        [WAITS_NODE] = "node",
        [WAITS_REASON] = "reason",
        [WAITS_NS] = "ns",
    };
    json_key(j, "waits");
    json_object_begin(j);
    for (enum flame_waits_column column = 0; column < WAITS_COLUMNS; column++) {
        json_key(j, names[column]);
        json_array_begin(j);
        put_flame_waits_column(j, flame, column);
        json_array_end(j);
    }
    json_object_end(j);
}

void put_tree(struct json *j, const struct flame *tree, struct string_table *strings)
{
    put_flame_nodes(j, tree, strings);
    put_flame_waits(j, tree);
}
