#pragma once

// The kernel's own symbols: the text of /proc/kallsyms (proc(5)), lines of
// `address type name [module]`.

#include "base/err.h"
#include "image/symtab.h"

enum kallsyms_outcome {
    KALLSYMS_OK = 0,
    KALLSYMS_E_HIDDEN = 1, // no address, or all are zero: kptr_restrict or missing privilege
};

// Pure. A line that makes no sense is skipped, and so is what is not code. There are no sizes: a
// function lasts until the next one; the end of the kernel's own code is a wall. KALLSYMS_OK and a
// table, or KALLSYMS_E_HIDDEN.
int kallsyms_parse(struct slice text, struct symtab **ret);

// Reads /proc/kallsyms. As above, or a negative errno.
int kallsyms_read(struct symtab **ret, struct err *reterr);
