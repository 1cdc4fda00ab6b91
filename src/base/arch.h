#pragma once

// Which machine this program was built for. Tables for a machine are compiled everywhere, so that
// they can be tested anywhere; this only chooses between them.

#if defined(__x86_64__)
enum { ARCH_IS_X86_64 = 1, ARCH_IS_AARCH64 = 0 };
#elif defined(__aarch64__)
enum { ARCH_IS_X86_64 = 0, ARCH_IS_AARCH64 = 1 };
#else
enum { ARCH_IS_X86_64 = 0, ARCH_IS_AARCH64 = 0 };
#endif
