// What the text of lines costs: a file of 50,000 lines that is read for 500 of them, and once more
// when it is kept. Prints the best of several rounds, in microseconds.

#include "base/clock.h"
#include "code/source_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINES = 50000, ASKED = 500, ROUNDS = 20 };

static void write_file(int fd)
{
    FILE *file = fdopen(fd, "w");
    ASSERT(file != NULL);
    for (int i = 0; i < LINES; i++) {
        fprintf(file, "    total += weigh(items[%d], &scale); // as everybody does\n", i);
    }
    ASSERT(fclose(file) == 0);
}

// Nanoseconds; 0 when a line was not there.
static uint64_t ask(struct source_texts *texts, const char *path)
{
    struct source_wish wish = {.path = path};
    bool fetch = false;
    struct err why;
    uint64_t start_ns = clock_now_ns();
    const struct source_file *file = source_texts_find(texts, &wish, &fetch, &why);
    for (uint32_t i = 0; i < ASKED; i++) {
        struct slice line;
        if (file == NULL || !source_file_line(file, 1 + i * (LINES / ASKED), &line)) {
            return 0;
        }
    }
    return clock_now_ns() - start_ns;
}

int main(void)
{
    char path[] = "/tmp/stax-bench-XXXXXX.c";
    write_file(mkstemps(path, 2));
    uint64_t first_ns = UINT64_MAX;
    uint64_t again_ns = UINT64_MAX;
    for (int i = 0; i < ROUNDS; i++) {
        struct source_texts *texts = source_texts_new();
        first_ns = MIN(first_ns, ask(texts, path));
        again_ns = MIN(again_ns, ask(texts, path));
        source_texts_free(texts);
    }
    unlink(path);
    if (first_ns == 0 || again_ns == 0) {
        return 1;
    }
    printf("%d of %d lines: %.0f us when the file is read, %.0f us when it is kept\n", ASKED, LINES,
           (double)first_ns / 1e3, (double)again_ns / 1e3);
    return 0;
}
