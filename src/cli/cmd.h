#pragma once

// A subcommand: what it is called, which options it takes, and the function that does it. Each
// cmd_*.c ends with one const descriptor; main.c has the list; help is printed from it.
//
// Options are a table of where each value goes in a plain struct of the command:
//
//     struct top_options { int64_t limit; bool json; };
//     static const struct top_options defaults = {.limit = 20};
//     static const struct option options[] = {
//         {'n', "limit", "N", "how many functions; 20", OPTION_INTEGER,
//          offsetof(struct top_options, limit), .min = 1, .max = 10000},
//         …
//         {.name = NULL},
//     };

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>

enum option_kind {
    OPTION_FLAG,    // bool
    OPTION_INTEGER, // int64_t, within min and max
    OPTION_NUMBER,  // double, within min and max
    OPTION_TEXT,    // const char *
    OPTION_CHOICE,  // const char *, one of `choices`
    OPTION_TEXTS, // struct option_texts: may be given several times, up to max (0: as many as fit)
};

enum { OPTION_TEXTS_MAX = 256 };

struct option_texts {
    const char *at[OPTION_TEXTS_MAX];
    size_t n;
};

struct option {
    char letter; // 0: none
    const char *name;
    const char *value; // how help calls its value; NULL for a flag
    const char *doc;
    enum option_kind kind;
    size_t at; // offset into the command's struct
    double min;
    double max;
    const char *const *choices; // NULL-terminated
    const char *heading;        // help puts it in front of this one and those behind it
};

// What is left of the command line.
struct operands {
    char **at;
    int n;
    bool after_dashes; // they follow a `--`
};

struct cmd {
    const char *name;
    const char *synopsis; // behind `stax NAME`
    const char *summary;  // one line, for the overview
    const char *details;  // paragraphs for its own help; may be NULL
    const struct option *options;
    const void *defaults; // of its struct
    size_t options_bytes;
    bool takes_command;  // operands are allowed, but only behind `--`
    const char *operand; // how help calls the operand that it needs; NULL: none
    int n_operands;      // how many of them; 0: one

    // Prints what there is to print; the exit status of the program.
    int (*run)(const void *options, const struct operands *operands);
};

// Options that many commands share.
#define OPTION_JSON(type)                                                                          \
    {                                                                                              \
        .name = "json", .doc = "print the answer of the server as JSON",                           \
        .at = offsetof(type, json)                                                                 \
    }
#define OPTION_RUN_AT(offset)                                                                      \
    {                                                                                              \
        .name = "run", .value = "ID|PATH",                                                         \
        .doc = "which run, or a run file; default: the selected or active one, else the newest",   \
        .kind = OPTION_TEXT, .at = (offset)                                                        \
    }
#define OPTION_RUN(type) OPTION_RUN_AT(offsetof(type, run))
#define OPTION_OFF_CPU(type)                                                                       \
    {                                                                                              \
        .name = "off-cpu", .doc = "time spent waiting, rather than on a CPU",                      \
        .at = offsetof(type, off_cpu)                                                              \
    }
#define OPTION_REASON(type)                                                                        \
    {                                                                                              \
        .name = "reason", .value = "R",                                                            \
        .doc = "only waits for: idle lock sem ipc ioR ioW ready sleep conn other",                 \
        .kind = OPTION_CHOICE, .at = offsetof(type, reason), .choices = waits_reason_words         \
    }
#define OPTION_ADDRESSES(type)                                                                     \
    {                                                                                              \
        .name = "addresses", .doc = "with where each function begins: a TARGET of other commands", \
        .at = offsetof(type, addresses)                                                            \
    }
#define OPTION_TID_AT(offset)                                                                      \
    {                                                                                              \
        .name = "tid", .value = "TID", .doc = "only this thread", .kind = OPTION_INTEGER,          \
        .at = (offset), .min = 1, .max = INT32_MAX                                                 \
    }
#define OPTION_TID(type) OPTION_TID_AT(offsetof(type, tid))

enum options_outcome {
    OPTIONS_OK = 0,
    OPTIONS_E_HELP = 1,    // -h was given
    OPTIONS_E_VERSION = 2, // -V was given
};

// Reads `argv` (without the command's own name) into `options`, which holds the defaults. Returns
// an outcome or -EINVAL with a line for the user.
int options_parse(const struct cmd *cmd, int argc, char **argv, void *options,
                  struct operands *ret_operands, struct err *reterr);

// The help of one command.
void options_put_help(const struct cmd *cmd, struct text *to);
