// Bytes as packed inlined functions: as they are, and as what is in a sound frame, where no
// checksum is in the way. What parses must survive being packed and parsed again unchanged. And
// bytes as calls and places.
//
// The first two bytes say how many rows, the third with which number they begin.

#include "archive/codec.h"
#include "archive/inline_codec.h"
#include "base/alloc.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_MAX = 1 << 12 };

static struct slice slice_of(const struct text *text)
{
    return (struct slice){(const uint8_t *)text->at, text->n};
}

static void check_calls_again(const struct inline_codec_call *calls, uint32_t first, size_t n)
{
    CLEANUP(text_fini) struct text packed = {0};
    CLEANUP(freep) struct inline_codec_call *again = NEW_ARRAY(struct inline_codec_call, n);
    for (size_t i = 0; i < n; i++) {
        ASSERT(calls[i].caller == INLINE_CODEC_NONE || calls[i].caller < first + i);
    }
    inline_codec_put_calls(&packed, calls, first, n);
    ASSERT(inline_codec_parse_calls(slice_of(&packed), again, first, n) == 0);
    ASSERT(memcmp(calls, again, n * sizeof *calls) == 0);
    ASSERT(inline_codec_parse_calls(slice_of(&packed), again, first, n + 1) == -EBADMSG);
}

static void check_places_again(const struct inline_codec_place *places, size_t n)
{
    CLEANUP(text_fini) struct text packed = {0};
    CLEANUP(freep) struct inline_codec_place *again = NEW_ARRAY(struct inline_codec_place, n);
    inline_codec_put_places(&packed, places, n);
    ASSERT(inline_codec_parse_places(slice_of(&packed), again, n) == 0);
    for (size_t i = 0; i < n; i++) {
        ASSERT(places[i].addr == again[i].addr && places[i].call == again[i].call);
    }
}

static void check_parse(struct slice bytes, uint32_t first, size_t n)
{
    CLEANUP(freep) struct inline_codec_call *calls = NEW_ARRAY(struct inline_codec_call, n);
    CLEANUP(freep) struct inline_codec_place *places = NEW_ARRAY(struct inline_codec_place, n);
    if (inline_codec_parse_calls(bytes, calls, first, n) == 0) {
        check_calls_again(calls, first, n);
    }
    if (inline_codec_parse_places(bytes, places, n) == 0) {
        check_places_again(places, n);
    }
}

static void check_functions(struct slice bytes)
{
    CLEANUP(text_fini) struct text again = {0};
    struct reader from = reader_of(bytes);
    struct inline_codec_function function;
    while (inline_codec_next_function(&from, &function)) {
        ASSERT(memchr(function.name.data, 0, function.name.n + 1) ==
               function.name.data + function.name.n);
        size_t at = again.n;
        inline_codec_add_function(&again, &function);
        struct reader copy = reader_of(
            (struct slice){(const uint8_t *)again.at + at, again.n - at});
        struct inline_codec_function same;
        ASSERT(inline_codec_next_function(&copy, &same) && reader_left(&copy) == 0);
        ASSERT(slice_equal(same.name, function.name) && same.lang == function.lang);
        ASSERT(same.is_linkage_name == function.is_linkage_name);
    }
}

// Any numbers, but callers that are there.
static void check_rows(struct slice bytes, uint32_t first)
{
    struct reader from = reader_of(bytes);
    size_t n = MIN(bytes.n / sizeof(struct inline_codec_call), (size_t)N_MAX);
    CLEANUP(freep) struct inline_codec_call *calls = NEW_ARRAY(struct inline_codec_call, n);
    CLEANUP(freep) struct inline_codec_place *places = NEW_ARRAY(struct inline_codec_place, n);
    for (size_t i = 0; i < n; i++) {
        read_bytes(&from, &calls[i], sizeof calls[i]);
        places[i] = (struct inline_codec_place){
            .addr = (uint64_t)calls[i].caller << 32 | calls[i].line, .call = calls[i].function};
        bool is_there = calls[i].caller < first + i;
        calls[i].caller = is_there ? calls[i].caller : (uint32_t)INLINE_CODEC_NONE;
    }
    check_calls_again(calls, first, n);
    check_places_again(places, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader from = reader_of((struct slice){data, size});
    size_t n = read_u8(&from);
    n |= (size_t)read_u8(&from) << 8;
    n %= N_MAX + 1;
    uint32_t first = read_u8(&from);
    struct slice rest = read_slice(&from, reader_left(&from));
    CLEANUP(text_fini) struct text framed = {0};
    codec_put_bytes(&framed, rest);
    check_parse(rest, first, n);
    check_parse(slice_of(&framed), first, n);
    check_functions(rest);
    check_rows(rest, first);
    return 0;
}
