#include "rpc/document.h"
#include "rpc/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static bool is_listed(const struct rpc_type *type)
{
    for (const struct rpc_type *const *one = rpc_types; *one != NULL; one++) {
        if (*one == type) {
            return true;
        }
    }
    return false;
}

static void test_every_mentioned_type_is_listed(void **state)
{
    (void)state;
    for (const struct rpc_method *method = rpc_methods; method->name != NULL; method++) {
        assert_true(is_listed(method->params));
        assert_true(is_listed(method->result));
    }
    for (const struct rpc_type *const *type = rpc_types; *type != NULL; type++) {
        for (const struct rpc_field *field = (*type)->fields; field->name != NULL; field++) {
            assert_non_null(field->doc);
            if (field->type != NULL && !is_listed(field->type)) {
                fail_msg("%s of %s is not in rpc_types", field->type->name, (*type)->name);
            }
        }
    }
}

static void test_subscribe_offers_the_subscribable(void **state)
{
    (void)state;
    for (const struct rpc_method *method = rpc_methods; method->name != NULL; method++) {
        json_t *params = json_pack("{s:s}", "method", method->name);
        struct err err;
        const struct rpc_type *type = rpc_method_find("Profiler.subscribe")->params;
        assert_true(rpc_check(type, params, &err) == method->subscribable);
        json_decref(params);
    }
}

static void test_openrpc_is_json_and_has_all_methods(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text text = {0};
    document_put_openrpc(&text);
    struct slice bytes = {(const uint8_t *)text.at, text.n};
    struct err err;
    json_t *document = rpc_json_parse(bytes, &err);
    if (document == NULL) {
        fail_msg("%s", err.text);
    }
    json_t *methods = json_object_get(document, "methods");
    size_t n = 0;
    for (const struct rpc_method *method = rpc_methods; method->name != NULL; method++, n++) {
        json_t *one = json_array_get(methods, n);
        assert_string_equal(json_string_value(json_object_get(one, "name")), method->name);
    }
    assert_int_equal(json_array_size(methods), n);
    json_decref(document);
}

static void test_other_documents_mention_all(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text md = {0};
    CLEANUP(text_fini) struct text ts = {0};
    document_put_markdown(&md);
    document_put_typescript(&ts);
    for (const struct rpc_method *method = rpc_methods; method->name != NULL; method++) {
        assert_non_null(strstr(text_get(&md), method->name));
        assert_non_null(strstr(text_get(&ts), method->name));
    }
    for (const struct rpc_type *const *type = rpc_types; *type != NULL; type++) {
        CLEANUP(text_fini) struct text heading = {0};
        text_addf(&heading, "\n### %s\n", (*type)->name);
        assert_non_null(strstr(text_get(&md), text_get(&heading)));
    }
    for (int kind = 0; kind < RPC_ERROR_KIND_COUNT; kind++) {
        const char *name = rpc_error_name((enum rpc_error_kind)kind);
        assert_non_null(strstr(text_get(&md), name));
        assert_int_equal(rpc_error_find(name), kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_mentioned_type_is_listed),
        cmocka_unit_test(test_subscribe_offers_the_subscribable),
        cmocka_unit_test(test_openrpc_is_json_and_has_all_methods),
        cmocka_unit_test(test_other_documents_mention_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
