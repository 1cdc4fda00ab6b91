// A page that stands on its own: what `stax top`, `flame` and `threads` answer, and a script that
// draws it. Nothing is loaded from anywhere, and nothing can be: see the policy in page/page.html.
//
//     page_head   …<script type="application/json">   {"run": …}   </script>…   page_tail
//
// The page's own text is fixed when stax is built (script/embed-page). All that is of a run stands
// in that one block of JSON, in which no `<` is left: so no name can end it.
//
// The tree and the tables are cut, and say so.

#include "export/export.h"
#include "export/page.h"
#include "rpc/json.h"

#include <stdlib.h>

enum { HTML_NODES = 20000, HTML_FUNCTIONS = 3000, HTML_THREADS = 1000 };
static const double HTML_LEAST_SHARE = 0.0001;

enum html_part { HTML_HEAD, HTML_ON_CPU, HTML_WAITING, HTML_THREAD_LIST, HTML_NAMES, HTML_DONE };

struct html {
    enum html_part part;
    struct text data;    // JSON
    struct json json;    // that is written there
    VEC(uint32_t) place; // by function_id: its place in `functions`, plus one; 0: not there yet
    VEC(const struct function *) functions;
};

// In a page even text in quotes could end the script around it. A `<` is part of a string wherever
// it stands in JSON.
static void put_data(struct export *export)
{
    struct html *html = export->state;
    struct text *to = export_out_text(&export->out);
    const char *at = text_get(&html->data);
    size_t left = html->data.n;
    while (left > 0) {
        const char *less = memchr(at, '<', left);
        size_t n = less == NULL ? left : (size_t)(less - at);
        text_add_bytes(to, at, n);
        if (less != NULL) {
            text_add(to, "\\u003c");
            n++;
        }
        at += n;
        left -= n;
        export_out_drain(&export->out);
    }
    text_clear(&html->data);
}

// ---- Functions ---------------------------------------------------------------------------------

// Of the page: in the order in which they are met.
static uint32_t place_of(struct html *html, const struct export *export,
                         const struct function *function)
{
    size_t id = (size_t)(function - export->source->names->functions.at);
    vec_grow_zeroed(&html->place, id + 1);
    if (html->place.at[id] == 0) {
        vec_push(&html->functions, function);
        html->place.at[id] = (uint32_t)html->functions.n;
    }
    return html->place.at[id] - 1;
}

// An index into KINDS of page/page.js.
static uint64_t kind_of(const struct export *export, const struct function *function)
{
    enum { PROGRAM, LIBRARY, KERNEL, JIT, INLINED, CALLERS_MISSING };
    const struct store *store = export->source->store;
    if (function->is_truncation) {
        return CALLERS_MISSING;
    }
    if (function->is_kernel) {
        return KERNEL;
    }
    if (function->inlined) {
        return INLINED;
    }
    if (function->resolved && store_image(store, function->image)->kind == IMAGE_ROW_ANONYMOUS) {
        return JIT;
    }
    return function->is_main ? PROGRAM : LIBRARY;
}

static void put_names(struct html *html, const struct export *export)
{
    struct json *j = &html->json;
    json_key(j, "names");
    json_array_begin(j);
    for (size_t i = 0; i < html->functions.n; i++) {
        json_cstr(j, html->functions.at[i]->name);
    }
    json_array_end(j);
    json_key(j, "binaries");
    json_array_begin(j);
    for (size_t i = 0; i < html->functions.n; i++) {
        json_cstr(j, html->functions.at[i]->binary);
    }
    json_array_end(j);
    json_key(j, "kinds");
    json_array_begin(j);
    for (size_t i = 0; i < html->functions.n; i++) {
        json_u64(j, kind_of(export, html->functions.at[i]));
    }
    json_array_end(j);
}

// ---- Head --------------------------------------------------------------------------------------

static void put_health(struct json *j, const struct health *health)
{
    json_key(j, "health");
    json_object_begin(j);
    json_u64_field(j, "samples", health->samples);
    json_u64_field(j, "lost_samples", health->lost_samples);
    json_u64_field(j, "lost_records", health->lost_records);
    json_u64_field(j, "throttled", health->throttled);
    json_u64_field(j, "truncated", health->truncated_samples);
    json_u64_field(j, "unresolved", health->unresolved_samples);
    json_bool_field(j, "estimated", health->estimated);
    json_u64_field(j, "unsampled_ns", health->unsampled_ns);
    json_u64_field(j, "approximate_ns", health->approximate_blocked_ns);
    json_bool_field(j, "recording", health->recording);
    json_object_end(j);
}

static void put_reasons(struct json *j, const struct off_cpu *off_cpu)
{
    json_array_begin(j);
    for (size_t reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        json_u64(j, off_cpu->ns[reason]);
    }
    json_array_end(j);
}

