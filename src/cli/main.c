// stax: one program, many small commands. Each connects to the server, asks, prints and exits;
// none keeps anything.

#include "base/alloc.h"
#include "base/log.h"
#include "cli/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

extern const struct cmd cmd_record, cmd_status, cmd_list, cmd_wait, cmd_stop, cmd_top, cmd_flame,
    cmd_annotate, cmd_cfg, cmd_neighbors, cmd_threads, cmd_diagnose, cmd_intervals, cmd_wakers,
    cmd_timeline, cmd_now, cmd_save, cmd_open, cmd_select_run, cmd_export, cmd_import, cmd_compare,
    cmd_pause, cmd_resume, cmd_ui;

// In the order of help: what makes data, what asks about it, what manages runs.
static const struct cmd *const cmds[] = {
    &cmd_record,     &cmd_ui,        &cmd_top,     &cmd_flame,    &cmd_annotate,
    &cmd_cfg,        &cmd_neighbors, &cmd_threads, &cmd_timeline, &cmd_now,
    &cmd_intervals,  &cmd_wakers,    &cmd_compare, &cmd_save,     &cmd_open,
    &cmd_select_run, &cmd_export,    &cmd_import,  &cmd_list,     &cmd_wait,
    &cmd_pause,      &cmd_resume,    &cmd_stop,    &cmd_status,   &cmd_diagnose,
};

static void print_version(void)
{
    puts("stax " STAX_VERSION);
}

static void print_overview(void)
{
    puts("stax: a live sampling profiler. Ask where the time goes while the program runs.\n"
         "\n"
         "  stax-server &                       the server hosts the recordings; start it once\n"
         "  stax record -- ./program --its-own-options\n"
         "  stax top                            from another terminal, at any time\n"
         "\n"
         "usage: stax COMMAND [options]\n");
    for (size_t i = 0; i < ARRAY_LEN(cmds); i++) {
        printf("  %-10s  %s\n", cmds[i]->name, cmds[i]->summary);
    }
    puts(
        "\n"
        "stax COMMAND --help says more. Every question takes --json, and all but `now` --run ID|PATH.\n"
        "Exit status: 0 success, 1 failure; `stax record -- ...` passes on the program's own.");
}

static const struct cmd *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(cmds); i++) {
        if (strcmp(cmds[i]->name, name) == 0) {
            return cmds[i];
        }
    }
    return NULL;
}

static int run(const struct cmd *cmd, int argc, char **argv)
{
    CLEANUP(freep) void *options = alloc_zeroed(1, cmd->options_bytes);
    memcpy(options, cmd->defaults, cmd->options_bytes);
    struct operands operands;
    struct err err = {0};
    int r = options_parse(cmd, argc, argv, options, &operands, &err);
    if (r < 0) {
        log_error("%s", err.text);
        return 1;
    }
    if (r == OPTIONS_E_HELP) {
        CLEANUP(text_fini) struct text help = {0};
        options_put_help(cmd, &help);
        fputs(text_get(&help), stdout);
        return 0;
    }
    if (r == OPTIONS_E_VERSION) {
        print_version();
        return 0;
    }
    return cmd->run(options, &operands);
}

static int choose(int argc, char **argv)
{
    if (argc < 2) {
        print_overview();
        log_error("no command; see above, or run 'stax COMMAND --help'");
        return 1;
    }
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0) {
        print_overview();
        return 0;
    }
    if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0) {
        print_version();
        return 0;
    }
    const struct cmd *cmd = find(name);
    if (cmd == NULL) {
        log_error("unknown %s '%.60s'; run 'stax --help' for the list",
                  name[0] == '-' ? "option" : "command", name);
        return 1;
    }
    return run(cmd, argc - 2, argv + 2);
}

int main(int argc, char **argv)
{
    int status = choose(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        log_error("cannot write the output: %s", strerror(errno));
        status = status == 0 ? 1 : status;
    }
    return status;
}
