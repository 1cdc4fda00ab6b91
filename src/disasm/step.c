#include "disasm/step.h"

struct step step_unknown(void)
{
    return (struct step){
        .kind = STEP_OTHER,
        .to = REGISTER_NONE,
        .part.reg = REGISTER_NONE,
        .other = REGISTER_NONE,
        .sum = {.base = REGISTER_NONE, .index.reg = REGISTER_NONE},
        .changes = UINT32_MAX,
        .changes_flags = true,
        .changes_memory = MEMORY_ANYWHERE,
        .stack = REGISTER_NONE,
    };
}

struct step step_of(enum arch arch, struct slice bytes, uint64_t addr)
{
    switch (arch) {
    case ARCH_X86_64:
        return step_x86(bytes, addr);
    case ARCH_AARCH64:
        return step_aarch64(bytes, addr);
    case ARCH_UNKNOWN:
        break;
    }
    return step_unknown();
}
