// Random runs, told to a subscriber message by message, and a client that knows nothing but the
// messages: what it has put together is at every moment what the whole answer would have been,
// in every mode, while nodes are cut and come back, and names change.

#include "server/live_tree.h"

#include "query/random_stacks.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { N_STREAMS = 1000, MAX_STEPS = 20 };

// ---- The client --------------------------------------------------------------------------------

struct client_function {
    char *name;
    char *binary;
    bool inlined;
    uint64_t address;
};

struct client_node {
    uint32_t parent;
    uint32_t function;
    struct live_values values;
    struct off_cpu off_cpu;
    bool expected; // while a message is checked
};

struct client {
    VEC(struct client_function) functions;
    VEC(struct client_node) nodes;
    struct map by_edge; // (parent, function) -> node
    size_t n_full;
};

static void forget(struct client *client)
{
    for (size_t i = 0; i < client->functions.n; i++) {
        free(client->functions.at[i].name);
        free(client->functions.at[i].binary);
    }
    vec_clear(&client->functions);
    vec_clear(&client->nodes);
    map_fini(&client->by_edge);
}

static void client_fini(struct client *client)
{
    forget(client);
    vec_fini(&client->functions);
    vec_fini(&client->nodes);
}

static json_t *column(const json_t *table, const char *key, size_t n)
{
    json_t *values = json_object_get(table, key);
    assert_true(json_is_array(values));
    assert_int_equal(json_array_size(values), n);
    return values;
}

static uint64_t at(const json_t *values, size_t i)
{
    json_t *value = json_array_get(values, i);
    assert_true(json_is_integer(value) && json_integer_value(value) >= 0);
    return (uint64_t)json_integer_value(value);
}

static char *text_at(const json_t *values, size_t i)
{
    const char *text = json_string_value(json_array_get(values, i));
    assert_non_null(text);
    return alloc_text(text, strlen(text));
}

static size_t rows_of(const json_t *table, const char *key)
{
    return json_array_size(json_object_get(table, key));
}

static void take_functions(struct client *client, const json_t *table)
{
    size_t n = rows_of(table, "name");
    json_t *names = column(table, "name", n);
    json_t *binaries = column(table, "binary", n);
    json_t *inlined = column(table, "inlined", n);
    json_t *addresses = column(table, "address", n);
    column(table, "kind", n);
    column(table, "language", n);
    assert_int_equal(json_integer_value(json_object_get(table, "first")), client->functions.n);
    for (size_t i = 0; i < n; i++) {
        char *address = text_at(addresses, i);
        vec_push(&client->functions, (struct client_function){
                                         .name = text_at(names, i),
                                         .binary = text_at(binaries, i),
                                         .inlined = json_is_true(json_array_get(inlined, i)),
                                         .address = strtoull(address, NULL, 16),
                                     });
        free(address);
    }
}

static void take_nodes(struct client *client, const json_t *table)
{
    size_t n = rows_of(table, "parent");
    json_t *parents = column(table, "parent", n);
    json_t *functions = column(table, "function", n);
    assert_int_equal(json_integer_value(json_object_get(table, "first")), client->nodes.n);
    for (size_t i = 0; i < n; i++) {
        uint32_t number = (uint32_t)client->nodes.n;
        struct client_node node = {.parent = (uint32_t)at(parents, i),
                                   .function = (uint32_t)at(functions, i)};
        assert_true(number == 0 ? node.parent == 0 : node.parent < number);
        assert_true(number == 0 || node.function < client->functions.n);
        vec_push(&client->nodes, node);
        if (number > 0) {
            uint64_t edge = (uint64_t)node.parent << 32 | node.function;
            assert_int_equal(map_find(&client->by_edge, edge), MAP_NONE); // told once
            map_set(&client->by_edge, edge, number);
        }
    }
}

static void take_values(struct client *client, const json_t *table, enum answer_mode mode)
{
    size_t n = rows_of(table, "node");
    size_t n_waits = mode == MODE_ON_CPU ? 0 : n;
    json_t *numbers = column(table, "node", n);
    const json_t *columns[] = {
        column(table, "on_cpu_ns", n),        column(table, "self_on_cpu_ns", n),
        column(table, "samples", n),          column(table, "self_samples", n),
        column(table, "off_cpu_ns", n_waits), column(table, "self_off_cpu_ns", n_waits),
        column(table, "intervals", n_waits),  column(table, "cut_children", n),
    };
    for (size_t i = 0; i < n; i++) {
        uint64_t number = at(numbers, i);
        assert_true(number < client->nodes.n);
        assert_true(i == 0 || number > at(numbers, i - 1)); // rising
        struct client_node *node = &client->nodes.at[number];
        node->off_cpu = (struct off_cpu){0};
        uint64_t values[ARRAY_LEN(columns)] = {0};
        for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
            values[c] = json_array_size(columns[c]) == 0 ? 0 : at(columns[c], i);
        }
        memcpy(&node->values, values, sizeof values);
    }
}

