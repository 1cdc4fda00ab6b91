// Any text is a table or hides its addresses; every symbol is found at its own address.

#include "image/kallsyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct symtab *symtab;
    if (kallsyms_parse((struct slice){.data = data, .n = size}, &symtab) == KALLSYMS_E_HIDDEN) {
        return 0;
    }
    for (size_t i = 0; i < symtab_count(symtab); i++) {
        const struct symbol *symbol = symtab_at(symtab, i);
        ASSERT(symbol->addr != 0 && symbol->name[0] != 0);
        ASSERT(symtab_find(symtab, symbol->addr) == symbol || symbol->end == symbol->addr);
    }
    symtab_free(symtab);
    return 0;
}
