#include "disasm/jump_table.h"

void jump_tables_find(enum arch arch, const struct instruction *instructions, size_t n,
                      struct slice bytes, jump_table_read_fn *read, void *context,
                      struct jump_tables *ret)
{
    (void)arch, (void)instructions, (void)n, (void)bytes, (void)read, (void)context, (void)ret;
}

void jump_tables_fini(struct jump_tables *tables)
{
    vec_fini(&tables->tables);
    vec_fini(&tables->targets);
}
