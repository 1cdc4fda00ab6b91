#pragma once

// Whether a recording was made on the kernel that runs here, since this boot: only then do its
// kernel addresses have the names of /proc/kallsyms. Told by the release, the build-id, and where
// the kernel lies in memory, which is another place after each boot.

#include "base/bytes.h"
#include "base/err.h"
#include "event/event.h"

#include <stdbool.h>

struct perf_kernel {
    const char *osrelease;                 // NULL: not told
    const struct event_build_id *build_id; // likewise
    char symbol[16];                       // "_text" or "_stext"; "": not told
    uint64_t symbol_addr;
};

// False: another one; *ret_why then says how it is seen.
bool perf_kernel_is_ours(const struct perf_kernel *kernel, struct err *ret_why);

// The GNU build-id among ELF notes, as in /sys/kernel/notes. Pure. n = 0: none.
struct event_build_id perf_kernel_build_id(struct slice notes);

// Reads what a record says that maps the kernel: "[kernel.kallsyms]_text" and an address. Pure.
void perf_kernel_read_mapping(struct perf_kernel *kernel, struct slice path, uint64_t addr);
