// What names cost: loading each file that is given (and the kernel's table), the memory of a
// symbol, finding one, demangling all of them.
//
//     bench_symbols [FILE…]

#include "base/clock.h"
#include "base/file.h"
#include "image/demangle.h"
#include "image/elf_symbols.h"
#include "image/kallsyms.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

enum { FINDS = 4000000 };

// At addresses that jump about: what a cache can't guess.
static double find_ns(const struct symtab *symtab)
{
    size_t n = symtab_count(symtab);
    uint64_t first = symtab_at(symtab, 0)->addr;
    uint64_t span = symtab_at(symtab, n - 1)->addr - first + 1;
    uint64_t state = 88172645463325252;
    uint64_t n_found = 0;
    uint64_t before_ns = clock_now_ns();
    for (int i = 0; i < FINDS; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        n_found += symtab_find(symtab, first + state % span) != NULL;
    }
    uint64_t took_ns = clock_now_ns() - before_ns;
    return n_found == 0 ? 0 : (double)took_ns / FINDS;
}

static double demangle_us(const struct symtab *symtab)
{
    size_t n = symtab_count(symtab);
    uint64_t before_ns = clock_now_ns();
    for (size_t i = 0; i < n; i++) {
        enum symbol_lang lang;
        free(demangle(symtab_at(symtab, i)->name, &lang));
    }
    return (double)(clock_now_ns() - before_ns) / (double)n / 1e3;
}

static void print_table(const char *what, const struct symtab *symtab, uint64_t took_ns)
{
    size_t n = symtab_count(symtab);
    if (n == 0) {
        printf("%-40s no symbols\n", what);
        return;
    }
    printf("%-40s %8zu %9.1f %9.1f %9.0f %9.0f %9.2f\n", what, n, (double)took_ns / 1e6,
           (double)symtab_bytes(symtab) / 1e6, (double)symtab_bytes(symtab) / (double)n,
           find_ns(symtab), demangle_us(symtab));
}

static int measure_file(const char *path)
{
    uint64_t before_ns = clock_now_ns();
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct symtab *symtab;
    struct elf_facts facts;
    struct err err = {0};
    int r = fd < 0 ? err_set(&err, errno, "%s", strerror(errno))
                   : elf_symbols_read(fd, &symtab, &facts, &err);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", path, err.text);
        return 1;
    }
    print_table(path, symtab, clock_now_ns() - before_ns);
    symtab_free(symtab);
    return 0;
}

static void measure_kernel(void)
{
    uint64_t before_ns = clock_now_ns();
    struct symtab *symtab;
    if (kallsyms_read(&symtab, NULL) == KALLSYMS_OK) {
        print_table("/proc/kallsyms", symtab, clock_now_ns() - before_ns);
        symtab_free(symtab);
    }
}

int main(int argc, char **argv)
{
    printf("%-40s %8s %9s %9s %9s %9s %9s\n", "", "symbols", "load ms", "MB", "B/symbol", "find ns",
           "name us");
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        failed |= measure_file(argv[i]);
    }
    measure_kernel();
    return failed;
}