static void take_waits(struct client *client, const json_t *table)
{
    size_t n = rows_of(table, "node");
    for (size_t i = 0; i < n; i++) {
        uint64_t reason = at(column(table, "reason", n), i);
        uint64_t ns = at(column(table, "ns", n), i);
        uint64_t number = at(column(table, "node", n), i);
        assert_true(number < client->nodes.n && reason < EVENT_REASON_COUNT && ns > 0);
        client->nodes.at[number].off_cpu.ns[reason] = ns;
    }
}

static void take_message(struct client *client, const json_t *message, enum answer_mode mode)
{
    if (json_is_true(json_object_get(message, "full"))) {
        forget(client);
        client->n_full++;
    }
    take_functions(client, json_object_get(message, "functions"));
    take_nodes(client, json_object_get(message, "nodes"));
    take_values(client, json_object_get(message, "values"), mode);
    take_waits(client, json_object_get(message, "waits"));
}

// ---- Comparing ---------------------------------------------------------------------------------

static void assert_time(uint64_t told_ns, uint64_t ns, bool exact)
{
    uint64_t most_ns = MAX(told_ns, ns);
    uint64_t by_ns = most_ns - MIN(told_ns, ns);
    assert_true(by_ns == 0 || (!exact && by_ns < most_ns / 1000));
}

static void check_node(const struct client_node *told, const struct flame_node *node,
                       enum answer_mode mode, bool exact)
{
    bool waits = mode != MODE_ON_CPU;
    const struct live_values *values = &told->values;
    assert_int_equal(values->samples, node->total_samples);
    assert_int_equal(values->self_samples, node->self_samples);
    assert_int_equal(values->cut_children, node->cut_children);
    assert_int_equal(values->waits, waits ? node->waits : 0);
    assert_time(values->on_cpu_ns, node->on_cpu_ns, exact);
    assert_time(values->self_on_cpu_ns, node->self_on_cpu_ns, exact);
    assert_time(values->off_ns, waits ? node->off_ns : 0, exact);
    assert_time(values->self_off_ns, waits ? node->self_off_ns : 0, exact);
    assert_int_equal(off_cpu_total(&told->off_cpu), values->off_ns);
    if (exact && waits) {
        assert_memory_equal(&told->off_cpu, &node->off_cpu, sizeof node->off_cpu);
    }
}

static void check_function(const struct client *client, uint32_t number,
                           const struct function *function)
{
    assert_true(number < client->functions.n);
    const struct client_function *told = &client->functions.at[number];
    assert_string_equal(told->name, function->name);
    assert_string_equal(told->binary, function->binary);
    assert_int_equal(told->inlined, function->inlined);
    assert_int_equal(told->address, function->addr);
}

struct told {
    struct client client;
    struct live_tree_sent sent;
    struct live_tree_news news; // but for the flame
};

// The number of a function is what the server says it is; that it is of this one, the names say.
static uint32_t number_of(const struct told *t, const struct function *function)
{
    size_t id = (size_t)(function - t->news.names->functions.at);
    uint32_t number = t->sent.functions.number_of.at[id] - 1;
    check_function(&t->client, number, function);
    return number;
}

// Every node of the answer, and nothing else.
static void check_tree(struct told *t, const struct flame *flame, bool exact)
{
    struct client *client = &t->client;
    CLEANUP(freep) uint32_t *numbers = NEW_ARRAY(uint32_t, flame->nodes.n);
    for (size_t i = 0; i < client->nodes.n; i++) {
        client->nodes.at[i].expected = false;
    }
    for (size_t i = 0; i < flame->nodes.n; i++) {
        const struct flame_node *node = &flame->nodes.at[i];
        if (i > 0) {
            uint64_t edge = (uint64_t)numbers[node->parent] << 32 | number_of(t, node->function);
            numbers[i] = map_find(&client->by_edge, edge);
        } else if (node->function != NULL) {
            uint32_t number = client->nodes.at[0].function; // one of those of that name
            assert_true(number < client->functions.n);
            assert_string_equal(client->functions.at[number].name, node->function->name);
        }
        assert_true(numbers[i] < client->nodes.n);
        assert_false(client->nodes.at[numbers[i]].expected);
        client->nodes.at[numbers[i]].expected = true;
        check_node(&client->nodes.at[numbers[i]], node, t->news.mode, exact);
    }
    static const struct live_values nothing;
    for (size_t i = 0; i < client->nodes.n; i++) {
        if (!client->nodes.at[i].expected) {
            assert_memory_equal(&client->nodes.at[i].values, &nothing, sizeof nothing);
        }
    }
}

