// stax record: the only command that makes data. The server hosts the run; this command starts it,
// watches it and the program, and may be killed without harm to either.
//
//     launch    a program, suspended before its exec     (launch.h)
//     start     the server arms capture, the program is released
//     watch     until the run has ended and the program too
//
// Without a server, and with -o, it hosts the run itself: by a server of its own, that has no other
// clients and writes the run into a file (private_server.h).
//
// What ends the watching: the server says that the run has ended, the program ends, or a signal.
// A program that has ended is not reaped before the server has finished with it.

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/launch.h"
#include "cli/private_server.h"
#include "cli/report.h"
#include "cli/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LIVE_INTERVAL_MS = 250,
    FINISH_MS = 5000, // how long the server may take to end the run of a program that has ended
    LABEL_BYTES = LIMIT_LABEL_BYTES / 4, // escaping makes four bytes of one
    STATUS_INTERRUPTED = 128 + SIGINT,
};

struct record_options {
    int64_t frequency_hz;
    int64_t time_limit_s;
    int64_t pid;
    const char *file;
    const char *daemon_socket;
    bool no_dwarf_unwind;
    bool follow;
};

static const struct record_options defaults = {.frequency_hz = 900};

static const struct option options[] = {
    {.letter = 'F',
     .name = "frequency",
     .value = "HZ",
     .doc = "samples per second of each thread on a CPU; default 900",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct record_options, frequency_hz),
     .min = 1,
     .max = LIMIT_FREQUENCY_HZ},
    {.letter = 'l',
     .name = "time-limit",
     .value = "SECONDS",
     .doc = "end the run after so long; the program goes on",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct record_options, time_limit_s),
     .min = 1,
     .max = LIMIT_TIME_LIMIT_S},
    {.letter = 'p',
     .name = "pid",
     .value = "PID",
     .doc = "record a process that runs already",
     .kind = OPTION_INTEGER,
     .at = offsetof(struct record_options, pid),
     .min = 1,
     .max = INT32_MAX},
    {.letter = 'o',
     .name = "output",
     .value = "FILE",
     .doc = "record into this run file, without any server",
     .kind = OPTION_TEXT,
     .at = offsetof(struct record_options, file)},
    {.name = "follow",
     .doc = "record child processes too",
     .at = offsetof(struct record_options, follow)},
    {.name = "daemon-socket",
     .value = "PATH",
     .doc = "the broker staxd; this version has none and refuses it",
     .kind = OPTION_TEXT,
     .at = offsetof(struct record_options, daemon_socket)},
    {.name = "no-dwarf-unwind",
     .doc = "follow frame pointers only, as STAX_DWARF_UNWIND=0 does",
     .at = offsetof(struct record_options, no_dwarf_unwind)},
    {.name = NULL},
};

struct record {
    const struct record_options *options;
    struct launch launch;       // pid 0: attached
    struct private_server host; // pid 0: there is a server
    struct client control;
    struct client waiter; // has one wait_active in flight
    int signal_fd;
    int64_t run;
    struct text started; // the line that says so, once the program runs
    int interrupts;
    bool run_ended;
    bool target_ended;
    bool live;           // a status line is kept on stderr
    uint64_t give_up_ns; // when to stop waiting for the server; 0: never
};

// ---- Starting ----------------------------------------------------------------------------------

// A script given with -c may have many lines; a label has one.
static void fold_blanks(struct text *words)
{
    size_t n = 0;
    for (size_t i = 0; i < words->n; i++) {
        bool blank = strchr(" \t\r\n", words->at[i]) != NULL && words->at[i] != 0;
        if (!blank) {
            words->at[n++] = words->at[i];
        } else if (n > 0 && words->at[n - 1] != ' ') {
            words->at[n++] = ' ';
        }
    }
    words->n = n - (n > 0 && words->at[n - 1] == ' ');
}

