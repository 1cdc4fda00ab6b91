#pragma once

// Rows as few bytes: what stands in the blobs of a run file. Pure: arrays to bytes and back.
//
// A block of rows is made into lists of numbers, most of them in the order of threads: what a row
// depends on is the row before of the same thread. Each list is then cut into planes of bytes and
// packed by zstd (numbers.h), with a checksum. The exact layout is in docs/run-file.md, and does
// not depend on the machine: a file can be read on any other.

#include "base/err.h"
#include "base/text.h"
#include "store/paging.h"

// Appends the packed form of the block: at most COLUMN_CHUNK_ROWS rows. Does not depend on other
// blocks.
void codec_put_rows(struct text *to, const struct row_block *block);

// Fills in the columns of `block`, whose table and n are given (room for n rows each); `first` is
// not looked at. 0; -EBADMSG when the bytes are not the packed form of exactly n rows of that
// table. What comes out is any numbers: whether they make sense is for store_rows_are_sound().
int codec_parse_rows(struct slice bytes, const struct row_block *block);

// The tree of stacks, likewise, COLUMN_CHUNK_ROWS at most each time. `first` is the id of the first
// node (differences to it are small).
void codec_put_frames(struct text *to, const struct frame_row *frames, size_t n);
int codec_parse_frames(struct slice bytes, struct frame_row *frames, size_t n);
void codec_put_nodes(struct text *to, const struct stack_row *nodes, stack_id first, size_t n);
int codec_parse_nodes(struct slice bytes, struct stack_row *nodes, stack_id first, size_t n);

// Any bytes: packed as they are, and slower than rows, but better.
void codec_put_bytes(struct text *to, struct slice bytes);

// Appends at most `limit_bytes`. 0; -EBADMSG malformed, -EFBIG more than that.
int codec_parse_bytes(struct slice packed, size_t limit_bytes, struct text *to);
