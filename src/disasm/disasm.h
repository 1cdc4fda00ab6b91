#pragma once

// Instructions: from bytes to what they do and how people write them.
//
//     bytes ──disasm_next()──► struct instruction      where it goes on, what it refers to
//                  └──disasm_put_text()──► text        "call 0x1139 <parse>"
//
// A linear sweep: one instruction after the other, and what is none is *data*, of which the sweep
// takes the least that it can (one byte on x86-64, four on AArch64) before it tries again. So every
// byte of a function lies in exactly one line.
//
// Zydis decodes x86-64 (decoder_x86.c), capstone AArch64 (decoder_aarch64.c): no other file of the
// program knows them. The bytes come from anywhere: nothing in them can do harm. A handle belongs
// to one thread, and is fastest when the text is asked for right after disasm_next().

#include "base/arch.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/text.h"

// Where control goes after an instruction.
enum flow {
    FLOW_NEXT,   // to the next one
    FLOW_CALL,   // elsewhere, and comes back to the next one, if the callee returns
    FLOW_BRANCH, // to its target or to the next one
    FLOW_JUMP,   // to its target
    FLOW_RETURN, // to the caller
    FLOW_STOP,   // nowhere: ud2, hlt, int3, udf, brk; and data
};

struct instruction {
    uint64_t addr;
    uint64_t target;    // of a call, branch or jump, when the instruction itself says it; else 0
    uint64_t reference; // address of memory that it names relative to itself (`[rip+8]`, `adr`;
                        // `adrp`: of the page); for `call [rip+8]`, where the target is to be
                        // found; else 0
    uint8_t n_bytes;
    uint8_t flow;     // enum flow
    bool is_data;     // it could not be decoded
    bool is_indirect; // a call or jump whose target is in a register or in memory
};

enum disasm_syntax { DISASM_INTEL, DISASM_ATT }; // of x86; AArch64 has one

enum { DISASM_LONGEST = 15 }; // bytes of one instruction

struct disasm;

// 0; -ENOTSUP for a machine that we cannot decode, with a line for people.
int disasm_open(enum arch arch, enum disasm_syntax syntax, struct disasm **ret, struct err *reterr);
void disasm_close(struct disasm *disasm); // accepts NULL

// The instruction at the start of `bytes`, which lies at address `addr`; `bytes` is not empty.
// Always takes at least one byte and at most all of them: a broken one at the end is data.
void disasm_next(struct disasm *disasm, struct slice bytes, uint64_t addr, struct instruction *ret);

// Adds the name of an address behind it, " <name+0x10>", or nothing. `context` as given.
typedef void disasm_name_fn(void *context, uint64_t addr, struct text *to);

// Adds what an assembler would read, on one line without tabs and in lower case, operands one blank
// behind the mnemonic, separated by ", ". `bytes` are those of the instruction.
//
// Addresses that it refers to are whole, never an offset, and each is followed by what `name` (may
// be NULL) adds. An operand relative to the instruction is written as the address that it means:
//
//     Intel    call 0x401136 <parse>    lea rdi, [0x404018 <table>]    call qword ptr [0x403fe0]
//     AT&T     call 0x401136 <parse>    lea 0x404018 <table>, %rdi     call *0x403fe0
//     AArch64  bl 0x401136 <parse>      ldr x0, 0x404018 <table>       adrp x0, 0x404000
//
// A page (`adrp`) is followed by no name: what is meant lies somewhere in it. Absolute addresses of
// x86
// (`mov eax, dword ptr [0x404018 <table>]`) have one, those in a segment of a thread (`fs:[0x28]`)
// none.
//
// Data: ".byte 0x06", ".word 0xffffffff", or as many ".byte" values as it has. AArch64 goes on to
// be extended; what is known to be an instruction, but not by its name, is ".inst 0xe400e000".
void disasm_put_text(struct disasm *disasm, const struct instruction *instruction,
                     struct slice bytes, disasm_name_fn *name, void *context, struct text *to);
