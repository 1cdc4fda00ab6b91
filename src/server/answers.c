#include "server/answers.h"

#include "server/answer_tree_parts.h"

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
    put_top_fields(&j, &top);
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
    put_tree(&j, &flame, &strings);
    put_strings(&j, &strings);
    json_object_end(&j);
    string_table_fini(&strings);
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