static void put_label(struct text *to, const struct record_options *o, char **argv)
{
    CLEANUP(text_fini) struct text words = {0};
    if (o->pid > 0) {
        CLEANUP(text_fini) struct text path = {0};
        text_addf(&path, "/proc/%lld/comm", (long long)o->pid);
        file_read(text_get(&path), LIMIT_NAME_BYTES, &words); // without it the server finds a name
    }
    for (; argv != NULL && *argv != NULL && words.n < LABEL_BYTES; argv++) {
        text_addf(&words, "%s%s", words.n > 0 ? " " : "", *argv);
    }
    fold_blanks(&words);
    text_add_escaped(to, text_get(&words), MIN(words.n, (size_t)LABEL_BYTES));
}

static bool is_off(const char *setting)
{
    return setting != NULL && strcmp(setting, "0") == 0;
}

static json_t *start_params(const struct record *record, const char *label)
{
    const struct record_options *o = record->options;
    bool launched = record->launch.pid > 0;
    json_t *params = json_pack(
        "{s:I s:I s:b s:b}", "pid", (json_int_t)(launched ? record->launch.pid : o->pid),
        "frequency_hz", (json_int_t)o->frequency_hz, "launched", launched, "follow", o->follow);
    if (label[0] != 0) {
        json_object_set_new(params, "label", json_string(label));
    }
    if (o->no_dwarf_unwind || is_off(getenv("STAX_DWARF_UNWIND"))) {
        json_object_set_new(params, "dwarf_unwind", json_false());
    }
    if (o->file != NULL) {
        CLEANUP(freep) char *path = session_absolute_path(o->file);
        json_t *file = path == NULL ? NULL : json_string(path);
        if (file == NULL) {
            if (path != NULL) {
                session_print_not_text(path);
            }
            json_decref(params);
            return NULL;
        }
        json_object_set_new(params, "file", file);
    }
    if (o->time_limit_s > 0) {
        json_object_set_new(params, "time_limit_secs", json_integer(o->time_limit_s));
    }
    return params;
}

// False when the server refused; the reason was printed.
static bool start(struct record *record, char **argv)
{
    CLEANUP(text_fini) struct text label = {0};
    put_label(&label, record->options, argv);
    json_t *params = start_params(record, text_get(&label));
    if (params == NULL) {
        return false;
    }
    json_int_t pid = json_integer_value(json_object_get(params, "pid"));
    json_t *result = session_call(&record->control, "RunControl.start_attach", params);
    if (result == NULL) {
        return false;
    }
    record->run = (int64_t)result_u64(result, "id");
    json_decref(result);
    text_addf(&record->started, "recording run %lld: pid %lld at %lld Hz: %s\n",
              (long long)record->run, (long long)pid, (long long)record->options->frequency_hz,
              text_get(&label));
    return true;
}

static bool send_wait(struct record *record)
{
    struct rpc_error error = {0};
    json_t *params = json_pack("{s:I}", "run", (json_int_t)record->run);
    int r = record->waiter.fd >= 0 ? CLIENT_OK : client_connect(&record->waiter, &error.text);
    if (r == CLIENT_OK) {
        r = client_send(&record->waiter, "RunControl.wait_active", params, &error);
    }
    json_decref(params);
    if (r != CLIENT_OK) {
        log_warning("cannot watch the run, which goes on: %s", error.text.text);
    }
    return r == CLIENT_OK;
}

// ---- Signals -----------------------------------------------------------------------------------

// SIGINT and SIGTERM as something to poll, unless they are ignored (nohup, a background job).
static int open_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct sigaction action;
        sigaction(numbers[i], NULL, &action);
        if (action.sa_handler != SIG_IGN) {
            sigaddset(&set, numbers[i]);
        }
    }
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// ---- The live line -----------------------------------------------------------------------------

static void clear_live(const struct record *record)
{
    if (record->live) {
        fputs("\r\x1b[K", stderr);
    }
}

static void show_live(struct record *record)
{
    json_t *status = NULL;
    struct rpc_error error = {0};
    if (client_call(&record->control, "RunControl.status", NULL, &status, &error) != CLIENT_OK) {
        return;
    }
    const json_t *run = json_array_get(json_object_get(status, "active"), 0);
    if ((int64_t)result_u64(run, "id") == record->run) {
        CLEANUP(text_fini) struct text line = {0};
        text_add(&line, "recording ");
        format_duration(&line, result_u64(run, "duration_ns"));
        text_add(&line, "  ");
        format_things(&line, result_u64(run, "samples"), "sample", "samples");
        text_add(&line, "  ");
        format_things(&line, result_u64(run, "threads"), "thread", "threads");
        text_add(&line, "  ");
        report_put_lost(&line, run);
        format_cut(&line, format_terminal_width(STDERR_FILENO));
        fprintf(stderr, "\r%s\x1b[K", text_get(&line));
        fflush(stderr);
    }
    json_decref(status);
}

