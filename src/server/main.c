// stax-server: built in order, run, torn down in reverse.

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "rpc/client.h"
#include "rpc/document.h"
#include "server/options.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void on_accept(void *context, int fd)
{
    connections_accept(&((struct server *)context)->connections, fd);
}

// ---- Signals ----------------------------------------------------------------------------------

struct signals {
    struct loop_fd io;
    struct server *server;
};

static bool handle_signal(struct loop_fd *io)
{
    struct signals *signals = CONTAINER_OF(io, struct signals, io);
    struct signalfd_siginfo info;
    if (read(io->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        log_info("stax-server", "%s: leaving", strsignal((int)info.ssi_signo));
        server_leave(signals->server);
    }
    return true;
}

static void forget_signals(struct loop_fd *io)
{
    (void)io;
}

static int signals_init(struct signals *signals, struct server *server)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGHUP);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    signal(SIGPIPE, SIG_IGN);
    *signals = (struct signals){
        .server = server,
        .io = {.fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK),
               .on_readable = handle_signal,
               .on_closed = forget_signals},
    };
    return signals->io.fd < 0 ? -errno : loop_add(&server->loop, &signals->io);
}

// ---- Main -------------------------------------------------------------------------------------

static void start_replay(struct server *server, const struct options *options)
{
    if (options->replay_path == NULL) {
        return;
    }
    struct registry_start start = {
        .params =
            {
                .backend = &capture_replay,
                .label = alloc_text(options->replay_path, strlen(options->replay_path)),
                .replay_path = alloc_text(options->replay_path, strlen(options->replay_path)),
            },
    };
    struct err error;
    ASSERT(registry_start(&server->registry, start, &error) == 0); // it is into the history
}

// On the thread of debuginfod.
static void on_source(void *context, const struct build_id *id, const char *source)
{
    (void)id;
    (void)source;
    questions_on_source(&((struct server *)context)->questions);
}

// Debug files from servers, if there are any in the environment.
static void start_fetching(struct server *server)
{
    struct debuginfod_settings settings;
    debuginfod_settings_init(&settings);
    debuginfod_settings_read(&settings, "/etc/debuginfod");
    struct debuginfod_client client = debuginfod_client_of(&server->library);
    client.source_found = on_source;
    client.source_context = server;
    debuginfod_init(&server->debuginfod, &settings, client);
    debuginfod_settings_fini(&settings);
}

static void say_ready(int fd)
{
    if (fd >= 0) {
        if (fd_write_all(fd, "\n", 1) < 0) {
            log_warning("--ready-fd %d cannot be written", fd);
        }
        close(fd);
    }
}

static int print_and_leave(const struct options *options)
{
    CLEANUP(text_fini) struct text text = {0};
    if (options->help) {
        text_add(&text, options_help);
    } else if (options->version) {
        text_add(&text, "stax-server " STAX_VERSION "\n");
    } else if (options->print_protocol == PRINT_OPENRPC) {
        document_put_openrpc(&text);
        text_add(&text, "\n");
    } else if (options->print_protocol == PRINT_MARKDOWN) {
        document_put_markdown(&text);
    } else {
        document_put_typescript(&text);
    }
    return fd_write_all(STDOUT_FILENO, text_get(&text), text.n) < 0 ? 1 : 0;
}

// The clients that it was started with, and for.
static void accept_given(struct server *server, const struct options *options)
{
    server->is_private = true;
    for (size_t i = 0; i < options->n_connections; i++) {
        int fd = options->connection_fds[i];
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        connections_accept(&server->connections, fd);
    }
}

// Where commands and browsers come in. `web`: NULL when browsers do not. Without them the server
// goes on; a stale token is taken away, which the socket's lock makes ours.
static int listen_for_clients(struct server *server, const char *socket_path,
                              const struct web_address *web, struct err *reterr)
{
    int r = listener_open(&server->listener, &server->loop, socket_path, on_accept, server, reterr);
    if (r < 0) {
        return r;
    }
    struct err error = {0};
    web_token_forget(socket_path);
    if (web != NULL && web_open(&server->web, web, socket_path, &error) < 0) {
        log_warning("%s", error.text);
    }
    log_info("stax-server", "listening on %s", socket_path);
    if (server->web.url.n > 0) {
        log_info("stax-server", "browsers: %s (`stax ui` opens it)", text_get(&server->web.url));
    }
    return 0;
}

