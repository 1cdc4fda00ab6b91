#pragma once

// One zstd frame, with a checksum and the size of what is in it: every blob of a run file is one.
// See RFC 8878.

#include "base/bytes.h"

#include <zstd.h>

// Makes such frames. Freed with ZSTD_freeCCtx(). Never NULL.
ZSTD_CCtx *zstd_frame_new(int level);

// How many bytes come out of it. 0, or -EBADMSG: not exactly one frame, or one that does not say.
int zstd_frame_size(struct slice packed, uint64_t *ret_bytes);

// Unpacks exactly that many. 0 or -EBADMSG. `bytes` is what zstd_frame_size() said.
int zstd_frame_unpack(struct slice packed, void *to, size_t bytes);
