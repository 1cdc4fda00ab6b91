#pragma once

// What the protocol is made of. The tables themselves stand in schema.c, which is the protocol:
// calls are validated against it, and docs/protocol.md, the OpenRPC document and the TypeScript
// types are printed from it.

#include "base/base.h"

#include <stdbool.h>

enum rpc_type_kind {
    RPC_BOOL,
    RPC_INTEGER, // within `min` and `max` of the field
    RPC_NUMBER,
    RPC_STRING, // at most `max` bytes; with `values`: one of them
    RPC_OBJECT, // of type `type`
    RPC_ARRAY,  // of `element`, at most `max` of them
};

struct rpc_type;

struct rpc_field {
    const char *name;
    const char *doc; // one sentence; units
    enum rpc_type_kind kind;
    enum rpc_type_kind element; // RPC_ARRAY only
    bool required;
    double min;                  // RPC_INTEGER, RPC_NUMBER
    double max;                  // 0: no limit
    const char *const *values;   // RPC_STRING: the allowed ones, NULL-terminated; NULL: any text
    const struct rpc_type *type; // RPC_OBJECT, and RPC_ARRAY of objects
};

struct rpc_type {
    const char *name; // "View"
    const char *doc;
    const struct rpc_field *fields; // ends with a zeroed one
    bool exactly_one;               // of its fields must be present (a union)
};

struct rpc_method {
    const char *name; // "Profiler.top"
    const char *doc;
    const struct rpc_type *params;
    const struct rpc_type *result;
    bool subscribable; // may be given to Profiler.subscribe
};

// All of it. Both end with a zeroed element.
extern const struct rpc_method rpc_methods[];
extern const struct rpc_type *const rpc_types[];

// By name; NULL when there is none.
const struct rpc_method *rpc_method_find(const char *name);

// ---- Errors
// ----------------------------------------------------------------------------------------

enum rpc_error_kind {
    RPC_ERROR_PARSE,           // JSON-RPC's own: -32700
    RPC_ERROR_INVALID_REQUEST, // -32600
    RPC_ERROR_UNKNOWN_METHOD,  // -32601
    RPC_ERROR_INVALID_PARAMS,  // -32602, and with data.kind
    RPC_ERROR_INTERNAL,        // -32603
    RPC_ERROR_NO_ACTIVE_RUN,   // -32000 and on, ours
    RPC_ERROR_ALREADY_ACTIVE,
    RPC_ERROR_UNKNOWN_RUN,
    RPC_ERROR_NOT_FOUND,
    RPC_ERROR_PERMISSION,
    RPC_ERROR_CAPTURE_FAILED,
    RPC_ERROR_TIMED_OUT,
    RPC_ERROR_TOO_LARGE,
};

// data.kind: "invalid_params", "no_active_run", …
const char *rpc_error_name(enum rpc_error_kind kind);
int rpc_error_code(enum rpc_error_kind kind);
