#include "server/live_tree.h"

enum {
    STALE_FACTOR = 4, // so many times the nodes that can be shown are remembered
    WORTH = 1000,     // a time is sent when it has changed by this part of it
    NODES_AHEAD = 8,  // on their way from memory while one is looked up
};

struct message {
    struct json *j;
    struct live_tree_sent *sent;
    const struct live_tree_news *news;
    uint32_t *number_of;   // by node of the flame
    uint32_t *place_of;    // by number: of its node in the flame, plus one; 0: not shown
    VEC(uint32_t) changed; // numbers, rising
};

void live_tree_sent_fini(struct live_tree_sent *sent)
{
    live_functions_fini(&sent->functions);
    vec_fini(&sent->nodes);
    map_fini(&sent->by_edge);
}

// ---- Numbers -----------------------------------------------------------------------------------

// The root has a function only when the tree begins with one; then it is node 0 all the same.
static void number_functions(const struct message *m, uint32_t *ret)
{
    const struct flame *flame = m->news->flame;
    const struct function *functions = m->news->names->functions.at;
    CLEANUP(freep) function_id *ids = NEW_ARRAY(function_id, flame->nodes.n);
    size_t first = flame->nodes.at[0].function == NULL ? 1 : 0;
    ret[0] = 0;
    for (size_t i = first; i < flame->nodes.n; i++) {
        ids[i] = (function_id)(flame->nodes.at[i].function - functions);
    }
    live_functions_number(&m->sent->functions, m->news->names, ids + first, flame->nodes.n - first,
                          ret + first);
}

static uint64_t edge_of(uint32_t above, uint32_t function)
{
    return (uint64_t)above << 32 | function;
}

static uint32_t number_of_node(struct live_tree_sent *sent, uint32_t above, uint32_t function)
{
    uint64_t edge = edge_of(above, function);
    uint32_t number = map_find(&sent->by_edge, edge);
    if (number == MAP_NONE) {
        number = (uint32_t)sent->nodes.n;
        vec_push(&sent->nodes, (struct live_node){.above = above, .function = function});
        map_add(&sent->by_edge, edge, number);
    }
    return number;
}

static void number_nodes(struct message *m)
{
    struct live_tree_sent *sent = m->sent;
    const struct flame *flame = m->news->flame;
    CLEANUP(freep) uint32_t *functions = NEW_ARRAY(uint32_t, flame->nodes.n);
    number_functions(m, functions);
    m->number_of = NEW_ARRAY(uint32_t, flame->nodes.n);
    if (sent->nodes.n == 0) {
        vec_push(&sent->nodes, (struct live_node){.function = functions[0]});
    }
    for (size_t i = 1; i < flame->nodes.n; i++) {
        uint32_t above = m->number_of[flame->nodes.at[i].parent];
        size_t soon = i + NODES_AHEAD;
        if (soon < flame->nodes.n && flame->nodes.at[soon].parent < i) {
            uint32_t above_soon = m->number_of[flame->nodes.at[soon].parent];
            map_prefetch(&sent->by_edge, edge_of(above_soon, functions[soon]));
        }
        m->number_of[i] = number_of_node(sent, above, functions[i]);
    }
    m->place_of = NEW_ARRAY(uint32_t, sent->nodes.n);
    for (size_t i = 0; i < flame->nodes.n; i++) {
        m->place_of[m->number_of[i]] = (uint32_t)i + 1;
    }
}

// ---- Values ------------------------------------------------------------------------------------

static struct live_values values_of(const struct flame_node *node, enum answer_mode mode)
{
    struct live_values values = {
        .on_cpu_ns = node->on_cpu_ns,
        .self_on_cpu_ns = node->self_on_cpu_ns,
        .samples = node->total_samples,
        .self_samples = node->self_samples,
        .cut_children = node->cut_children,
    };
    if (mode != MODE_ON_CPU) {
        values.off_ns = node->off_ns;
        values.self_off_ns = node->self_off_ns;
        values.waits = node->waits;
    }
    return values;
}

static bool has_moved(uint64_t before_ns, uint64_t now_ns)
{
    uint64_t most_ns = MAX(before_ns, now_ns);
    uint64_t by_ns = most_ns - MIN(before_ns, now_ns);
    return by_ns > 0 && by_ns >= most_ns / WORTH;
}

static bool is_worth_it(const struct live_values *before, const struct live_values *now)
{
    return before->samples != now->samples || before->self_samples != now->self_samples ||
           before->waits != now->waits || before->cut_children != now->cut_children ||
           has_moved(before->on_cpu_ns, now->on_cpu_ns) ||
           has_moved(before->self_on_cpu_ns, now->self_on_cpu_ns) ||
           has_moved(before->off_ns, now->off_ns) ||
           has_moved(before->self_off_ns, now->self_off_ns);
}

static void take_change(struct message *m, uint32_t number, bool exact)
{
    struct live_node *node = &m->sent->nodes.at[number];
    struct live_values now = {0};
    uint64_t reasons = 0;
    if (m->place_of[number] != 0) {
        const struct flame_node *shown = &m->news->flame->nodes.at[m->place_of[number] - 1];
        now = values_of(shown, m->news->mode);
        reasons = now.off_ns == 0 ? 0 : hash_bytes(&shown->off_cpu, sizeof shown->off_cpu);
    }
    bool differs = memcmp(&node->values, &now, sizeof now) != 0 || node->reasons != reasons;
    if (differs && (exact || is_worth_it(&node->values, &now))) {
        node->values = now;
        node->reasons = reasons;
        vec_push(&m->changed, number);
    }
}

