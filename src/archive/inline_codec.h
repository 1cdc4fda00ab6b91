#pragma once

// Inlined functions as few bytes: what stands in the blobs of three tables of a run file. Pure.
//
//     functions    their names, of which a C++ program has thousands that are much alike
//     calls        of these functions, each within an earlier call (or in none)
//     places       from which address on which call is the innermost one
//
// The layout is in docs/run-file.md.

#include "base/text.h"
#include "image/symtab.h"
#include "store/column.h"

enum { INLINE_CODEC_ROWS = COLUMN_CHUNK_ROWS, INLINE_CODEC_NONE = UINT32_MAX };

struct inline_codec_function {
    struct slice name;
    bool is_linkage_name;
    enum symbol_lang lang;
};

// Functions stand one behind the other, and are packed by codec_put_bytes().
void inline_codec_add_function(struct text *to, const struct inline_codec_function *function);

// The next one; the name is borrowed. False: there are no more, or `from` is bad: it does not
// parse.
bool inline_codec_next_function(struct reader *from, struct inline_codec_function *ret);

struct inline_codec_call {
    uint32_t caller;   // an earlier call; INLINE_CODEC_NONE: it lies within no other one
    uint32_t function; // by its number
    uint32_t file;     // id of a source file; 0: not known
    uint32_t line;     // 0: not known
};

// At most INLINE_CODEC_ROWS of them, of which the first has the number `first`; all callers are
// below the number of the call.
void inline_codec_put_calls(struct text *to, const struct inline_codec_call *calls, uint32_t first,
                            size_t n);

// 0, or -EBADMSG: not the packed form of exactly n calls. Then every caller is an earlier one; the
// other numbers are any.
int inline_codec_parse_calls(struct slice packed, struct inline_codec_call *calls, uint32_t first,
                             size_t n);

struct inline_codec_place {
    uint64_t addr;
    uint32_t call; // INLINE_CODEC_NONE: nothing is inlined from there on
};

// Likewise. What is parsed are any numbers.
void inline_codec_put_places(struct text *to, const struct inline_codec_place *places, size_t n);
int inline_codec_parse_places(struct slice packed, struct inline_codec_place *places, size_t n);
