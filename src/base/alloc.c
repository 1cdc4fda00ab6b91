#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE_PAGE ((size_t)2 << 20) // of x86-64, and of arm64 with small pages of 4 KB

static _Noreturn void out_of_memory(size_t n, size_t size)
{
    fprintf(stderr, "out of memory: %zu x %zu bytes\n", n, size);
    abort();
}

void *alloc_zeroed(size_t n, size_t size)
{
    void *result = calloc(MAX(n, (size_t)1), MAX(size, (size_t)1));
    if (result == NULL) {
        out_of_memory(n, size);
    }
    return result;
}

void *alloc_resize(void *old, size_t n, size_t size)
{
    void *result = reallocarray(old, MAX(n, (size_t)1), MAX(size, (size_t)1));
    if (result == NULL) {
        out_of_memory(n, size);
    }
    return result;
}

void *alloc_pages(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        out_of_memory(bytes, 1);
    }
    return pages;
}

void free_pages(void *pages, size_t bytes)
{
    ASSERT(munmap(pages, bytes) == 0);
}

void *alloc_table(size_t bytes)
{
    size_t size = (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    if (bytes < LARGE_PAGE || size < bytes) {
        return alloc_resize(NULL, bytes, 1);
    }
    void *table = aligned_alloc(LARGE_PAGE, size);
    if (table == NULL) {
        out_of_memory(bytes, 1);
    }
#ifdef MADV_HUGEPAGE
    (void)madvise(table, size, MADV_HUGEPAGE); // a wish
#endif
    return table;
}

char *alloc_text(const char *text, size_t n)
{
    char *result = alloc_zeroed(n + 1, 1);
    memcpy(result, text, n);
    return result;
}

void freep(void *pointer)
{
    void *what;
    memcpy(&what, pointer, sizeof what);
    free(what);
}
