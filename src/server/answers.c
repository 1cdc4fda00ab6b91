#include "server/answers.h"

#include "server/answer_parts.h"

// ---- Top --------------------------------------------------------------------------------------

static void put_top_entry(struct json *j, const struct top_entry *entry)
{
    const struct function *function = entry->function;
    json_object_begin(j);
    put_function(j, "function_name", "binary", function);
    json_bool_field(j, "inlined", function->inlined);
    json_hex_field(j, "address", function->addr);
    json_string_field(j, "language", symbol_lang_name(function->lang));
    json_bool_field(j, "is_main", function->is_main);
    json_u64_field(j, "self_on_cpu_ns", entry->self_on_cpu_ns);
    json_u64_field(j, "total_on_cpu_ns", entry->total_on_cpu_ns);
    json_u64_field(j, "self_samples", entry->self_samples);
    json_u64_field(j, "total_samples", entry->total_samples);
    put_off_cpu(j, "self_off_cpu", &entry->self_off_cpu);
    put_off_cpu(j, "total_off_cpu", &entry->total_off_cpu);
    json_u64_field(j, "self_off_cpu_intervals", entry->self_waits);
    json_u64_field(j, "total_off_cpu_intervals", entry->total_waits);
    json_object_end(j);
}

void answer_top(struct text *to, struct analysis *analysis, const struct question *question)
{
    const struct store *store = analysis->run->store;
    struct top top = {0};
    top_make(&top, analysis->tree, &question->kept->fold, store, &analysis->reasons,
             &question->params.top);
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_u64_field(&j, "total_on_cpu_ns", top.total_on_cpu_ns);
    put_health(&j, &top.health);
    put_off_cpu(&j, "total_off_cpu", &top.total_off_cpu);
    json_u64_field(&j, "total_runnable_ns", top.total_runnable_ns);
    json_u64_field(&j, "n_functions", top.n_functions);
    json_key(&j, "entries");
    json_array_begin(&j);
    for (size_t i = 0; i < top.entries.n && !answer_is_full(&j); i++) {
        put_top_entry(&j, &top.entries.at[i]);
    }
    json_array_end(&j);
    json_object_end(&j);
    top_fini(&top);
}

// ---- Flamegraph -------------------------------------------------------------------------------

// Names of a flamegraph, each once, in the order in which nodes need them. Keyed by pointer:
// functions have one name, and few functions share a name.
struct string_table {
    struct map by_pointer;
    VEC(const char *) strings;
};

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

void answer_flame(struct text *to, struct analysis *analysis, const struct question *question)
{
    const struct store *store = analysis->run->store;
    struct flame flame = {0};
    flame_make(&flame, analysis->tree, &question->kept->fold, store, &analysis->reasons,
               &question->params.flame);
    struct string_table strings = {0};
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_u64_field(&j, "total_on_cpu_ns", flame.total_on_cpu_ns);
    put_health(&j, &flame.health);
    put_off_cpu(&j, "total_off_cpu", &flame.total_off_cpu);
    json_u64_field(&j, "n_nodes", flame.n_nodes);
    put_flame_nodes(&j, &flame, &strings);
    put_flame_waits(&j, &flame);
    json_key(&j, "strings");
    json_array_begin(&j);
    for (size_t i = 0; i < strings.strings.n && !answer_is_full(&j); i++) {
        json_cstr(&j, strings.strings.at[i]);
    }
    json_array_end(&j);
    json_object_end(&j);
    vec_fini(&strings.strings);
    map_fini(&strings.by_pointer);
    flame_fini(&flame);
}

// ---- Threads and totals -----------------------------------------------------------------------

static void put_thread(struct json *j, const struct threads_entry *entry)
{
    json_object_begin(j);
    json_u64_field(j, "tid", entry->tid);
    json_u64_field(j, "pid", entry->pid);
    json_text_field(j, "name", entry->name.data, entry->name.n);
    json_u64_field(j, "on_cpu_ns", entry->on_cpu_ns);
    put_off_cpu(j, "off_cpu", &entry->off_cpu);
    json_u64_field(j, "runnable_ns", entry->runnable_ns);
    json_u64_field(j, "samples", entry->samples);
    json_u64_field(j, "wakeups", entry->wakeups);
    json_u64_field(j, "started_ns", entry->started_ns);
    if (entry->ended_ns != 0) {
        json_u64_field(j, "ended_ns", entry->ended_ns);
    }
    json_object_end(j);
}

void answer_threads(struct text *to, struct analysis *analysis, const struct question *question)
{
    const struct store *store = analysis->run->store;
    struct threads_answer threads = {0};
    threads_make(&threads, analysis->tree, &question->kept->fold, store, &analysis->reasons,
                 question->params.limit);
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_u64_field(&j, "total_on_cpu_ns", threads.total_on_cpu_ns);
    put_health(&j, &threads.health);
    json_u64_field(&j, "n_threads", threads.n_threads);
    put_off_cpu(&j, "total_off_cpu", &threads.total_off_cpu);
    json_key(&j, "threads");
    json_array_begin(&j);
    for (size_t i = 0; i < threads.entries.n && !answer_is_full(&j); i++) {
        put_thread(&j, &threads.entries.at[i]);
    }
    json_array_end(&j);
    json_object_end(&j);
    threads_fini(&threads);
}

void answer_total(struct text *to, struct analysis *analysis, const struct question *question)
{
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    struct total total = put_view_fields(&j, analysis, question->kept);
    put_off_cpu(&j, "total_off_cpu", &total.total_off_cpu);
    json_object_end(&j);
}
