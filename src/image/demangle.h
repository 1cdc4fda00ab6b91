#pragma once

// From a linker's name to the one that stands in the source: C++ (Itanium), Rust (legacy and v0)
// and D through libiberty; anything else is taken as it is.

#include "image/symtab.h"

// The readable name, on the heap, never NULL; *ret_lang says what it was. Version suffixes
// (`@@GLIBC_2.2.5`) are cut, and so are the numbers of link-time optimisation (`.llvm.812`); what
// the compiler made of a function (`.cold`, `.constprop.0`) stays visible. Names longer than
// LIMIT_SYMBOL_BYTES, that would become longer than that, or that libiberty refuses, come back as
// they are. Hashes of Rust's legacy names are left out.
char *demangle(const char *name, enum symbol_lang *ret_lang);
