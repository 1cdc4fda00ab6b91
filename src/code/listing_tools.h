#pragma once

// What a thread that makes listings keeps from one to the next: what is slow to open. For
// listing_make.c and listing_lines.c.

#include "code/listing.h"
#include "code/source_text.h"
#include "image/lines.h"

enum { LISTING_LINES_OPEN = 4 }; // files whose line tables stay open

struct open_lines {
    struct lines *lines; // NULL: free
    uint64_t device;     // of the file that they are read from
    struct image_stamp stamp;
    uint64_t last_used;
};

struct listing_tools {
    const _Atomic bool *stop;
    struct disasm *disasm[3][2]; // by arch and syntax; NULL: not opened yet
    struct source_texts *sources;
    struct open_lines lines[LISTING_LINES_OPEN];
    uint64_t uses;
};

// Borrowed. NULL with the reason.
struct disasm *listing_tools_disasm(struct listing_tools *tools, enum arch arch,
                                    enum disasm_syntax syntax, struct err *reterr);

// The line tables of a READY image, borrowed until the next call. NULL with the reason.
struct lines *listing_tools_lines(struct listing_tools *tools, const struct image *image,
                                  struct err *reterr);

bool listing_tools_are_stopped(const struct listing_tools *tools);
