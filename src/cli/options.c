#include "cli/cmd.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

// A value is shown in an error: cut, so that the line still ends with the next step.
#define SHOWN "'%.60s'"

static const struct option *find_long(const struct cmd *cmd, const char *name, size_t n)
{
    for (const struct option *option = cmd->options; option->name != NULL; option++) {
        if (strlen(option->name) == n && memcmp(option->name, name, n) == 0) {
            return option;
        }
    }
    return NULL;
}

static const struct option *find_short(const struct cmd *cmd, char letter)
{
    for (const struct option *option = cmd->options; option->name != NULL; option++) {
        if (option->letter != 0 && option->letter == letter) {
            return option;
        }
    }
    return NULL;
}

static bool read_integer(const struct option *option, const char *value, int64_t *to)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    bool is_number = value[0] != 0 && value[0] != ' ' && *end == 0 && errno == 0;
    *to = number;
    return is_number && (double)number >= option->min && (double)number <= option->max;
}

static bool read_number(const struct option *option, const char *value, double *to)
{
    char *end;
    *to = strtod(value, &end);
    bool is_number = value[0] != 0 && strspn(value, "0123456789.") == strlen(value) && *end == 0;
    return is_number && isfinite(*to) && *to >= option->min && *to <= option->max;
}

static bool read_choice(const struct option *option, const char *value, const char **to)
{
    for (const char *const *choice = option->choices; *choice != NULL; choice++) {
        if (strcmp(*choice, value) == 0) {
            *to = *choice;
            return true;
        }
    }
    return false;
}

static size_t most_texts(const struct option *option)
{
    return option->max > 0 ? (size_t)option->max : (size_t)OPTION_TEXTS_MAX;
}

static bool add_text(const struct option *option, const char *value, struct option_texts *to)
{
    if (value[0] == 0 || to->n == most_texts(option)) {
        return false;
    }
    to->at[to->n++] = value;
    return true;
}

static bool set_value(const struct option *option, const char *value, void *options)
{
    void *to = (char *)options + option->at;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)to = true;
        return true;
    case OPTION_INTEGER:
        return read_integer(option, value, to);
    case OPTION_NUMBER:
        return read_number(option, value, to);
    case OPTION_TEXT:
        *(const char **)to = value;
        return value[0] != 0;
    case OPTION_CHOICE:
        return read_choice(option, value, to);
    case OPTION_TEXTS:
        return add_text(option, value, to);
    }
    return false;
}

// What a value has to be, for people.
static void put_expectation(const struct option *option, struct text *to)
{
    if (option->kind == OPTION_INTEGER) {
        text_addf(to, "a whole number from %.15g to %.15g", option->min, option->max);
    } else if (option->kind == OPTION_NUMBER) {
        text_addf(to, "a number from %.15g to %.15g", option->min, option->max);
    } else if (option->kind == OPTION_CHOICE) {
        for (const char *const *choice = option->choices; *choice != NULL; choice++) {
            text_addf(to, "%s'%s'", choice == option->choices ? "" : " or ", *choice);
        }
    } else if (option->kind == OPTION_TEXTS) {
        text_addf(to, "something, %zu times at most", most_texts(option));
    } else {
        text_add(to, "something");
    }
}

// "-n/--limit": both ways to write it.
static void put_option_name(const struct option *option, struct text *to)
{
    if (option->letter != 0) {
        text_addf(to, "-%c/", option->letter);
    }
    text_addf(to, "--%s", option->name);
}

static int set_checked(const struct cmd *cmd, const struct option *option, const char *value,
                       void *options, struct err *reterr)
{
    if (set_value(option, value, options)) {
        return 0;
    }
    CLEANUP(text_fini) struct text name = {0};
    CLEANUP(text_fini) struct text expected = {0};
    put_option_name(option, &name);
    put_expectation(option, &expected);
    return err_set(reterr, EINVAL, "%s must be %s, not " SHOWN "; see: stax %s --help",
                   text_get(&name), text_get(&expected), value, cmd->name);
}

// ---- One argument ------------------------------------------------------------------------------

struct scan {
    const struct cmd *cmd;
    int argc;
    char **argv;
    int at; // the argument in hand
    void *options;
    struct err *reterr;
};

// The value of `option`: `attached` when it is part of the same argument, else the next argument.
static int take_value(struct scan *scan, const struct option *option, const char *attached)
{
    if (attached == NULL) {
        if (scan->at + 1 >= scan->argc) {
            CLEANUP(text_fini) struct text name = {0};
            put_option_name(option, &name);
            return err_set(scan->reterr, EINVAL, "%s needs a value, %s; see: stax %s --help",
                           text_get(&name), option->value, scan->cmd->name);
        }
        attached = scan->argv[++scan->at];
    }
    return set_checked(scan->cmd, option, attached, scan->options, scan->reterr);
}

static int unknown(const struct scan *scan, const char *argument)
{
    const char *hint = scan->cmd->takes_command ? " (options of the program go behind `--`)" : "";
    return err_set(scan->reterr, EINVAL, "unknown option " SHOWN "%s; see: stax %s --help",
                   argument, hint, scan->cmd->name);
}

