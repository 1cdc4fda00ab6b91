#pragma once

// For tests: a program of a few functions with rules that are known, and stacks of it.
//
//     RULES_LEAF, RULES_MIDDLE    the return address is in the second word of the stack
//     RULES_START                 the outermost function
//     RULES_INWARDS               its rule leads the wrong way
//     RULES_FP                    keeps a frame pointer
//     RULES_NONE                  code without a rule
//
// x86-64's registers, on any machine.

#include "event/event.h"
#include "unwind/test_frames.h"

enum { RULES_LEAF, RULES_MIDDLE, RULES_START, RULES_INWARDS, RULES_FP, RULES_NONE };
enum { RULES_FUNCTION_BYTES = 0x100, RULES_IMAGE_BYTES = 0x1000 };

static const uint64_t RULES_SP = 0x7fff0000;

// In the middle of a function of the program that is mapped at `start`, from CODE_OFF on.
static inline uint64_t rules_pc(uint64_t start, unsigned function)
{
    return start + function * RULES_FUNCTION_BYTES + RULES_FUNCTION_BYTES / 2;
}

static inline struct cfi_table *rules_table(void)
{
    struct frames frames = {0};
    frames_cie(&frames, "zR", 0x1b, USUAL);
    for (uint64_t function = RULES_LEAF; function < RULES_NONE; function++) {
        uint64_t addr = CODE_ADDR + function * RULES_FUNCTION_BYTES;
        if (function == RULES_START) {
            frames_fde(&frames, addr, RULES_FUNCTION_BYTES, PROGRAM(0x07, 16)); // undefined
        } else if (function == RULES_INWARDS) {
            frames_fde(&frames, addr, RULES_FUNCTION_BYTES, PROGRAM(0x0e, 0)); // the CFA's offset
        } else if (function == RULES_FP) {
            frames_fde(&frames, addr, RULES_FUNCTION_BYTES,
                       PROGRAM(0x0e, 16, OFFSET(6, 2), 0x0d, 6)); // the CFA is relative to rbp
        } else {
            frames_fde(&frames, addr, RULES_FUNCTION_BYTES, PROGRAM(0x0e, 16));
        }
    }
    struct cfi_table *table = frames_table(&frames, NULL);
    frames_fini(&frames);
    return table;
}

// Registers of a thread at `pc`, without a frame pointer.
static inline struct event_regs rules_regs(uint64_t pc)
{
    struct event_regs regs = {.arch = EVENT_ARCH_X86_64,
                              .valid = UINT64_C(1) << 7 | UINT64_C(1) << 16};
    regs.at[7] = RULES_SP;
    regs.at[16] = pc;
    return regs;
}

static inline struct slice rules_copy(const uint64_t *words, size_t n)
{
    return (struct slice){.data = (const uint8_t *)words, .n = n * sizeof *words};
}
