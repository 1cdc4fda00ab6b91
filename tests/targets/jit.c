// Known: functions made at run time, some of them at the same address one after another, and how
// long each of them worked. What it makes it tells in a jitdump, in a perf map, or in both.
//
//     jit WHERE WHEN STORY [MS=100]
//
//     WHERE   dump: ./jit-PID.dump, mapped; map: /tmp/perf-PID.map; both; or nowhere
//     WHEN    prompt: at once; late: all of it at the end
//     STORY   reuse   alpha 6 : beta 3 : gamma 1, all at one address, in 4 rounds of 10 x MS each
//             phases  the same in one round, alpha 60 : beta 30 : gamma 10
//             move    delta, that moves twice while it works, between two that take its old place
//             once    alpha alone, for 10 x MS
//             else, with a dump: alpha for 4 x MS told as it should be, then what is hostile:
//             header, swapped, machine, clock, cut, lies, backwards, short, huge, endless
//
// Stack: main -> work -> the function. Code is a loop of multiplications with a frame pointer.

#include "truth.h"

#include <elf.h>
#include <errno.h>
#include <sys/mman.h>

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64, OTHER_MACHINE = EM_AARCH64 };
static const unsigned char loop[] = {
    0x55,                                     // push rbp
    0x48, 0x89, 0xe5,                         // mov rbp, rsp
    0x48, 0x89, 0xf8,                         // mov rax, rdi
    0x48, 0x69, 0xc0, 0x2d, 0x7f, 0x95, 0x4c, // again: imul rax, rax, 0x4c957f2d
    0x48, 0xff, 0xcf,                         // dec rdi
    0x75, 0xf4,                               // jnz again
    0x5d,                                     // pop rbp
    0xc3,                                     // ret
};
#elif defined(__aarch64__)
enum { MACHINE = EM_AARCH64, OTHER_MACHINE = EM_X86_64 };
static const unsigned int loop[] = {
    0xa9bf7bfd, // stp x29, x30, [sp, #-16]!
    0x910003fd, // mov x29, sp
    0x9b007c21, // again: mul x1, x1, x0
    0xf1000400, // subs x0, x0, #1
    0x54ffffc1, // b.ne again
    0xa8c17bfd, // ldp x29, x30, [sp], #16
    0xd65f03c0, // ret
};
#endif

enum { MEMORY = 1 << 16, CODE = 256, LOAD = 0, MOVE = 1, UNWINDING = 4 };

static unsigned char *memory; // slots of CODE bytes
static FILE *dump;
static FILE *map;
static int late;
static uint64_t n_made;

typedef uint64_t (*code_fn)(uint64_t n);

// ---- What it tells -----------------------------------------------------------------------------

static void put(const void *bytes, size_t n)
{
    if (fwrite(bytes, 1, n, dump) != n) {
        exit(98);
    }
}

static void put_u32(uint32_t value)
{
    put(&value, sizeof value);
}

static void put_u64(uint64_t value)
{
    put(&value, sizeof value);
}

static void put_header(uint32_t magic, uint32_t machine, uint64_t flags)
{
    put_u32(magic);
    put_u32(1);
    put_u32(40);
    put_u32(machine);
    put_u32(0);
    put_u32((uint32_t)getpid());
    put_u64(clock_ns(CLOCK_MONOTONIC));
    put_u64(flags);
}

static void put_prefix(uint32_t id, size_t total, uint64_t time_ns)
{
    put_u32(id);
    put_u32((uint32_t)total);
    put_u64(time_ns);
}

static void put_load(const char *name, uint64_t addr, uint64_t size, uint64_t time_ns)
{
    put_prefix(LOAD, 16 + 40 + strlen(name) + 1 + sizeof loop, time_ns);
    put_u32((uint32_t)getpid());
    put_u32(thread_id());
    put_u64(addr);
    put_u64(addr);
    put_u64(size);
    put_u64(n_made);
    put(name, strlen(name) + 1);
    put(loop, sizeof loop);
}

static void put_move(uint64_t from, uint64_t to, uint64_t index)
{
    put_prefix(MOVE, 16 + 48, clock_ns(CLOCK_MONOTONIC));
    put_u32((uint32_t)getpid());
    put_u32(thread_id());
    put_u64(to);
    put_u64(from);
    put_u64(to);
    put_u64(sizeof loop);
    put_u64(index);
}

static void told(void)
{
    if (!late && dump) {
        fflush(dump);
    }
    if (!late && map) {
        fflush(map);
    }
}

static FILE *open_file(const char *path)
{
    FILE *file = fopen(path, "w+e");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(97);
    }
    setvbuf(file, NULL, _IOFBF, 1 << 20);
    return file;
}

// A profiler finds the dump by this mapping, which nobody uses.
static void open_dump(void)
{
    char path[64];
    snprintf(path, sizeof path, "./jit-%d.dump", (int)getpid());
    dump = open_file(path);
    if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(dump), 0) == MAP_FAILED) {
        perror("mmap");
        exit(96);
    }
}

static void open_map(void)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
    map = open_file(path);
}

// ---- What it makes -----------------------------------------------------------------------------

// Makes the function anew in that slot. Returns its number.
static uint64_t make(const char *name, int slot)
{
    unsigned char *at = memory + slot * CODE;
    n_made++;
    memcpy(at, loop, sizeof loop);
    __builtin___clear_cache((char *)at, (char *)at + sizeof loop);
    if (dump) {
        put_load(name, (uintptr_t)at, sizeof loop, clock_ns(CLOCK_MONOTONIC));
    }
    if (map) {
        fprintf(map, "%llx %zx %s\n", (unsigned long long)(uintptr_t)at, sizeof loop, name);
    }
    told();
    return n_made;
}

