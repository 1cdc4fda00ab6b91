#pragma once

// The instructions of an image, from its own file (a debug file has none): only from the file that
// was mapped, as its symbols are; of the vdso from memory; of the kernel that runs here from its
// own memory (kcore.h), where that may be read.

#include "base/text.h"
#include "image/library.h"

struct code_bytes;

// Of a READY image. 0, or a negative errno and why, for people: -ENODATA it has none by its nature,
// -ESTALE the file is another one by now, or can't be reached any more, or the kernel was that of
// an earlier boot or of another machine; -ENOENT, -EACCES, -EPERM the kernel's memory can't be
// read.
int code_bytes_open(const struct image *image, struct code_bytes **ret, struct err *reterr);

// The same with the kernel's memory in a file of that path: for tests.
int code_bytes_open_with(const struct image *image, const char *kcore_path, struct code_bytes **ret,
                         struct err *reterr);

void code_bytes_close(struct code_bytes *code); // accepts NULL

// Appends what lies in the file of [addr, end), the file's own addresses (p_vaddr). 0; -ENODATA
// when not all of it does; -EFBIG when it is more than LIMIT_SAVED_FUNCTION_BYTES; -ESTALE when the
// file has changed; another negative errno when reading fails.
int code_bytes_read(struct code_bytes *code, uint64_t addr, uint64_t end, struct text *to);
