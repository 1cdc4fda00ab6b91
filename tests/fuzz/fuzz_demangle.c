// Any name becomes some name, in bounded time and memory.

#include "base/alloc.h"
#include "base/limits.h"
#include "image/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(freep) char *name = alloc_text((const char *)data, size);
    enum symbol_lang lang;
    CLEANUP(freep) char *readable = demangle(name, &lang);
    ASSERT(strlen(readable) <= 2 * LIMIT_SYMBOL_BYTES || strlen(readable) <= strlen(name));
    ASSERT(symbol_lang_name(lang) != NULL);
    return 0;
}
