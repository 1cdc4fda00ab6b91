#pragma once

// What a stripped binary says about its debug file: .gnu_debuglink, a name and the CRC-32 of the
// whole file (gdb manual, "Separate Debug Files"; the CRC is that of gzip, RFC 1952 section 8).

#include "base/bytes.h"
#include "base/err.h"

enum { DEBUGLINK_NAME_BYTES = 256 };

struct debuglink {
    char name[DEBUGLINK_NAME_BYTES]; // of a file, never of a path; "" for none
    uint32_t crc;
};

// Pure. False when it makes no sense, or when the name could lead out of a directory.
bool debuglink_parse(struct slice section, bool is_big_endian, struct debuglink *ret);

// The CRC-32 of all that is in an open file. 0 or a negative errno.
int debuglink_crc(int fd, uint32_t *ret);
