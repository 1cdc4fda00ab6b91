#pragma once

// For tests: sections with call frame information, written byte by byte.
//
//     struct frames f = {0};                       .eh_frame of x86-64
//     frames_cie(&f, "zR", 0x1b, USUAL);
//     frames_fde(&f, CODE_ADDR, 0x20, PROGRAM(CFA_ADVANCE(1), CFA_DEF_CFA_OFFSET, 16));
//     struct cfi_table *table = frames_table(&f, NULL);
//
// The code is at CODE_ADDR and CODE_OFF in the file. Numbers wider than a byte are in the order of
// this machine, as everywhere.

#include "base/vec.h"
#include "unwind/cfi.h"

enum {
    CODE_ADDR = 0x401000,
    CODE_OFF = 0x1000,
    CODE_BYTES = 0x10000,
    SECTION_ADDR = 0x500000,
};

#define PROGRAM(...)   (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define ADVANCE(n)     (0x40 | (n))
#define OFFSET(reg, n) (0x80 | (reg)), (n)
#define RESTORE(reg)   (0xc0 | (reg))

// What every compiler begins with: the CFA is behind the return address, which is just below it.
#define USUAL PROGRAM(0x0c, 7, 8, OFFSET(16, 1))

struct frames {
    VEC(uint8_t) bytes;
    enum unwind_arch arch;
    bool is_debug_frame;
    uint8_t version;     // 0: 1
    uint64_t code_align; // 0: 1
    int64_t data_align;  // 0: -8
    uint64_t ra;         // 0: 16, or 30
    uint8_t encoding;    // of the last CIE
    bool sized;
    size_t cie_off;
    size_t entry_off; // of the last entry
};

void frames_fini(struct frames *frames);

void frames_put(struct frames *frames, const void *bytes, size_t n);
void frames_put_int(struct frames *frames, uint64_t value, size_t n_bytes);
void frames_put_uleb(struct frames *frames, uint64_t value);
void frames_put_sleb(struct frames *frames, int64_t value);

// An entry's length is filled in by the end of it.
void frames_begin(struct frames *frames);
void frames_end(struct frames *frames);

// `augmentation` may have R, S, B and the unknown letter `?`, which has a byte of data.
void frames_cie(struct frames *frames, const char *augmentation, uint8_t encoding,
                const uint8_t *program, size_t n);
void frames_fde(struct frames *frames, uint64_t start_addr, uint64_t size, const uint8_t *program,
                size_t n);

struct cfi_section frames_section(const struct frames *frames);
struct cfi_table *frames_table(const struct frames *frames, struct cfi_facts *ret_facts);
