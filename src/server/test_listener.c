#include "server/listener.h"

#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop loop;
static char folder[64];
static char path[128];
static int n_accepted;

static void on_wake(void *user)
{
    (void)user;
}

static void on_accept(void *user, int fd)
{
    (void)user;
    n_accepted++;
    close(fd);
    loop_stop(&loop);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test-listener-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/socket", folder);
    n_accepted = 0;
    return loop_init(&loop, on_wake, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    char lock[160];
    snprintf(lock, sizeof lock, "%s.lock", path);
    unlink(path);
    unlink(lock);
    return rmdir(folder);
}

static int connect_to(const char *where)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", where);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = connect(fd, (const struct sockaddr *)&address, sizeof address);
    if (r < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void test_accepts_and_is_private(void **state)
{
    (void)state;
    struct listener listener;
    assert_int_equal(listener_open(&listener, &loop, path, on_accept, NULL, NULL), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    int fd = connect_to(path);
    assert_true(fd >= 0);
    loop_run(&loop);
    assert_int_equal(n_accepted, 1);
    close(fd);
    loop_fini(&loop);
    listener_close(&listener);
    assert_int_equal(stat(path, &st), -1);
}

static void test_a_second_one_is_refused_while_the_first_lives(void **state)
{
    (void)state;
    struct listener first;
    struct listener second;
    struct err error;
    assert_int_equal(listener_open(&first, &loop, path, on_accept, NULL, NULL), 0);
    assert_int_equal(listener_open(&second, &loop, path, on_accept, NULL, &error), -EADDRINUSE);
    assert_non_null(strstr(error.text, path));
    int fd = connect_to(path); // and the first is not disturbed
    assert_true(fd >= 0);
    close(fd);
    loop_fini(&loop);
    listener_close(&first);
}

static void test_a_leftover_is_replaced(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    close(fd); // its server died
    struct listener listener;
    assert_int_equal(listener_open(&listener, &loop, path, on_accept, NULL, NULL), 0);
    fd = connect_to(path);
    assert_true(fd >= 0);
    close(fd);
    loop_fini(&loop);
    listener_close(&listener);
}

static void test_refuses_what_is_not_a_socket_and_paths_that_do_not_fit(void **state)
{
    (void)state;
    struct listener listener;
    struct err error;
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(listener_open(&listener, &loop, path, on_accept, NULL, &error), -EEXIST);
    unlink(path);
    char longer[300];
    snprintf(longer, sizeof longer, "%s/%0110d", folder, 7);
    assert_int_equal(listener_open(&listener, &loop, longer, on_accept, NULL, &error),
                     -ENAMETOOLONG);
    snprintf(longer, sizeof longer, "%s/%0110d.lock", folder, 7);
    unlink(longer);
    assert_int_equal(listener_open(&listener, &loop, "/nowhere/socket", on_accept, NULL, &error),
                     -ENOENT);
    loop_fini(&loop);
}

int main(void)
{
#define LISTENER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LISTENER(test_accepts_and_is_private),
        LISTENER(test_a_second_one_is_refused_while_the_first_lives),
        LISTENER(test_a_leftover_is_replaced),
        LISTENER(test_refuses_what_is_not_a_socket_and_paths_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