// ---- Watching ----------------------------------------------------------------------------------

static void on_run_ended(struct record *record, const json_t *summary)
{
    if (record->run_ended) {
        return;
    }
    record->run_ended = true;
    clear_live(record);
    CLEANUP(text_fini) struct text text = {0};
    report_put_summary(&text, summary);
    if (record->host.pid == 0) {
        text_add(&text, "next: stax top, stax flame, stax threads\n");
    }
    fputs(text_get(&text), stderr);
}

static void on_waiter(struct record *record)
{
    json_t *result = NULL;
    struct rpc_error error = {0};
    int r = client_receive(&record->waiter, &result, &error);
    if (r == CLIENT_E_PENDING) {
        return;
    }
    if (r == CLIENT_OK) {
        on_run_ended(record, json_object_get(result, "summary"));
    } else {
        clear_live(record);
        log_warning("run %lld is lost: %s", (long long)record->run, error.text.text);
        record->run_ended = true;
    }
    json_decref(result);
}

static void on_target_ended(struct record *record)
{
    record->target_ended = true;
    record->give_up_ns = clock_now_ns() + (uint64_t)FINISH_MS * NS_PER_MS;
}

static void stop_run(struct record *record)
{
    json_t *result = NULL;
    struct rpc_error error = {0};
    int r = client_call(&record->control, "RunControl.stop_active", NULL, &result, &error);
    const json_t *summary = json_object_get(result, "summary");
    if (r == CLIENT_OK && (int64_t)result_u64(summary, "id") == record->run) {
        on_run_ended(record, summary);
    }
    json_decref(result); // refused: it has ended by itself, and the waiter says so
}

// A terminal sends SIGINT to the program too; SIGTERM comes to us alone and is passed on.
static void on_signal(struct record *record)
{
    struct signalfd_siginfo signal;
    if (read(record->signal_fd, &signal, sizeof signal) != (ssize_t)sizeof signal) {
        return;
    }
    record->interrupts++;
    if (signal.ssi_signo == SIGTERM && record->launch.pid > 0) {
        kill(record->launch.pid, SIGTERM);
    }
    if (!record->run_ended) {
        stop_run(record);
    }
}

static int poll_timeout_ms(const struct record *record)
{
    if (record->target_ended && !record->run_ended) {
        uint64_t now_ns = clock_now_ns();
        return now_ns >= record->give_up_ns ? 0
                                            : (int)((record->give_up_ns - now_ns) / NS_PER_MS) + 1;
    }
    return record->live && !record->run_ended ? LIVE_INTERVAL_MS : -1;
}

// One round of waiting for whatever comes first.
static void watch_once(struct record *record)
{
    struct pollfd fds[] = {
        {.fd = record->signal_fd, .events = POLLIN},
        {.fd = record->run_ended ? -1 : record->waiter.fd, .events = POLLIN},
        {.fd = record->target_ended ? -1 : record->launch.pidfd, .events = POLLIN},
    };
    int n = poll(fds, ARRAY_LEN(fds), poll_timeout_ms(record));
    if (n == 0 && record->live && !record->run_ended && !record->target_ended) {
        show_live(record);
    }
    if (n <= 0) {
        return;
    }
    if (fds[0].revents != 0) {
        on_signal(record);
    }
    if (fds[1].revents != 0 && !record->run_ended) {
        on_waiter(record);
    }
    if (fds[2].revents != 0) {
        on_target_ended(record);
    }
}

static bool is_over(const struct record *record)
{
    bool launched = record->launch.pid > 0;
    if (record->interrupts > 1) {
        return true;
    }
    if (record->target_ended && !record->run_ended) {
        return clock_now_ns() >= record->give_up_ns;
    }
    return record->run_ended && (!launched || record->target_ended);
}

