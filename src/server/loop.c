#include "server/loop.h"

#include "base/limits.h"

#include <errno.h>
#include <unistd.h>

// Beyond the clients: the listening socket, the signals, and what the library itself needs.
enum { OWN_FDS = 16 };

// The library forgets a wish to write that is made while on_writable() runs: it stops watching for
// room when that returns. Such wishes are kept here and told to it afterwards.
static bool handle_writable(struct loop_fd *fd)
{
    fd->in_writable = true;
    bool keep = fd->on_writable(fd);
    fd->in_writable = false;
    return keep;
}

static void forget_again(struct loop_fd *fd)
{
    for (size_t i = fd->loop->again.n; i-- > 0;) {
        if (fd->loop->again.at[i] == fd) {
            vec_remove_at(&fd->loop->again, i);
        }
    }
}

static void tell_again(struct loop *loop)
{
    while (loop->again.n > 0) {
        lws_callback_on_writable(vec_pop(&loop->again)->wsi);
    }
}

static int handle_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                        size_t n)
{
    (void)user;
    (void)in;
    (void)n;
    struct loop_fd *fd = wsi == NULL ? NULL : lws_get_opaque_user_data(wsi);
    switch ((int)reason) { // of some ninety reasons
    case LWS_CALLBACK_EVENT_WAIT_CANCELLED: {
        struct loop *loop = lws_context_user(lws_get_context(wsi));
        if (loop->context != NULL) {
            loop->on_wake(loop->user);
        }
        return 0;
    }
    case LWS_CALLBACK_RAW_RX_FILE:
        return fd->on_readable(fd) ? 0 : -1;
    case LWS_CALLBACK_RAW_WRITEABLE_FILE:
        return handle_writable(fd) ? 0 : -1;
    case LWS_CALLBACK_RAW_CLOSE_FILE:
        if (fd != NULL) {
            fd->wsi = NULL;
            forget_again(fd);
            fd->fd = -1; // the library closes it
            fd->on_closed(fd);
        }
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {
    {.name = "stax", .callback = handle_event},
    {0},
};

int loop_init(struct loop *loop, void (*on_wake)(void *user), void *user)
{
    *loop = (struct loop){.on_wake = on_wake, .user = user};
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .protocols = protocols,
        .user = loop,
        .fd_limit_per_thread = LIMIT_CONNECTIONS + OWN_FDS,
    };
    struct lws_context *context = lws_create_context(&info);
    if (context == NULL) {
        return -ENOMEM;
    }
    info.vhost_name = "local";
    loop->vhost = lws_create_vhost(context, &info);
    if (loop->vhost == NULL) {
        lws_context_destroy(context);
        return -ENOMEM;
    }
    loop->context = context;
    return 0;
}

void loop_fini(struct loop *loop)
{
    if (loop->context != NULL) {
        struct lws_context *context = TAKE(loop->context);
        lws_context_destroy(context);
    }
    vec_fini(&loop->again);
}

void loop_run(struct loop *loop)
{
    while (!loop->stopping && lws_service(loop->context, 0) >= 0) {
        tell_again(loop);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
    lws_cancel_service(loop->context);
}

void loop_wake(struct loop *loop)
{
    lws_cancel_service(loop->context);
}

int loop_add(struct loop *loop, struct loop_fd *fd)
{
    fd->loop = loop;
    lws_sock_file_fd_type descriptor = {.filefd = fd->fd};
    lws_adopt_desc_t info = {
        .vh = loop->vhost,
        .type = LWS_ADOPT_RAW_FILE_DESC,
        .fd = descriptor,
        .vh_prot_name = protocols[0].name,
        .opaque = fd,
    };
    fd->wsi = lws_adopt_descriptor_vhost_via_info(&info);
    return fd->wsi == NULL ? -EMFILE : 0;
}

void loop_want_write(struct loop_fd *fd)
{
    if (fd->wsi == NULL) {
        return;
    }
    if (fd->in_writable) {
        vec_push(&fd->loop->again, fd);
    } else {
        lws_callback_on_writable(fd->wsi);
    }
}

void loop_want_read(struct loop_fd *fd, bool want)
{
    if (fd->wsi != NULL) {
        lws_rx_flow_control(fd->wsi, want ? 1 : 0);
    }
}

void loop_close_later(struct loop_fd *fd)
{
    if (fd->wsi != NULL) {
        lws_set_timeout(fd->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    }
}

static void handle_time(lws_sorted_usec_list_t *entry)
{
    struct loop_timer *timer = CONTAINER_OF(entry, struct loop_timer, entry);
    timer->on_time(timer);
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t in_ns)
{
    lws_sul_schedule(loop->context, 0, &timer->entry, handle_time, (lws_usec_t)(in_ns / 1000 + 1));
}

void loop_timer_cancel(struct loop_timer *timer)
{
    lws_sul_cancel(&timer->entry);
}
