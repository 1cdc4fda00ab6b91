// Prints the table of functions that tell why a thread waits, or checks that a file ends with it.
//
//     print_reasons
//     print_reasons --check docs/waiting.md

#include "base/file.h"
#include "query/reasons_table.h"

#include <stdio.h>

static int check(const struct text *table, const char *path)
{
    CLEANUP(text_fini) struct text found = {0};
    int r = file_read(path, (size_t)4 << 20, &found);
    if (r < 0) {
        fprintf(stderr, "error: %s: %s\n", path, strerror(-r));
        return 1;
    }
    if (found.n < table->n ||
        strcmp(text_get(&found) + (found.n - table->n), text_get(table)) != 0) {
        fprintf(stderr,
                "error: %s does not end with the table of src/query/reasons_table.c; run: ninja -C "
                "BUILD waiting-docs\n",
                path);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    CLEANUP(text_fini) struct text table = {0};
    reasons_table_print(&table);
    if (argc == 3 && strcmp(argv[1], "--check") == 0) {
        return check(&table, argv[2]);
    }
    if (argc != 1) {
        fprintf(stderr, "usage: %s [--check FILE]\n", argv[0]);
        return 1;
    }
    fputs(text_get(&table), stdout);
    return 0;
}
