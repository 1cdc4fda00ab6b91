#include "server/answers.h"

#include "base/limits.h"
#include "capture/capture.h"
#include "rpc/json.h"

#include <stdio.h>

// ---- Parts that answers share -----------------------------------------------------------------

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

static void put_health(struct json *j, const struct health *health, const struct store *store)
{
    uint64_t of_run = atomic_load_explicit(&store->samples.n, memory_order_relaxed);
    json_key(j, "health");
    json_object_begin(j);
    json_u64_field(j, "samples", health->samples);
    json_u64_field(j, "lost_samples", health->lost_samples);
    json_u64_field(j, "lost_records", health->lost_records);
    json_u64_field(j, "throttled", health->throttled);
    json_u64_field(j, "truncated_samples", health->truncated_samples);
    json_u64_field(j, "unresolved_samples", health->unresolved_samples);
    json_double_field(j, "truncated_pct", percent(health->truncated_samples, of_run));
    json_double_field(j, "unresolved_pct", percent(health->unresolved_samples, health->samples));
    json_bool_field(j, "estimated", health->estimated);
    json_bool_field(j, "recording", health->recording);
    json_u64_field(j, "start_ns", health->start_ns);
    json_u64_field(j, "end_ns", health->end_ns);
    json_object_end(j);
}

static void put_off_cpu(struct json *j, const char *key, const struct off_cpu *off_cpu)
{
    json_key(j, key);
    json_object_begin(j);
    for (enum event_reason reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        char name[32];
        snprintf(name, sizeof name, "%s_ns", event_reason_name(reason));
        json_u64_field(j, name, off_cpu->ns[reason]);
    }
    json_object_end(j);
}

static void put_hex_text(struct json *j, const char *key, struct slice bytes)
{
    char hex[2 * 64 + 1] = "";
    for (size_t i = 0; i < MIN(bytes.n, (size_t)64); i++) {
        snprintf(hex + 2 * i, 3, "%02x", bytes.data[i]);
    }
    json_string_field(j, key, hex);
}

// ---- Top --------------------------------------------------------------------------------------

static void put_top_entry(struct json *j, const struct top_entry *entry)
{
    static const struct off_cpu none; // functions share no waits yet
    const struct function *function = entry->function;
    json_object_begin(j);
    json_string_field(j, "function_name", function->name);
    json_string_field(j, "binary", function->binary);
    json_hex_field(j, "address", function->addr);
    json_string_field(j, "language", symbol_lang_name(function->lang));
    json_bool_field(j, "is_main", function->is_main);
    json_u64_field(j, "self_on_cpu_ns", entry->self_on_cpu_ns);
    json_u64_field(j, "total_on_cpu_ns", entry->total_on_cpu_ns);
    json_u64_field(j, "self_samples", entry->self_samples);
    json_u64_field(j, "total_samples", entry->total_samples);
    put_off_cpu(j, "self_off_cpu", &none);
    put_off_cpu(j, "total_off_cpu", &none);
    json_u64_field(j, "self_off_cpu_intervals", 0);
    json_u64_field(j, "total_off_cpu_intervals", 0);
    json_object_end(j);
}

void answer_top(struct text *to, const struct calltree *tree, const struct fold *fold,
                const struct store *store, const struct question *question)
{
    static const struct off_cpu none;
    struct top top = {0};
    top_make(&top, tree, fold, store, question->sort, question->limit);
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_u64_field(&j, "total_on_cpu_ns", top.total_on_cpu_ns);
    put_off_cpu(&j, "total_off_cpu", &none);
    put_health(&j, &top.health, store);
    json_u64_field(&j, "n_functions", top.n_functions);
    json_key(&j, "entries");
    json_array_begin(&j);
    for (size_t i = 0; i < top.entries.n; i++) {
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
    FLAME_ADDRESS,
    FLAME_ON_CPU,
    FLAME_SAMPLES,
    FLAME_SELF,
    FLAME_OFF_CPU,
    FLAME_CUT_CHILDREN,
    FLAME_CUT_SAMPLES,
    FLAME_COLUMNS
};

static void put_flame_cell(struct json *j, const struct flame *flame, struct string_table *strings,
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
    case FLAME_ADDRESS:
        json_hex(j, function != NULL ? function->addr : 0);
        break;
    case FLAME_ON_CPU:
        json_u64(j, node->total_samples * flame->weight_ns);
        break;
    case FLAME_SAMPLES:
        json_u64(j, node->total_samples);
        break;
    case FLAME_SELF:
        json_u64(j, node->self_samples);
        break;
    case FLAME_OFF_CPU:
        json_u64(j, 0);
        break;
    case FLAME_CUT_CHILDREN:
        json_u64(j, node->cut_children);
        break;
    case FLAME_CUT_SAMPLES:
        json_u64(j, node->cut_samples);
        break;
    case FLAME_COLUMNS:
        ASSERT(false);
    }
}

