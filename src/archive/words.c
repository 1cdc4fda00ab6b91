#include "archive/words.h"

#include "archive/spool_writer.h"

static const char *const image_kinds[] = {
    [IMAGE_ROW_FILE] = "file",     [IMAGE_ROW_VDSO] = "vdso",   [IMAGE_ROW_ANONYMOUS] = "anonymous",
    [IMAGE_ROW_KERNEL] = "kernel", [IMAGE_ROW_NAMED] = "named", [IMAGE_ROW_TRUNCATED] = "truncated",
};

const char *image_kind_word(enum image_row_kind kind)
{
    ASSERT(kind >= 0 && kind < ARRAY_LEN(image_kinds));
    return image_kinds[kind];
}

bool image_kind_of_word(struct slice word, enum image_row_kind *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(image_kinds); i++) {
        if (slice_equal(word, slice_of_text(image_kinds[i]))) {
            *ret = (enum image_row_kind)i;
            return true;
        }
    }
    return false;
}

const char *packed_table_name(size_t table)
{
    ASSERT(table < PACKED_TABLES);
    return table == PACKED_FRAMES   ? "frames"
           : table == PACKED_STACKS ? "stacks"
                                    : row_table_name((enum row_table)table);
}
