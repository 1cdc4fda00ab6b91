#pragma once

// Text under construction. Invariant: `at[n]` is a zero byte whenever `at` is not NULL.
//
//     CLEANUP(text_fini) struct text line = {0};
//     text_addf(&line, "%6.1f %%  ", share);
//     text_add_escaped(&line, name);          // names of the target are untrusted
//     puts(text_get(&line));

#include "base/bytes.h"

struct text {
    char *at;
    size_t n;
    size_t room;
};

void text_fini(struct text *text);
void text_clear(struct text *text);

void text_add(struct text *text, const char *more);
void text_add_bytes(struct text *text, const void *bytes, size_t n);
void text_add_char(struct text *text, char c);
void text_addf(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);

// Adds bytes of unknown origin so that a terminal can only show them: control bytes and bytes that
// are not UTF-8 become \xHH; the rest is kept.
void text_add_escaped(struct text *text, const char *bytes, size_t n);

// The text so far, "" when empty. Borrowed: valid until the next change.
const char *text_get(const struct text *text);

// Moves the text out; the caller frees it. Never NULL.
char *text_take(struct text *text);

// Whether the bytes are UTF-8, all of them.
bool utf8_is_whole(const char *bytes, size_t n);

// Adds bytes so that the whole is UTF-8: those that are not become \xHH. As in JSON (rpc/json.h).
void text_add_utf8(struct text *text, const char *bytes, size_t n);

// The length in bytes of the UTF-8 sequence at `bytes`, 0 when it is malformed, overlong, a
// surrogate or out of range (RFC 3629, section 4).
size_t utf8_length(const uint8_t *bytes, size_t n);
