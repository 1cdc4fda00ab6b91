#include "archive/inline_codec.h"

#include "archive/numbers.h"

#include <errno.h>

// ---- Functions ---------------------------------------------------------------------------------

// A byte, then the name up to a zero byte: 1 for a linkage name, plus one of these.
static const struct {
    enum symbol_lang lang;
    uint8_t code;
} langs[] = {{SYMBOL_UNKNOWN, 0}, {SYMBOL_C, 2}, {SYMBOL_CPP, 4}, {SYMBOL_RUST, 6}, {SYMBOL_D, 8}};

void inline_codec_add_function(struct text *to, const struct inline_codec_function *function)
{
    uint8_t code = function->is_linkage_name;
    for (size_t i = 0; i < ARRAY_LEN(langs); i++) {
        code |= langs[i].lang == function->lang ? langs[i].code : 0;
    }
    text_add_char(to, (char)code);
    text_add_bytes(to, function->name.data, function->name.n);
    text_add_char(to, 0);
}

bool inline_codec_next_function(struct reader *from, struct inline_codec_function *ret)
{
    if (reader_left(from) == 0) {
        return false;
    }
    uint8_t code = read_u8(from);
    *ret = (struct inline_codec_function){
        .name = read_text(from), .is_linkage_name = (code & 1) != 0, .lang = SYMBOL_UNKNOWN};
    for (size_t i = 0; i < ARRAY_LEN(langs); i++) {
        ret->lang = langs[i].code == (code & ~1) ? langs[i].lang : ret->lang;
    }
    return !from->bad;
}

// ---- Lists -------------------------------------------------------------------------------------

// What n rows can take when unpacked: no row has more than four numbers of eight bytes.
static size_t limit_bytes(size_t n)
{
    enum { ROW_BYTES = 32, OTHER_BYTES = 100 };
    return n * ROW_BYTES + OTHER_BYTES;
}

// 0, or -EBADMSG: not a block of that many rows.
static int open_rows(struct unpacker *unpacker, struct slice packed, size_t n)
{
    *unpacker = (struct unpacker){0};
    if (n > INLINE_CODEC_ROWS) {
        return -EBADMSG;
    }
    int r = unpacker_init(unpacker, packed, limit_bytes(n));
    if (r < 0) {
        return r;
    }
    return unpacker_take_one(unpacker, sizeof(uint32_t)) == n ? 0 : -EBADMSG;
}

// ---- Calls -------------------------------------------------------------------------------------

void inline_codec_put_calls(struct text *to, const struct inline_codec_call *calls, uint32_t first,
                            size_t n)
{
    ASSERT(n <= INLINE_CODEC_ROWS);
    CLEANUP(packer_fini) struct packer packer = {0};
    CLEANUP(freep) uint64_t *numbers = NEW_ARRAY(uint64_t, 4 * n);
    for (size_t i = 0; i < n; i++) {
        uint32_t number = first + (uint32_t)i;
        bool is_within = calls[i].caller != INLINE_CODEC_NONE;
        ASSERT(!is_within || calls[i].caller < number);
        numbers[i] = is_within ? number - calls[i].caller : 0;
        numbers[n + i] = calls[i].function;
        numbers[2 * n + i] = calls[i].file;
        numbers[3 * n + i] = calls[i].line;
    }
    packer_add_one(&packer, n);
    for (size_t list = 0; list < 4; list++) {
        packer_add(&packer, numbers + list * n, n);
    }
    packer_finish(&packer, to);
}

// Whether the callers that the distances in `numbers` lead to are there.
static bool fill_calls(struct inline_codec_call *calls, uint32_t first, size_t n,
                       const uint64_t *numbers)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t number = (uint64_t)first + i;
        if (numbers[i] > number) {
            return false;
        }
        calls[i] = (struct inline_codec_call){
            .caller = numbers[i] == 0 ? (uint32_t)INLINE_CODEC_NONE
                                      : (uint32_t)(number - numbers[i]),
            .function = (uint32_t)numbers[n + i],
            .file = (uint32_t)numbers[2 * n + i],
            .line = (uint32_t)numbers[3 * n + i],
        };
    }
    return true;
}

int inline_codec_parse_calls(struct slice packed, struct inline_codec_call *calls, uint32_t first,
                             size_t n)
{
    CLEANUP(unpacker_fini) struct unpacker unpacker;
    int r = open_rows(&unpacker, packed, n);
    if (r < 0) {
        return r;
    }
    CLEANUP(freep) uint64_t *numbers = NEW_ARRAY(uint64_t, 4 * n);
    for (size_t list = 0; list < 4; list++) {
        unpacker_take(&unpacker, numbers + list * n, n, sizeof(uint32_t));
    }
    r = unpacker_end(&unpacker);
    return r == 0 && !fill_calls(calls, first, n, numbers) ? -EBADMSG : r;
}

// ---- Places ------------------------------------------------------------------------------------

void inline_codec_put_places(struct text *to, const struct inline_codec_place *places, size_t n)
{
    ASSERT(n <= INLINE_CODEC_ROWS);
    CLEANUP(packer_fini) struct packer packer = {0};
    CLEANUP(freep) uint64_t *numbers = NEW_ARRAY(uint64_t, 2 * n);
    uint64_t addr = 0;
    uint32_t call = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t plus_one = places[i].call + 1; // none is 0
        numbers[i] = places[i].addr - addr;
        numbers[n + i] = number_fold((uint64_t)plus_one - call);
        addr = places[i].addr;
        call = plus_one;
    }
    packer_add_one(&packer, n);
    packer_add(&packer, numbers, n);
    packer_add(&packer, numbers + n, n);
    packer_finish(&packer, to);
}

int inline_codec_parse_places(struct slice packed, struct inline_codec_place *places, size_t n)
{
    CLEANUP(unpacker_fini) struct unpacker unpacker;
    int r = open_rows(&unpacker, packed, n);
    if (r < 0) {
        return r;
    }
    CLEANUP(freep) uint64_t *numbers = NEW_ARRAY(uint64_t, 2 * n);
    unpacker_take(&unpacker, numbers, n, sizeof(uint64_t));
    unpacker_take(&unpacker, numbers + n, n, sizeof(uint64_t));
    uint64_t addr = 0;
    uint64_t call = 0;
    for (size_t i = 0; i < n; i++) {
        addr += numbers[i];
        call += number_unfold(numbers[n + i]);
        places[i] = (struct inline_codec_place){.addr = addr, .call = (uint32_t)call - 1};
    }
    return unpacker_end(&unpacker);
}
