#include "disasm/aarch64_words.h"

#include <inttypes.h>

enum { REGISTER_31 = 31 }; // the zero register, or the stack pointer, as the instruction says

static unsigned field(uint32_t word, unsigned from, unsigned n)
{
    return word >> from & ((1u << n) - 1);
}

// ", x3", or " x3" when it is the first one.
static void put_register(struct text *to, const char *before, bool is_64, unsigned n)
{
    if (n == REGISTER_31) {
        text_addf(to, "%s%s", before, is_64 ? "xzr" : "wzr");
    } else {
        text_addf(to, "%s%c%u", before, is_64 ? 'x' : 'w', n);
    }
}

static void put_base(struct text *to, const char *before, unsigned n)
{
    if (n == REGISTER_31) {
        text_addf(to, "%ssp", before);
    } else {
        text_addf(to, "%sx%u", before, n);
    }
}

static void put_memory(struct text *to, unsigned base)
{
    put_base(to, ", [", base);
    text_add_char(to, ']');
}

// As capstone writes them.
static void put_number(struct text *to, uint64_t value)
{
    text_addf(to, value > 9 ? "#0x%" PRIx64 : "#%" PRIu64, value);
}

// ---- Atomics (8.1), and loads that acquire less (8.3) -------------------------------------------

// `size` is that of the memory: bytes and halves are in the name, words and doublewords in the
// register.
static void put_atomic_name(struct text *to, const char *name, bool acquires, bool releases,
                            unsigned size)
{
    static const char *const sizes[] = {"b", "h", "", ""};
    text_addf(to, "%s%s%s%s", name, acquires ? "a" : "", releases ? "l" : "", sizes[size]);
}

// Unlike the others, these exist also without the old value, as stores: then it goes to
// register 31.
static void put_atomic_operation(uint32_t word, const char *name, struct text *to)
{
    bool acquires = field(word, 23, 1) != 0;
    bool releases = field(word, 22, 1) != 0;
    unsigned size = field(word, 30, 2);
    unsigned old = field(word, 0, 5);
    bool is_store = old == REGISTER_31 && !acquires;
    text_add(to, is_store ? "st" : "ld");
    put_atomic_name(to, name, acquires, releases, size);
    put_register(to, " ", size == 3, field(word, 16, 5));
    if (!is_store) {
        put_register(to, ", ", size == 3, old);
    }
    put_memory(to, field(word, 5, 5));
}

static bool put_atomic(uint32_t word, struct text *to)
{
    static const char *const names[] = {"add", "clr", "eor", "set", "smax", "smin", "umax", "umin"};
    if ((word & 0x3f200c00) != 0x38200000) {
        return false;
    }
    unsigned size = field(word, 30, 2);
    unsigned operation = field(word, 12, 4);
    bool is_swap = operation == 8;
    bool is_load = operation == 12 && (word & 0x00df0000) == 0x009f0000; // ldapr
    if (operation > 7 && !is_swap && !is_load) {
        return false;
    }
    if (to == NULL) {
        return true;
    }
    if (operation <= 7) {
        put_atomic_operation(word, names[operation], to);
        return true;
    }
    if (is_load) {
        put_atomic_name(to, "ldapr", false, false, size);
        put_register(to, " ", size == 3, field(word, 0, 5));
    } else {
        put_atomic_name(to, "swp", field(word, 23, 1) != 0, field(word, 22, 1) != 0, size);
        put_register(to, " ", size == 3, field(word, 16, 5));
        put_register(to, ", ", size == 3, field(word, 0, 5));
    }
    put_memory(to, field(word, 5, 5));
    return true;
}

static bool put_compare_and_swap(uint32_t word, struct text *to)
{
    bool is_single = (word & 0x3fa07c00) == 0x08a07c00;
    bool is_pair = (word & 0xbfa07c00) == 0x08207c00 &&
                   (word & 0x00010001) == 0; // of even registers
    if (!is_single && !is_pair) {
        return false;
    }
    if (to == NULL) {
        return true;
    }
    bool is_64 = field(word, 30, 1) != 0;
    unsigned expected = field(word, 16, 5);
    unsigned wanted = field(word, 0, 5);
    put_atomic_name(to, is_pair ? "casp" : "cas", field(word, 22, 1) != 0, field(word, 15, 1) != 0,
                    is_pair ? 3 : field(word, 30, 2));
    put_register(to, " ", is_64, expected);
    if (is_pair) {
        put_register(to, ", ", is_64, expected + 1);
    }
    put_register(to, ", ", is_64, wanted);
    if (is_pair) {
        put_register(to, ", ", is_64, wanted + 1);
    }
    put_memory(to, field(word, 5, 5));
    return true;
}

// ---- Signed addresses (8.3), landing pads (8.5) -------------------------------------------------

static const char *hint_name(unsigned hint)
{
    static const char *const names[] = {
        [6] = "dgh",        [7] = "xpaclri",    [8] = "pacia1716", [10] = "pacib1716",
        [12] = "autia1716", [14] = "autib1716", [16] = "esb",      [17] = "psb csync",
        [18] = "tsb csync", [20] = "csdb",      [24] = "paciaz",   [25] = "paciasp",
        [26] = "pacibz",    [27] = "pacibsp",   [28] = "autiaz",   [29] = "autiasp",
        [30] = "autibz",    [31] = "autibsp",   [32] = "bti",      [34] = "bti c",
        [36] = "bti j",     [38] = "bti jc",
    };
    return hint < ARRAY_LEN(names) ? names[hint] : NULL;
}

