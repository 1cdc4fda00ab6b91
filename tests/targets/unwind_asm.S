// Functions that no compiler would write: long NAME(long x, long (*next)(long)) calls next(x).

#define FUNCTION(name) .globl name; .type name, %function; .p2align 4; name:
#define END(name)      .size name, . - name

    .text

#if defined(__x86_64__)

// A frame that is addressed by another register than the usual ones, on a stack moved by an unknown
// amount; its information says so.
FUNCTION(asm_cfi)
    .cfi_startproc
    push %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    mov %rsp, %rbx
    .cfi_def_cfa_register %rbx
    sub $200, %rsp
    and $-64, %rsp
    xor %ebp, %ebp
    .cfi_undefined %rbp
    call *%rsi
    mov %rbx, %rsp
    .cfi_def_cfa_register %rsp
    pop %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_same_value %rbx
    ret
    .cfi_endproc
END(asm_cfi)

// Keeps rbp for its caller, who does not say that it has lost it: asm_cfi's frame for a whole chain.
FUNCTION(asm_saves)
    .cfi_startproc
    push %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    call asm_cfi
    pop %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_same_value %rbp
    ret
    .cfi_endproc
END(asm_saves)

// No information, but a frame pointer.
FUNCTION(asm_fp)
    push %rbp
    mov %rsp, %rbp
    sub $32, %rsp
    call *%rsi
    leave
    ret
END(asm_fp)
    .globl asm_fp_end
asm_fp_end:

// Neither information nor a frame pointer: rbp is a small number.
FUNCTION(asm_bare)
    push %rbp
    sub $32, %rsp
    mov $1, %ebp
    call *%rsi
    add $32, %rsp
    pop %rbp
    ret
END(asm_bare)
    .globl asm_bare_end
asm_bare_end:

// The same, and rbp is an address of this stack that is no frame pointer: below it are no return
// addresses.
FUNCTION(asm_decoy)
    push %rbp
    sub $64, %rsp
    lea 16(%rsp), %rbp
    movq $0x1234, (%rbp)
    movq $0x5678, 8(%rbp)
    call *%rsi
    add $64, %rsp
    pop %rbp
    ret
END(asm_decoy)

// long asm_spin(long n): n rounds of nothing in code without information, on top of the stack.
FUNCTION(asm_spin)
    push %rbp
    mov $3, %ebp
1:  imul $25214903, %rax, %rax
    dec %rdi
    jnz 1b
    pop %rbp
    ret
END(asm_spin)

// The same, and rbp is 0, as in a program's outermost frame.
FUNCTION(asm_spin_zero)
    push %rbp
    xor %ebp, %ebp
1:  imul $25214903, %rax, %rax
    dec %rdi
    jnz 1b
    pop %rbp
    ret
END(asm_spin_zero)

// void asm_faults(void): its first instruction does not work.
FUNCTION(asm_faults)
    .cfi_startproc
    ud2
    ret
    .cfi_endproc
END(asm_faults)

#elif defined(__aarch64__)

// The same functions; the comments are above. x29 is the frame pointer, x30 the return address.

FUNCTION(asm_cfi)
    .cfi_startproc
    stp x19, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x30, 8
    mov x19, sp
    .cfi_def_cfa_register x19
    sub x9, sp, #200
    and sp, x9, #-64
    mov x29, #0
    .cfi_undefined x29
    blr x1
    mov sp, x19
    .cfi_def_cfa_register sp
    ldp x19, x30, [sp], #16
    .cfi_adjust_cfa_offset -16
    .cfi_same_value x19
    .cfi_same_value x30
    ret
    .cfi_endproc
END(asm_cfi)

FUNCTION(asm_saves)
    .cfi_startproc
    stp x29, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    bl asm_cfi
    ldp x29, x30, [sp], #16
    .cfi_adjust_cfa_offset -16
    .cfi_same_value x29
    .cfi_same_value x30
    ret
    .cfi_endproc
END(asm_saves)

FUNCTION(asm_fp)
    stp x29, x30, [sp, #-16]!
    mov x29, sp
    sub sp, sp, #32
    blr x1
    mov sp, x29
    ldp x29, x30, [sp], #16
    ret
END(asm_fp)
    .globl asm_fp_end
asm_fp_end:

FUNCTION(asm_bare)
    stp x29, x30, [sp, #-48]!
    mov x29, #1
    blr x1
    ldp x29, x30, [sp], #48
    ret
END(asm_bare)
    .globl asm_bare_end
asm_bare_end:

FUNCTION(asm_decoy)
    stp x29, x30, [sp, #-80]!
    add x29, sp, #16
    mov x9, #0x1234
    mov x10, #0x5678
    stp x9, x10, [x29]
    blr x1
    ldp x29, x30, [sp], #80
    ret
END(asm_decoy)

FUNCTION(asm_spin)
    str x29, [sp, #-16]!
    mov x29, #3
1:  mul x2, x2, x29
    subs x0, x0, #1
    b.ne 1b
    ldr x29, [sp], #16
    ret
END(asm_spin)

FUNCTION(asm_spin_zero)
    str x29, [sp, #-16]!
    mov x29, #0
1:  mul x2, x2, x29
    subs x0, x0, #1
    b.ne 1b
    ldr x29, [sp], #16
    ret
END(asm_spin_zero)

// long asm_link(long n): the same, and it leaves the stack and all that callers keep as they are.
FUNCTION(asm_link)
    mov x3, #3
1:  mul x2, x2, x3
    subs x0, x0, #1
    b.ne 1b
    ret
END(asm_link)

FUNCTION(asm_faults)
    .cfi_startproc
    udf #0
    ret
    .cfi_endproc
END(asm_faults)

#endif

    .section .note.GNU-stack, "", %progbits
