#pragma once

// The memory of the kernel that runs here, as it is at this moment, from /proc/kcore (proc(5)):
//
//     an ELF core file   header │ program headers │ notes │ memory: one segment per stretch of
//                                                            addresses (the kernel's own code, its
//                                                            modules, all of RAM)
//
// Kernel code changes while it runs (static keys, ftrace, alternatives), so there is no file on
// disk with the instructions that are executed; this has them. Root may read it, or who has
// CAP_SYS_RAWIO, unless the kernel is locked down. Addresses are those of the kernel.

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"
#include "base/vec.h"

#define KCORE_PATH "/proc/kcore"

// ---- The format (pure) -------------------------------------------------------------------------

enum { KCORE_HEADER_BYTES = 64, KCORE_SEGMENT_BYTES = 56 }; // elf(5): Elf64_Ehdr, Elf64_Phdr

struct kcore_table {
    uint64_t file_off; // of the program headers
    uint32_t n;        // at most LIMIT_KCORE_SEGMENTS
};

// From the first KCORE_HEADER_BYTES of the file. 0, or -ENOEXEC and what is wrong, to be put behind
// the name of the file.
int kcore_parse_header(struct slice header, struct kcore_table *ret, struct err *reterr);

struct kcore_segment {
    uint64_t addr;
    uint64_t size_bytes;
    uint64_t file_off;
};

struct kcore_segments {
    VEC(struct kcore_segment) list;
};

// From the program headers, of which the last may be cut: it is left out, and so is what cannot be
// (wraps around, lies behind the largest offset that a file has).
void kcore_parse_segments(struct slice table, struct kcore_segments *ret);
void kcore_segments_fini(struct kcore_segments *segments); // a zeroed one is empty, and ready

// Where all of [addr, end) lies; false: nowhere in one piece.
bool kcore_find(const struct kcore_segments *segments, uint64_t addr, uint64_t end,
                uint64_t *ret_off);

// ---- Reading it --------------------------------------------------------------------------------

struct kcore;

// `path` is KCORE_PATH but in tests. 0, or a negative errno and why, for people: -ENOENT, -EACCES,
// -EPERM, -ENOEXEC, …
int kcore_open(const char *path, struct kcore **ret, struct err *reterr);
void kcore_close(struct kcore *kcore); // accepts NULL

// Appends [addr, end), addresses of the kernel. 0; -ENODATA it is not there (nothing but zeros
// counts as that: so the kernel shows what is not mapped), or not all of it could be read; or the
// errno of reading it (-EFAULT, -EIO): then nothing is appended. At most LIMIT_SAVED_FUNCTION_BYTES
// at a time, else -EFBIG.
int kcore_read(const struct kcore *kcore, uint64_t addr, uint64_t end, struct text *to);
