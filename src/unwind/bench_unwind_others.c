// The other unwinders, as those who profile use them: memory of the stack comes from the copy,
// everything else from the files.

#include "unwind/bench_unwind.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <stdio.h>

struct other {
    const struct target *target;
    const struct snapshot *snapshot; // the one that is walked
    uint64_t *addrs;
    uint32_t n;
    void *library; // of the unwinder
};

static bool read_word(const struct other *other, uint64_t addr, uint64_t *ret)
{
    const struct unwind_memory *memory = &other->snapshot->memory;
    uint64_t into = addr - memory->start_addr;
    if (into < memory->bytes.n && memory->bytes.n - into >= sizeof *ret) {
        memcpy(ret, memory->bytes.data + into, sizeof *ret);
        return true;
    }
    const struct mapping *mapping = target_mapping(other->target, addr);
    if (mapping == NULL) {
        return false;
    }
    size_t size = 0;
    const char *file = elf_rawfile(other->target->modules.at[mapping->module].elf.elf, &size);
    uint64_t off = addr - mapping->start_addr + mapping->file_off;
    if (file == NULL || off > size || size - off < sizeof *ret) {
        return false;
    }
    memcpy(ret, file + off, sizeof *ret);
    return true;
}

static void put_addr(struct other *other, uint64_t addr)
{
    if (other->n < BENCH_FRAMES) {
        other->addrs[other->n++] = addr;
    }
}

// ---- libdwfl -----------------------------------------------------------------------------------

static pid_t next_thread(Dwfl *dwfl, void *context, void **thread_context)
{
    (void)dwfl;
    struct other *other = context;
    if (*thread_context != NULL) {
        return 0;
    }
    *thread_context = context;
    return other->target->pid;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *ret, void *context)
{
    (void)dwfl;
    uint64_t value = 0;
    bool found = read_word(context, addr, &value);
    *ret = value;
    return found;
}

static bool set_registers(Dwfl_Thread *thread, void *context)
{
    const struct other *other = context;
    const struct unwind_regs *regs = &other->snapshot->regs;
#if defined __x86_64__
    return dwfl_thread_state_registers(thread, 0, 17, regs->at);
#else
    dwfl_thread_state_register_pc(thread, regs->at[32]);
    return dwfl_thread_state_registers(thread, 0, 32, regs->at);
#endif
}

static int take_frame(Dwfl_Frame *frame, void *context)
{
    Dwarf_Addr pc;
    if (!dwfl_frame_pc(frame, &pc, NULL)) {
        return DWARF_CB_ABORT;
    }
    put_addr(context, pc);
    return DWARF_CB_OK;
}

// Names are not what is compared.
static int no_debuginfo(Dwfl_Module *module, void **user, const char *name, Dwarf_Addr base,
                        const char *file, const char *link, GElf_Word crc, char **ret)
{
    (void)module;
    (void)user;
    (void)name;
    (void)base;
    (void)file;
    (void)link;
    (void)crc;
    (void)ret;
    return -1;
}

static uint32_t walk_libdwfl(void *context, const struct snapshot *snapshot, uint64_t *addrs)
{
    struct other *other = context;
    other->snapshot = snapshot;
    other->addrs = addrs;
    other->n = 0;
    dwfl_getthread_frames(other->library, other->target->pid, take_frame, other);
    return other->n;
}

static void free_libdwfl(void *context)
{
    struct other *other = context;
    dwfl_end(other->library);
    free(other);
}

bool walker_libdwfl(struct walker *ret, const struct target *target)
{
    static const Dwfl_Callbacks callbacks = {
        .find_elf = dwfl_linux_proc_find_elf,
        .find_debuginfo = no_debuginfo,
    };
    static const Dwfl_Thread_Callbacks thread_callbacks = {
        .next_thread = next_thread,
        .memory_read = read_memory,
        .set_initial_registers = set_registers,
    };
    struct other *other = NEW(struct other);
    other->target = target;
    other->library = dwfl_begin(&callbacks);
    if (dwfl_linux_proc_report(other->library, target->pid) != 0 ||
        dwfl_report_end(other->library, NULL, NULL) != 0 ||
        !dwfl_attach_state(other->library, NULL, target->pid, &thread_callbacks, other)) {
        fprintf(stderr, "libdwfl: %s\n", dwfl_errmsg(-1));
        free_libdwfl(other);
        return false;
    }
    *ret = (struct walker){"libdwfl", other, walk_libdwfl, free_libdwfl};
    return true;
}

// ---- libunwind ---------------------------------------------------------------------------------

#if defined HAVE_LIBUNWIND

#include <libunwind.h>

