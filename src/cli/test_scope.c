#include "cli/scope.h"
#include "cli/unmatched.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// ---- One function ------------------------------------------------------------------------------

static const struct {
    const char *text;
    const char *name;
    const char *binary; // NULL: any
} functions[] = {
    {"malloc", "malloc", NULL},
    {"memcpy@plt", "memcpy@plt", NULL},
    {"foo@@GLIBC_2.2.5", "foo@@GLIBC_2.2.5", NULL},
    {"a @b", "a @b", NULL},
    {"a@ b", "a@ b", NULL},
    {"@ b", "@ b", NULL},
    {"a @", "a @", NULL},
    {"operator new(unsigned long)", "operator new(unsigned long)", NULL},
    {"malloc @ libc.so.6", "malloc", "libc.so.6"},
    {"memcpy@plt @ prog", "memcpy@plt", "prog"},
    {"a<b, c> const @ [kernel]", "a<b, c> const", "[kernel]"},
    {"a @@ b", "a @ b", NULL},
    {"a @@@ b", "a @@ b", NULL},
    {"a @@ @@ b", "a @ @ b", NULL},
    {"a @@ b @ c", "a @ b", "c"},
    {"a @ b @@ c", "a", "b @ c"},
    {"a @@ @ b", "a @", "b"},
    {"a @ @@ b", "a", "@ b"},
    {" @ b", "", NULL}, // from here on not written so
    {"a @ ", "", NULL},
    {"a @ b @ c", "", NULL},
    {"a @ @ b", "", NULL},
    {"", "", NULL},
    {"caf\xe9", "", NULL},
    {"a @ caf\xe9", "", NULL},
};

static void test_every_function_can_be_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        struct err err = {0};
        json_t *symbol = scope_read_function(functions[i].text, &err);
        if (functions[i].name[0] == 0) {
            assert_null(symbol);
            assert_int_not_equal(err.text[0], 0);
            continue;
        }
        if (symbol == NULL) {
            fail_msg("%s: %s", functions[i].text, err.text);
        }
        const char *name = json_string_value(json_object_get(symbol, "function_name"));
        const char *binary = json_string_value(json_object_get(symbol, "binary"));
        assert_string_equal(name, functions[i].name);
        assert_int_equal(binary == NULL, functions[i].binary == NULL);
        if (binary != NULL) {
            assert_string_equal(binary, functions[i].binary);
        }
        CLEANUP(text_fini) struct text text = {0};
        scope_put_function(&text, name, binary);
        assert_string_equal(text_get(&text), functions[i].text);
        json_decref(symbol);
    }
}

// Any name of a few letters that matter, in any binary of such a name.
static void test_no_function_is_taken_for_another(void **state)
{
    (void)state;
    static const char letters[] = " @a";
    enum { LENGTH = 5, NAMES = 3 * 3 * 3 * 3 * 3 };
    char names[NAMES][LENGTH + 1];
    for (size_t i = 0; i < NAMES; i++) {
        size_t rest = i;
        for (size_t k = 0; k < LENGTH; k++, rest /= 3) {
            names[i][k] = letters[rest % 3];
        }
        names[i][LENGTH] = 0;
    }
    for (size_t i = 0; i < NAMES; i++) {
        for (size_t k = 0; k <= NAMES; k++) {
            const char *binary = k == NAMES ? NULL : names[k];
            CLEANUP(text_fini) struct text text = {0};
            struct err err = {0};
            scope_put_function(&text, names[i], binary);
            json_t *symbol = scope_read_function(text_get(&text), &err);
            const char *read = json_string_value(json_object_get(symbol, "binary"));
            assert_string_equal(json_string_value(json_object_get(symbol, "function_name")),
                                names[i]);
            assert_true(binary == NULL ? read == NULL : strcmp(read, binary) == 0);
            json_decref(symbol);
        }
    }
}

// ---- Options -----------------------------------------------------------------------------------

struct asking {
    struct scope scope;
    bool json;
};

static const struct asking defaults = {.scope = SCOPE_DEFAULTS};

static const struct option table[] = {
    OPTION_JSON(struct asking),
    OPTIONS_SCOPE(struct asking),
    {.name = NULL},
};

static const struct cmd asks = {
    .name = "ask", .synopsis = "[SCOPE]", .summary = "asks", .options = table};

// 0, or what is wrong in `err`. The view as it would be sent.
static int view_of(const char *const *words, struct text *ret, struct err *err)
{
    char *argv[16];
    int n = 0;
    for (; words[n] != NULL; n++) {
        argv[n] = (char *)(uintptr_t)words[n];
    }
    struct asking values = defaults;
    struct operands operands;
    int r = options_parse(&asks, n, argv, &values, &operands, err);
    json_t *view = json_object();
    if (r == 0 && (r = scope_put_view(view, &values.scope, err)) == 0) {
        char *text = json_dumps(view, JSON_COMPACT | JSON_SORT_KEYS);
        text_add(ret, text);
        free(text);
    }
    json_decref(view);
    return r;
}

