#pragma once

// x86-64 for disasm.c, by Zydis: no other file knows it.

#include "disasm/disasm.h"

struct decoder_x86;

struct decoder_x86 *decoder_x86_new(enum disasm_syntax syntax);
void decoder_x86_free(struct decoder_x86 *decoder); // accepts NULL

// As disasm_next(); false: the bytes begin with no instruction, and `ret` is as it was.
bool decoder_x86_next(struct decoder_x86 *decoder, struct slice bytes, uint64_t addr,
                      struct instruction *ret);

// As disasm_put_text(); false: no instruction, and nothing is added.
bool decoder_x86_put_text(struct decoder_x86 *decoder, struct slice bytes, uint64_t addr,
                          disasm_name_fn *name, void *context, struct text *to);
