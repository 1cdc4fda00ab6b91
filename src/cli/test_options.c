#include "cli/cmd.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct values {
    int64_t number;
    double share;
    const char *name;
    const char *sort;
    bool json;
    bool all;
    struct option_texts paths;
};

static const char *const sorts[] = {"self", "total", NULL};

static const struct option table[] = {
    {.letter = 'n',
     .name = "number",
     .value = "N",
     .doc = "how many",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct values, number),
     .min = 1,
     .max = 100},
    {.name = "share",
     .value = "P",
     .doc = "how much",
     .kind = OPTION_NUMBER,
     .at = offsetof(struct values, share),
     .min = 0,
     .max = 100},
    {.letter = 'N',
     .name = "name",
     .value = "TEXT",
     .doc = "what",
     .kind = OPTION_TEXT,
     .at = offsetof(struct values, name)},
    {.name = "sort",
     .value = "BY",
     .doc = "order",
     .kind = OPTION_CHOICE,
     .at = offsetof(struct values, sort),
     .choices = sorts},
    {.letter = 'j', .name = "json", .doc = "as JSON", .at = offsetof(struct values, json)},
    {.letter = 'a', .name = "all", .doc = "everything", .at = offsetof(struct values, all)},
    {.name = "path",
     .value = "A=B",
     .doc = "often",
     .kind = OPTION_TEXTS,
     .at = offsetof(struct values, paths)},
    {.name = NULL},
};

static const struct cmd plain = {
    .name = "ask", .synopsis = "[options]", .summary = "asks", .options = table};
static const struct cmd comparing = {
    .name = "set", .synopsis = "A B", .options = table, .operand = "pair", .n_operands = 2};
static const struct cmd launching = {
    .name = "do", .synopsis = "-- COMMAND", .options = table, .takes_command = true};

enum { ARGS_MAX = 8 };

static int parse(const struct cmd *cmd, const char *const *words, struct values *values,
                 struct operands *operands, struct err *err)
{
    static char *argv[ARGS_MAX + 1]; // the operands point into it
    int n = 0;
    for (; words[n] != NULL; n++) {
        argv[n] = (char *)(uintptr_t)words[n];
    }
    argv[n] = NULL;
    return options_parse(cmd, n, argv, values, operands, err);
}

static void test_values(void **state)
{
    (void)state;
    static const char *const ways[][ARGS_MAX] = {
        {"-n", "7", "--share=2.5", "--name", "-x", "--sort", "total", "-ja"},
        {"-n7", "--share", "2.5", "-N-x", "--sort=total", "--all", "--json", NULL},
        {"--number", "3", "--number=7", "-jN", "-x", "-a", "--share=2.5", "--sort=total"},
    };
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        const char *words[ARGS_MAX + 1] = {0};
        memcpy(words, ways[i], sizeof ways[i]);
        struct values values = {0};
        struct operands operands;
        struct err err = {0};
        if (parse(&plain, words, &values, &operands, &err) != OPTIONS_OK) {
            fail_msg("%zu: %s", i, err.text);
        }
        assert_int_equal(values.number, 7);
        assert_true(values.share == 2.5);
        assert_string_equal(values.name, "-x");
        assert_string_equal(values.sort, "total");
        assert_true(values.json && values.all);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *words[3];
        const char *says;
    } rows[] = {
        {{"--foo"}, "unknown option '--foo'; see: stax ask --help"},
        {{"-x"}, "unknown option '-x'"},
        {{"-jx"}, "unknown option '-jx'"},
        {{"--numb=3"}, "unknown option '--numb=3'"},
        {{"-n"}, "-n/--number needs a value, N"},
        {{"-n", ""}, "-n/--number must be a whole number from 1 to 100, not ''"},
        {{"-n", "abc"}, "not 'abc'"},
        {{"-n", "7x"}, "not '7x'"},
        {{"-n", " 7"}, "not ' 7'"},
        {{"-n", "1.5"}, "not '1.5'"},
        {{"-n", "0"}, "from 1 to 100, not '0'"},
        {{"-n", "101"}, "not '101'"},
        {{"-n", "-1"}, "not '-1'"},
        {{"-n", "99999999999999999999999"}, "not '99999999999999999999999'"},
        {{"--share", "nan"}, "--share must be a number from 0 to 100, not 'nan'"},
        {{"--share", "0x10"}, "not '0x10'"},
        {{"--share", "1e1"}, "not '1e1'"},
        {{"--share", "."}, "not '.'"},
        {{"--share", "100.1"}, "not '100.1'"},
        {{"--sort", "name"}, "--sort must be 'self' or 'total', not 'name'"},
        {{"--name="}, "-N/--name must be something, not ''"},
        {{"--json=1"}, "--json takes no value"},
        {{"word"}, "unexpected argument 'word'"},
        {{"-"}, "unexpected argument '-'"},
        {{"--"}, "unknown option '--'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct values values = {0};
        struct operands operands;
        struct err err = {0};
        int r = parse(&plain, rows[i].words, &values, &operands, &err);
        if (r != -EINVAL || strstr(err.text, rows[i].says) == NULL) {
            fail_msg("%s: %d %s", rows[i].words[0], r, err.text);
        }
    }
}