// Exported for profilers, but in no header.
#define search_unwind_table UNW_OBJ(dwarf_search_unwind_table)
extern int search_unwind_table(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *info,
                               unw_proc_info_t *proc, int need, void *context);

static unw_addr_space_t space;

enum { SEARCH_TABLE_HEADER_BYTES = 12, SEARCH_TABLE_ENTRY_BYTES = 8 };

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *proc, int need,
                          void *context)
{
    const struct other *other = context;
    const struct mapping *mapping = target_mapping(other->target, ip);
    if (mapping == NULL) {
        return -UNW_ENOINFO;
    }
    const struct module *module = &other->target->modules.at[mapping->module];
    struct reader table = reader_of(module->elf.search_table);
    read_u64(&table);
    uint32_t n = read_u32(&table);
    if (table.bad) {
        return -UNW_ENOINFO;
    }
    uint64_t at = module->bias + module->elf.source.data_addr;
    unw_dyn_info_t info = {
        .start_ip = module->start_addr,
        .end_ip = module->end_addr,
        .format = UNW_INFO_FORMAT_REMOTE_TABLE,
        .u.rti = {.segbase = at,
                  .table_data = at + SEARCH_TABLE_HEADER_BYTES,
                  .table_len = n * SEARCH_TABLE_ENTRY_BYTES / sizeof(unw_word_t)},
    };
    return search_unwind_table(as, ip, &info, proc, need, context);
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *proc, void *context)
{
    (void)as;
    (void)proc;
    (void)context;
}

static int no_list(unw_addr_space_t as, unw_word_t *ret, void *context)
{
    (void)as;
    (void)ret;
    (void)context;
    return -UNW_ENOINFO;
}

static int access_memory(unw_addr_space_t as, unw_word_t addr, unw_word_t *value, int write,
                         void *context)
{
    (void)as;
    uint64_t found = 0;
    bool ok = !write && read_word(context, addr, &found);
    *value = found;
    return ok ? 0 : -UNW_EINVAL;
}

static int access_register(unw_addr_space_t as, unw_regnum_t reg, unw_word_t *value, int write,
                           void *context)
{
    (void)as;
    const struct other *other = context;
    const struct unwind_regs *regs = &other->snapshot->regs;
    if (write || reg < 0 || reg >= UNWIND_REGS || (regs->valid >> reg & 1) == 0) {
        return -UNW_EBADREG;
    }
    *value = regs->at[reg];
    return 0;
}

static int no_float(unw_addr_space_t as, unw_regnum_t reg, unw_fpreg_t *value, int write,
                    void *context)
{
    (void)as;
    (void)reg;
    (void)value;
    (void)write;
    (void)context;
    return -UNW_EINVAL;
}

static int no_resume(unw_addr_space_t as, unw_cursor_t *cursor, void *context)
{
    (void)as;
    (void)cursor;
    (void)context;
    return -UNW_EINVAL;
}

static int no_name(unw_addr_space_t as, unw_word_t addr, char *name, size_t n, unw_word_t *off,
                   void *context)
{
    (void)as;
    (void)addr;
    (void)name;
    (void)n;
    (void)off;
    (void)context;
    return -UNW_EINVAL;
}

static uint32_t walk_libunwind(void *context, const struct snapshot *snapshot, uint64_t *addrs)
{
    struct other *other = context;
    other->snapshot = snapshot;
    other->addrs = addrs;
    other->n = 0;
    unw_cursor_t cursor;
    if (unw_init_remote(&cursor, space, other) != 0) {
        return 0;
    }
    unw_word_t pc;
    do {
        if (unw_get_reg(&cursor, UNW_REG_IP, &pc) != 0) {
            break;
        }
        put_addr(other, pc);
    } while (unw_step(&cursor) > 0);
    return other->n;
}

static void free_libunwind(void *context)
{
    unw_destroy_addr_space(space);
    free(context);
}

bool walker_libunwind(struct walker *ret, const struct target *target)
{
    static unw_accessors_t accessors = {
        .find_proc_info = find_proc_info,
        .put_unwind_info = put_unwind_info,
        .get_dyn_info_list_addr = no_list,
        .access_mem = access_memory,
        .access_reg = access_register,
        .access_fpreg = no_float,
        .resume = no_resume,
        .get_proc_name = no_name,
    };
    struct other *other = NEW(struct other);
    other->target = target;
    space = unw_create_addr_space(&accessors, 0);
    unw_set_caching_policy(space, UNW_CACHE_GLOBAL);
    *ret = (struct walker){"libunwind", other, walk_libunwind, free_libunwind};
    return true;
}

#else

bool walker_libunwind(struct walker *ret, const struct target *target)
{
    (void)ret;
    (void)target;
    fprintf(stderr, "libunwind is not installed: not compared\n");
    return false;
}

#endif
