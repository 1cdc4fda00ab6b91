#pragma once

// The programs of call frame information (DWARF 5 section 6.4.2): they set up a rule and move on
// through the code; each move leaves a row behind.
//
//     CIE program ──► rule at the start of each function ──FDE program──► row, row, row …
//                     (also what DW_CFA_restore goes back to)

#include "unwind/cfi.h"
#include "unwind/cfi_expressions.h"
#include "unwind/cfi_pointer.h"

// What is set up at one instruction.
struct cfi_state {
    struct cfi_rule rule;
    int32_t cfa_off; // set last. It outlives a CFA that is an expression: assembly code goes back
                     // to a register by naming the register alone
};

// What a Common Information Entry says of all functions that refer to it.
struct cfi_cie {
    uint64_t off; // of the section: how functions refer to it
    bool bad;     // it makes no sense, so its functions have no information
    bool sized;   // its functions have a length of augmentation data
    bool signal_frame;
    uint8_t pointer_encoding;
    uint64_t code_align;
    int64_t data_align;
    uint64_t ra_column;
    struct cfi_state initial;
};

struct cfi_program {
    enum unwind_arch arch;
    const struct cfi_cie *cie;
    struct cfi_expressions *expressions; // gains those that are not simple
    struct pointer_bases bases;
    struct reader code; // of the whole section, at the first instruction and ending at the last
    uint64_t start_addr;
    uint64_t end_addr; // where the function ends; rows end there whatever the program says

    // Called for each row: that from this address to the next row's, or to the end of the
    // function, `rule` holds. False ends the program.
    bool (*emit)(void *context, uint64_t addr, const struct cfi_rule *rule);
    void *context;
};

// Runs the program of a CIE, which must not move: sets `cie->initial`. False: it makes no sense.
bool cfi_program_run_cie(const struct cfi_program *program, struct cfi_cie *cie);

// Runs the program of a function. False: it makes no sense, or `emit` said so.
bool cfi_program_run(const struct cfi_program *program);
