// print_blocks ARCH FILE
//
// The indirect jumps of functions, for those who check what became of them. Reads lines from
// standard input: `map ADDR OFFSET BYTES` says what of the file lies at an address, then `function
// ADDR BYTES NAME` asks. Prints one line for each indirect jump, `NAME ADDR unknown` or `NAME ADDR
// table TABLE_ADDR TARGET…`, and at the end what there was of all.

#include "base/alloc.h"
#include "disasm/blocks.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

struct stretch {
    uint64_t addr;
    uint64_t off;
    uint64_t size;
};

struct printer {
    enum arch arch;
    struct disasm *disasm;
    struct text file;
    VEC(struct stretch) stretches;
    uint64_t n_functions, n_instructions, n_blocks, n_edges, n_jumps, n_tables, n_into_middle;
    uint64_t ns_tables, ns_blocks;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool read_file(void *context, uint64_t addr, uint64_t end, struct text *to)
{
    struct printer *p = context;
    for (size_t i = 0; i < p->stretches.n; i++) {
        const struct stretch *s = &p->stretches.at[i];
        if (addr >= s->addr && end >= addr && end - s->addr <= s->size &&
            s->off + s->size <= p->file.n) {
            text_add_bytes(to, p->file.at + s->off + (addr - s->addr), (size_t)(end - addr));
            return true;
        }
    }
    return false;
}

static void print_jumps(struct printer *p, const char *name, const struct instruction *at, size_t n,
                        const struct jump_tables *tables)
{
    size_t t = 0;
    for (size_t i = 0; i < n; i++) {
        if (at[i].flow != FLOW_JUMP || !at[i].is_indirect) {
            continue;
        }
        p->n_jumps++;
        printf("%s %" PRIx64, name, at[i].addr);
        if (t < tables->tables.n && tables->tables.at[t].jump == i) {
            const struct jump_table *table = &tables->tables.at[t++];
            printf(" table %" PRIx64 " %u", table->addr, table->n_entries);
            for (size_t k = 0; k < table->n_targets; k++) {
                printf(" %" PRIx64, tables->targets.at[table->first_target + k]);
            }
            p->n_tables++;
        } else {
            printf(" unknown");
        }
        printf("\n");
    }
}

static void print_function(struct printer *p, const char *name, uint64_t addr, uint64_t size)
{
    CLEANUP(text_fini) struct text bytes = {0};
    if (size == 0 || !read_file(p, addr, addr + size, &bytes)) {
        return;
    }
    VEC(struct instruction) all = {0};
    for (size_t at = 0; at < bytes.n;) {
        struct slice left = {(const uint8_t *)bytes.at + at, bytes.n - at};
        struct instruction i;
        disasm_next(p->disasm, left, addr + at, &i);
        vec_push(&all, i);
        at += i.n_bytes;
    }
    struct slice code = {(const uint8_t *)bytes.at, bytes.n};
    struct jump_tables tables;
    struct blocks blocks;
    uint64_t start = now_ns();
    jump_tables_find(p->arch, all.at, all.n, code, read_file, p, &tables);
    uint64_t middle = now_ns();
    blocks_make(all.at, all.n, &tables, NULL, NULL, &blocks);
    p->ns_tables += middle - start;
    p->ns_blocks += now_ns() - middle;
    print_jumps(p, name, all.at, all.n, &tables);
    p->n_functions++;
    p->n_instructions += all.n;
    p->n_blocks += blocks.blocks.n;
    p->n_edges += blocks.edges.n;
    p->n_into_middle += blocks.n_into_middle;
    blocks_fini(&blocks);
    jump_tables_fini(&tables);
    vec_fini(&all);
}

static void read_lines(struct printer *p)
{
    char line[512], name[256];
    struct stretch s;
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "map %" SCNx64 " %" SCNx64 " %" SCNx64, &s.addr, &s.off, &s.size) == 3) {
            vec_push(&p->stretches, s);
        } else if (sscanf(line, "function %" SCNx64 " %" SCNx64 " %255s", &s.addr, &s.size, name) ==
                   3) {
            print_function(p, name, s.addr, s.size);
        }
    }
}

int main(int argc, char **argv)
{
    struct printer p = {.arch = argc == 3 ? arch_of_name(argv[1]) : ARCH_UNKNOWN};
    struct err err = {0};
    FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (file == NULL || disasm_open(p.arch, DISASM_INTEL, &p.disasm, &err) < 0) {
        fprintf(stderr, "print_blocks ARCH FILE: %s\n", file == NULL ? "no file" : err.text);
        return 1;
    }
    char piece[4096];
    for (size_t n; (n = fread(piece, 1, sizeof piece, file)) > 0;) {
        text_add_bytes(&p.file, piece, n);
    }
    fclose(file);
    read_lines(&p);
    printf("= functions %" PRIu64 " instructions %" PRIu64 " blocks %" PRIu64 " edges %" PRIu64
           " jumps %" PRIu64 " tables %" PRIu64 " into_middle %" PRIu64 " ms_tables %" PRIu64
           " ms_blocks %" PRIu64 "\n",
           p.n_functions, p.n_instructions, p.n_blocks, p.n_edges, p.n_jumps, p.n_tables,
           p.n_into_middle, p.ns_tables / 1000000, p.ns_blocks / 1000000);
    disasm_close(p.disasm);
    text_fini(&p.file);
    vec_fini(&p.stretches);
    return 0;
}
