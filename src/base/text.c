#include "base/text.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void text_fini(struct text *text)
{
    free(text->at);
    *text = (struct text){0};
}

void text_clear(struct text *text)
{
    text->n = 0;
    if (text->at != NULL) {
        text->at[0] = 0;
    }
}

static void reserve(struct text *text, size_t more)
{
    if (text->n + more + 1 > text->room) {
        text->room = MAX(text->n + more + 1, MAX(text->room * 2, (size_t)64));
        text->at = alloc_resize(text->at, text->room, 1);
    }
}

void text_add_bytes(struct text *text, const void *bytes, size_t n)
{
    reserve(text, n);
    if (n > 0) {
        memcpy(text->at + text->n, bytes, n);
    }
    text->n += n;
    text->at[text->n] = 0;
}

void text_add(struct text *text, const char *more)
{
    text_add_bytes(text, more, strlen(more));
}

void text_add_char(struct text *text, char c)
{
    text_add_bytes(text, &c, 1);
}

void text_addf(struct text *text, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(n >= 0);
    reserve(text, (size_t)n);
    vsnprintf(text->at + text->n, (size_t)n + 1, format, again);
    va_end(again);
    text->n += (size_t)n;
}

size_t utf8_length(const uint8_t *bytes, size_t n)
{
    if (n == 0) {
        return 0;
    }
    uint8_t lead = bytes[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                    : lead >= 0xe0 && lead <= 0xef ? 3
                    : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                   : 0;
    if (length == 0 || length > n) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (lead == 0xe0 && bytes[1] < 0xa0) || (lead == 0xf0 && bytes[1] < 0x90);
    bool surrogate = lead == 0xed && bytes[1] > 0x9f;
    bool too_large = lead == 0xf4 && bytes[1] > 0x8f;
    return overlong || surrogate || too_large ? 0 : length;
}

// C1 controls (U+0080..U+009F) drive terminals too; bidirectional overrides make text lie.
static bool is_unsafe(const uint8_t *at, size_t length)
{
    if (length == 1) {
        return at[0] < 0x20 || at[0] == 0x7f;
    }
    if (length == 2) {
        return at[0] == 0xc2 && at[1] < 0xa0;
    }
    if (length == 3 && at[0] == 0xe2) {
        return (at[1] == 0x80 && at[2] >= 0xaa && at[2] <= 0xae) ||
               (at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9);
    }
    return false;
}

void text_add_escaped(struct text *text, const char *bytes, size_t n)
{
    const uint8_t *at = (const uint8_t *)bytes;
    while (n > 0) {
        size_t length = utf8_length(at, n);
        if (length > 0 && !is_unsafe(at, length)) {
            text_add_bytes(text, at, length);
        } else {
            length = MAX(length, (size_t)1);
            for (size_t i = 0; i < length; i++) {
                text_addf(text, "\\x%02x", at[i]);
            }
        }
        at += length;
        n -= length;
    }
}

bool utf8_is_whole(const char *bytes, size_t n)
{
    const uint8_t *at = (const uint8_t *)bytes;
    const uint8_t *end = at + n;
    while (at < end) {
        size_t length = *at < 0x80 ? 1 : utf8_length(at, (size_t)(end - at));
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

void text_add_utf8(struct text *text, const char *bytes, size_t n)
{
    const uint8_t *at = (const uint8_t *)bytes;
    for (size_t length; n > 0; at += length, n -= length) {
        length = utf8_length(at, n);
        if (length > 0) {
            text_add_bytes(text, at, length);
        } else {
            length = 1;
            text_addf(text, "\\x%02x", at[0]);
        }
    }
}

const char *text_get(const struct text *text)
{
    return text->at == NULL ? "" : text->at;
}

char *text_take(struct text *text)
{
    if (text->at == NULL) {
        return alloc_text("", 0);
    }
    char *result = text->at;
    *text = (struct text){0};
    return result;
}
