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

// The `view` of a question: {view: {run?, tid?}}; 0: not given.
json_t *session_view_params(int64_t run, int64_t tid);

// The summary of run `id`, or, when 0, of the one that a question without a run is about. A new
// reference; NULL when an error was printed.
json_t *session_find_run(struct client *client, int64_t id);

// ---- Reading results: a field that is not there is 0 or "" -------------------------------------

uint64_t result_u64(const json_t *object, const char *key);
double result_double(const json_t *object, const char *key);
const char *result_text(const json_t *object, const char *key);
bool result_bool(const json_t *object, const char *key);
