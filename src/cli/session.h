#pragma once

// Asking the server on behalf of a command: errors are printed here, with the next step in them,
// so that a command only says what it wants to know.

#include "rpc/client.h"

#include <jansson.h>

// Connects, or prints why not: false.
bool session_open(struct client *client);

// One call. Takes over `params` (NULL: none). A new reference, or NULL when an error was printed.
json_t *session_call(struct client *client, const char *method, json_t *params);

// Prints an error of a call, with the next step.
void session_print_error(const struct rpc_error *error);

// Prints a result as JSON on stdout.
void session_print_json(const json_t *result);

// A question about a part of a run: what most commands are.
struct view_question {
    const char *method;
    int64_t run;    // 0: not given
    int64_t tid;    // 0: not given
    bool has_since; // only from `since_ns` of the run on
    uint64_t since_ns;
    bool no_view;        // the method takes none
    bool no_inline;      // stacks as they are in memory
    json_t *params;      // besides the view; taken over
    bool json;           // the answer is printed as it is
    const void *options; // of the command, for its functions

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

// The run that an argument of a command names: its id. 0, or a negative errno with a line for the
// user.
int session_run_argument(struct client *client, const char *argument, int64_t *ret_run,
                         struct err *reterr);

// ---- Reading results: a field that is not there is 0 or "" -------------------------------------

uint64_t result_u64(const json_t *object, const char *key);
double result_double(const json_t *object, const char *key);
const char *result_text(const json_t *object, const char *key);
bool result_bool(const json_t *object, const char *key);
