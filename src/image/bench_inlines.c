// How fast inlined functions are looked up: opening, then addresses all over the code, each unit of
// DWARF for the first time (cold), then the same addresses again (warm).
//
//     bench_inlines FILE [N=20000] [DUMP]     DUMP: the addresses are written there, for others

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "image/elf_file.h"
#include "image/inlines.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void find_text(const char *path, uint64_t *ret_addr, uint64_t *ret_size)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct elf_file file = {0};
    size_t names = 0;
    ASSERT(fd >= 0 && elf_file_open(fd, &file, NULL) == 0);
    elf_getshdrstrndx(file.elf, &names);
    for (Elf_Scn *scn = NULL; (scn = elf_nextscn(file.elf, scn)) != NULL;) {
        GElf_Shdr shdr;
        const char *name = gelf_getshdr(scn, &shdr) == NULL
                               ? NULL
                               : elf_strptr(file.elf, names, shdr.sh_name);
        if (name != NULL && strcmp(name, ".text") == 0) {
            *ret_addr = shdr.sh_addr;
            *ret_size = shdr.sh_size;
        }
    }
    elf_file_close(&file);
}

struct looked_up {
    uint64_t ns;
    uint64_t inlined; // addresses with something inlined
    uint64_t sites;
};

static struct looked_up look_up(struct inlines *inlines, const uint64_t *addrs, size_t n)
{
    struct looked_up result = {0};
    uint64_t start_ns = clock_thread_cpu_ns();
    for (size_t i = 0; i < n; i++) {
        const struct inline_site *sites[LIMIT_INLINE_DEPTH];
        size_t depth = inlines_find(inlines, addrs[i], sites);
        result.inlined += depth > 0;
        result.sites += depth;
    }
    result.ns = clock_thread_cpu_ns() - start_ns;
    return result;
}

static void dump(const char *path, const uint64_t *addrs, size_t n)
{
    FILE *to = fopen(path, "we");
    for (size_t i = 0; to != NULL && i < n; i++) {
        fprintf(to, "0x%" PRIx64 "\n", addrs[i]);
    }
    if (to != NULL) {
        fclose(to);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_inlines FILE [N] [DUMP]\n");
        return 2;
    }
    size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
    uint64_t text_addr = 0;
    uint64_t text_size = 1;
    find_text(argv[1], &text_addr, &text_size);
    CLEANUP(freep) uint64_t *addrs = NEW_ARRAY(uint64_t, n + 1);
    uint64_t random = 1;
    for (size_t i = 0; i < n; i++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        addrs[i] = text_addr + (random >> 16) % text_size;
    }
    if (argc > 3) {
        dump(argv[3], addrs, n);
    }
    struct err err = {0};
    struct inlines *inlines = NULL;
    uint64_t start_ns = clock_thread_cpu_ns();
    int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || inlines_open(fd, NULL, NULL, &inlines, &err) < 0) {
        fprintf(stderr, "%s %s\n", argv[1], fd < 0 ? "cannot be opened" : err.text);
        return 1;
    }
    uint64_t open_ns = clock_thread_cpu_ns() - start_ns;
    struct looked_up cold = look_up(inlines, addrs, n);
    struct looked_up warm = look_up(inlines, addrs, n);
    printf("open %.1f ms; cold %.1f ms, %.0f addresses/s; warm %.2f ms, %.0f addresses/s; %" PRIu64
           " of %zu with inlined functions, %.1f each; %.1f MB\n",
           (double)open_ns / NS_PER_MS, (double)cold.ns / NS_PER_MS,
           (double)n * NS_PER_S / (double)cold.ns, (double)warm.ns / NS_PER_MS,
           (double)n * NS_PER_S / (double)warm.ns, cold.inlined, n,
           (double)cold.sites / (double)MAX(cold.inlined, (uint64_t)1),
           (double)inlines_bytes(inlines) / (1 << 20));
    inlines_close(inlines);
    return 0;
}
