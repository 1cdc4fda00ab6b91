// For comparing with other programs: reads stretches of a file, one per line (`offset bytes
// address`, in hexadecimal), and prints the instructions of each, one per line (`address text`).
//
//     print_sweep x86_64|aarch64 intel|att FILE <stretches

#include "base/file.h"
#include "disasm/disasm.h"

#include <inttypes.h>
#include <stdio.h>

static void print_stretch(struct disasm *disasm, struct slice bytes, uint64_t addr)
{
    CLEANUP(text_fini) struct text line = {0};
    while (bytes.n > 0) {
        struct instruction instruction;
        disasm_next(disasm, bytes, addr, &instruction);
        struct slice own = {.data = bytes.data, .n = instruction.n_bytes};
        text_clear(&line);
        disasm_put_text(disasm, &instruction, own, NULL, NULL, &line);
        printf("%" PRIx64 " %s\n", addr, text_get(&line));
        addr += own.n;
        bytes = (struct slice){.data = bytes.data + own.n, .n = bytes.n - own.n};
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: print_sweep x86_64|aarch64 intel|att FILE <stretches\n");
        return 2;
    }
    enum disasm_syntax syntax = strcmp(argv[2], "att") == 0 ? DISASM_ATT : DISASM_INTEL;
    struct disasm *disasm = NULL;
    struct err err = {0};
    CLEANUP(text_fini) struct text file = {0};
    if (disasm_open(arch_of_name(argv[1]), syntax, &disasm, &err) < 0 ||
        file_read(argv[3], SIZE_MAX, &file) < 0) {
        fprintf(stderr, "%s: %s\n", argv[3], disasm == NULL ? err.text : "cannot be read");
        return 1;
    }
    uint64_t offset;
    uint64_t n;
    uint64_t addr;
    while (scanf("%" SCNx64 " %" SCNx64 " %" SCNx64, &offset, &n, &addr) == 3) {
        struct reader reader = reader_of((struct slice){.data = (uint8_t *)file.at, .n = file.n});
        read_slice(&reader, offset);
        print_stretch(disasm, read_slice(&reader, n), addr);
    }
    disasm_close(disasm);
    return 0;
}
