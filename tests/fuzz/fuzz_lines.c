// Any file gives rows of its line tables or one error, and ends.

#include "base/limits.h"
#include "image/lines.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct line_rows *rows, uint64_t addr, uint64_t end)
{
    for (size_t i = 0; i < rows->list.n; i++) {
        const struct line_row *row = &rows->list.at[i];
        ASSERT(row->addr >= addr && row->addr < end);
        ASSERT(i == 0 || rows->list.at[i - 1].addr < row->addr);
        ASSERT(i > 0 || row->file != NULL);
        ASSERT(row->file != NULL || (row->line == 0 && row->column == 0));
        ASSERT(row->file == NULL || (row->file[0] != 0 && strlen(row->file) <= LIMIT_NAME_BYTES));
    }
}

static void look_up(struct lines *lines, uint64_t addr, uint64_t end)
{
    struct line_rows rows = {0};
    lines_find(lines, addr, end, &rows);
    check(&rows, addr, end);
    vec_fini(&rows.list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // Of exactly this size, so that reading behind its end is seen; and it is written to.
    uint8_t *bytes = malloc(size == 0 ? 1 : size);
    ASSERT(bytes != NULL);
    memcpy(bytes, data, size);
    struct lines *lines = NULL;
    struct err err = {0};
    int r = lines_open_bytes((struct slice){.data = bytes, .n = size}, &lines, &err);
    ASSERT(r <= 0 && (r == 0) == (err.text[0] == 0) && (r == 0) == (lines != NULL));
    if (r == 0) {
        look_up(lines, 0, UINT64_MAX);
        for (uint64_t addr = 0; addr < 0x2000; addr += 0x100) {
            look_up(lines, addr, addr + 0x180);
        }
        look_up(lines, UINT64_MAX - 1, UINT64_MAX);
        lines_note(lines, &err);
    }
    lines_close(lines);
    free(bytes);
    return 0;
}