// The exit status of the command.
static int watch(struct record *record)
{
    while (!is_over(record)) {
        watch_once(record);
    }
    if (!record->run_ended) {
        clear_live(record);
        log_warning("run %lld has not ended yet; see: stax status", (long long)record->run);
    }
    if (record->launch.pid == 0) {
        return 0;
    }
    return record->target_ended ? launch_reap(&record->launch) : STATUS_INTERRUPTED;
}

// ---- The host ----------------------------------------------------------------------------------

static bool host_it_ourselves(struct record *record, struct err *reterr)
{
    struct client *const clients[] = {&record->control, &record->waiter};
    const char *runs_folder = record->options->file != NULL ? "" : NULL;
    return private_server_start(&record->host, clients, ARRAY_LEN(clients), runs_folder, reterr) ==
           0;
}

// False: nobody can record, and why.
static bool find_host(struct record *record, struct err *reterr)
{
    if (record->options->file != NULL) {
        return host_it_ourselves(record, reterr);
    }
    struct err why = {0};
    int r = client_connect(&record->control, &why);
    if (r != CLIENT_E_UNREACHABLE) {
        *reterr = why;
        return r == CLIENT_OK;
    }
    log_warning("stax-server unreachable: %s: %s; recording without it: nobody can ask before the "
                "end; start it with: stax-server &",
                text_get(&record->control.path), why.text);
    return host_it_ourselves(record, reterr);
}

// The name of the file that the run goes into; "" when there is none.
static void find_file(struct record *record, struct text *ret)
{
    json_t *list = NULL;
    struct rpc_error error = {0};
    if (client_call(&record->control, "RunControl.list_runs", NULL, &list, &error) == CLIENT_OK) {
        size_t i;
        json_t *run;
        json_array_foreach(json_object_get(list, "runs"), i, run)
        {
            if ((int64_t)result_u64(run, "id") == record->run) {
                text_add(ret, result_text(run, "file"));
            }
        }
    }
    json_decref(list);
}

// Our own server has the names of everything to write; then the file is complete.
static void finish_hosting(struct record *record)
{
    if (record->host.pid == 0) {
        return;
    }
    CLEANUP(text_fini) struct text path = {0};
    CLEANUP(text_fini) struct text line = {0};
    find_file(record, &path);
    client_fini(&record->waiter);
    client_fini(&record->control);
    private_server_wait(&record->host);
    struct stat st;
    if (path.n > 0 && stat(text_get(&path), &st) == 0) {
        text_add(&line, "next: stax top --run ");
        text_add_escaped(&line, text_get(&path), path.n);
        text_add(&line, "  (");
        format_bytes(&line, (uint64_t)st.st_size);
        text_add(&line, ")\n");
    } else {
        text_add(&line, "warning: the run is lost: there was no file to write it to\n");
    }
    fputs(text_get(&line), stderr);
}

// ---- The two ways ------------------------------------------------------------------------------

static void say_started(struct record *record)
{
    CLEANUP(text_fini) struct text path = {0};
    fputs(text_get(&record->started), stderr);
    if (record->host.pid == 0) {
        return;
    }
    find_file(record, &path);
    CLEANUP(text_fini) struct text line = {0};
    if (path.n > 0) {
        text_add(&line, "recording into ");
        text_add_escaped(&line, text_get(&path), path.n);
        text_add(&line, "\n");
    } else {
        text_add(&line, "warning: there is no place to keep the run; give it one: -o FILE\n");
    }
    fputs(text_get(&line), stderr);
}

static int watch_started(struct record *record)
{
    say_started(record);
    record->live = format_is_terminal(STDERR_FILENO);
    record->run_ended = !send_wait(record);
    int status = watch(record);
    closep(&record->signal_fd);
    return status;
}

static int attach(struct record *record)
{
    struct err err = {0};
    if (!find_host(record, &err)) {
        log_error("%s", err.text);
        return 1;
    }
    record->signal_fd = open_signals(); // from here on there is something to end
    return start(record, NULL) ? watch_started(record) : 1;
}