static void put_flame_nodes(struct json *j, const struct flame *flame, struct string_table *strings)
{
    static const char *const names[FLAME_COLUMNS] = {
        "parent",  "function",     "binary",     "address",      "on_cpu_ns",
        "samples", "self_samples", "off_cpu_ns", "cut_children", "cut_samples",
    };
    json_key(j, "nodes");
    json_object_begin(j);
    for (enum flame_column column = 0; column < FLAME_COLUMNS; column++) {
        json_key(j, names[column]);
        json_array_begin(j);
        for (size_t i = 0; i < flame->nodes.n; i++) {
            put_flame_cell(j, flame, strings, &flame->nodes.at[i], column);
        }
        json_array_end(j);
    }
    json_object_end(j);
}

void answer_flame(struct text *to, const struct calltree *tree, const struct fold *fold,
                  const struct store *store, const struct question *question)
{
    struct flame flame = {0};
    flame_make(&flame, tree, fold, store, &question->flame);
    struct string_table strings = {0};
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_u64_field(&j, "total_on_cpu_ns", flame.health.samples * flame.weight_ns);
    put_health(&j, &flame.health, store);
    json_u64_field(&j, "n_nodes", flame.n_nodes);
    put_flame_nodes(&j, &flame, &strings);
    json_key(&j, "strings");
    json_array_begin(&j);
    for (size_t i = 0; i < strings.strings.n; i++) {
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

void answer_threads(struct text *to, const struct calltree *tree, const struct fold *fold,
                    const struct store *store, const struct question *question)
{
    struct threads_answer threads = {0};
    threads_make(&threads, fold, tree, store, question->limit);
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_u64_field(&j, "total_on_cpu_ns", threads.total_on_cpu_ns);
    put_health(&j, &threads.health, store);
    json_u64_field(&j, "n_threads", threads.n_threads);
    json_key(&j, "threads");
    json_array_begin(&j);
    for (size_t i = 0; i < threads.entries.n; i++) {
        put_thread(&j, &threads.entries.at[i]);
    }
    json_array_end(&j);
    json_object_end(&j);
    threads_fini(&threads);
}

void answer_total(struct text *to, const struct calltree *tree, const struct fold *fold,
                  const struct store *store)
{
    struct total total = {0};
    total_make(&total, tree, fold, store);
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_u64_field(&j, "total_on_cpu_ns", total.total_on_cpu_ns);
    put_health(&j, &total.health, store);
    json_object_end(&j);
}

// ---- The report on a run ----------------------------------------------------------------------

static void put_images(struct json *j, const struct calltree *tree, const struct fold *fold,
                       const struct store *store)
{
    struct image_reports reports = {0};
    image_reports_make(&reports, tree, fold, store);
    json_key(j, "images");
    json_array_begin(j);
    for (size_t i = 0; i < reports.images.n; i++) {
        const struct image_report *report = &reports.images.at[i];
        json_object_begin(j);
        json_text_field(j, "path", report->path.data, report->path.n);
        put_hex_text(j, "build_id", report->build_id);
        json_string_field(j, "state", report->state);
        json_string_field(j, "note", report->note);
        json_u64_field(j, "symbols", report->symbols);
        json_u64_field(j, "leaf_samples", report->leaf_samples);
        json_u64_field(j, "unresolved_samples", report->unresolved_samples);
        json_object_end(j);
    }
    json_array_end(j);
    image_reports_fini(&reports);
}

static void put_capture(struct json *j, const struct run *run)
{
    json_key(j, "capture");
    json_object_begin(j);
    json_string_field(j, "backend", run->params.backend->name);
    json_u64_field(j, "rings", atomic_load(&run->vitals.rings));
    json_u64_field(j, "ring_bytes", atomic_load(&run->vitals.ring_bytes));
    json_u64_field(j, "cpu_ns", atomic_load(&run->vitals.cpu_ns));
    json_u64_field(j, "drains", atomic_load(&run->vitals.drains));
    json_string_field(j, "note", run->capture_note.text);
    json_object_end(j);
}

void answer_report(struct text *to, const struct calltree *tree, const struct fold *fold,
                   const struct run *run)
{
    const struct store *store = run->store;
    struct json j;
    json_init(&j, to);
    j.comma = true; // the server's part stands before
    json_key(&j, "run");
    json_object_begin(&j);
    json_u64_field(&j, "id", run->id);
    json_key(&j, "events");
    json_object_begin(&j);
    for (enum event_kind kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        json_u64_field(&j, event_kind_name(kind), atomic_load(&store->events[kind]));
    }
    json_object_end(&j);
    json_key(&j, "accounts");
    json_object_begin(&j);
    for (enum account account = 0; account < ACCOUNT_COUNT; account++) {
        json_u64_field(&j, account_name(account), store_account(store, account));
    }
    json_object_end(&j);
    struct store_memory memory = store_memory(store);
    json_key(&j, "memory");
    json_object_begin(&j);
    json_u64_field(&j, "total_bytes", memory.total_bytes);
    json_u64_field(&j, "rows_bytes", memory.rows_bytes);
    json_u64_field(&j, "stacks_bytes", memory.stacks_bytes);
    json_object_end(&j);
    json_u64_field(&j, "stacks", atomic_load(&store->stacks.n_nodes));
    json_u64_field(&j, "frames", atomic_load(&store->stacks.n_frames));
    put_capture(&j, run);
    put_images(&j, tree, fold, store);
    json_object_end(&j);
    json_object_end(&j);
}
