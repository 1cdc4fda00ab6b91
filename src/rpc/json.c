#include "rpc/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void json_init(struct json *j, struct text *to)
{
    *j = (struct json){.to = to};
}

static void before_value(struct json *j)
{
    if (j->comma) {
        text_add_char(j->to, ',');
    }
    j->comma = true;
}

static void begin(struct json *j, char bracket)
{
    before_value(j);
    text_add_char(j->to, bracket);
    j->comma = false;
}

static void end(struct json *j, char bracket)
{
    text_add_char(j->to, bracket);
    j->comma = true;
}

void json_object_begin(struct json *j)
{
    begin(j, '{');
}

void json_object_end(struct json *j)
{
    end(j, '}');
}

void json_array_begin(struct json *j)
{
    begin(j, '[');
}

void json_array_end(struct json *j)
{
    end(j, ']');
}

void json_key(struct json *j, const char *key)
{
    json_cstr(j, key);
    text_add_char(j->to, ':');
    j->comma = false;
}

// ---- Numbers -----------------------------------------------------------------------------------

// Most of a large answer is integers, and printf is the slow way to write them.
static void add_digits(struct text *to, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    text_add_bytes(to, digits + at, sizeof digits - at);
}

void json_u64(struct json *j, uint64_t value)
{
    before_value(j);
    // Readers (jansson, our own client too) refuse a whole document with a larger integer in it.
    add_digits(j->to, MIN(value, (uint64_t)INT64_MAX));
}

void json_i64(struct json *j, int64_t value)
{
    before_value(j);
    if (value < 0) {
        text_add_char(j->to, '-');
    }
    add_digits(j->to, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void json_double(struct json *j, double value)
{
    if (!isfinite(value)) {
        json_none(j);
        return;
    }
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) {
            break;
        }
    }
    before_value(j);
    text_add(j->to, digits);
}

void json_decimal(struct json *j, uint64_t value, unsigned places)
{
    before_value(j);
    uint64_t unit = 1;
    for (unsigned i = 0; i < places; i++) {
        unit *= 10;
    }
    add_digits(j->to, value / unit);
    uint64_t rest = value % unit;
    if (rest > 0) {
        text_add_char(j->to, '.');
    }
    while (rest > 0) {
        unit /= 10;
        text_add_char(j->to, (char)('0' + rest / unit));
        rest %= unit;
    }
}

void json_bool(struct json *j, bool value)
{
    before_value(j);
    text_add(j->to, value ? "true" : "false");
}

void json_none(struct json *j)
{
    before_value(j);
    text_add(j->to, "null");
}

// ---- Text --------------------------------------------------------------------------------------

static bool is_plain(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

// Adds the character at `at` and returns how many bytes it had.
static size_t add_special(struct text *to, const uint8_t *at, size_t n)
{
    size_t length = utf8_length(at, n);
    if (length == 0 || at[0] == 0) { // readers written in C refuse zero bytes (jansson)
        text_addf(to, "\\\\x%02x", at[0]);
        return 1;
    }
    if (length > 1) {
        text_add_bytes(to, at, length);
    } else if (at[0] == '"' || at[0] == '\\') {
        text_add_char(to, '\\');
        text_add_char(to, (char)at[0]);
    } else {
        text_addf(to, "\\u%04x", at[0]);
    }
    return length;
}

void json_text(struct json *j, const void *bytes, size_t n)
{
    before_value(j);
    text_add_char(j->to, '"');
    const uint8_t *at = bytes;
    size_t done = 0;
    while (done < n) {
        size_t plain = done;
        while (plain < n && is_plain(at[plain])) {
            plain++;
        }
        text_add_bytes(j->to, at + done, plain - done);
        done = plain;
        if (done < n) {
            done += add_special(j->to, at + done, n - done);
        }
    }
    text_add_char(j->to, '"');
}

void json_cstr(struct json *j, const char *text)
{
    json_text(j, text, strlen(text));
}

void json_hex(struct json *j, uint64_t value)
{
    before_value(j);
    text_addf(j->to, "\"0x%llx\"", (unsigned long long)value);
}

// ---- Fields ------------------------------------------------------------------------------------

void json_u64_field(struct json *j, const char *key, uint64_t value)
{
    json_key(j, key);
    json_u64(j, value);
}

void json_i64_field(struct json *j, const char *key, int64_t value)
{
    json_key(j, key);
    json_i64(j, value);
}

void json_double_field(struct json *j, const char *key, double value)
{
    json_key(j, key);
    json_double(j, value);
}

void json_bool_field(struct json *j, const char *key, bool value)
{
    json_key(j, key);
    json_bool(j, value);
}

void json_string_field(struct json *j, const char *key, const char *text)
{
    json_key(j, key);
    json_cstr(j, text);
}

void json_text_field(struct json *j, const char *key, const void *bytes, size_t n)
{
    json_key(j, key);
    json_text(j, bytes, n);
}

void json_hex_field(struct json *j, const char *key, uint64_t value)
{
    json_key(j, key);
    json_hex(j, value);
}
