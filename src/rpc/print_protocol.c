// Prints the protocol, or checks that a file still says the same.
//
//     print_protocol openrpc|md|ts
//     print_protocol md --check docs/protocol.md

#include "base/file.h"
#include "rpc/document.h"

#include <stdio.h>

static int put(const char *what, struct text *to)
{
    if (strcmp(what, "openrpc") == 0) {
        document_put_openrpc(to);
        text_add(to, "\n");
    } else if (strcmp(what, "md") == 0) {
        document_put_markdown(to);
    } else if (strcmp(what, "ts") == 0) {
        document_put_typescript(to);
    } else {
        fprintf(stderr, "error: unknown document '%s': openrpc, md or ts\n", what);
        return 1;
    }
    return 0;
}

static int check(const struct text *expected, const char *path)
{
    CLEANUP(text_fini) struct text found = {0};
    int r = file_read(path, (size_t)4 << 20, &found);
    if (r < 0) {
        fprintf(stderr, "error: %s: %s\n", path, strerror(-r));
        return 1;
    }
    if (strcmp(text_get(expected), text_get(&found)) != 0) {
        fprintf(stderr,
                "error: %s does not match src/rpc/schema.c; run: ninja -C BUILD protocol-docs\n",
                path);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    CLEANUP(text_fini) struct text text = {0};
    if (argc != 2 && !(argc == 4 && strcmp(argv[2], "--check") == 0)) {
        fprintf(stderr, "usage: %s openrpc|md|ts [--check FILE]\n", argv[0]);
        return 1;
    }
    if (put(argv[1], &text) != 0) {
        return 1;
    }
    if (argc == 4) {
        return check(&text, argv[3]);
    }
    fputs(text_get(&text), stdout);
    return 0;
}
