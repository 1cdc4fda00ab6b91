#include "server/loop.h"

#include "base/clock.h"
#include "base/limits.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

// Beyond the clients: the listening sockets, the signals, and what the library itself needs.
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

void loop_fini(struct loop *loop)
{
    if (loop->context != NULL) {
        struct lws_context *context = TAKE(loop->context);
        lws_context_destroy(context);
    }
    vec_fini(&loop->again);
    vec_fini(&loop->timers);
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

void loop_hand_over(struct loop_fd *from, struct loop_fd *to)
{
    forget_again(from);
    to->loop = from->loop;
    to->fd = from->fd;
    to->wsi = TAKE(from->wsi);
    from->fd = -1;
    lws_set_opaque_user_data(to->wsi, to);
}

void loop_close_later(struct loop_fd *fd)
{
    if (fd->wsi != NULL) {
        lws_set_timeout(fd->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    }
}

// ---- Timers ------------------------------------------------------------------------------------

static void set_alarm(struct loop *loop)
{
    uint64_t first_ns = UINT64_MAX;
    for (size_t i = 0; i < loop->timers.n; i++) {
        first_ns = MIN(first_ns, loop->timers.at[i]->due_ns);
    }
    struct itimerspec when = {0}; // zero: never
    if (first_ns != UINT64_MAX) {
        when.it_value.tv_sec = (time_t)(first_ns / NS_PER_S);
        when.it_value.tv_nsec = (long)(first_ns % NS_PER_S);
    }
    timerfd_settime(loop->alarm.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void loop_timer_cancel(struct loop_timer *timer)
{
    struct loop *loop = TAKE(timer->loop);
    for (size_t i = 0; loop != NULL && i < loop->timers.n; i++) {
        if (loop->timers.at[i] == timer) {
            vec_remove_at(&loop->timers, i);
            break;
        }
    }
}

void loop_timer_set(struct loop *loop, struct loop_timer *timer, uint64_t in_ns)
{
    uint64_t now_ns = clock_now_ns();
    loop_timer_cancel(timer);
    timer->loop = loop;
    timer->due_ns = now_ns + MIN(in_ns, UINT64_MAX / 2 - now_ns);
    vec_push(&loop->timers, timer);
    set_alarm(loop);
}

// One that is due; those that are set meanwhile have their turn the next time.
static struct loop_timer *take_due(struct loop *loop, uint64_t now_ns)
{
    for (size_t i = 0; i < loop->timers.n; i++) {
        struct loop_timer *timer = loop->timers.at[i];
        if (timer->due_ns <= now_ns) {
            loop_timer_cancel(timer);
            return timer;
        }
    }
    return NULL;
}

static bool handle_alarm(struct loop_fd *fd)
{
    struct loop *loop = fd->loop;
    uint64_t n_times;
    uint64_t now_ns = clock_now_ns();
    if (read(fd->fd, &n_times, sizeof n_times) < 0) {
        return true; // it was set anew before it was looked at
    }
    for (struct loop_timer *timer; (timer = take_due(loop, now_ns)) != NULL;) {
        timer->on_time(timer);
    }
    set_alarm(loop);
    return true;
}

static void handle_alarm_closed(struct loop_fd *fd)
{
    (void)fd; // the loop ends
}

// ---- Life --------------------------------------------------------------------------------------

static int open_alarm(struct loop *loop)
{
    loop->alarm = (struct loop_fd){
        .fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
        .on_readable = handle_alarm,
        .on_closed = handle_alarm_closed,
    };
    return loop->alarm.fd < 0 ? -errno : loop_add(loop, &loop->alarm);
}

int loop_init(struct loop *loop, void (*on_wake)(void *user), void *user)
{
    *loop = (struct loop){.on_wake = on_wake, .user = user};
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .protocols = protocols,
        .user = loop,
        .fd_limit_per_thread = LIMIT_CONNECTIONS + 2 * LIMIT_WEB_CLIENTS + OWN_FDS,
    };
    struct lws_context *context = lws_create_context(&info);
    if (context == NULL) {
        return -ENOMEM;
    }
    info.vhost_name = "local";
    loop->vhost = lws_create_vhost(context, &info);
    int r = loop->vhost == NULL ? -ENOMEM : open_alarm(loop);
    if (r < 0) {
        lws_context_destroy(context);
        return r;
    }
    loop->context = context;
    return 0;
}