// New ones are always told.
static void take_changes(struct message *m, uint32_t first_new)
{
    struct live_tree_sent *sent = m->sent;
    uint64_t version = hash_pair(m->news->names->version, m->news->names->inlined.version);
    bool exact = m->news->exact || version != sent->names_version; // other names, other reasons
    sent->names_version = version;
    for (uint32_t number = 0; number < sent->nodes.n; number++) {
        size_t n = m->changed.n;
        take_change(m, number, exact || number >= first_new);
        if (number >= first_new && m->changed.n == n) { // the root of an empty tree
            vec_push(&m->changed, number);
        }
    }
}

// ---- JSON --------------------------------------------------------------------------------------

static void put_nodes(const struct message *m, uint32_t first)
{
    const struct live_tree_sent *sent = m->sent;
    json_key(m->j, "nodes");
    json_object_begin(m->j);
    json_u64_field(m->j, "first", first);
    json_key(m->j, "parent");
    json_array_begin(m->j);
    for (size_t number = first; number < sent->nodes.n; number++) {
        json_u64(m->j, sent->nodes.at[number].above);
    }
    json_array_end(m->j);
    json_key(m->j, "function");
    json_array_begin(m->j);
    for (size_t number = first; number < sent->nodes.n; number++) {
        json_u64(m->j, sent->nodes.at[number].function);
    }
    json_array_end(m->j);
    json_object_end(m->j);
}

static const struct {
    const char *key;
    size_t at;
    bool of_waits;
} columns[] = {
    {"on_cpu_ns", offsetof(struct live_values, on_cpu_ns), false},
    {"self_on_cpu_ns", offsetof(struct live_values, self_on_cpu_ns), false},
    {"samples", offsetof(struct live_values, samples), false},
    {"self_samples", offsetof(struct live_values, self_samples), false},
    {"off_cpu_ns", offsetof(struct live_values, off_ns), true},
    {"self_off_cpu_ns", offsetof(struct live_values, self_off_ns), true},
    {"intervals", offsetof(struct live_values, waits), true},
    {"cut_children", offsetof(struct live_values, cut_children), false},
};

static uint64_t value_at(const struct live_values *values, size_t at)
{
    uint64_t value;
    memcpy(&value, (const char *)values + at, sizeof value);
    return value;
}

static void put_values(const struct message *m)
{
    json_key(m->j, "values");
    json_object_begin(m->j);
    json_key(m->j, "node");
    json_array_begin(m->j);
    for (size_t i = 0; i < m->changed.n; i++) {
        json_u64(m->j, m->changed.at[i]);
    }
    json_array_end(m->j);
    for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
        size_t n = columns[c].of_waits && m->news->mode == MODE_ON_CPU ? 0 : m->changed.n;
        json_key(m->j, columns[c].key);
        json_array_begin(m->j);
        for (size_t i = 0; i < n; i++) {
            json_u64(m->j, value_at(&m->sent->nodes.at[m->changed.at[i]].values, columns[c].at));
        }
        json_array_end(m->j);
    }
    json_object_end(m->j);
}

enum waits_column { WAITS_NODE, WAITS_REASON, WAITS_NS, WAITS_COLUMNS };

static void put_waits_of(const struct message *m, uint32_t number, enum waits_column column)
{
    if (m->place_of[number] == 0) {
        return;
    }
    const struct flame_node *node = &m->news->flame->nodes.at[m->place_of[number] - 1];
    for (enum event_reason reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        uint64_t ns = node->off_cpu.ns[reason];
        if (ns > 0) {
            json_u64(m->j, column == WAITS_NODE ? number : column == WAITS_REASON ? reason : ns);
        }
    }
}

static void put_waits(const struct message *m)
{
    static const char *const keys[WAITS_COLUMNS] = {
        [WAITS_NODE] = "node", [WAITS_REASON] = "reason", [WAITS_NS] = "ns"};
    json_key(m->j, "waits");
    json_object_begin(m->j);
    for (enum waits_column column = 0; column < WAITS_COLUMNS; column++) {
        json_key(m->j, keys[column]);
        json_array_begin(m->j);
        for (size_t i = 0; i < m->changed.n && m->news->mode != MODE_ON_CPU; i++) {
            put_waits_of(m, m->changed.at[i], column);
        }
        json_array_end(m->j);
    }
    json_object_end(m->j);
}

void live_tree_put(struct json *j, struct live_tree_sent *sent, const struct live_tree_news *news)
{
    struct message m = {.j = j, .sent = sent, .news = news};
    if (sent->nodes.n / STALE_FACTOR > news->max_nodes) {
        live_tree_sent_fini(sent);
        *sent = (struct live_tree_sent){0};
    }
    uint32_t first_function = (uint32_t)sent->functions.all.n;
    uint32_t first_node = (uint32_t)sent->nodes.n;
    number_nodes(&m);
    take_changes(&m, first_node);
    json_bool_field(j, "full", !sent->begun);
    live_functions_put(j, &sent->functions, news->names, first_function);
    put_nodes(&m, first_node);
    put_values(&m);
    put_waits(&m);
    sent->begun = true;
    free(m.number_of);
    free(m.place_of);
    vec_fini(&m.changed);
}