static void put_run(struct json *j, const struct export *export, const struct health *health)
{
    const struct export_source *source = export->source;
    json_key(j, "run");
    json_object_begin(j);
    json_text_field(j, "label", source->label, strlen(source->label));
    json_u64_field(j, "pid", source->pid);
    json_u64_field(j, "frequency_hz", source->frequency_hz);
    json_u64_field(j, "started_unix_ms", source->started_unix_ns / 1000000);
    json_u64_field(j, "start_ns", health->start_ns);
    json_u64_field(j, "end_ns", health->end_ns);
    json_string_field(j, "tool", "stax " STAX_VERSION);
    json_object_end(j);
}

static void put_head(struct export *export)
{
    struct html *html = export->state;
    struct json *j = &html->json;
    const struct export_source *source = export->source;
    struct total total;
    total_make(&total, source->tree, source->fold, source->store, source->reasons);
    json_object_begin(j);
    put_run(j, export, &total.health);
    put_health(j, &total.health);
    json_key(j, "totals");
    json_object_begin(j);
    json_u64_field(j, "on", total.total_on_cpu_ns);
    json_u64_field(j, "runnable", total.total_runnable_ns);
    json_key(j, "off");
    put_reasons(j, &total.total_off_cpu);
    json_object_end(j);
    json_key(j, "reasons");
    json_array_begin(j);
    for (enum event_reason reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        json_cstr(j, event_reason_name(reason));
    }
    json_array_end(j);
}

// ---- Flame graph -------------------------------------------------------------------------------

// A column of the tree: one number per node.
static void put_column(struct json *j, const char *key, const struct flame *flame,
                       uint64_t (*value)(const struct flame_node *node, bool off_cpu), bool off_cpu)
{
    json_key(j, key);
    json_array_begin(j);
    for (size_t i = 0; i < flame->nodes.n; i++) {
        json_u64(j, value(&flame->nodes.at[i], off_cpu));
    }
    json_array_end(j);
}

static uint64_t parent_of(const struct flame_node *node, bool off_cpu)
{
    (void)off_cpu;
    return node->parent;
}

static uint64_t ns_of(const struct flame_node *node, bool off_cpu)
{
    return off_cpu ? node->off_ns : node->on_cpu_ns;
}

static uint64_t self_of(const struct flame_node *node, bool off_cpu)
{
    return off_cpu ? node->self_off_ns : node->self_samples;
}

static uint64_t count_of(const struct flame_node *node, bool off_cpu)
{
    return off_cpu ? node->waits : node->total_samples;
}

static uint64_t cut_of(const struct flame_node *node, bool off_cpu)
{
    (void)off_cpu;
    return node->cut_children;
}

static uint64_t main_reason_of(const struct flame_node *node, bool off_cpu)
{
    (void)off_cpu;
    size_t most = 0;
    for (size_t reason = 1; reason < EVENT_REASON_COUNT; reason++) {
        most = node->off_cpu.ns[reason] > node->off_cpu.ns[most] ? reason : most;
    }
    return most;
}

// Of each node: reason, ns, reason, ns, …
static void put_node_reasons(struct json *j, const struct flame *flame)
{
    json_key(j, "reasons");
    json_array_begin(j);
    for (size_t i = 0; i < flame->nodes.n; i++) {
        json_array_begin(j);
        for (size_t reason = 0; reason < EVENT_REASON_COUNT; reason++) {
            uint64_t ns = flame->nodes.at[i].off_cpu.ns[reason];
            if (ns > 0) {
                json_u64(j, reason);
                json_u64(j, ns);
            }
        }
        json_array_end(j);
    }
    json_array_end(j);
}

static void put_flame(struct export *export, const char *key, enum answer_mode mode)
{
    struct html *html = export->state;
    struct json *j = &html->json;
    const struct export_source *source = export->source;
    bool off_cpu = mode == MODE_OFF_CPU;
    struct flame_params params = {
        .min_share = HTML_LEAST_SHARE,
        .max_nodes = HTML_NODES,
        .mode = mode,
    };
    struct flame flame;
    flame_make(&flame, source->tree, source->fold, source->store, source->reasons, &params);
    json_key(j, key);
    json_object_begin(j);
    json_u64_field(j, "total", flame.n_nodes);
    put_column(j, "parent", &flame, parent_of, off_cpu);
    json_key(j, "function");
    json_array_begin(j);
    for (size_t i = 0; i < flame.nodes.n; i++) { // of the root: any
        const struct function *function = flame.nodes.at[i].function;
        json_u64(j, function == NULL ? 0 : place_of(html, export, function));
    }
    json_array_end(j);
    put_column(j, "ns", &flame, ns_of, off_cpu);
    put_column(j, "self", &flame, self_of, off_cpu);
    put_column(j, "n", &flame, count_of, off_cpu);
    put_column(j, "cut", &flame, cut_of, off_cpu);
    if (off_cpu) {
        put_column(j, "reason", &flame, main_reason_of, off_cpu);
        put_node_reasons(j, &flame);
    }
    json_object_end(j);
    flame_fini(&flame);
}

// ---- Functions and threads ---------------------------------------------------------------------