static bool put_hint(uint32_t word, struct text *to)
{
    if ((word & 0xfffff01f) != 0xd503201f) {
        return false;
    }
    const char *name = hint_name(field(word, 5, 7));
    if (name != NULL && to != NULL) {
        text_add(to, name);
    }
    return name != NULL;
}

static bool put_signed_branch(uint32_t word, struct text *to)
{
    static const struct {
        uint32_t mask;
        uint32_t word;
        const char *name;
        unsigned n_registers; // the address, and what it was signed with, which may be sp
    } rows[] = {
        {0xffffffff, 0xd65f0bff, "retaa", 0},  {0xffffffff, 0xd65f0fff, "retab", 0},
        {0xffffffff, 0xd69f0bff, "eretaa", 0}, {0xffffffff, 0xd69f0fff, "eretab", 0},
        {0xfffffc1f, 0xd61f081f, "braaz", 1},  {0xfffffc1f, 0xd61f0c1f, "brabz", 1},
        {0xfffffc1f, 0xd63f081f, "blraaz", 1}, {0xfffffc1f, 0xd63f0c1f, "blrabz", 1},
        {0xfffffc00, 0xd71f0800, "braa", 2},   {0xfffffc00, 0xd71f0c00, "brab", 2},
        {0xfffffc00, 0xd73f0800, "blraa", 2},  {0xfffffc00, 0xd73f0c00, "blrab", 2},
    };
    if ((word & 0xfe000000) != 0xd6000000) {
        return false; // as most are
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if ((word & rows[i].mask) != rows[i].word) {
            continue;
        }
        if (to != NULL) {
            text_add(to, rows[i].name);
            if (rows[i].n_registers > 0) {
                put_register(to, " ", true, field(word, 5, 5));
            }
            if (rows[i].n_registers > 1) {
                put_base(to, ", ", field(word, 0, 5));
            }
        }
        return true;
    }
    return false;
}

static bool put_sign(uint32_t word, struct text *to)
{
    static const char *const names[] = {
        "pacia",  "pacib",  "pacda",  "pacdb",  "autia",  "autib",  "autda",  "autdb", "paciza",
        "pacizb", "pacdza", "pacdzb", "autiza", "autizb", "autdza", "autdzb", "xpaci", "xpacd",
    };
    unsigned operation = field(word, 10, 6);
    unsigned with = field(word, 5, 5);
    if ((word & 0xffff0000) != 0xdac10000 || operation >= ARRAY_LEN(names) ||
        (operation > 7 && with != REGISTER_31)) {
        return false;
    }
    if (to != NULL) {
        text_add(to, names[operation]);
        put_register(to, " ", true, field(word, 0, 5));
        if (operation <= 7) {
            put_base(to, ", ", with);
        }
    }
    return true;
}

// ---- Others -------------------------------------------------------------------------------------

static bool put_undefined(uint32_t word, struct text *to)
{
    if ((word & 0xffff0000) != 0) {
        return false;
    }
    if (to != NULL) {
        text_add(to, "udf ");
        put_number(to, word);
    }
    return true;
}

// movz and movn go by the name of mov, unless another encoding of the same number is the usual one.
static bool put_move(uint32_t word, struct text *to)
{
    bool is_inverted = (word & 0x7f800000) == 0x12800000;
    if (!is_inverted && (word & 0x7f800000) != 0x52800000) {
        return false;
    }
    bool is_64 = field(word, 31, 1) != 0;
    unsigned shift = field(word, 21, 2) * 16;
    uint64_t part = field(word, 5, 16);
    if ((part == 0 && shift != 0) || (!is_64 && shift > 16) ||
        (is_inverted && !is_64 && part == 0xffff)) {
        return false;
    }
    if (to != NULL) {
        uint64_t value = is_inverted ? ~(part << shift) : part << shift;
        text_add(to, "mov");
        put_register(to, " ", is_64, field(word, 0, 5));
        text_add(to, ", ");
        put_number(to, is_64 ? value : value & UINT32_MAX);
    }
    return true;
}

bool aarch64_word_goes_on(uint32_t word)
{
    switch (field(word, 25, 4)) {
    case 0x0: // reserved, and the matrices of SME
        return word >> 31 != 0;
    case 0x1: // not allocated
    case 0x3:
    case 0xa: // branches, exceptions, system
    case 0xb:
        return false;
    case 0x7: // floating point and vectors, but for those that begin with 111
    case 0xf:
        return word >> 29 != 7;
    default: // SVE, loads and stores, integers
        return true;
    }
}

bool aarch64_word_put(uint32_t word, struct text *to)
{
    return put_move(word, to) || put_hint(word, to) || put_atomic(word, to) ||
           put_compare_and_swap(word, to) || put_signed_branch(word, to) || put_sign(word, to) ||
           put_undefined(word, to);
}
