#include "unwind/bench_unwind.h"

#include <elf.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WARM_UP_MS = 300, BETWEEN_MS = 2 };

// ---- What is mapped ----------------------------------------------------------------------------

static uint32_t module_of(struct target *target, const char *path)
{
    for (size_t i = 0; i < target->modules.n; i++) {
        if (strcmp(target->modules.at[i].path, path) == 0) {
            return (uint32_t)i;
        }
    }
    struct module module = {.path = alloc_text(path, strlen(path)), .start_addr = UINT64_MAX};
    if (test_elf_open(&module.elf, path, ".eh_frame") == NULL) {
        struct cfi_facts facts;
        module.table = cfi_table_build(&module.elf.source, &facts);
    }
    vec_push(&target->modules, module);
    return (uint32_t)(target->modules.n - 1);
}

static void read_mappings(struct target *target)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", target->pid);
    FILE *file = fopen(path, "re");
    char line[8192];
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        unsigned long start;
        unsigned long end;
        unsigned long off;
        char rights[5];
        char name[4096];
        if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %4095s", &start, &end, rights, &off, name) != 5 ||
            name[0] != '/') {
            continue;
        }
        struct mapping mapping = {.start_addr = start, .end_addr = end, .file_off = off};
        mapping.is_code = rights[2] == 'x';
        mapping.module = module_of(target, name);
        struct module *module = &target->modules.at[mapping.module];
        module->start_addr = MIN(module->start_addr, mapping.start_addr);
        module->end_addr = MAX(module->end_addr, mapping.end_addr);
        if (mapping.is_code && module->elf.segments.n > 0) {
            const struct cfi_segment *segment = &module->elf.segments.at[0];
            module->bias = mapping.start_addr - mapping.file_off + segment->file_off -
                           segment->addr;
        }
        vec_push(&target->mappings, mapping);
    }
    if (file != NULL) {
        fclose(file);
    }
}

const struct mapping *target_mapping(const struct target *target, uint64_t addr)
{
    size_t from = 0;
    size_t to = target->mappings.n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct mapping *mapping = &target->mappings.at[middle];
        if (addr < mapping->start_addr) {
            to = middle;
        } else if (addr >= mapping->end_addr) {
            from = middle + 1;
        } else {
            return mapping;
        }
    }
    return NULL;
}

// ---- Where it is -------------------------------------------------------------------------------

#if defined __x86_64__
static void put_registers(struct unwind_regs *to, const struct user_regs_struct *from)
{
    const unsigned long long in_order[] = {
        from->rax, from->rdx, from->rcx, from->rbx, from->rsi, from->rdi,
        from->rbp, from->rsp, from->r8,  from->r9,  from->r10, from->r11,
        from->r12, from->r13, from->r14, from->r15, from->rip,
    };
    for (unsigned i = 0; i < ARRAY_LEN(in_order); i++) {
        to->at[i] = in_order[i];
        to->valid |= 1ULL << i;
    }
}
#else
static void put_registers(struct unwind_regs *to, const struct user_regs_struct *from)
{
    memcpy(to->at, from->regs, sizeof from->regs);
    to->at[31] = from->sp;
    to->at[32] = from->pc;
    to->valid = (1ULL << 33) - 1;
}
#endif

static bool take_snapshot(struct target *target)
{
    struct user_regs_struct registers;
    struct iovec into = {.iov_base = &registers, .iov_len = sizeof registers};
    if (ptrace(PTRACE_GETREGSET, target->pid, NT_PRSTATUS, &into) != 0) {
        return false;
    }
    struct snapshot snapshot = {0};
    put_registers(&snapshot.regs, &registers);
#if defined __x86_64__
    snapshot.memory.start_addr = snapshot.regs.at[7];
#else
    snapshot.memory.start_addr = snapshot.regs.at[31];
#endif
    uint8_t *bytes = NEW_ARRAY(uint8_t, BENCH_COPY_BYTES);
    struct iovec local = {.iov_base = bytes, .iov_len = BENCH_COPY_BYTES};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)snapshot.memory.start_addr,
                           .iov_len = BENCH_COPY_BYTES};
    // Reads up to the end of the stack when that comes first.
    ssize_t n = process_vm_readv(target->pid, &local, 1, &remote, 1, 0);
    snapshot.memory.bytes = (struct slice){.data = bytes, .n = n > 0 ? (size_t)n : 0};
    vec_push(&target->snapshots, snapshot);
    return n > 0;
}

static bool stop(struct target *target)
{
    int status;
    return ptrace(PTRACE_INTERRUPT, target->pid, 0, 0) == 0 &&
           waitpid(target->pid, &status, 0) == target->pid && WIFSTOPPED(status);
}

static bool record(struct target *target)
{
    if (ptrace(PTRACE_SEIZE, target->pid, 0, 0) != 0) {
        return false;
    }
    poll(NULL, 0, WARM_UP_MS); // what it loads while it starts
    for (int i = 0; i < BENCH_STACKS; i++) {
        poll(NULL, 0, BETWEEN_MS);
        if (!stop(target) || !take_snapshot(target)) {
            return false;
        }
        if (i + 1 < BENCH_STACKS && ptrace(PTRACE_CONT, target->pid, 0, 0) != 0) {
            return false;
        }
    }
    read_mappings(target);
    return true;
}

bool target_record(struct target *target, char **command)
{
    *target = (struct target){.pid = fork()};
    if (target->pid == 0) {
        execv(command[0], command);
        _exit(127);
    }
    if (target->pid < 0 || !record(target)) {
        fprintf(stderr, "%s can't be watched: %s\n", command[0], strerror(errno));
        return false;
    }
    return true;
}

void target_fini(struct target *target)
{
    if (target->pid > 0) {
        kill(target->pid, SIGKILL);
        waitpid(target->pid, NULL, 0);
    }
    for (size_t i = 0; i < target->modules.n; i++) {
        struct module *module = &target->modules.at[i];
        cfi_table_free(module->table);
        test_elf_close(&module->elf);
        free(module->path);
    }
    for (size_t i = 0; i < target->snapshots.n; i++) {
        free((void *)(uintptr_t)target->snapshots.at[i].memory.bytes.data);
    }
    vec_fini(&target->modules);
    vec_fini(&target->mappings);
    vec_fini(&target->snapshots);
}
