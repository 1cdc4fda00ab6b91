#include "server/answer_tree_parts.h"
#include "server/answers.h"
#include "server/sent.h"

// Who asks once has been told nothing before: everything is new.
static struct sent *sent_of(const struct question *question, struct sent **ret_own)
{
    *ret_own = question->sent == NULL ? sent_new() : NULL;
    return *ret_own == NULL ? question->sent : *ret_own;
}

// ---- Tree --------------------------------------------------------------------------------------

void answer_live_tree(struct text *to, struct analysis *analysis, const struct question *question)
{
    const struct question_tree *tree = &question->tree;
    struct flame_params params = question->params.flame;
    params.zoom = tree->zoom.at;
    params.n_zoom = tree->zoom.n;
    params.unsorted = true; // whoever draws the tree has an order of their own
    struct flame flame = {0};
    neighbors_tree_make(&flame, analysis->tree, &question->kept->fold, analysis->run->store,
                        &analysis->reasons, &tree->root, tree->callers, &params);
    struct live_tree_news news = {
        .flame = &flame,
        .names = &analysis->names,
        .mode = params.mode,
        .max_nodes = params.max_nodes,
        .exact = question->ended,
    };
    struct sent *own;
    struct sent *sent = sent_of(question, &own);
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_u64_field(&j, "total_on_cpu_ns", flame.total_on_cpu_ns);
    put_health(&j, &flame.health);
    put_off_cpu(&j, "total_off_cpu", &flame.total_off_cpu);
    json_u64_field(&j, "n_nodes", flame.n_nodes);
    json_u64_field(&j, "n_shown", flame.nodes.n);
    json_u64_field(&j, "zoom_depth", flame.zoom_depth);
    live_tree_put(&j, &sent->tree, &news);
    json_object_end(&j);
    sent_free(own);
    flame_fini(&flame);
}

// ---- Top ---------------------------------------------------------------------------------------

static const struct {
    const char *key;
    size_t at; // of the entry
} top_columns[] = {
    {"self_on_cpu_ns", offsetof(struct top_entry, self_on_cpu_ns)},
    {"total_on_cpu_ns", offsetof(struct top_entry, total_on_cpu_ns)},
    {"self_samples", offsetof(struct top_entry, self_samples)},
    {"total_samples", offsetof(struct top_entry, total_samples)},
    {"self_off_cpu_intervals", offsetof(struct top_entry, self_waits)},
    {"total_off_cpu_intervals", offsetof(struct top_entry, total_waits)},
};

static void put_top_column(struct json *j, const struct top *top, const char *key, size_t at)
{
    json_key(j, key);
    json_array_begin(j);
    for (size_t i = 0; i < top->entries.n; i++) {
        uint64_t value;
        memcpy(&value, (const char *)&top->entries.at[i] + at, sizeof value);
        json_u64(j, value);
    }
    json_array_end(j);
}

static void put_top_waits(struct json *j, const struct top *top)
{
    json_key(j, "self_off_cpu_ns");
    json_array_begin(j);
    for (size_t i = 0; i < top->entries.n; i++) {
        json_u64(j, off_cpu_total(&top->entries.at[i].self_off_cpu));
    }
    json_array_end(j);
    json_key(j, "total_off_cpu_ns");
    json_array_begin(j);
    for (size_t i = 0; i < top->entries.n; i++) {
        json_u64(j, off_cpu_total(&top->entries.at[i].total_off_cpu));
    }
    json_array_end(j);
    json_key(j, "reason");
    json_array_begin(j);
    for (size_t i = 0; i < top->entries.n; i++) {
        json_u64(j, off_cpu_main_reason(&top->entries.at[i].total_off_cpu));
    }
    json_array_end(j);
}

static void put_top_rows(struct json *j, const struct top *top, const uint32_t *numbers)
{
    json_key(j, "rows");
    json_object_begin(j);
    json_key(j, "function");
    json_array_begin(j);
    for (size_t i = 0; i < top->entries.n; i++) {
        json_u64(j, numbers[i]);
    }
    json_array_end(j);
    for (size_t c = 0; c < ARRAY_LEN(top_columns); c++) {
        put_top_column(j, top, top_columns[c].key, top_columns[c].at);
    }
    put_top_waits(j, top);
    json_object_end(j);
}

// Most of the dictionary may be of functions that were in the table once: then it is begun anew.
static void put_top_functions(struct json *j, struct live_top_sent *sent, const struct top *top,
                              const struct names *names)
{
    enum { STALE_FACTOR = 4 };
    if (sent->functions.all.n / STALE_FACTOR > top->entries.n) {
        live_functions_fini(&sent->functions);
        *sent = (struct live_top_sent){0};
    }
    CLEANUP(freep) function_id *ids = NEW_ARRAY(function_id, top->entries.n + 1);
    CLEANUP(freep) uint32_t *numbers = NEW_ARRAY(uint32_t, top->entries.n + 1);
    for (size_t i = 0; i < top->entries.n; i++) {
        ids[i] = (function_id)(top->entries.at[i].function - names->functions.at);
    }
    uint32_t first = (uint32_t)sent->functions.all.n;
    live_functions_number(&sent->functions, names, ids, top->entries.n, numbers);
    json_bool_field(j, "full", !sent->begun);
    live_functions_put(j, &sent->functions, names, first);
    put_top_rows(j, top, numbers);
    sent->begun = true;
}

void answer_live_top(struct text *to, struct analysis *analysis, const struct question *question)
{
    struct top top = {0};
    top_make(&top, analysis->tree, &question->kept->fold, analysis->run->store, &analysis->reasons,
             &question->params.top);
    struct sent *own;
    struct sent *sent = sent_of(question, &own);
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    put_top_fields(&j, &top);
    put_top_functions(&j, &sent->top, &top, &analysis->names);
    json_object_end(&j);
    sent_free(own);
    top_fini(&top);
}

// ---- Timeline ----------------------------------------------------------------------------------

void answer_live_timeline(struct text *to, struct analysis *analysis,
                          const struct question *question)
{
    const struct store *store = analysis->run->store;
    struct timeline_answer timeline = {0};
    timeline_make(&timeline, question->kept->timeline, store, question->params.buckets,
                  question->params.threads);
    struct sent *own;
    struct sent *sent = sent_of(question, &own);
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    put_timeline_fields(&j, analysis, question->kept, &timeline);
    json_u64_field(&j, "start_ns", timeline.start_ns);
    live_timeline_put(&j, &sent->timeline, &timeline, store);
    json_object_end(&j);
    sent_free(own);
    timeline_answer_fini(&timeline);
}