// Plain data first, then the loop that works on it, then the threads that wake the loop; torn down
// the other way round, so that nobody is woken that is gone.
static int serve(const struct options *options, const char *socket_path,
                 const struct web_address *web)
{
    struct err error = {0};
    struct signals signals;
    struct server *s = NEW(struct server);
    s->started_unix_ns = clock_unix_ns();
    s->tap_path = options->tap_path;
    s->listener.lock_fd = -1;
    connections_init(&s->connections, s);
    web_init(&s->web, s, "this server was told to serve no browsers (--ws-bind none)");
    waiters_init(&s->waiters, s);
    subscriptions_init(&s->subscriptions, s);
    int r = loop_init(&s->loop, server_on_wake, s);
    if (r < 0) {
        log_error("cannot set up the event loop: %s", strerror(-r));
        free(s);
        return 1;
    }
    library_init(&s->library, server_on_symbols, s);
    start_fetching(s);
    filer_init(&s->loader, &s->loop);
    filer_init(&s->saver, &s->loop);
    registry_init(&s->registry, s, options->runs_folder);
    questions_init(&s->questions, s);
    inspector_init(&s->inspector, &s->loop, server_on_looked, s);
    r = signals_init(&signals, s);
    if (r == 0 && options->n_connections > 0) {
        accept_given(s, options);
    } else if (r == 0) {
        r = listen_for_clients(s, socket_path, web, &error);
    }
    if (r == 0) {
        start_replay(s, options);
        say_ready(options->ready_fd);
        loop_run(&s->loop);
    } else {
        log_error("%s", error.text[0] != 0 ? error.text : strerror(-r));
    }
    listener_close(&s->listener);
    web_close(&s->web);
    inspector_fini(&s->inspector);
    if (!questions_fini(&s->questions)) {
        _exit(r == 0 ? 0 : 1); // a thread hangs in a file system, and looks at what would be freed
    }
    filer_fini(&s->saver);
    filer_fini(&s->loader);
    registry_fini(&s->registry);
    debuginfod_stop(&s->debuginfod);
    library_fini(&s->library);
    debuginfod_fini(&s->debuginfod); // whom the library wakes
    loop_fini(&s->loop); // closes the connections, which drop their waiters and subscriptions
    subscriptions_fini(&s->subscriptions);
    waiters_fini(&s->waiters);
    parked_calls_fini(&s->parked);
    connections_fini(&s->connections);
    web_fini(&s->web);
    free(s);
    return r == 0 ? 0 : 1;
}

// Memory of runs comes in large zeroed chunks that are filled bit by bit, and is given back as a
// whole. glibc learns from the first one that is freed to take such chunks from the heap from then
// on, where they have to be zeroed at once and leave holes: 64 small runs took 970 MiB, not 140.
static void choose_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

int main(int argc, char **argv)
{
    choose_memory();
    struct options options;
    struct err error = {0};
    if (options_parse(argc, argv, &options, &error) < 0) {
        log_error("%s", error.text);
        return 1;
    }
    if (options.help || options.version || options.print_protocol != PRINT_NOTHING) {
        return print_and_leave(&options);
    }
    log_quiet = options.quiet;
    struct web_address web;
    int has_web = options.n_connections > 0 ? OPTIONS_NO_WEB
                                            : options_web_address(&options, &web, &error);
    if (has_web < 0) {
        log_error("%s", error.text);
        return 1;
    }
    CLEANUP(text_fini) struct text path = {0};
    if (options.n_connections > 0) {
        text_add(&path, "the descriptors that it was given");
    } else if (options.socket_path != NULL) {
        text_add(&path, options.socket_path);
    } else if (rpc_socket_path(&path, &error) < 0) {
        log_error("%s", error.text);
        return 1;
    }
    return serve(&options, text_get(&path), has_web == OPTIONS_WEB ? &web : NULL);
}
