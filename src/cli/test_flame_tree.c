#include "cli/flame_tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// Columns with these parents; node n is called by the n-th letter and has weight n.
static json_t *make_answer(size_t n, const json_int_t *parents)
{
    static const char *const zeros[] = {
        "binary",       "samples",         "self_samples",
        "off_cpu_ns",   "self_off_cpu_ns", "off_cpu_intervals",
        "cut_children", "cut_samples",     "cut_off_cpu_ns",
    };
    json_t *nodes = json_object();
    json_t *strings = json_array();
    json_t *parent = json_array();
    json_t *function = json_array();
    json_t *on_cpu = json_array();
    json_t *address = json_array();
    json_t *inlined = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(strings, json_stringn(&"abcdefgh"[i % 8], 1));
        json_array_append_new(parent, json_integer(parents[i]));
        json_array_append_new(function, json_integer((json_int_t)i));
        json_array_append_new(on_cpu, json_integer((json_int_t)i));
        json_array_append_new(address, json_string("0x1"));
        json_array_append_new(inlined, json_boolean(i + 1 == n));
    }
    json_object_set_new(nodes, "parent", parent);
    json_object_set_new(nodes, "function", function);
    json_object_set_new(nodes, "on_cpu_ns", on_cpu);
    json_object_set_new(nodes, "address", address);
    json_object_set_new(nodes, "inlined", inlined);
    for (size_t i = 0; i < ARRAY_LEN(zeros); i++) {
        json_t *column = json_array();
        for (size_t k = 0; k < n; k++) {
            json_array_append_new(column, json_integer(0));
        }
        json_object_set_new(nodes, zeros[i], column);
    }
    // The last node waits for two reasons.
    json_t *waits = json_pack("{s:[] s:[] s:[]}", "node", "reason", "ns");
    for (int i = 0; i < 2 && n > 0; i++) {
        json_array_append_new(json_object_get(waits, "node"), json_integer((json_int_t)n - 1));
        json_array_append_new(json_object_get(waits, "reason"), json_integer(i == 0 ? 1 : 7));
        json_array_append_new(json_object_get(waits, "ns"), json_integer(30 + 10 * i));
    }
    return json_pack("{s:o s:o s:o}", "strings", strings, "nodes", nodes, "waits", waits);
}

static int read_answer(struct flame_tree *ret, const json_t *answer, struct err *reterr)
{
    return flame_tree_read(ret, answer, json_object_get(answer, "strings"), reterr);
}

static void put_nested(struct text *to, const struct flame_tree *tree)
{
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    flame_tree_put_nested(&j, tree);
    json_object_end(&j);
}

static void put_shape(struct text *to, const json_t *node)
{
    text_add(to, json_string_value(json_object_get(node, "function_name")));
    size_t i;
    json_t *child;
    json_array_foreach(json_object_get(node, "children"), i, child)
    {
        text_add_char(to, '(');
        put_shape(to, child);
        text_add_char(to, ')');
    }
}

static void test_nests(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        json_int_t parents[8];
        const char *shape;
    } rows[] = {
        {1, {0}, "a"},
        {4, {0, 0, 1, 2}, "a(b(c(d)))"},
        {4, {0, 0, 0, 0}, "a(b)(c)(d)"},
        {8, {0, 0, 0, 1, 1, 3, 2, 0}, "a(b(d(f))(e))(c(g))(h)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *answer = make_answer(rows[i].n, rows[i].parents);
        CLEANUP(flame_tree_fini) struct flame_tree tree = {0};
        CLEANUP(text_fini) struct text text = {0};
        CLEANUP(text_fini) struct text shape = {0};
        struct err err = {0};
        assert_int_equal(read_answer(&tree, answer, &err), 0);
        put_nested(&text, &tree);
        json_t *root = json_loads(text_get(&text), JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(root);
        put_shape(&shape, root);
        assert_string_equal(text_get(&shape), rows[i].shape);
        assert_string_equal(json_string_value(json_object_get(root, "address")), "0x1");
        json_decref(root);
        json_decref(answer);
    }
}

static void test_hostile_answers(void **state)
{
    (void)state;
    static const json_int_t forward[] = {0, 2, 0};
    static const json_int_t itself[] = {0, 1, 0};
    static const json_int_t negative[] = {0, -1, 0};
    static const json_int_t huge[] = {0, 0, INT64_MAX};
    static const json_int_t fine[] = {0, 0, 0};
    static const json_int_t *const rows[] = {forward, itself, huge};
    CLEANUP(flame_tree_fini) struct flame_tree tree = {0};
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *answer = make_answer(3, rows[i]);
        assert_int_equal(read_answer(&tree, answer, &err), -EPROTO);
        assert_int_equal(tree.nodes.n, 0);
        json_decref(answer);
    }
    json_t *answer = make_answer(3, negative); // taken as 0: still a tree
    assert_int_equal(read_answer(&tree, answer, &err), 0);
    flame_tree_fini(&tree);
    json_decref(answer);

    answer = make_answer(3, fine);
    json_array_clear(json_object_get(answer, "strings"));
    assert_int_equal(read_answer(&tree, answer, &err), -EPROTO);
    json_decref(answer);
    answer = make_answer(3, fine);
    json_array_remove(json_object_get(json_object_get(answer, "nodes"), "samples"), 0);
    assert_int_equal(read_answer(&tree, answer, &err), -EPROTO);
    json_decref(answer);
    answer = json_object();
    assert_int_equal(read_answer(&tree, answer, &err), -EPROTO);
    json_decref(answer);
}

