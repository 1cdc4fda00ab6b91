#include "rpc/message.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define CALL(method, params)                                                                       \
    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"" method "\",\"params\":" params "}"

static void test_accepts_what_the_schema_allows(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"RunControl.status\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"rpc.discover\",\"params\":{}}",
        CALL("Profiler.top", "{\"limit\":10000,\"sort\":\"total\"}"),
        CALL("Profiler.top", "{\"view\":{\"run\":1,\"tid\":12,\"time_range\":{\"start_ns\":0,"
                             "\"end_ns\":9},\"exclude_symbols\":[{\"function_name\":\"f\"}]}}"),
        CALL("RunControl.wait_active", "{\"condition\":{\"for_seconds\":0.5},\"timeout_ms\":0}"),
        CALL("RunControl.wait_active", "{\"condition\":{\"until_stopped\":true}}"),
        CALL("Profiler.subscribe", "{\"method\":\"Profiler.top\",\"params\":{\"limit\":3}}"),
        "  {\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"RunControl.stop_active\"}\r",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct rpc_request request;
        struct rpc_error error;
        if (!rpc_request_parse(slice_of_text(lines[i]), &request, &error)) {
            fail_msg("%s: %s", lines[i], error.text.text);
        }
        assert_non_null(request.method);
        assert_true(json_is_object(request.params));
        assert_non_null(request.id);
        rpc_request_fini(&request);
    }
}

static void test_a_notification_has_no_id(void **state)
{
    (void)state;
    struct rpc_request request;
    struct rpc_error error;
    const char *line = "{\"jsonrpc\":\"2.0\",\"method\":\"RunControl.status\"}";
    assert_true(rpc_request_parse(slice_of_text(line), &request, &error));
    assert_null(request.id);
    assert_int_equal(json_object_size(request.params), 0);
    rpc_request_fini(&request);
}

static const struct {
    const char *line;
    enum rpc_error_kind kind;
    const char *says;
    bool has_id;
} refused[] = {
    {"", RPC_ERROR_PARSE, "not JSON", false},
    {"{\"jsonrpc\":\"2.0\",", RPC_ERROR_PARSE, "not JSON", false},
    {"GET / HTTP/1.1", RPC_ERROR_PARSE, "not JSON", false},
    {"{\"jsonrpc\":\"2.0\"} x", RPC_ERROR_PARSE, "not JSON", false},
    {"{\"id\":1,\"id\":2}", RPC_ERROR_PARSE, "not JSON", false},
    {"\"\xff\"", RPC_ERROR_PARSE, "not JSON", false},
    {"[NaN]", RPC_ERROR_PARSE, "not JSON", false},
    {"[1e999]", RPC_ERROR_PARSE, "not JSON", false},
    {"[123456789012345678901234567890]", RPC_ERROR_PARSE, "not JSON", false},
    {"[]", RPC_ERROR_INVALID_REQUEST, "batches", false},
    {"17", RPC_ERROR_INVALID_REQUEST, "object", false},
    {"{\"id\":7}", RPC_ERROR_INVALID_REQUEST, "jsonrpc", true},
    {"{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"x\"}", RPC_ERROR_INVALID_REQUEST, "2.0", true},
    {"{\"jsonrpc\":\"2.0\",\"id\":7}", RPC_ERROR_INVALID_REQUEST, "method", true},
    {"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"x\"}", RPC_ERROR_INVALID_REQUEST, "id", false},
    {CALL("Profiler.tip", "{}"), RPC_ERROR_UNKNOWN_METHOD, "Profiler.tip", true},
    {CALL("\\u001b[2J", "{}"), RPC_ERROR_UNKNOWN_METHOD, "'\\x1b[2J'", true},
    {CALL("Profiler.top", "[1]"), RPC_ERROR_INVALID_PARAMS, "params must be an object", true},
    {CALL("Profiler.top", "null"), RPC_ERROR_INVALID_PARAMS, "params must be an object", true},
    {CALL("Profiler.top", "{\"limit\":\"9\"}"), RPC_ERROR_INVALID_PARAMS,
     "limit must be an integer from 1 to 10000", true},
    {CALL("Profiler.top", "{\"limit\":2.5}"), RPC_ERROR_INVALID_PARAMS, "limit", true},
    {CALL("Profiler.top", "{\"limit\":0}"), RPC_ERROR_INVALID_PARAMS, "limit", true},
    {CALL("Profiler.top", "{\"limit\":10001}"), RPC_ERROR_INVALID_PARAMS, "limit", true},
    {CALL("Profiler.top", "{\"limit\":9223372036854775807}"), RPC_ERROR_INVALID_PARAMS, "limit",
     true},
    {CALL("Profiler.top", "{\"sort\":\"samples\"}"), RPC_ERROR_INVALID_PARAMS,
     "sort must be one of \"self\", \"total\"", true},
    {CALL("Profiler.top", "{\"limits\":9}"), RPC_ERROR_INVALID_PARAMS,
     "limits is not a known field", true},
    {CALL("Profiler.top", "{\"view\":{\"time_range\":{\"start_ns\":1}}}"), RPC_ERROR_INVALID_PARAMS,
     "view.time_range.end_ns is missing", true},
    {CALL("Profiler.top", "{\"view\":{\"exclude_symbols\":[{\"function_name\":\"f\"},{\"f\":1}]}}"),
     RPC_ERROR_INVALID_PARAMS, "view.exclude_symbols[1].f is not a known field", true},
    {CALL("Profiler.flamegraph", "{\"min_share\":1.01}"), RPC_ERROR_INVALID_PARAMS, "min_share",
     true},
    {CALL("RunControl.start_attach", "{\"frequency_hz\":10000000,\"pid\":1}"),
     RPC_ERROR_INVALID_PARAMS, "frequency_hz must be an integer from 1 to 100000", true},
    {CALL("RunControl.start_attach", "{}"), RPC_ERROR_INVALID_PARAMS, "pid is missing", true},
    {CALL("RunControl.start_attach", "{\"pid\":1,\"follow\":1}"), RPC_ERROR_INVALID_PARAMS,
     "follow must be true or false", true},
    {CALL("RunControl.wait_active", "{\"condition\":{}}"), RPC_ERROR_INVALID_PARAMS,
     "condition must have exactly one of until_stopped, for_samples", true},
    {CALL("RunControl.wait_active", "{\"condition\":{\"for_samples\":1,\"for_seconds\":1}}"),
     RPC_ERROR_INVALID_PARAMS, "exactly one", true},
    {CALL("RunControl.wait_active", "{\"condition\":{\"until_stopped\":false}}"),
     RPC_ERROR_INVALID_PARAMS, "condition.until_stopped must be true", true},
    {CALL("Profiler.subscribe", "{\"method\":\"rpc.discover\"}"), RPC_ERROR_INVALID_PARAMS,
     "method must be one of", true},
};

