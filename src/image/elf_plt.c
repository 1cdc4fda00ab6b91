#include "image/elf_plt.h"

#include <elf.h>

enum { X86_STUB_BYTES = 16, A64_WORD_BYTES = 4, A64_STUB_WORDS_MAX = 6 };

static uint32_t u32_at(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

// ---- x86-64: [endbr64] [bnd] jmp *disp(%rip) ---------------------------------------------------

static bool skip_prefix(const uint8_t **at, size_t *n, const void *prefix, size_t n_prefix)
{
    bool is_there = *n >= n_prefix && memcmp(*at, prefix, n_prefix) == 0;
    if (is_there) {
        *at += n_prefix;
        *n -= n_prefix;
    }
    return is_there;
}

static bool match_x86(const struct elf_plt_section *section, size_t at, size_t n,
                      uint64_t *ret_slot)
{
    const uint8_t *code = section->bytes.data + at;
    skip_prefix(&code, &n, "\xf3\x0f\x1e\xfa", 4);
    skip_prefix(&code, &n, "\xf2", 1);
    if (!skip_prefix(&code, &n, "\xff\x25", 2) || n < 4) {
        return false;
    }
    uint64_t next = section->addr + (uint64_t)(code + 4 - section->bytes.data);
    *ret_slot = next + (uint64_t)(int64_t)(int32_t)u32_at(code);
    return true;
}

// Entries stand one behind the other, and are 8 or 16 bytes long. Of a section that does not say
// which, those of 8 bytes are looked for; a longer one is then named to where the next can begin.
static bool next_x86(const struct elf_plt_section *section, size_t *at, struct elf_plt_stub *ret)
{
    size_t each = section->entry_bytes == X86_STUB_BYTES ? X86_STUB_BYTES : X86_STUB_BYTES / 2;
    for (; *at < section->bytes.n; *at += each) {
        size_t left = section->bytes.n - *at;
        if (match_x86(section, *at, MIN(left, (size_t)X86_STUB_BYTES), &ret->slot_addr)) {
            ret->addr = section->addr + *at;
            ret->size = MIN(left, each);
            *at += each;
            return true;
        }
    }
    return false;
}

// ---- AArch64: [bti c] adrp x16, page; ldr x17, [x16, #off]; … br x17 ----------------------------

static uint32_t word_at(const struct elf_plt_section *section, size_t at)
{
    return at + A64_WORD_BYTES <= section->bytes.n ? u32_at(section->bytes.data + at) : 0;
}

// The slot that the instructions at `at` load from.
static bool match_a64(const struct elf_plt_section *section, size_t at, uint64_t *ret_slot)
{
    uint32_t adrp = word_at(section, at);
    uint32_t ldr = word_at(section, at + A64_WORD_BYTES);
    if ((adrp & 0x9f00001f) != 0x90000010 || (ldr & 0xffc003ff) != 0xf9400211) {
        return false;
    }
    uint32_t pages = (adrp >> 5 & 0x7ffff) << 2 | (adrp >> 29 & 3); // 21 bits, signed
    uint64_t page = (section->addr + at) & ~UINT64_C(0xfff);
    page += (uint64_t)((int64_t)((uint64_t)pages << 43) >> 43) * 0x1000;
    *ret_slot = page + (ldr >> 10 & 0xfff) * sizeof(uint64_t);
    return true;
}

// Where the stub ends that loads at `at`: behind its `br x17` (BR, BRAA, BRAAZ and the like).
static size_t end_a64(const struct elf_plt_section *section, size_t at)
{
    for (size_t i = 2; i < A64_STUB_WORDS_MAX; i++) {
        uint32_t word = word_at(section, at + i * A64_WORD_BYTES);
        if ((word & 0xfefff3e0) == 0xd61f0220) {
            return at + (i + 1) * A64_WORD_BYTES;
        }
    }
    return at + 2 * A64_WORD_BYTES;
}

static bool next_a64(const struct elf_plt_section *section, size_t *at, struct elf_plt_stub *ret)
{
    static const uint32_t bti_c = 0xd503245f;
    size_t first = *at;
    for (; *at < section->bytes.n; *at += A64_WORD_BYTES) {
        if (!match_a64(section, *at, &ret->slot_addr)) {
            continue;
        }
        bool has_bti = *at > first && word_at(section, *at - A64_WORD_BYTES) == bti_c;
        size_t start = has_bti ? *at - A64_WORD_BYTES : *at;
        *at = MIN(end_a64(section, *at), section->bytes.n);
        ret->addr = section->addr + start;
        ret->size = *at - start;
        return true;
    }
    return false;
}

bool elf_plt_next(const struct elf_plt_section *section, size_t *at, struct elf_plt_stub *ret)
{
    switch (section->machine) {
    case EM_X86_64:
        return next_x86(section, at, ret);
    case EM_AARCH64:
        return next_a64(section, at, ret);
    default:
        return false;
    }
}
