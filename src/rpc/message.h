#pragma once

// JSON-RPC 2.0 messages: bytes of a client -> a checked request; a result, an error or a
// notification -> bytes. One message per line.
//
// Parsing is pure and takes anything: what comes out has been checked against schema.c, so that a
// handler reads fields without asking again what they are.

#include "base/err.h"
#include "base/text.h"
#include "rpc/schema.h"

#include <jansson.h>
#include <stdbool.h>

struct rpc_error {
    enum rpc_error_kind kind;
    struct err text;
};

struct rpc_request {
    const struct rpc_method *method;
    json_t *params; // an object that satisfies method->params; owned
    json_t *id; // integer, number, string or null; owned. NULL: a notification, no answer wanted
};

void rpc_request_fini(struct rpc_request *request);

// Parses one request and checks it. False with *ret_error otherwise; then only ret->id is set, when
// it could be read, so that the error can carry it. rpc_request_fini() either way.
bool rpc_request_parse(struct slice line, struct rpc_request *ret, struct rpc_error *ret_error);

// Whether `value` is of type `type`, with a line that names the first offending field. NULL stands
// for an object without fields.
bool rpc_check(const struct rpc_type *type, const json_t *value, struct err *reterr);

// One value from bytes: whole, UTF-8, no key twice in an object, at most LIMIT_JSON_DEPTH deep.
// NULL with a text otherwise.
json_t *rpc_json_parse(struct slice bytes, struct err *reterr);

// ---- Writing: each message ends with a newline -------------------------------------------------

// {"jsonrpc":"2.0","id":…,"result": and, after one JSON value of the caller's, }
void rpc_put_result_begin(struct text *to, const json_t *id);
void rpc_put_result_end(struct text *to);

// `id` NULL: it could not be read, and is null.
void rpc_put_error(struct text *to, const json_t *id, enum rpc_error_kind kind,
                   const char *message);

// {"jsonrpc":"2.0","method":…,"params": and, after one JSON value of the caller's, }
void rpc_put_notification_begin(struct text *to, const char *method);
void rpc_put_notification_end(struct text *to);

// A whole call. `params` NULL: none.
void rpc_put_call(struct text *to, int64_t id, const char *method, const json_t *params);