static void test_refuses_and_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct rpc_request request;
        struct rpc_error error;
        bool ok = rpc_request_parse(slice_of_text(refused[i].line), &request, &error);
        if (ok || error.kind != refused[i].kind || request.method != NULL ||
            strstr(error.text.text, refused[i].says) == NULL ||
            (request.id != NULL) != refused[i].has_id) {
            fail_msg("%s: %s %s: %s", refused[i].line, ok ? "accepted" : "refused",
                     rpc_error_name(error.kind), error.text.text);
        }
        rpc_request_fini(&request);
    }
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    for (size_t depth = LIMIT_JSON_DEPTH; depth <= 1000000;
         depth = depth == LIMIT_JSON_DEPTH ? depth + 1 : depth * 1000) {
        CLEANUP(text_fini) struct text line = {0};
        for (size_t i = 0; i < depth; i++) {
            text_add_char(&line, '[');
        }
        for (size_t i = 0; i < depth; i++) {
            text_add_char(&line, ']');
        }
        struct slice bytes = {(const uint8_t *)line.at, line.n};
        struct err err;
        json_t *value = rpc_json_parse(bytes, &err);
        assert_true((value != NULL) == (depth <= LIMIT_JSON_DEPTH));
        json_decref(value);
    }
    // Brackets within a text do not count.
    json_t *text = rpc_json_parse(slice_of_text("\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\""),
                                  NULL);
    assert_true(json_is_string(text));
    json_decref(text);
}

static void test_a_label_beyond_its_limit(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text line = {0};
    text_add(&line, "{\"pid\":1,\"label\":\"");
    for (int i = 0; i <= LIMIT_LABEL_BYTES; i++) {
        text_add_char(&line, 'x');
    }
    text_add(&line, "\"}");
    json_t *params = json_loads(text_get(&line), 0, NULL);
    struct err err;
    assert_false(rpc_check(rpc_method_find("RunControl.start_attach")->params, params, &err));
    assert_string_equal(err.text, "label must be at most 4096 bytes long");
    json_decref(params);
}

static void test_writes_messages(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text text = {0};
    json_t *id = json_string("a\"b");
    rpc_put_result_begin(&text, id);
    text_add(&text, "{}");
    rpc_put_result_end(&text);
    rpc_put_error(&text, NULL, RPC_ERROR_UNKNOWN_RUN, "no run 99");
    rpc_put_notification_begin(&text, "subscription");
    text_add(&text, "{}");
    rpc_put_notification_end(&text);
    rpc_put_call(&text, 3, "RunControl.status", NULL);
    json_decref(id);
    assert_string_equal(
        text_get(&text),
        "{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"b\",\"result\":{}}\n"
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32002,\"message\":\"no run 99\","
        "\"data\":{\"kind\":\"unknown_run\"}}}\n"
        "{\"jsonrpc\":\"2.0\",\"method\":\"subscription\",\"params\":{}}\n"
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"RunControl.status\"}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_what_the_schema_allows),
        cmocka_unit_test(test_a_notification_has_no_id),
        cmocka_unit_test(test_refuses_and_says_why),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_a_label_beyond_its_limit),
        cmocka_unit_test(test_writes_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
