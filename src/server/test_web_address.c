#include "server/web_address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

// ---- Addresses --------------------------------------------------------------------------------

static const struct {
    const char *text;
    const char *url; // NULL: refused
    bool loopback;
    bool wildcard;
} addresses[] = {
    {"127.0.0.1:8080", "http://127.0.0.1:8080/", true, false},
    {"127.0.0.1:80", "http://127.0.0.1/", true, false},
    {"127.255.0.9:1", "http://127.255.0.9:1/", true, false},
    {"localhost:65535", "http://127.0.0.1:65535/", true, false},
    {"[::1]:8080", "http://[::1]:8080/", true, false},
    {"[0:0:0:0:0:0:0:1]:8080", "http://[::1]:8080/", true, false},
    {"0.0.0.0:8080", "http://127.0.0.1:8080/", false, true},
    {"[::]:8080", "http://[::1]:8080/", false, true},
    {"192.168.1.5:8080", "http://192.168.1.5:8080/", false, false},
    {"[2001:db8::7]:8080", "http://[2001:db8::7]:8080/", false, false},
    {"128.0.0.1:8080", "http://128.0.0.1:8080/", false, false},
    {"[::ffff:127.0.0.1]:8080", "http://[::ffff:127.0.0.1]:8080/", false, false},
    {"", NULL, false, false},
    {":8080", NULL, false, false},
    {"8080", NULL, false, false},
    {"127.0.0.1", NULL, false, false},
    {"127.0.0.1:", NULL, false, false},
    {"127.0.0.1:65536", NULL, false, false},
    {"127.0.0.1:000080", NULL, false, false},
    {"127.0.0.1:-1", NULL, false, false},
    {"127.0.0.1:+1", NULL, false, false},
    {"127.0.0.1: 1", NULL, false, false},
    {"127.0.0.1:80x", NULL, false, false},
    {" 127.0.0.1:80", NULL, false, false},
    {"127.1:80", NULL, false, false},
    {"127.0.0.01:80", NULL, false, false},
    {"2130706433:80", NULL, false, false},
    {"::1:8080", NULL, false, false},
    {"[::1]8080", NULL, false, false},
    {"[::1:8080", NULL, false, false},
    {"[]:8080", NULL, false, false},
    {"[127.0.0.1]:8080", NULL, false, false},
    {"[fe80::1%lo]:8080", NULL, false, false},
    {"localhost.example:80", NULL, false, false},
    {"LOCALHOST:80", NULL, false, false},
    {"example.org:80", NULL, false, false},
    {"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:80", NULL, false, false},
};

static void test_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct web_address address;
        struct err error = {0};
        CLEANUP(text_fini) struct text url = {0};
        int r = web_address_parse(addresses[i].text, &address, &error);
        if (addresses[i].url == NULL) {
            assert_int_equal(r, -EINVAL);
            assert_non_null(strstr(error.text, addresses[i].text));
            continue;
        }
        assert_int_equal(r, 0);
        web_address_put_url(&address, &url);
        assert_string_equal(text_get(&url), addresses[i].url);
        assert_int_equal(address.is_loopback, addresses[i].loopback);
        assert_int_equal(address.is_wildcard, addresses[i].wildcard);
    }
}

static void test_port_that_is_known_later(void **state)
{
    (void)state;
    struct web_address address;
    CLEANUP(text_fini) struct text url = {0};
    assert_int_equal(web_address_parse("[::1]:0", &address, NULL), 0);
    assert_int_equal(address.port, 0);
    web_address_set_port(&address, 41234);
    assert_int_equal(ntohs(address.socket.v6.sin6_port), 41234);
    web_address_put_url(&address, &url);
    assert_string_equal(text_get(&url), "http://[::1]:41234/");
}

// ---- Names ------------------------------------------------------------------------------------

