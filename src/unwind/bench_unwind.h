#pragma once

// The benchmark's input: stacks of a real program, and the ways to walk them. All three unwinders
// get the same registers, the same bytes of the stack and the same files.

#include "unwind/test_elf.h"
#include "unwind/walk.h"

#include <sys/types.h>

enum { BENCH_STACKS = 200, BENCH_FRAMES = 256, BENCH_COPY_BYTES = 64 << 10 };

// A thread as it was at one moment.
struct snapshot {
    struct unwind_regs regs;
    struct unwind_memory memory;
};

// A file as the target has it mapped, from the first to the last of its mappings.
struct module {
    char *path;
    uint64_t start_addr;
    uint64_t end_addr;
    uint64_t bias; // of an address in the target to one in the file
    struct test_elf elf;
    struct cfi_table *table;
};

// A part of a module.
struct mapping {
    uint64_t start_addr;
    uint64_t end_addr;
    uint64_t file_off;
    bool is_code;
    uint32_t module;
};

struct target {
    pid_t pid; // stopped
    VEC(struct module) modules;
    VEC(struct mapping) mappings;
    VEC(struct snapshot) snapshots;
};

// Starts the program, stops it now and then and notes where it is. False: it can't be had; a line
// was printed.
bool target_record(struct target *target, char **command);
void target_fini(struct target *target); // ends it

// NULL: nothing of a file.
const struct mapping *target_mapping(const struct target *target, uint64_t addr);

// Walks snapshot `n`; yields the number of frames.
typedef uint32_t (*walk_fn)(void *walker, const struct snapshot *snapshot, uint64_t *addrs);

struct walker {
    const char *name;
    void *context;
    walk_fn walk;
    void (*free)(void *context);
};

// False: it is not installed, or does not take the target; a line was printed.
bool walker_libdwfl(struct walker *ret, const struct target *target);
bool walker_libunwind(struct walker *ret, const struct target *target);
