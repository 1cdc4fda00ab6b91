#include "disasm/disasm.h"

#include "base/alloc.h"
#include "disasm/decoder_aarch64.h"
#include "disasm/decoder_x86.h"

#include <errno.h>
#include <stdlib.h>

struct disasm {
    struct decoder_x86 *x86; // one of these
    struct decoder_aarch64 *aarch64;
};

int disasm_open(enum arch arch, enum disasm_syntax syntax, struct disasm **ret, struct err *reterr)
{
    if (arch != ARCH_X86_64 && arch != ARCH_AARCH64) {
        return err_set(
            reterr, ENOTSUP,
            "instructions of this machine cannot be shown: stax reads x86-64 and AArch64");
    }
    struct disasm *disasm = NEW(struct disasm);
    if (arch == ARCH_X86_64) {
        disasm->x86 = decoder_x86_new(syntax);
    } else {
        disasm->aarch64 = decoder_aarch64_new();
    }
    *ret = disasm;
    return 0;
}

void disasm_close(struct disasm *disasm)
{
    if (disasm != NULL) {
        decoder_x86_free(disasm->x86);
        decoder_aarch64_free(disasm->aarch64);
        free(disasm);
    }
}

// The least that a sweep can take before it tries again.
static size_t data_size(const struct disasm *disasm, struct slice bytes)
{
    size_t least = disasm->x86 != NULL ? 1 : 4;
    return bytes.n < least ? bytes.n : least;
}

void disasm_next(struct disasm *disasm, struct slice bytes, uint64_t addr, struct instruction *ret)
{
    ASSERT(bytes.n > 0);
    *ret = (struct instruction){.addr = addr};
    bool ok = disasm->x86 != NULL ? decoder_x86_next(disasm->x86, bytes, addr, ret)
                                  : decoder_aarch64_next(disasm->aarch64, bytes, addr, ret);
    if (!ok) {
        ret->n_bytes = (uint8_t)data_size(disasm, bytes);
        ret->flow = FLOW_STOP;
        ret->is_data = true;
    }
}

static void put_data(const struct disasm *disasm, struct slice bytes, struct text *to)
{
    if (disasm->aarch64 != NULL && bytes.n == 4) {
        const uint8_t *b = bytes.data;
        text_addf(to, ".word 0x%02x%02x%02x%02x", b[3], b[2], b[1], b[0]); // code is little-endian
        return;
    }
    for (size_t i = 0; i < bytes.n; i++) {
        text_addf(to, "%s 0x%02x", i == 0 ? ".byte" : ",", bytes.data[i]);
    }
}

void disasm_put_text(struct disasm *disasm, const struct instruction *instruction,
                     struct slice bytes, disasm_name_fn *name, void *context, struct text *to)
{
    uint64_t addr = instruction->addr;
    bool ok = !instruction->is_data &&
              (disasm->x86 != NULL
                   ? decoder_x86_put_text(disasm->x86, bytes, addr, name, context, to)
                   : decoder_aarch64_put_text(disasm->aarch64, bytes, addr, name, context, to));
    if (!ok) {
        put_data(disasm, bytes, to);
    }
}