static const struct {
    const char *address;
    const char *host;
    bool ours;
} hosts[] = {
    {"127.0.0.1:8080", "127.0.0.1:8080", true},
    {"127.0.0.1:8080", "localhost:8080", true},
    {"127.0.0.1:8080", "[::1]:8080", true},
    {"[::1]:8080", "127.0.0.1:8080", true},
    {"127.0.0.5:8080", "127.0.0.5:8080", true},
    {"127.0.0.1:8080", "127.0.0.5:8080", false},
    {"127.0.0.1:8080", "127.0.0.1:8081", false},
    {"127.0.0.1:8080", "127.0.0.1:808", false},
    {"127.0.0.1:8080", "127.0.0.1", false},
    {"127.0.0.1:8080", "127.0.0.1:", false},
    {"127.0.0.1:8080", ":8080", false},
    {"127.0.0.1:8080", "", false},
    {"127.0.0.1:8080", "localhost", false},
    {"127.0.0.1:8080", "LocalHost:8080", false},
    {"127.0.0.1:8080", "localhost.:8080", false},
    {"127.0.0.1:8080", "evil.example:8080", false},
    {"127.0.0.1:8080", "localhost.evil.example:8080", false},
    {"127.0.0.1:8080", "evil-localhost:8080", false},
    {"127.0.0.1:8080", "127.0.0.1:8080:8080", false},
    {"127.0.0.1:8080", "127.0.0.1 :8080", false},
    {"127.0.0.1:8080", "192.168.1.5:8080", false},
    {"127.0.0.1:80", "127.0.0.1", true},
    {"127.0.0.1:80", "localhost", true},
    {"127.0.0.1:80", "localhost:80", true},
    {"127.0.0.1:80", "evil.example", false},
    {"192.168.1.5:8080", "192.168.1.5:8080", true},
    {"192.168.1.5:8080", "localhost:8080", false},
    {"192.168.1.5:8080", "192.168.1.6:8080", false},
    {"0.0.0.0:8080", "192.168.1.6:8080", true},
    {"0.0.0.0:8080", "[2001:db8::7]:8080", true},
    {"0.0.0.0:8080", "localhost:8080", true},
    {"0.0.0.0:8080", "evil.example:8080", false},
    {"0.0.0.0:8080", "[evil]:8080", false},
    {"0.0.0.0:8080", "1.2.3.4.evil:8080", false},
    {"[::]:8080", "[2001:db8::7]:8080", true},
    {"[::]:8080", "2001:db8::7:8080", false},
};

static void test_hosts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct web_address address;
        assert_int_equal(web_address_parse(hosts[i].address, &address, NULL), 0);
        if (web_address_has_host(&address, slice_of_text(hosts[i].host)) != hosts[i].ours) {
            fail_msg("%s on %s", hosts[i].host, hosts[i].address);
        }
    }
}

static void test_host_with_a_zero_byte(void **state)
{
    (void)state;
    struct web_address address;
    static const char host[] = "1.2.3.4\0evil:8080";
    assert_int_equal(web_address_parse("0.0.0.0:8080", &address, NULL), 0);
    struct slice bytes = {(const uint8_t *)host, sizeof host - 1};
    assert_false(web_address_has_host(&address, bytes));
}

static const struct {
    const char *origin;
    bool same;
} origins[] = {
    {"http://127.0.0.1:8080", true},
    {"http://localhost:8080", false},
    {"https://127.0.0.1:8080", false},
    {"HTTP://127.0.0.1:8080", false},
    {"http://127.0.0.1:8080/", false},
    {"http://127.0.0.1:80800", false},
    {"http://127.0.0.1:808", false},
    {"http://", false},
    {"http:", false},
    {"", false},
    {"null", false},
    {"127.0.0.1:8080", false},
    {"http://x@127.0.0.1:8080", false},
    {" http://127.0.0.1:8080", false},
    {"xhttp://127.0.0.1:8080", false},
};

static void test_origins(void **state)
{
    (void)state;
    struct slice host = slice_of_text("127.0.0.1:8080");
    for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
        assert_int_equal(web_origin_is_of(slice_of_text(origins[i].origin), host), origins[i].same);
    }
    assert_false(web_origin_is_of((struct slice){0}, host));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_port_that_is_known_later),
        cmocka_unit_test(test_hosts),     cmocka_unit_test(test_host_with_a_zero_byte),
        cmocka_unit_test(test_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
