#pragma once

// Asking the server on behalf of a command: errors are printed here, with the next step in them,
// so that a command only says what it wants to know.

#include "cli/scope.h"
#include "rpc/client.h"

#include <jansson.h>

// Connects, or prints why not: false.
bool session_open(struct client *client);

// Which run somebody means: the text of --run, or of an operand. All zero: none in particular.
struct run_choice {
    const char *text; // NULL: not given
    int64_t id;       // 0 until session_open_run()
};

// Connects for questions about a run, and finds out its id: a number is one already, anything else
// is the path of a run file, which the server opens. Where no server runs, a file is opened by one
// of our own (private_server.h). Prints what is wrong: false.
bool session_open_run(struct client *client, struct run_choice *run);

// The same on a connection that there is. For a second run.
bool session_choose_run(struct client *client, struct run_choice *run);

// For a command that says by itself what is wrong: whether a text is a run's number, and not a
// path; a connection, where no server runs and `has_file` to one of our own; and the id of the run
// that a text means. 0, or a negative errno with a line for the user.
bool session_is_run_number(const char *text);
int session_connect(struct client *client, bool has_file, struct err *reterr);
int session_run_argument(struct client *client, const char *text, int64_t *ret_run,
                         struct err *reterr);

// The absolute form of a path that need not exist, for the server; the caller frees it. NULL: an
// error was printed.
char *session_absolute_path(const char *path);

// One call. Takes over `params` (NULL: none). A new reference, or NULL when an error was printed.
json_t *session_call(struct client *client, const char *method, json_t *params);

// Prints an error of a call, with the next step.
void session_print_error(const struct rpc_error *error);

// Says that a path cannot be told to the server.
void session_print_not_text(const char *path);

// Prints a result as JSON on stdout.
void session_print_json(const json_t *result);

// The `View` of a scope, of the run that session_open_run() has found. Functions in it that no
// sample has are named on stderr. NULL: an error was printed.
json_t *session_view(struct client *client, const struct scope *scope, int64_t run);

// A question about a part of a run: what most commands are.
struct view_question {
    const char *method;
    const struct scope *scope; // NULL: the method takes no view
    json_t *params;            // besides the view; taken over
    bool json;                 // the answer is printed as it is
    const void *options;       // of the command, for its functions

    // Prints the answer for people; `run` is the summary of the run that it is about. Exit status.
    int (*print)(const json_t *run, const json_t *answer, const void *options);
    // Prints it as JSON where that is not just the answer; may be NULL. Exit status.
    int (*print_json)(const json_t *answer, const void *options);
};

// Asks, and prints the answer or the error. The exit status of the command.
int session_ask(const struct view_question *question);

// The summary of run `id`, or, when 0, of the one that a question without a run is about. A new
// reference; NULL when an error was printed.
json_t *session_find_run(struct client *client, int64_t id);

// ---- Reading results: a field that is not there is 0 or "" -------------------------------------

uint64_t result_u64(const json_t *object, const char *key);
double result_double(const json_t *object, const char *key);
const char *result_text(const json_t *object, const char *key);
bool result_bool(const json_t *object, const char *key);