static void test_options_become_a_view(void **state)
{
    (void)state;
    static const struct {
        const char *words[9];
        const char *view;
    } rows[] = {
        {{NULL}, "{}"},
        {{"--from", "0"}, "{}"},
        {{"--tid", "7", "--no-inline"}, "{\"inline\":false,\"tid\":7}"},
        {{"--from", "1.5"},
         "{\"time_range\":{\"end_ns\":9223372036854775807,\"start_ns\":1500000000}}"},
        {{"--to=0.000000001"}, "{\"time_range\":{\"end_ns\":1,\"start_ns\":0}}"},
        {{"--from", ".3", "--to", "1234567.123456789"},
         "{\"time_range\":{\"end_ns\":1234567123456789,\"start_ns\":300000000}}"},
        {{"--only", "f", "--only", "g @ lib.so", "--focus", "h"},
         "{\"focus_symbol\":{\"function_name\":\"h\"},\"only_symbols\":[{\"function_name\":\"f\"},"
         "{\"binary\":\"lib.so\",\"function_name\":\"g\"}]}"},
        {{"--exclude", "-x", "--exclude=a=b"},
         "{\"exclude_symbols\":[{\"function_name\":\"-x\"},{\"function_name\":\"a=b\"}]}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(text_fini) struct text view = {0};
        struct err err = {0};
        if (view_of(rows[i].words, &view, &err) != 0) {
            fail_msg("%s: %s", rows[i].view, err.text);
        }
        assert_string_equal(text_get(&view), rows[i].view);
    }
}

static void test_what_is_no_view(void **state)
{
    (void)state;
    static const struct {
        const char *words[5];
        const char *says;
    } rows[] = {
        {{"--from", "2", "--to", "2"}, "nothing is between --from 2 and --to 2"},
        {{"--to", "0"}, "nothing is between --from 0 and --to 0"},
        {{"--from", "3", "--to", "1.5"}, "nothing is between --from 3 and --to 1.5"},
        {{"--from", "-1"}, "--from must be a number from 0"},
        {{"--to", "1e3"}, "--to must be a number from 0"},
        {{"--to", "99999999999"}, "not '99999999999'"},
        {{"--only", ""}, "--only must be something, 256 times at most"},
        {{"--focus", ""}, "--focus must be something"},
        {{"--focus", "a @ b @ c"}, "more than one ' @ '"},
        {{"--exclude", "a @ "}, "NAME @ BINARY"},
        {{"--exclude", "caf\xe9"}, "UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(text_fini) struct text view = {0};
        struct err err = {0};
        int r = view_of(rows[i].words, &view, &err);
        if (r != -EINVAL || strstr(err.text, rows[i].says) == NULL) {
            fail_msg("%s: %d %s", rows[i].says, r, err.text);
        }
    }
}

// ---- Names that nothing has --------------------------------------------------------------------

static void check_line(const char *function, const char *near, const char *line)
{
    struct err err = {0};
    CLEANUP(text_fini) struct text text = {0};
    json_t *symbol = scope_read_function(function, &err);
    json_t *answer = near == NULL ? NULL : json_loads(near, 0, NULL);
    unmatched_put(&text, symbol, answer);
    assert_string_equal(text_get(&text), line);
    json_decref(symbol);
    json_decref(answer);
}

static void test_what_nothing_has(void **state)
{
    (void)state;
    check_line("parse", NULL, "no sample has 'parse' on its stack; `stax top` shows whole names");
    check_line("f@lib.so", NULL,
               "no sample has 'f@lib.so' on its stack; a binary is written behind ' @ '");
    check_line("f @ lib.so", "{\"function_name\":\"f\",\"binary\":\"prog\",\"matches\":[]}",
               "no sample has 'f' of lib.so on its stack; there is 'f @ prog'");
    check_line("\x1b[1m",
               "{\"function_name\":\"a\\u001b\",\"binary\":\"x\",\"matches\":[{\"function_name\":"
               "\"b @ c\",\"binary\":\"y\"},{\"function_name\":\"c\",\"binary\":\"z\"},"
               "{\"function_name\":\"d\",\"binary\":\"z\"}]}",
               "no sample has '\\x1b[1m' on its stack; there is 'a\\x1b @ x', 'b @@ c @ y', "
               "'c @ z'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_function_can_be_written),
        cmocka_unit_test(test_no_function_is_taken_for_another),
        cmocka_unit_test(test_options_become_a_view),
        cmocka_unit_test(test_what_is_no_view),
        cmocka_unit_test(test_what_nothing_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
