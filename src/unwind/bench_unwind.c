// What unwinding costs: making tables of the files that are given, or of libc, libstdc++ and node;
// and walking stacks of a real program, beside libdwfl and libunwind with the same input. Prints
// `name value unit` lines.
//
//     bench_unwind [FILE…]

#include "unwind/bench_unwind.h"
#include "base/clock.h"

#include <stdio.h>

enum { BUILDS = 5, ROUNDS = 50, ROUNDS_OF_OTHERS = 5, CACHE_SLOTS = 1 << 12 };

static void print(const char *name, double value, const char *unit)
{
    printf("%-32s %10.2f %s\n", name, value, unit);
}

// ---- Tables ------------------------------------------------------------------------------------

struct costs {
    uint64_t built_ns; // CPU time, the best of several
    uint64_t read_ns;  // likewise, with opening the file and finding the sections
    uint64_t n_rows;
    uint64_t n_fdes;
    uint64_t n_bytes;
};

// Bytes are read from the page cache, but not mapped before: as when a file is met for the first
// time.
static bool measure_file(const char *path, struct costs *costs)
{
    uint64_t best_built_ns = UINT64_MAX;
    uint64_t best_read_ns = UINT64_MAX;
    for (int i = 0; i < BUILDS; i++) {
        struct cfi_facts facts;
        struct test_elf elf;
        uint64_t opened_ns = clock_thread_cpu_ns();
        const char *problem = test_elf_open(&elf, path, ".eh_frame");
        if (problem != NULL) {
            fprintf(stderr, "%s %s: left out\n", path, problem);
            test_elf_close(&elf);
            return false;
        }
        cfi_table_free(cfi_table_build(&elf.source, &facts));
        uint64_t read_ns = clock_thread_cpu_ns();
        struct cfi_table *table = cfi_table_build(&elf.source, &facts);
        uint64_t built_ns = clock_thread_cpu_ns();
        best_read_ns = MIN(best_read_ns, read_ns - opened_ns);
        best_built_ns = MIN(best_built_ns, built_ns - read_ns);
        if (i == 0) {
            costs->n_rows += facts.n_rows;
            costs->n_fdes += facts.n_fdes;
            costs->n_bytes += cfi_table_bytes(table);
        }
        cfi_table_free(table);
        test_elf_close(&elf);
    }
    costs->built_ns += best_built_ns;
    costs->read_ns += best_read_ns;
    return true;
}

static void measure_tables(int n_files, char **files)
{
    struct costs costs = {0};
    const char *usual[] = {test_elf_library("libc.so.6"), test_elf_library("libstdc++.so.6"),
                           "/usr/bin/node"};
    for (size_t i = 0; n_files == 0 && i < ARRAY_LEN(usual); i++) {
        if (usual[i] != NULL) {
            measure_file(usual[i], &costs);
        }
    }
    for (int i = 0; i < n_files; i++) {
        measure_file(files[i], &costs);
    }
    if (costs.n_rows == 0) {
        return;
    }
    print("tables_rows", (double)costs.n_rows, "rows");
    print("tables_built", (double)costs.built_ns / NS_PER_MS, "ms");
    print("tables_read_and_built", (double)costs.read_ns / NS_PER_MS, "ms");
    print("tables_speed", (double)costs.n_rows * 1e3 / (double)costs.built_ns, "million rows/s");
    print("tables_memory", (double)costs.n_bytes / (double)costs.n_rows, "bytes/row");
}

// ---- Our walk ----------------------------------------------------------------------------------

// Code that was looked up is known by its address from then on, as in a recording.
struct ours {
    const struct target *target;
    bool cached;
    uint64_t n_lookups;
    struct {
        uint64_t addr;
        struct unwind_code code;
    } cache[CACHE_SLOTS];
};

static struct unwind_code look_up(const struct target *target, uint64_t addr)
{
    const struct mapping *mapping = target_mapping(target, addr);
    struct unwind_code code = {0};
    if (mapping == NULL) {
        return code;
    }
    code.is_code = mapping->is_code;
    code.owner = mapping->module + 1;
    code.table = target->modules.at[mapping->module].table;
    if (code.table != NULL) {
        code.rule = cfi_table_find(code.table, addr - mapping->start_addr + mapping->file_off);
    }
    return code;
}

static struct unwind_code find(void *context, uint64_t addr)
{
    struct ours *ours = context;
    size_t slot = (addr * 0x9e3779b97f4a7c15ULL) >> 52;
    if (!ours->cached || ours->cache[slot].addr != addr) {
        ours->n_lookups++;
        ours->cache[slot].addr = addr;
        ours->cache[slot].code = look_up(ours->target, addr);
    }
    return ours->cache[slot].code;
}