static void test_hostile_waits(void **state)
{
    (void)state;
    static const json_int_t parents[] = {0, 0, 0};
    static const struct {
        const char *column;
        json_int_t value;
    } rows[] = {{"node", 3}, {"node", INT64_MAX}, {"reason", WAITS_REASONS}};
    CLEANUP(flame_tree_fini) struct flame_tree tree = {0};
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *answer = make_answer(3, parents);
        json_t *column = json_object_get(json_object_get(answer, "waits"), rows[i].column);
        json_array_set_new(column, 0, json_integer(rows[i].value));
        assert_int_equal(read_answer(&tree, answer, &err), -EPROTO);
        assert_int_equal(tree.nodes.n, 0);
        json_decref(answer);
    }
    json_t *answer = make_answer(3, parents);
    json_array_remove(json_object_get(json_object_get(answer, "waits"), "ns"), 0);
    assert_int_equal(read_answer(&tree, answer, &err), -EPROTO);
    json_decref(answer);
}

static void test_reasons(void **state)
{
    (void)state;
    static const json_int_t parents[] = {0, 0};
    json_t *answer = make_answer(2, parents);
    CLEANUP(flame_tree_fini) struct flame_tree tree = {0};
    CLEANUP(text_fini) struct text text = {0};
    struct err err = {0};
    assert_int_equal(read_answer(&tree, answer, &err), 0);
    assert_int_equal(tree.nodes.at[0].waits.largest, WAITS_REASONS);
    assert_int_equal(tree.nodes.at[1].waits.largest, 7);
    put_nested(&text, &tree);
    json_t *root = json_loads(text_get(&text), JSON_REJECT_DUPLICATES, NULL);
    const json_t *child = json_array_get(json_object_get(root, "children"), 0);
    struct waits waits = waits_read(json_object_get(child, "off_cpu"));
    assert_int_equal(waits.ns[1], 30);
    assert_int_equal(waits.ns[7], 40);
    assert_int_equal(waits.total_ns, 70);
    json_decref(root);
    json_decref(answer);
}

static void test_empty(void **state)
{
    (void)state;
    json_t *answer = make_answer(0, NULL);
    CLEANUP(flame_tree_fini) struct flame_tree tree = {0};
    CLEANUP(text_fini) struct text text = {0};
    struct err err = {0};
    assert_int_equal(read_answer(&tree, answer, &err), 0);
    put_nested(&text, &tree);
    assert_string_equal(text_get(&text), "{}");
    json_decref(answer);
}

// Deeper than any stack of ours: nothing here may recurse.
static void test_deep(void **state)
{
    (void)state;
    enum { DEPTH = 50000 };
    json_int_t *parents = NEW_ARRAY(json_int_t, DEPTH);
    for (int i = 1; i < DEPTH; i++) {
        parents[i] = i - 1;
    }
    json_t *answer = make_answer(DEPTH, parents);
    CLEANUP(flame_tree_fini) struct flame_tree tree = {0};
    CLEANUP(text_fini) struct text text = {0};
    struct err err = {0};
    assert_int_equal(read_answer(&tree, answer, &err), 0);
    put_nested(&text, &tree);
    assert_memory_equal(text_get(&text) + text.n - 4, "]}]}", 4);
    json_decref(answer);
    free(parents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nests),         cmocka_unit_test(test_hostile_answers),
        cmocka_unit_test(test_hostile_waits), cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_empty),         cmocka_unit_test(test_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