static int scan_long(struct scan *scan)
{
    const char *argument = scan->argv[scan->at];
    const char *name = argument + 2;
    const char *equals = strchr(name, '=');
    size_t n = equals != NULL ? (size_t)(equals - name) : strlen(name);
    if (strcmp(name, "help") == 0) {
        return OPTIONS_E_HELP;
    }
    if (strcmp(name, "version") == 0) {
        return OPTIONS_E_VERSION;
    }
    const struct option *option = find_long(scan->cmd, name, n);
    if (option == NULL) {
        return unknown(scan, argument);
    }
    if (option->kind != OPTION_FLAG) {
        return take_value(scan, option, equals != NULL ? equals + 1 : NULL);
    }
    if (equals != NULL) {
        return err_set(scan->reterr, EINVAL, "--%s takes no value; see: stax %s --help",
                       option->name, scan->cmd->name);
    }
    set_value(option, NULL, scan->options);
    return 0;
}

// -n5, -n 5; flags may stand together: -ab.
static int scan_short(struct scan *scan)
{
    const char *argument = scan->argv[scan->at];
    for (const char *letter = argument + 1; *letter != 0; letter++) {
        if (*letter == 'h') {
            return OPTIONS_E_HELP;
        }
        if (*letter == 'V') {
            return OPTIONS_E_VERSION;
        }
        const struct option *option = find_short(scan->cmd, *letter);
        if (option == NULL) {
            return unknown(scan, argument);
        }
        if (option->kind != OPTION_FLAG) {
            return take_value(scan, option, letter[1] != 0 ? letter + 1 : NULL);
        }
        set_value(option, NULL, scan->options);
    }
    return 0;
}

static int unexpected(const struct scan *scan)
{
    const char *argument = scan->argv[scan->at];
    if (scan->cmd->takes_command) {
        return err_set(scan->reterr, EINVAL,
                       "unexpected argument " SHOWN "; a command goes behind `--`: stax %s -- "
                       "%.60s",
                       argument, scan->cmd->name, argument);
    }
    return err_set(scan->reterr, EINVAL, "unexpected argument " SHOWN "; see: stax %s --help",
                   argument, scan->cmd->name);
}

int options_parse(const struct cmd *cmd, int argc, char **argv, void *options,
                  struct operands *ret_operands, struct err *reterr)
{
    struct scan scan = {cmd, argc, argv, 0, options, reterr};
    *ret_operands = (struct operands){0};
    int wanted = cmd->operand == NULL ? 0 : MAX(cmd->n_operands, 1);
    for (; scan.at < argc; scan.at++) {
        const char *argument = argv[scan.at];
        bool is_operand = argument[0] != '-' || argument[1] == 0;
        if (is_operand && ret_operands->n < wanted) {
            ret_operands->at = argv;
            argv[ret_operands->n++] = argv[scan.at]; // what stood there has been read
            continue;
        }
        if (cmd->takes_command && strcmp(argument, "--") == 0) {
            *ret_operands = (struct operands){argv + scan.at + 1, argc - scan.at - 1, true};
            return OPTIONS_OK;
        }
        int r = is_operand           ? unexpected(&scan)
                : argument[1] == '-' ? scan_long(&scan)
                                     : scan_short(&scan);
        if (r != 0) {
            return r;
        }
    }
    if (ret_operands->n < wanted) {
        return err_set(reterr, EINVAL, "stax %s needs a %s; see: stax %s --help", cmd->name,
                       cmd->operand, cmd->name);
    }
    return OPTIONS_OK;
}

// ---- Help --------------------------------------------------------------------------------------

static void put_option(const struct option *option, struct text *to)
{
    CLEANUP(text_fini) struct text left = {0};
    if (option->letter != 0) {
        text_addf(&left, "-%c, --%s", option->letter, option->name);
    } else {
        text_addf(&left, "    --%s", option->name);
    }
    if (option->value != NULL) {
        text_addf(&left, " %s", option->value);
    }
    text_addf(to, "  %-26s  %s\n", text_get(&left), option->doc);
}

void options_put_help(const struct cmd *cmd, struct text *to)
{
    text_addf(to, "stax %s: %s\n\nusage: stax %s %s\n", cmd->name, cmd->summary, cmd->name,
              cmd->synopsis);
    if (cmd->details != NULL) {
        text_addf(to, "\n%s\n", cmd->details);
    }
    text_add(to, "\noptions:\n");
    const struct option *option = cmd->options;
    for (; option->name != NULL && option->heading == NULL; option++) {
        put_option(option, to);
    }
    put_option(&(struct option){.letter = 'h', .name = "help", .doc = "print this"}, to);
    put_option(&(struct option){.letter = 'V', .name = "version", .doc = "print the version"}, to);
    for (; option->name != NULL; option++) {
        if (option->heading != NULL) {
            text_addf(to, "\n%s\n", option->heading);
        }
        put_option(option, to);
    }
}
