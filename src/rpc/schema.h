#pragma once

// What the protocol is made of. The tables themselves stand in schema.c, which is the protocol:
// calls are validated against it, and docs/protocol.md, the OpenRPC document and the TypeScript
// types are printed from it.

#include "base/base.h"

#include <stdbool.h>

enum rpc_type_kind {
    RPC_BOOL,
    RPC_TRUE,    // only ever `true`: a choice without a value
    RPC_INTEGER, // within `min` and `max` of the field
    RPC_NUMBER,
    RPC_STRING, // at most `max` bytes; with `values`: one of them
    RPC_OBJECT, // of type `type`; NULL: any object
    RPC_ARRAY,  // of `element`, at most `max` of them
    RPC_MAP,    // an object with keys of any name and integers of at least 0
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
    bool open;                      // may have other fields too
};

struct rpc_method {
    const char *name; // "Profiler.top"
    const char *doc;
    const struct rpc_type *params;
    const struct rpc_type *result;
    bool subscribable; // may be given to Profiler.subscribe
};

// All of it. Both end with a zeroed element. Every type that a method or another type mentions is
// in rpc_types.
extern const struct rpc_method rpc_methods[];
extern const struct rpc_type *const rpc_types[];

// What a `subscription` notification carries.
extern const struct rpc_type rpc_notification;

// What RunControl.export can write; ends with NULL. A test compares it with src/export.
extern const char *const rpc_export_formats[];

// What an absent parameter stands for.
enum {
    RPC_DEFAULT_FREQUENCY_HZ = 900,
    RPC_DEFAULT_TOP_LIMIT = 20,
    RPC_DEFAULT_LIVE_NODES = 20000,
    RPC_DEFAULT_INTERVALS_LIMIT = 20,
    RPC_DEFAULT_WAKERS_LIMIT = 20,
    RPC_DEFAULT_NOW_LIMIT = 100,
    RPC_DEFAULT_ANNOTATED_LIMIT = 20000,
    RPC_DEFAULT_COMPARE_LIMIT = 20,
    RPC_DEFAULT_MAX_FRAMES = 64,
    RPC_DEFAULT_BUCKETS = 60,
    RPC_DEFAULT_TIMELINE_THREADS = 20,
    RPC_DEFAULT_INTERVAL_MS = 250,
    RPC_INTERVAL_MS_MIN = 50,
    RPC_INTERVAL_MS_MAX = 60000,
};

// By name; NULL when there is none.
const struct rpc_method *rpc_method_find(const char *name);

// ---- Errors ------------------------------------------------------------------------------------

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
    RPC_ERROR_KIND_COUNT
};

// data.kind: "invalid_params", "no_active_run", …
const char *rpc_error_name(enum rpc_error_kind kind);
int rpc_error_code(enum rpc_error_kind kind);
const char *rpc_error_doc(enum rpc_error_kind kind);

// The kind with that name; RPC_ERROR_INTERNAL when there is none.
enum rpc_error_kind rpc_error_find(const char *name);
