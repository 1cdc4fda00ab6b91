#pragma once

// AArch64 for disasm.c, by capstone: no other file knows it.

#include "disasm/disasm.h"

struct decoder_aarch64;

struct decoder_aarch64 *decoder_aarch64_new(void);
void decoder_aarch64_free(struct decoder_aarch64 *decoder); // accepts NULL

// As disasm_next(); false: the bytes begin with no instruction, and `ret` is as it was.
bool decoder_aarch64_next(struct decoder_aarch64 *decoder, struct slice bytes, uint64_t addr,
                          struct instruction *ret);

// As disasm_put_text(); false: no instruction, and nothing is added.
bool decoder_aarch64_put_text(struct decoder_aarch64 *decoder, struct slice bytes, uint64_t addr,
                              disasm_name_fn *name, void *context, struct text *to);
