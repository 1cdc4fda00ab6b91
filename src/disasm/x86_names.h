#pragma once

// Names of x86 instructions as compilers, objdump and people write them, where Zydis has others.
// Only for decoder_x86.c: nothing else knows Zydis.

#include "base/text.h"
#include "disasm/disasm.h"

#include <Zydis/Zydis.h>

// Adds the mnemonic, in AT&T's syntax with the size of what is in memory where it has to be said.
void x86_name_put(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *operands,
                  enum disasm_syntax syntax, struct text *to);
