#pragma once

// Protocol Buffers as bytes: a writer for a few fields of a few messages, in place of a compiler
// for all of them. https://protobuf.dev/programming-guides/encoding/
//
//     struct text line = {0};                          message Line { uint64 function_id = 1; }
//     proto_u64(&line, 1, id);
//     proto_message(&location, LOCATION_LINE, &line);  message Location { repeated Line line = 4; }
//
// A field is a key (its number and how it is written) and a value. A message inside of another one
// is bytes with their length in front: so inner ones are made first. Fields may come in any order,
// and repeated ones add up: a large message is written as it is made. Signed numbers that are not
// zigzag are written like unsigned ones, cast.

#include "base/text.h"

void proto_varint(struct text *to, uint64_t value); // a value without a key

void proto_u64(struct text *to, uint32_t field, uint64_t value); // also int64, bool, enums
void proto_fixed64(struct text *to, uint32_t field, uint64_t value);
void proto_double(struct text *to, uint32_t field, double value);
void proto_bytes(struct text *to, uint32_t field, const void *bytes, size_t n);

// A string has to be UTF-8, and readers refuse whole files for one that is not: other bytes, and
// control bytes, become visible as \xHH.
void proto_string(struct text *to, uint32_t field, const char *bytes, size_t n);

void proto_message(struct text *to, uint32_t field, const struct text *message);

// Numbers that share one key.
void proto_packed(struct text *to, uint32_t field, const uint64_t *values, size_t n);
