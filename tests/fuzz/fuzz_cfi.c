// Any bytes are a table, which is in order and finds what it lists.
//
// Input: a byte (1: AArch64, 2: .debug_frame, 4: the same bytes are also the other kind of
// section), the section's address in 4 bytes, the section.

#include "base/limits.h"
#include "unwind/cfi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILE_OFF = 0x1000 };

static void use_place(const struct cfi_table *table, struct cfi_place place)
{
    if (place.how == CFI_AT_EXPRESSION || place.how == CFI_IS_EXPRESSION) {
        struct slice code = cfi_table_expression(table, place.off);
        ASSERT(code.n <= LIMIT_CFI_EXPRESSION_BYTES && (code.n == 0 || code.data != NULL));
    }
    ASSERT(place.how <= CFI_IS_EXPRESSION);
}

static void use_rule(const struct cfi_table *table, const struct cfi_rule *rule)
{
    use_place(table, rule->cfa);
    for (unsigned slot = 0; slot < CFI_SLOTS; slot++) {
        use_place(table, rule->saved[slot]);
        ASSERT((rule->told >> slot & 1) == (rule->saved[slot].how != CFI_SAME));
    }
}

static void use(const struct cfi_table *table, const struct cfi_facts *facts)
{
    uint64_t off = 0;
    uint64_t before = 0;
    const struct cfi_rule *rule = NULL;
    const struct cfi_rule *of_before = NULL;
    size_t n = 0;
    for (; cfi_table_row(table, n, &off, &rule); n++) {
        ASSERT(n == 0 ? rule != NULL : off > before && rule != of_before);
        ASSERT(cfi_table_find(table, off) == rule);
        ASSERT(cfi_table_find(table, off - 1) == of_before);
        if (rule != NULL) {
            use_rule(table, rule);
        }
        before = off;
        of_before = rule;
    }
    ASSERT(n == facts->n_rows && of_before == NULL); // the last one is a gap
    ASSERT(cfi_table_find(table, UINT64_MAX) == NULL);
    ASSERT(facts->n_bad <= facts->n_fdes + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader from = reader_of((struct slice){.data = data, .n = size});
    uint8_t kind = read_u8(&from);
    uint32_t addr = read_u32(&from);
    struct cfi_section section = {
        .bytes = read_slice(&from, reader_left(&from)),
        .addr = addr,
        .is_debug_frame = (kind & 2) != 0,
    };
    struct cfi_section other = section;
    other.is_debug_frame = !section.is_debug_frame;
    struct cfi_segment segments[] = {
        {.addr = 0x40000000, .size_bytes = 0x10000000, .file_off = FILE_OFF},
        {.addr = 0, .size_bytes = 0x40000000, .file_off = FILE_OFF + 0x10000000},
    };
    struct cfi_source source = {
        .arch = (kind & 1) != 0 ? UNWIND_AARCH64 : UNWIND_X86_64,
        .sections = {section, other},
        .n_sections = (kind & 4) != 0 ? 2 : 1,
        .data_addr = addr / 2,
        .text_addr = addr / 4,
        .segments = segments,
        .n_segments = ARRAY_LEN(segments),
    };
    struct cfi_facts facts;
    struct cfi_table *table = cfi_table_build(&source, &facts);
    use(table, &facts);
    // A rule has two bytes at least, and is there once for each section.
    ASSERT(facts.n_rows <= size * 2 + 2);
    cfi_table_free(table);
    return 0;
}