static void move(uint64_t number, const char *name, int from, int to)
{
    unsigned char *old = memory + from * CODE;
    unsigned char *at = memory + to * CODE;
    memcpy(at, old, sizeof loop);
    memset(old, 0xcc, sizeof loop);
    __builtin___clear_cache((char *)at, (char *)at + sizeof loop);
    if (dump) {
        put_move((uintptr_t)old, (uintptr_t)at, number);
    }
    if (map) {
        fprintf(map, "%llx %zx %s\n", (unsigned long long)(uintptr_t)at, sizeof loop, name);
    }
    told();
}

NOINLINE void work(const char *name, int slot, uint64_t budget_ns)
{
    const code_fn code = (code_fn)(uintptr_t)(memory + slot * CODE);
    const uint64_t start_ns = thread_cpu_ns();
    uint64_t spent_ns = 0;
    do {
        spin_sink += code(SPIN_CHUNK);
        spent_ns = thread_cpu_ns() - start_ns;
    } while (spent_ns < budget_ns);
    truth_add(name, spent_ns);
}

static void reuse(int rounds, uint64_t unit_ns)
{
    static const struct {
        const char *name;
        unsigned part;
    } parts[] = {{"alpha", 6}, {"beta", 3}, {"gamma", 1}};
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            make(parts[i].name, 0);
            work(parts[i].name, 0, parts[i].part * unit_ns);
        }
    }
}

// delta works in three places; where it was others come.
static void move_about(uint64_t unit_ns)
{
    if (dump) { // an .eh_frame, which nobody needs: there is a frame pointer
        put_prefix(UNWINDING, 16 + 24 + 4, clock_ns(CLOCK_MONOTONIC));
        put_u64(4);
        put_u64(0);
        put_u64(0);
        put_u32(0);
    }
    const uint64_t number = make("delta", 0);
    work("delta", 0, 4 * unit_ns);
    move(number, "delta", 0, 1);
    make("alpha", 0);
    work("alpha", 0, 3 * unit_ns);
    work("delta", 1, 2 * unit_ns);
    move(number, "delta", 1, 2);
    make("beta", 1);
    work("beta", 1, 4 * unit_ns);
    work("delta", 2, 3 * unit_ns);
}

// ---- What is hostile ---------------------------------------------------------------------------

static void tell_lies(const char *kind)
{
    const uint64_t addr = (uintptr_t)memory;
    const uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    n_made++;
    if (strcmp(kind, "cut") == 0) {
        put_prefix(LOAD, 1000, now_ns);
    } else if (strcmp(kind, "lies") == 0) {
        put_load("more_than_there_is", addr, sizeof loop + 100, now_ns);
        put_load("all_of_memory", addr, UINT64_MAX, now_ns);
        put_load("nothing", addr, 0, now_ns);
    } else if (strcmp(kind, "backwards") == 0) {
        put_load("of_yesterday", addr + CODE, sizeof loop, 1);
        put_load("of_tomorrow", addr, sizeof loop, UINT64_MAX);
    } else if (strcmp(kind, "short") == 0) {
        put_prefix(LOAD, 3, now_ns);
    } else if (strcmp(kind, "huge") == 0) {
        put_prefix(LOAD, 0xfffffff0, now_ns);
        char *filler = calloc(1, 1 << 20);
        put(filler, 1 << 20);
        free(filler);
    } else if (strcmp(kind, "endless") == 0) {
        for (int i = 0; i < 20000; i++) {
            n_made++;
            put_load("many", addr + CODE, sizeof loop, now_ns);
        }
    }
    fflush(dump);
}

static void be_hostile(const char *kind, uint64_t unit_ns)
{
    if (strcmp(kind, "header") == 0) {
        put_header(0x12345678, MACHINE, 0);
    } else if (strcmp(kind, "swapped") == 0) {
        put_header(0x4454694a, MACHINE, 0);
    } else if (strcmp(kind, "machine") == 0) {
        put_header(0x4a695444, OTHER_MACHINE, 0);
    } else if (strcmp(kind, "clock") == 0) {
        put_header(0x4a695444, MACHINE, 1);
    } else {
        put_header(0x4a695444, MACHINE, 0);
    }
    make("alpha", 0);
    work("alpha", 0, 4 * unit_ns);
    tell_lies(kind);
    work("alpha", 0, 4 * unit_ns);
}

int main(int argc, char **argv)
{
    const char *where = argc > 1 ? argv[1] : "both";
    const char *story = argc > 3 ? argv[3] : "reuse";
    const uint64_t unit_ns = arg_ms(argc, argv, 4, 100);
    late = argc > 2 && strcmp(argv[2], "late") == 0;
    memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                  0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        return 95;
    }
    tell_ready();
    if (strcmp(where, "dump") == 0 || strcmp(where, "both") == 0) {
        open_dump();
    }
    if (strcmp(where, "map") == 0 || strcmp(where, "both") == 0) {
        open_map();
    }
    const int friendly = strcmp(story, "reuse") == 0 || strcmp(story, "phases") == 0 ||
                         strcmp(story, "move") == 0 || strcmp(story, "once") == 0;
    if (dump && friendly) {
        put_header(0x4a695444, MACHINE, 0);
    }
    if (strcmp(story, "reuse") == 0) {
        reuse(4, unit_ns);
    } else if (strcmp(story, "phases") == 0) {
        reuse(1, 10 * unit_ns);
    } else if (strcmp(story, "move") == 0) {
        move_about(unit_ns);
    } else if (strcmp(story, "once") == 0) {
        make("alpha", 0);
        work("alpha", 0, 10 * unit_ns);
    } else {
        be_hostile(story, unit_ns);
    }
    truth_write();
    return 0;
}