static uint32_t walk_ours(void *context, const struct snapshot *snapshot, uint64_t *addrs)
{
    struct ours *ours = context;
    enum unwind_arch arch =
        ours->target->modules.at[0].elf.source.arch; // of the target, so of all of them
    return unwind_walk(arch, &snapshot->regs, &snapshot->memory, find, ours, addrs, BENCH_FRAMES).n;
}

// ---- Walks -------------------------------------------------------------------------------------

struct timing {
    double per_stack_ns; // median over the stacks, each the best of its rounds
    double per_frame_ns; // all of them
    double frames;       // per stack
};

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// All stacks in turns, so that no walk finds its own stack in the caches of the CPU.
static struct timing measure_walker(const struct walker *walker, const struct target *target,
                                    int rounds)
{
    uint64_t best_ns[BENCH_STACKS];
    memset(best_ns, 0xff, sizeof best_ns);
    uint64_t addrs[BENCH_FRAMES];
    uint64_t n_frames = 0;
    for (int round = 0; round < rounds + 1; round++) { // the first one warms up
        for (size_t i = 0; i < target->snapshots.n; i++) {
            uint64_t before_ns = clock_now_ns();
            uint32_t n = walker->walk(walker->context, &target->snapshots.at[i], addrs);
            uint64_t took_ns = clock_now_ns() - before_ns;
            n_frames += round == 0 ? n : 0;
            best_ns[i] = round == 0 ? UINT64_MAX : MIN(best_ns[i], took_ns);
        }
    }
    uint64_t sum_ns = 0;
    for (size_t i = 0; i < target->snapshots.n; i++) {
        sum_ns += best_ns[i];
    }
    qsort(best_ns, target->snapshots.n, sizeof best_ns[0], by_value);
    return (struct timing){
        .per_stack_ns = (double)best_ns[target->snapshots.n / 2],
        .per_frame_ns = (double)sum_ns / (double)MAX(n_frames, (uint64_t)1),
        .frames = (double)n_frames / (double)target->snapshots.n,
    };
}

static void print_walker(const char *name, const struct walker *walker, const struct target *target,
                         int rounds)
{
    struct timing timing = measure_walker(walker, target, rounds);
    char line[64];
    snprintf(line, sizeof line, "walk_stack_%s", name);
    print(line, timing.per_stack_ns / 1e3, "us, median");
    snprintf(line, sizeof line, "walk_frame_%s", name);
    print(line, timing.per_frame_ns, "ns");
    snprintf(line, sizeof line, "walk_frames_%s", name);
    print(line, timing.frames, "frames per stack");
}

// In how many of the stacks the other one found the same frames, in percent.
static double agreement(const struct walker *a, const struct walker *b, const struct target *target)
{
    size_t n_same = 0;
    for (size_t i = 0; i < target->snapshots.n; i++) {
        uint64_t of_a[BENCH_FRAMES];
        uint64_t of_b[BENCH_FRAMES];
        uint32_t n_a = a->walk(a->context, &target->snapshots.at[i], of_a);
        uint32_t n_b = b->walk(b->context, &target->snapshots.at[i], of_b);
        n_same += n_a == n_b && memcmp(of_a, of_b, n_a * sizeof of_a[0]) == 0;
    }
    return 100.0 * (double)n_same / (double)target->snapshots.n;
}

static void measure_other(const struct walker *ours, bool found, struct walker *other,
                          const struct target *target)
{
    if (found) {
        print_walker(other->name, other, target, ROUNDS_OF_OTHERS);
        char line[64];
        snprintf(line, sizeof line, "walk_same_as_%s", other->name);
        print(line, agreement(ours, other, target), "% of the stacks");
        other->free(other->context);
    }
}

static int measure_walks(void)
{
    // Interpreted functions within C functions, all without frame pointers; some twenty frames.
    static char *command[] = {"/usr/bin/python3", "-IS", "-c",
                              "def f(n):\n"
                              " if n == 0: return hash(str(list(range(40))))\n"
                              " return max((n,), key=lambda x: f(n - 1))\n"
                              "while True: f(2)\n",
                              NULL};
    struct target target;
    if (!target_record(&target, command)) {
        target_fini(&target);
        return 1;
    }
    struct ours *ours = NEW(struct ours);
    ours->target = &target;
    struct walker walker = {.name = "ours", .context = ours, .walk = walk_ours};
    print_walker("uncached", &walker, &target, ROUNDS);
    ours->cached = true;
    print_walker("ours", &walker, &target, ROUNDS);
    struct walker other;
    measure_other(&walker, walker_libdwfl(&other, &target), &other, &target);
    measure_other(&walker, walker_libunwind(&other, &target), &other, &target);
    free(ours);
    target_fini(&target);
    return 0;
}

int main(int argc, char **argv)
{
    measure_tables(argc - 1, argv + 1);
    return measure_walks();
}
