#include "server/http_request.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static enum http_outcome parse(const char *text, struct http_request *ret, size_t *ret_n)
{
    return http_request_parse(slice_of_text(text), ret, ret_n);
}

static void assert_text(struct slice got, const char *wanted)
{
    assert_int_equal(got.n, strlen(wanted));
    assert_memory_equal(got.data, wanted, got.n);
}

static const char whole[] = "GET /part/a.js?x=%20 HTTP/1.1\r\n"
                            "Host:\t127.0.0.1:8080 \r\n"
                            "X-Other: a: b, c\r\n"
                            "accept-ENCODING: gzip\r\n"
                            "Origin:\r\n"
                            "\r\n";

static void test_head(void **state)
{
    (void)state;
    struct http_request request;
    CLEANUP(freep) char *text = NULL;
    size_t n = sizeof whole - 1;
    size_t n_head = 0;
    text = alloc_text(whole, n);
    text = alloc_resize(text, n + 5, 1);
    memcpy(text + n, "more", 5);
    assert_int_equal(parse(text, &request, &n_head), HTTP_OK);
    assert_int_equal(n_head, n);
    assert_text(request.method, "GET");
    assert_text(request.path, "/part/a.js");
    assert_true(request.is_1_1);
    assert_text(request.fields[HTTP_HOST], "127.0.0.1:8080");
    assert_text(request.fields[HTTP_ACCEPT_ENCODING], "gzip");
    assert_true(http_has(&request, HTTP_ORIGIN)); // there, and empty
    assert_int_equal(request.fields[HTTP_ORIGIN].n, 0);
    assert_false(http_has(&request, HTTP_UPGRADE));
}

static void test_every_beginning_of_it_is_pending(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        CLEANUP(freep) uint8_t *bytes = alloc_zeroed(n + 1, 1); // so that a sanitizer sees its end
        struct http_request request;
        size_t n_head = 0;
        memcpy(bytes, whole, n);
        assert_int_equal(http_request_parse((struct slice){bytes, n}, &request, &n_head),
                         HTTP_E_PENDING);
    }
}

static void test_bad_heads(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / \r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET / HTTP/1.2\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        " GET / HTTP/1.1\r\n\r\n",
        "G\001T / HTTP/1.1\r\n\r\n",
        "GET x HTTP/1.1\r\n\r\n",
        "GET * HTTP/1.1\r\n\r\n",
        "GET http://x/ HTTP/1.1\r\n\r\n",
        "GET /\x7f HTTP/1.1\r\n\r\n",
        "GET /\t HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET / HTTP/1.1\r\n: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\001b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nOrigin: a\r\nOrigin: a\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct http_request request;
        size_t n = 0;
        if (parse(bad[i], &request, &n) != HTTP_E_BAD) {
            fail_msg("%s", bad[i]);
        }
    }
}

static void test_lists(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        bool has;
    } cases[] = {
        {"gzip", true},        {"GZip", true},           {"br, gzip", true},
        {"br,gzip;q=1", true}, {" ,, gzip\t", true},     {"gzip; q=0.001", true},
        {"gzip;q=0", false},   {"gzip ; q=0.00", false}, {"gzip;Q=0.", false},
        {"gzip2", false},      {"x-gzip", false},        {"", false},
        {",", false},          {"br;gzip", false},       {"*", false},
        {"gz ip", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (http_list_has(slice_of_text(cases[i].list), "gzip") != cases[i].has) {
            fail_msg("%s", cases[i].list);
        }
    }
    assert_false(http_list_has((struct slice){0}, "gzip"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_every_beginning_of_it_is_pending),
        cmocka_unit_test(test_bad_heads),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
