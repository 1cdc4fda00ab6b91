// For comparing with other programs: reads addresses in hexadecimal, one per line, and prints for
// each the functions that are inlined there, innermost first, as the linker names them, then the
// call sites (`name file:line`, of the call that was inlined), then an empty line.
//
//     print_inlines FILE <addresses

#include "base/file.h"
#include "image/inlines.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

static void print_chain(struct inlines *inlines, uint64_t addr)
{
    const struct inline_site *sites[LIMIT_INLINE_DEPTH];
    for (size_t n = inlines_find(inlines, addr, sites); n > 0; n--) {
        const struct inline_site *site = sites[n - 1];
        const char *file = inlines_call_file(inlines, site);
        printf("%s %s:%" PRIu32 "\n", site->name, file == NULL ? "??" : file, site->call_line);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: print_inlines FILE <addresses\n");
        return 2;
    }
    struct inlines *inlines = NULL;
    struct err err = {0};
    int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || inlines_open(fd, NULL, NULL, &inlines, &err) < 0) {
        fprintf(stderr, "%s %s\n", argv[1], fd < 0 ? "cannot be opened" : err.text);
        return 1;
    }
    uint64_t addr;
    while (scanf("%" SCNx64, &addr) == 1) {
        print_chain(inlines, addr);
    }
    inlines_note(inlines, &err);
    fprintf(stderr, "%s", err.text);
    inlines_close(inlines);
    return 0;
}