// Self times of a node, of its children and of what was cut add up to its own.
static void check_sums(const struct flame *flame, enum answer_mode mode)
{
    CLEANUP(freep) uint64_t *on_ns = NEW_ARRAY(uint64_t, flame->nodes.n);
    CLEANUP(freep) uint64_t *off_ns = NEW_ARRAY(uint64_t, flame->nodes.n);
    for (size_t i = flame->nodes.n; i-- > 0;) {
        const struct flame_node *node = &flame->nodes.at[i];
        on_ns[i] += node->self_on_cpu_ns;
        off_ns[i] += node->self_off_ns;
        assert_true(on_ns[i] <= node->on_cpu_ns && off_ns[i] <= node->off_ns);
        if (node->cut_children == 0) {
            assert_true(mode == MODE_OFF_CPU || on_ns[i] == node->on_cpu_ns);
            assert_true(mode == MODE_ON_CPU || off_ns[i] == node->off_ns);
        }
        if (i > 0) {
            on_ns[node->parent] += node->on_cpu_ns;
            off_ns[node->parent] += node->off_ns;
        }
    }
}

// ---- Streams -----------------------------------------------------------------------------------

struct stream {
    struct random_stacks *w;
    struct told told;
    struct flame_params params;
    struct view_symbol focus; // without a name: none
    struct view_symbol zoom;  // likewise
    bool callers;
    size_t n_messages;
};

static struct view_symbol random_symbol(struct random_stacks *w)
{
    static const char *const names[] = {"f0", "f0_new", "f1", "f2", "g1", "g2"};
    return view_symbol_new(names[random_stacks_dice(w, ARRAY_LEN(names))], NULL);
}

static void stream_init(struct stream *s, uint64_t seed)
{
    struct random_stacks *w = random_stacks_new(seed, seed % 3 != 0);
    *s = (struct stream){.w = w, .callers = random_stacks_dice(w, 3) == 0};
    s->params.mode = (enum answer_mode)random_stacks_dice(w, 3);
    s->params.unsorted = seed % 2 == 0;
    s->params.max_nodes = random_stacks_dice(w, 2) == 0
                              ? 50000
                              : 1 + (uint32_t)random_stacks_dice(
                                        w, random_stacks_dice(w, 2) == 0 ? 4 : 40);
    s->params.min_share = random_stacks_dice(w, 3) == 0 ? (double)random_stacks_dice(w, 100) / 1000
                                                        : 0;
    if (random_stacks_dice(w, 3) == 0) {
        s->focus = random_symbol(w);
    }
    if (random_stacks_dice(w, 2) == 0) {
        s->zoom = random_symbol(w);
        s->params.zoom = &s->zoom;
        s->params.n_zoom = 1;
    }
    s->told.news = (struct live_tree_news){
        .names = &w->names,
        .mode = s->params.mode,
        .max_nodes = s->params.max_nodes,
    };
}

static void stream_fini(struct stream *s)
{
    live_tree_sent_fini(&s->told.sent);
    client_fini(&s->told.client);
    view_symbol_fini(&s->focus);
    view_symbol_fini(&s->zoom);
    random_stacks_free(s->w);
}

static void tell(struct stream *s, const struct flame *flame, bool exact)
{
    struct told *t = &s->told;
    CLEANUP(text_fini) struct text text = {0};
    struct json j;
    t->news.flame = flame;
    t->news.exact = exact;
    json_init(&j, &text);
    json_object_begin(&j);
    live_tree_put(&j, &t->sent, &t->news);
    json_object_end(&j);
    json_error_t error;
    json_t *message = json_loads(text_get(&text), 0, &error);
    assert_non_null(message);
    assert_true(s->n_messages > 0 || json_is_true(json_object_get(message, "full")));
    take_message(&t->client, message, s->params.mode);
    s->n_messages++;
    json_decref(message);
}

