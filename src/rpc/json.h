#pragma once

// JSON, written as it is made: big answers (a flamegraph has tens of thousands of nodes, four times
// a second) are never a tree in memory. Commas are put by the writer; nesting is the caller's.
//
//     struct json j;
//     json_init(&j, &text);
//     json_object_begin(&j);
//     json_u64_field(&j, "samples", n);
//     json_key(&j, "entries");
//     json_array_begin(&j);
//     …
//     json_array_end(&j);
//     json_object_end(&j);
//
// Names and paths come from profiled programs: any bytes are fine. Control bytes become \u00XX;
// bytes that are not UTF-8, and zero bytes, become the visible text \xHH. The result is always
// valid JSON.
//
// jansson has the prefix too (json_string(), json_null()), hence json_cstr() and json_none().

#include "base/text.h"

#include <stdbool.h>

struct json {
    struct text *to;
    bool comma; // the next value of this array or object needs one before it
};

void json_init(struct json *j, struct text *to);

void json_object_begin(struct json *j);
void json_object_end(struct json *j);
void json_array_begin(struct json *j);
void json_array_end(struct json *j);

// Then comes exactly one value.
void json_key(struct json *j, const char *key);

void json_u64(struct json *j, uint64_t value); // at most INT64_MAX: more becomes that
void json_i64(struct json *j, int64_t value);
void json_double(struct json *j,
                 double value); // shortest that reads back the same; not finite: null
// value / 10^places, exactly and without trailing zeros: nanoseconds as milliseconds, …
void json_decimal(struct json *j, uint64_t value, unsigned places);
void json_bool(struct json *j, bool value);
void json_none(struct json *j); // null
void json_text(struct json *j, const void *bytes, size_t n);
void json_cstr(struct json *j, const char *text);
void json_hex(struct json *j, uint64_t value); // "0x4011d6": an address, as text

// A key and its value.
void json_u64_field(struct json *j, const char *key, uint64_t value);
void json_i64_field(struct json *j, const char *key, int64_t value);
void json_double_field(struct json *j, const char *key, double value);
void json_bool_field(struct json *j, const char *key, bool value);
void json_string_field(struct json *j, const char *key, const char *text);
void json_text_field(struct json *j, const char *key, const void *bytes, size_t n);
void json_hex_field(struct json *j, const char *key, uint64_t value);
