#pragma once

// The small symbol table that some distributions leave in a stripped binary: .gnu_debugdata, an ELF
// file with nothing but a .symtab, packed by xz (gdb manual, "MiniDebugInfo").

#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"

// Unpacks it. Pure; time, memory and output are bounded (LIMIT_DEBUGDATA_BYTES). 0, or a negative
// errno with the reason: -EFBIG, -EBADMSG not xz, damaged or cut short.
int debugdata_unpack(struct slice packed, struct text *ret, struct err *reterr);