static void ask(struct stream *s, bool exact)
{
    struct random_stacks *w = s->w;
    struct tree_root root = {.functions = NULL};
    random_stacks_catch_up(w);
    if (s->focus.function_name != NULL && !tree_root_find(&root, &w->tree, &s->focus)) {
        tree_root_fini(&root);
        return; // refused
    }
    struct flame flame;
    neighbors_tree_make(&flame, &w->tree, &w->fold, w->store, &w->reasons, &root, s->callers,
                        &s->params);
    tell(s, &flame, exact);
    check_tree(&s->told, &flame, exact);
    check_sums(&flame, s->params.mode);
    assert_true(s->told.client.nodes.n <= (size_t)5 * s->params.max_nodes + 5);
    flame_fini(&flame);
    tree_root_fini(&root);
}

// Returns how many messages began anew.
static size_t run_stream(uint64_t seed)
{
    struct stream s;
    stream_init(&s, seed);
    struct random_stacks *w = s.w;
    for (uint64_t n = 3 + random_stacks_dice(w, MAX_STEPS - 3); n > 0; n--) {
        random_stacks_go_on(w, random_stacks_dice(w, random_stacks_dice(w, 3) == 0 ? 60 : 4));
        if (random_stacks_dice(w, 3) == 0) {
            random_stacks_rename(w);
        }
        ask(&s, n == 1);
    }
    size_t n_full = s.told.client.n_full;
    stream_fini(&s);
    return n_full;
}

static void test_what_is_told_adds_up(void **state)
{
    (void)state;
    size_t n_full = 0;
    for (uint64_t seed = 0; seed < N_STREAMS; seed++) {
        size_t n = run_stream(seed);
        n_full += n > 1 ? n - 1 : 0;
    }
    assert_true(n_full > 0); // forgot nodes that were not shown any more
}

// ---- By hand -----------------------------------------------------------------------------------

// Nothing is told twice; and what hardly moved is left out, until the end.
static void test_what_did_not_change_is_left_out(void **state)
{
    (void)state;
    struct stream s;
    stream_init(&s, 4);
    s.params = (struct flame_params){.max_nodes = 50000};
    s.told.news.max_nodes = 50000;
    s.told.news.mode = MODE_ON_CPU;
    view_symbol_fini(&s.focus);
    s.callers = false;
    random_stacks_go_on(s.w, 5000);
    ask(&s, false);
    struct text quiet = {0};
    struct json j;
    for (int round = 0; round < 2; round++) {
        struct flame flame;
        random_stacks_catch_up(s.w);
        flame_make(&flame, &s.w->tree, &s.w->fold, s.w->store, &s.w->reasons, &s.params);
        flame.nodes.at[0].on_cpu_ns += flame.nodes.at[0].on_cpu_ns / 2000; // the threads got older
        s.told.news.flame = &flame;
        s.told.news.exact = round == 1;
        text_clear(&quiet);
        json_init(&j, &quiet);
        json_object_begin(&j);
        live_tree_put(&j, &s.told.sent, &s.told.news);
        json_object_end(&j);
        const char *expected = round == 0 ? "\"node\":[]," : "\"node\":[0],";
        assert_non_null(strstr(text_get(&quiet), expected));
        assert_true(quiet.n < 400);
        flame_fini(&flame);
    }
    text_fini(&quiet);
    stream_fini(&s);
}

// A table that knows more arrives: functions that look as before are the same, and so are nodes.
static void test_nodes_survive_better_names(void **state)
{
    (void)state;
    struct stream s;
    stream_init(&s, 7);
    s.params = (struct flame_params){.max_nodes = 50000};
    s.told.news.max_nodes = 50000;
    s.told.news.mode = MODE_ON_CPU;
    view_symbol_fini(&s.focus);
    s.callers = false;
    for (int i = 0; i < 30; i++) { // the first table of each, at least
        random_stacks_rename(s.w);
        if (s.w->n_tables[0] == 1 && s.w->n_tables[1] > 0) {
            break;
        }
        assert_true(s.w->n_tables[0] < RANDOM_STACKS_TABLES);
    }
    random_stacks_go_on(s.w, 2000);
    ask(&s, false);
    size_t n_nodes = s.told.client.nodes.n;
    size_t n_functions = s.told.client.functions.n;
    while (s.w->n_tables[0] < RANDOM_STACKS_TABLES) {
        random_stacks_rename(s.w);
    }
    ask(&s, false);
    size_t n_new = s.told.client.functions.n - n_functions;
    assert_in_range(n_new, 1, 4);                     // f0_new, f4, and perhaps of the others
    assert_true(s.told.client.nodes.n < 3 * n_nodes); // f1, f2 below f1, f2 are as they were
    assert_int_equal(s.told.client.n_full, 1);
    stream_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_told_adds_up),
        cmocka_unit_test(test_what_did_not_change_is_left_out),
        cmocka_unit_test(test_nodes_survive_better_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