static int not_started(struct record *record, const char *command, int r)
{
    log_error("cannot start %s: %s", command, strerror(-r));
    if (record->run > 0) {
        // Its run ends by itself; wait for that, or the next `stax record` would be too early.
        json_t *result = NULL;
        struct rpc_error error = {0};
        json_t *params = json_pack("{s:I s:i}", "run", (json_int_t)record->run, "timeout_ms",
                                   (int)FINISH_MS);
        client_call(&record->control, "RunControl.wait_active", params, &result, &error);
        json_decref(params);
        json_decref(result);
    }
    launch_reap(&record->launch);
    return 1;
}

// Without anybody to record it the program runs all the same.
static int run_unrecorded(struct record *record, const char *command, const struct err *why)
{
    log_warning("%s; %s runs without being recorded", why->text, command);
    int r = launch_release(&record->launch);
    if (r < 0) {
        return not_started(record, command, r);
    }
    record->run_ended = true;
    record->signal_fd = open_signals();
    int status = watch(record);
    closep(&record->signal_fd);
    return status;
}

static int launch(struct record *record, char **argv)
{
    struct err err = {0};
    int r = launch_check(argv[0]);
    if (r < 0) {
        log_error("cannot start %s: %s", argv[0], strerror(-r));
        return 1;
    }
    if (launch_suspended(&record->launch, argv, &err) < 0) {
        log_error("%s", err.text);
        return 1;
    }
    if (!find_host(record, &err)) {
        if (record->options->file != NULL) { // the file is what was asked for
            log_error("%s", err.text);
            launch_kill(&record->launch);
            return 1;
        }
        return run_unrecorded(record, argv[0], &err);
    }
    record->signal_fd = open_signals(); // the program has its own already
    if (!start(record, argv)) {
        launch_kill(&record->launch);
        return 1;
    }
    r = launch_release(&record->launch);
    return r < 0 ? not_started(record, argv[0], r) : watch_started(record);
}

static bool check_usage(const struct record_options *o, const struct operands *operands)
{
    if (operands->after_dashes && operands->n == 0) {
        log_error("no command behind `--`: stax record -- COMMAND");
    } else if (o->pid == 0 && operands->n == 0) {
        log_error("specify either --pid PID or a command to launch after --");
    } else if (o->pid > 0 && operands->n > 0) {
        log_error("specify either --pid PID or a command to launch after --, not both");
    } else if (o->daemon_socket != NULL) {
        log_error("--daemon-socket: this version has no broker; leave it out, stax-server then "
                  "opens perf events itself");
    } else {
        return true;
    }
    return false;
}

static int record_run(const void *values, const struct operands *operands)
{
    const struct record_options *o = values;
    if (!check_usage(o, operands)) {
        return 1;
    }
    struct record record = {
        .options = o,
        .launch = LAUNCH_INIT,
        .control = CLIENT_INIT,
        .waiter = CLIENT_INIT,
        .signal_fd = -1,
    };
    int status = o->pid > 0 ? attach(&record) : launch(&record, operands->at);
    finish_hosting(&record);
    client_fini(&record.waiter);
    client_fini(&record.control);
    text_fini(&record.started);
    launch_fini(&record.launch);
    return status;
}

const struct cmd cmd_record = {
    .name = "record",
    .synopsis = "[-F HZ] [-l SECONDS] [-o FILE] [--follow] (-p PID | -- COMMAND...)",
    .summary = "record a command or a running process, until it ends or Ctrl-C",
    .details =
        "stax record -- ./server --port 80   starts the program; not one sample of its start is\n"
        "                                    lost. Exit status: the program's own.\n"
        "stax record -p 1234                 records a process that runs already, and leaves it\n"
        "                                    running afterwards.\n"
        "\n"
        "Ask while it runs, from another terminal: stax top, stax flame, stax threads. The server\n"
        "hosts the run: killing `stax record` does not end it, `stax stop` does.\n"
        "\n"
        "stax record -o run.stax -- ./program   needs no server, for containers and CI: the file is a\n"
        "                                       run like any other: stax top --run run.stax.\n"
        "When no server can be reached, the run goes into a file of the history instead.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .takes_command = true,
    .run = record_run,
};
