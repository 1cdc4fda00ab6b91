#include "unwind/walk.h"

struct unwind_result unwind_walk(enum unwind_arch arch, const struct unwind_regs *regs,
                                 const struct unwind_memory *memory, unwind_find_fn find,
                                 void *context, uint64_t *addrs, uint32_t max)
{
    (void)arch;
    (void)memory;
    (void)find;
    (void)context;
    (void)max;
    addrs[0] = regs->at[16];
    return (struct unwind_result){.n = 1, .end = UNWIND_PENDING};
}
