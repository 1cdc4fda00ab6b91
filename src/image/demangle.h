#pragma once

// From a linker's name to the one that stands in the source: C++ (Itanium), Rust (legacy and v0)
// and D through libiberty; anything else is taken as it is.

#include "image/symtab.h"

// The readable name, on the heap, never NULL; *ret_lang says what it was. Version suffixes
// (`@@GLIBC_2.2.5`) are cut. Names longer than LIMIT_SYMBOL_BYTES, or that libiberty refuses, come
// back as they are. Hashes of Rust's legacy names are left out.
char *demangle(const char *name, enum symbol_lang *ret_lang);
