#pragma once

// Machines, by their instructions, and which one this program was built for. Tables for a machine
// are compiled everywhere, so that they can be tested anywhere; this only chooses between them.

#include <string.h>

enum arch { ARCH_UNKNOWN, ARCH_X86_64, ARCH_AARCH64 };

#if defined(__x86_64__)
enum { ARCH_IS_X86_64 = 1, ARCH_IS_AARCH64 = 0 };
#define ARCH_HERE ARCH_X86_64
#elif defined(__aarch64__)
enum { ARCH_IS_X86_64 = 0, ARCH_IS_AARCH64 = 1 };
#define ARCH_HERE ARCH_AARCH64
#else
enum { ARCH_IS_X86_64 = 0, ARCH_IS_AARCH64 = 0 };
#define ARCH_HERE ARCH_UNKNOWN
#endif

// From what uname(2) calls it, which is also what perf.data and run files say.
static inline enum arch arch_of_name(const char *name)
{
    return strcmp(name, "x86_64") == 0                                  ? ARCH_X86_64
           : strcmp(name, "aarch64") == 0 || strcmp(name, "arm64") == 0 ? ARCH_AARCH64
                                                                        : ARCH_UNKNOWN;
}

// The same back; "" for one that is not known.
static inline const char *arch_name(enum arch arch)
{
    return arch == ARCH_X86_64 ? "x86_64" : arch == ARCH_AARCH64 ? "aarch64" : "";
}
