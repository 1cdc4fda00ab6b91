#include "rpc/client.h"

#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

// The other end of a socket pair answers with prepared bytes, in pieces.
static int answer(const char *bytes, size_t n, json_t **ret, struct rpc_error *error)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    client.fd = ends[0];
    CLEANUP(closep) int server = ends[1];
    assert_int_equal(client_send(&client, "RunControl.status", NULL, error), 0);
    int r = CLIENT_E_PENDING;
    for (size_t i = 0; i < n && r == CLIENT_E_PENDING; i++) {
        assert_int_equal(write(server, bytes + i, 1), 1);
        r = client_receive(&client, ret, error);
    }
    if (r == CLIENT_E_PENDING) {
        closep(&server);
        r = client_receive(&client, ret, error);
    }
    return r;
}

static void test_reads_its_answer_among_others(void **state)
{
    (void)state;
    const char *bytes = "{\"jsonrpc\":\"2.0\",\"method\":\"subscription\",\"params\":{}}\n"
                        "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"old\":true}}\n"
                        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"new\":true}}\n";
    json_t *result = NULL;
    struct rpc_error error;
    assert_int_equal(answer(bytes, strlen(bytes), &result, &error), CLIENT_OK);
    assert_true(json_is_true(json_object_get(result, "new")));
    json_decref(result);
}

static void test_refusal_has_a_kind(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text line = {0};
    json_t *id = json_integer(1);
    rpc_put_error(&line, id, RPC_ERROR_ALREADY_ACTIVE, "another run is already active");
    json_decref(id);
    json_t *result = NULL;
    struct rpc_error error;
    assert_int_equal(answer(line.at, line.n, &result, &error), CLIENT_E_REFUSED);
    assert_int_equal(error.kind, RPC_ERROR_ALREADY_ACTIVE);
    assert_string_equal(error.text.text, "another run is already active");
}

static void test_bad_servers(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "\n", "x\n", "[]\n", "{\"id\":1}\n", "{\"id\":1,\"result\":", "",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_t *result = NULL;
        struct rpc_error error = {0};
        int r = answer(rows[i], strlen(rows[i]), &result, &error);
        assert_true(r < 0);
        assert_true(error.text.text[0] != 0);
        assert_null(result);
    }
}

static void test_where_the_socket_is(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text path = {0};
    struct err err;
    unsetenv("STAX_SERVER_SOCKET");
    unsetenv("XDG_RUNTIME_DIR");
    assert_int_equal(rpc_socket_path(&path, &err), 0);
    CLEANUP(text_fini) struct text expected = {0};
    text_addf(&expected, "/tmp/stax-server-%u.sock", (unsigned)getuid());
    assert_string_equal(text_get(&path), text_get(&expected));
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    assert_int_equal(rpc_socket_path(&path, &err), 0);
    assert_string_equal(text_get(&path), "/run/user/7/stax-server.sock");
    setenv("STAX_SERVER_SOCKET", "here.sock", 1);
    assert_int_equal(rpc_socket_path(&path, &err), 0);
    assert_string_equal(text_get(&path), "here.sock");
    char lengthy[200];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = 0;
    setenv("STAX_SERVER_SOCKET", lengthy, 1);
    assert_int_equal(rpc_socket_path(&path, &err), -ENAMETOOLONG);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    setenv("STAX_SERVER_SOCKET", "/nonexistent/stax.sock", 1);
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    struct err err;
    assert_int_equal(client_connect(&client, &err), CLIENT_E_UNREACHABLE);
    assert_string_equal(err.text, "No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_its_answer_among_others),
        cmocka_unit_test(test_refusal_has_a_kind),
        cmocka_unit_test(test_bad_servers),
        cmocka_unit_test(test_where_the_socket_is),
        cmocka_unit_test(test_nobody_listens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