static void test_command_behind_dashes(void **state)
{
    (void)state;
    struct values values = {0};
    struct operands operands;
    struct err err = {0};
    const char *words[] = {"-n", "7", "--", "ls", "-n", "--", NULL};
    assert_int_equal(parse(&launching, words, &values, &operands, &err), OPTIONS_OK);
    assert_true(operands.after_dashes);
    assert_int_equal(operands.n, 3);
    assert_string_equal(operands.at[0], "ls");
    assert_int_equal(values.number, 7);
    const char *without[] = {"ls", "-l", NULL};
    assert_int_equal(parse(&launching, without, &values, &operands, &err), -EINVAL);
    assert_non_null(strstr(err.text, "stax do -- ls"));
    const char *flag[] = {"--its-own", NULL};
    assert_int_equal(parse(&launching, flag, &values, &operands, &err), -EINVAL);
    assert_non_null(strstr(err.text, "behind `--`"));
}

static void test_operands_between_options(void **state)
{
    (void)state;
    static const char *const ways[][ARGS_MAX] = {
        {"one", "two", "-n", "7", NULL},
        {"-n", "7", "one", "-j", "two", NULL},
        {"one", "-n7", "--name", "x", "two", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct values values = {0};
        struct operands operands;
        struct err err = {0};
        assert_int_equal(parse(&comparing, ways[i], &values, &operands, &err), OPTIONS_OK);
        assert_int_equal(operands.n, 2);
        assert_string_equal(operands.at[0], "one");
        assert_string_equal(operands.at[1], "two");
        assert_int_equal(values.number, 7);
    }
    struct values values = {0};
    struct operands operands;
    struct err err = {0};
    const char *few[] = {"one", "-j", NULL};
    assert_int_equal(parse(&comparing, few, &values, &operands, &err), -EINVAL);
    assert_non_null(strstr(err.text, "needs a pair"));
    const char *many[] = {"one", "two", "three", NULL};
    assert_int_equal(parse(&comparing, many, &values, &operands, &err), -EINVAL);
    assert_non_null(strstr(err.text, "'three'"));
}

static void test_help(void **state)
{
    (void)state;
    struct values values = {0};
    struct operands operands;
    assert_int_equal(parse(&plain, (const char *[]){"-jh", NULL}, &values, &operands, NULL),
                     OPTIONS_E_HELP);
    assert_int_equal(parse(&plain, (const char *[]){"--help", "x", NULL}, &values, &operands, NULL),
                     OPTIONS_E_HELP);
    assert_int_equal(parse(&plain, (const char *[]){"-V", NULL}, &values, &operands, NULL),
                     OPTIONS_E_VERSION);
    CLEANUP(text_fini) struct text help = {0};
    options_put_help(&plain, &help);
    for (const struct option *option = table; option->name != NULL; option++) {
        assert_non_null(strstr(text_get(&help), option->name));
        assert_non_null(strstr(text_get(&help), option->doc));
    }
}

static void test_texts_that_come_often(void **state)
{
    (void)state;
    struct values values = {0};
    struct operands operands;
    struct err err = {0};
    assert_int_equal(parse(&plain, (const char *const[]){"--path=a", "-a", "--path", "b", NULL},
                           &values, &operands, &err),
                     OPTIONS_OK);
    assert_int_equal(values.paths.n, 2);
    assert_string_equal(values.paths.at[0], "a");
    assert_string_equal(values.paths.at[1], "b");
    values.paths.n = OPTION_TEXTS_MAX;
    assert_int_equal(
        parse(&plain, (const char *const[]){"--path=c", NULL}, &values, &operands, &err), -EINVAL);
    assert_non_null(strstr(err.text, "256 times at most"));
    assert_int_equal(
        parse(&plain, (const char *const[]){"--path=", NULL}, &values, &operands, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_that_come_often),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_command_behind_dashes),
        cmocka_unit_test(test_operands_between_options),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