static void put_entries(struct json *j, const char *key, const struct top *top,
                        uint64_t (*value)(const struct top_entry *entry, bool off_cpu),
                        bool off_cpu)
{
    json_key(j, key);
    json_array_begin(j);
    for (size_t i = 0; i < top->entries.n; i++) {
        json_u64(j, value(&top->entries.at[i], off_cpu));
    }
    json_array_end(j);
}

static uint64_t entry_self_ns(const struct top_entry *entry, bool off_cpu)
{
    return off_cpu ? off_cpu_total(&entry->self_off_cpu) : entry->self_on_cpu_ns;
}

static uint64_t entry_total_ns(const struct top_entry *entry, bool off_cpu)
{
    return off_cpu ? off_cpu_total(&entry->total_off_cpu) : entry->total_on_cpu_ns;
}

static uint64_t entry_count(const struct top_entry *entry, bool off_cpu)
{
    return off_cpu ? entry->self_waits : entry->self_samples;
}

static void put_functions(struct export *export, const char *key, enum answer_mode mode)
{
    struct html *html = export->state;
    struct json *j = &html->json;
    const struct export_source *source = export->source;
    bool off_cpu = mode == MODE_OFF_CPU;
    struct top_params params = {.sort = TOP_TOTAL, .mode = mode, .limit = HTML_FUNCTIONS};
    struct top top;
    top_make(&top, source->tree, source->fold, source->store, source->reasons, &params);
    json_key(j, key);
    json_object_begin(j);
    json_u64_field(j, "total", top.n_functions);
    json_key(j, "function");
    json_array_begin(j);
    for (size_t i = 0; i < top.entries.n; i++) {
        json_u64(j, place_of(html, export, top.entries.at[i].function));
    }
    json_array_end(j);
    put_entries(j, "self_ns", &top, entry_self_ns, off_cpu);
    put_entries(j, "total_ns", &top, entry_total_ns, off_cpu);
    put_entries(j, "n", &top, entry_count, off_cpu);
    json_object_end(j);
    top_fini(&top);
}

static void put_threads(struct export *export)
{
    struct html *html = export->state;
    struct json *j = &html->json;
    const struct export_source *source = export->source;
    struct threads_answer threads;
    threads_make(&threads, source->tree, source->fold, source->store, source->reasons,
                 HTML_THREADS);
    json_key(j, "threads");
    json_object_begin(j);
    json_u64_field(j, "total", threads.n_threads);
    json_key(j, "list");
    json_array_begin(j);
    for (size_t i = 0; i < threads.entries.n; i++) {
        const struct threads_entry *entry = &threads.entries.at[i];
        json_object_begin(j);
        json_u64_field(j, "tid", entry->tid);
        json_text_field(j, "name", entry->name.data, entry->name.n);
        json_u64_field(j, "on", entry->on_cpu_ns);
        json_u64_field(j, "runnable", entry->runnable_ns);
        json_u64_field(j, "samples", entry->samples);
        json_key(j, "off");
        put_reasons(j, &entry->off_cpu);
        json_object_end(j);
    }
    json_array_end(j);
    json_object_end(j);
    threads_fini(&threads);
}

// ---- The page ----------------------------------------------------------------------------------

static void begin(struct export *export)
{
    struct html *html = NEW(struct html);
    export->state = html;
    json_init(&html->json, &html->data);
    text_add(export_out_text(&export->out), page_head);
}

static void put_part(struct export *export)
{
    struct html *html = export->state;
    struct json *j = &html->json;
    switch (html->part) {
    case HTML_HEAD:
        put_head(export);
        return;
    case HTML_ON_CPU:
        put_flame(export, "on", MODE_ON_CPU);
        json_key(j, "functions");
        json_object_begin(j);
        put_functions(export, "on", MODE_ON_CPU);
        put_functions(export, "off", MODE_OFF_CPU);
        json_object_end(j);
        return;
    case HTML_WAITING:
        put_flame(export, "off", MODE_OFF_CPU);
        return;
    case HTML_THREAD_LIST:
        put_threads(export);
        return;
    case HTML_NAMES:
        put_names(html, export);
        json_object_end(j);
        return;
    case HTML_DONE:
        break;
    }
}

// One answer at a time: each is as much work as the question would be.
static bool more(struct export *export, uint64_t max_rows)
{
    (void)max_rows;
    struct html *html = export->state;
    put_part(export);
    put_data(export);
    html->part++;
    return html->part != HTML_DONE;
}

static void end(struct export *export)
{
    text_add(export_out_text(&export->out), page_tail);
}

static void free_state(struct export *export)
{
    struct html *html = export->state;
    if (html == NULL) {
        return;
    }
    text_fini(&html->data);
    vec_fini(&html->place);
    vec_fini(&html->functions);
    free(TAKE(export->state));
}

const struct export_format export_html = {
    .name = "html",
    .summary = "a page that stands on its own, for a browser",
    .begin = begin,
    .more = more,
    .end = end,
    .free = free_state,
};
