#pragma once

// Names and paths, each kept once: bytes <-> a dense id. Also small blobs, such as the code bytes
// of JIT functions. Id 0 is the empty string. One writer, lock-free readers; nothing is removed.

#include "base/bytes.h"
#include "base/map.h"
#include "store/column.h"

typedef uint32_t string_id;

struct strings_block; // where the bytes lie

struct strings {
    struct column rows;           // struct slice, pointing into blocks
    _Atomic uint32_t n;           // published
    struct map by_hash;           // writer only
    struct strings_block *blocks; // writer only, newest first
    size_t block_used;
    _Atomic uint64_t side_bytes; // of memory: blocks and hash table
};

// `strings` is zeroed memory (see column_init).
void strings_init(struct strings *strings);
void strings_fini(struct strings *strings);

// The id of these bytes. Writer only. Beyond LIMIT_STRINGS: 0, the empty string.
string_id strings_add(struct strings *strings, struct slice bytes);

// A copy of these bytes under the next id, whether they are there already or not: for strings that
// were written down once. They cannot be looked for afterwards. The caller has checked the limits.
string_id strings_append(struct strings *strings, struct slice bytes);

// Borrowed for the life of the table; the bytes are followed by a zero byte that is not counted.
struct slice strings_get(const struct strings *strings, string_id id);

// Bytes of memory in use. Any thread.
uint64_t strings_bytes(const struct strings *strings);
