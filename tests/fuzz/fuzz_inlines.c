// Any file gives chains of inlined functions or one error, and ends.

#include "image/inlines.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(struct inlines *inlines, uint64_t addr)
{
    const struct inline_site *sites[LIMIT_INLINE_DEPTH];
    size_t n = inlines_find(inlines, addr, sites);
    ASSERT(n <= LIMIT_INLINE_DEPTH);
    for (size_t i = 0; i < n; i++) {
        ASSERT(sites[i]->name[0] != 0 && strlen(sites[i]->name) < LIMIT_SYMBOL_BYTES);
        const char *file = inlines_call_file(inlines, sites[i]);
        ASSERT(file == NULL || strlen(file) < SIZE_MAX);
    }
    const struct inline_site *again[LIMIT_INLINE_DEPTH];
    ASSERT(inlines_find(inlines, addr, again) == n);
    ASSERT(memcmp(sites, again, n * sizeof sites[0]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // Of exactly this size, so that reading behind its end is seen; and it is written to.
    uint8_t *bytes = malloc(size == 0 ? 1 : size);
    ASSERT(bytes != NULL);
    memcpy(bytes, data, size);
    struct inlines *inlines = NULL;
    struct err err = {0};
    int r = inlines_open_bytes((struct slice){.data = bytes, .n = size}, &inlines, &err);
    ASSERT(r <= 0 && (r == 0) == (err.text[0] == 0) && (r == 0) == (inlines != NULL));
    if (r == 0) {
        for (uint64_t addr = 0; addr < 0x2000; addr += 8) {
            look_up(inlines, addr);
        }
        look_up(inlines, UINT64_MAX);
        inlines_note(inlines, &err);
        ASSERT(inlines_bytes(inlines) > 0);
    }
    inlines_close(inlines);
    free(bytes);
    return 0;
}
