#include "base/file.h"
#include "base/log.h"
#include "cli/cmd.h"
#include "cli/format.h"
#include "cli/session.h"
#include "rpc/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct export_options {
    const char *format;
    bool off_cpu;
    struct scope scope;
    bool json;
};

static const struct export_options defaults = {.scope = SCOPE_DEFAULTS};

static const struct option options[] = {
    {.letter = 'f',
     .name = "format",
     .value = "FORMAT",
     .doc = "what reads it: see above",
     .kind = OPTION_CHOICE,
     .at = offsetof(struct export_options, format),
     .choices = rpc_export_formats},
    OPTION_OFF_CPU(struct export_options),
    OPTION_JSON(struct export_options),
    OPTIONS_SCOPE(struct export_options),
    {.name = NULL},
};

// The answer of the server, or NULL after printing why not.
static json_t *ask(const struct export_options *o, const char *path)
{
    CLEANUP(client_fini) struct client client = CLIENT_INIT;
    struct run_choice run = {.text = o->scope.run};
    client.timeout_ms = -1; // large runs take their time
    if (!session_open_run(&client, &run)) {
        return NULL;
    }
    json_t *view = session_view(&client, &o->scope, run.id);
    if (view == NULL) {
        return NULL;
    }
    json_t *params = json_pack("{s:s s:s s:s s:o}", "format", o->format, "path", path, "mode",
                               o->off_cpu ? "off_cpu" : "on_cpu", "view", view);
    if (params == NULL) {
        session_print_not_text(path);
        return NULL;
    }
    return session_call(&client, "RunControl.export", params);
}

static void print_answer(const json_t *answer)
{
    CLEANUP(text_fini) struct text line = {0};
    const char *path = result_text(answer, "path");
    text_add_escaped(&line, path, strlen(path));
    text_add(&line, ": ");
    format_things(&line, result_u64(answer, "samples"), "sample", "samples");
    text_add(&line, ", ");
    format_things(&line, result_u64(answer, "intervals"), "wait", "waits");
    text_add(&line, ", ");
    format_things(&line, result_u64(answer, "bytes"), "byte", "bytes");
    puts(text_get(&line));
}

static int to_path(const struct export_options *o, const char *path)
{
    CLEANUP(freep) char *whole = session_absolute_path(path);
    json_t *answer = whole == NULL ? NULL : ask(o, whole);
    if (answer == NULL) {
        return 1;
    }
    if (o->json) {
        session_print_json(answer);
    } else {
        print_answer(answer);
    }
    json_decref(answer);
    return 0;
}

// ---- To stdout ---------------------------------------------------------------------------------

static int copy(int from, int to)
{
    char bytes[64 << 10];
    for (;;) {
        ssize_t n = read(from, bytes, sizeof bytes);
        if (n == 0) {
            return 0;
        }
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        int r = n < 0 ? 0 : fd_write_all(to, bytes, (size_t)n);
        if (r < 0) {
            return r;
        }
    }
}

static int print_file(const char *path)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        log_error("stax-server wrote %s, which is not to be seen here: %s; give a path that both "
                  "can see",
                  path, strerror(errno));
        return 1;
    }
    int r = copy(fd, STDOUT_FILENO);
    if (r < 0) {
        log_error("cannot write the output: %s", strerror(-r));
    }
    return r < 0;
}

// Through a file in a directory of our own: the server writes files, and not into other programs.
static int to_stdout(const struct export_options *o)
{
    const char *temp = getenv("TMPDIR");
    CLEANUP(text_fini) struct text directory = {0};
    CLEANUP(text_fini) struct text path = {0};
    CLEANUP(freep)
    char *place = session_absolute_path(temp == NULL || temp[0] == 0 ? "/tmp" : temp);
    if (place == NULL) {
        return 1;
    }
    text_addf(&directory, "%s/stax-export-XXXXXX", place);
    if (mkdtemp(directory.at) == NULL) {
        log_error("cannot make %s: %s; set TMPDIR to a place with room", text_get(&directory),
                  strerror(errno));
        return 1;
    }
    text_addf(&path, "%s/export", text_get(&directory));
    json_t *answer = ask(o, text_get(&path));
    int status = answer == NULL ? 1 : print_file(text_get(&path));
    json_decref(answer);
    unlink(text_get(&path));
    rmdir(text_get(&directory));
    return status;
}

static int export_run(const void *values, const struct operands *operands)
{
    const struct export_options *o = values;
    const char *path = operands->at[0];
    if (o->format == NULL) {
        CLEANUP(text_fini) struct text names = {0};
        for (size_t i = 0; rpc_export_formats[i] != NULL; i++) {
            text_addf(&names, "%s%s", i == 0 ? "" : ", ", rpc_export_formats[i]);
        }
        log_error("--format is missing: one of %s; see: stax export --help", text_get(&names));
        return 1;
    }
    if (strcmp(path, "-") != 0) {
        return to_path(o, path);
    }
    if (o->json) {
        log_error("--json prints where the file is; with PATH `-` the file itself is printed");
        return 1;
    }
    return to_stdout(o);
}

const struct cmd cmd_export = {
    .name = "export",
    .synopsis = "--format FORMAT [--off-cpu] [--json] [SCOPE] PATH",
    .summary = "write a run for other tools, or as a page for a browser",
    .details =
        "PATH `-`: to stdout. Formats, and what reads them:\n"
        "\n"
        "  folded      flamegraph.pl, inferno, speedscope: a line per stack, with its samples; with\n"
        "              --off-cpu microseconds of waiting\n"
        "  speedscope  www.speedscope.app: a profile per thread, running and waiting\n"
        "  pprof       `go tool pprof`: samples, CPU time, waits and blocked time\n"
        "  firefox     profiler.firefox.com: samples and waits over time; packed with gzip\n"
        "  perfetto    ui.perfetto.dev: the same as a trace\n"
        "  html        a browser: a page that stands on its own\n"
        "\n"
        "Names and numbers are those of `stax top`. Of a run that goes on it writes what there is.",
    .options = options,
    .defaults = &defaults,
    .options_bytes = sizeof defaults,
    .operand = "PATH",
    .run = export_run,
};
