// Functions whose basic blocks are known: beside each a drawing, and what is expected, one line per
// block:
//
//     //: B0 3 branches B1:next B2:taken       number, instructions, how it ends, where to
//
// src/disasm/test_blocks.c compares them with what is found in memory, tests/e2e/test_cfg.py with
// what the server answers. A compiler would change them, so they are written by hand. All may be
// called, with numbers that the comment says. They change no register that a callee has to keep.

        .intel_syntax noprefix
        .text

        .macro function name
        .globl \name
        .type \name, @function
        .p2align 4
\name:
        .endm

        .macro end name
        .size \name, . - \name
#ifdef WITH_ENDS // for those who find functions by linking
        .globl \name\()_end
\name\()_end:
#endif
        .endm

// A call does not end a block.
//
//     B0 (ret)
//
//: function cfg_straight
//: B0 5 returns
function cfg_straight
        push rbx
        mov ebx, edi
        call cfg_nothing
        pop rbx
        ret
end cfg_straight

//     B0 ──► B2          if (n == 0) B2; else B1
//      ▼      │
//     B1 ───► B3
//
//: function cfg_if_else
//: B0 2 branches B1:next B2:taken
//: B1 2 jumps B3:jump
//: B2 1 goes_on B3:next
//: B3 1 returns
function cfg_if_else
        test edi, edi
        je 1f
        lea eax, [rdi + 1]
        jmp 2f
1:      mov eax, 7
2:      ret
end cfg_if_else

//     B0 ► B1 ──► B3     for (; n != 0; n -= 3) { if (n == 5) break; }
//          ▲ ▼    ▲
//          B2 ────┘
//
//: function cfg_loop
//: B0 1 goes_on B1:next
//: B1 2 branches B2:next B3:taken
//: B2 2 branches B1:taken B3:next
//: B3 1 returns
function cfg_loop
        mov eax, edi
1:      cmp eax, 5
        je 2f
        sub eax, 3
        jg 1b
2:      ret
end cfg_loop

// Entries of four bytes, relative to the table, two of them alike; a case that falls through.
//
//     B0 ───────────────► B5
//      ▼                  ▲
//     B1 ──► B2, B3, B4 ──┤
//             B2 ► B3     │
//
//: function cfg_switch_relative
//: B0 2 branches B1:next B5:taken
//: B1 5 switches B2:switch B3:switch B4:switch B5:switch
//: B2 1 goes_on B3:next
//: B3 2 jumps B5:jump
//: B4 1 goes_on B5:next
//: B5 1 returns
function cfg_switch_relative
        cmp edi, 5
        ja .Lrelative_end
        mov eax, edi
        lea rdx, relative_table[rip]
        movsxd rax, dword ptr [rdx + rax * 4]
        add rax, rdx
        notrack jmp rax
.Lrelative_0:
        add esi, 1
.Lrelative_1:
        add esi, 2
        jmp .Lrelative_end
.Lrelative_2:
        add esi, 3
.Lrelative_end:
        ret
end cfg_switch_relative

// Entries of eight bytes; a masked index needs no check.
//
//     B0 ──► B1, B2, B3       B1 ► B2
//
//: function cfg_switch_absolute
//: B0 3 switches B1:switch B2:switch B3:switch
//: B1 1 goes_on B2:next
//: B2 2 returns
//: B3 2 returns
function cfg_switch_absolute
        and edi, 3
        lea rdx, absolute_table[rip]
        jmp qword ptr [rdx + rdi * 8]
.Labsolute_0:
        add esi, 1
.Labsolute_1:
        lea eax, [rsi + 2]
        ret
.Labsolute_2:
        xor eax, eax
        ret
end cfg_switch_absolute

// Out of the function, by a branch and by a jump.
//
//     B0 ──► (cfg_straight)
//      ▼
//     B1 ──► (cfg_if_else)
//
//: function cfg_tail_calls
//: B0 2 tail_calls B1:next
//: B1 2 tail_calls
function cfg_tail_calls
        test edi, edi
        js cfg_straight
        dec edi
        jmp cfg_if_else
end cfg_tail_calls

// Calls that never return, in the middle and at the end. `edi` is not negative.
//
//     B0 ──► B2 ──► B4
//      ▼      ▼
//     B1     B3
//
//: function cfg_noreturn
//: B0 3 branches B1:next B2:taken
//: B1 1 calls_noreturn
//: B2 2 branches B3:next B4:taken
//: B3 2 returns
//: B4 2 calls_noreturn
function cfg_noreturn
        push rax
        test edi, edi
        jns 1f
        call xalloc_die
1:      cmp edi, -1
        je 2f
        pop rax
        ret
2:      mov edi, 1
        call xalloc_die
end cfg_noreturn

// Over a lock prefix, into the middle of an instruction. There is no edge to it.
//
//     B0 ──► (B1 + 1)
//      ▼
//     B1
//
//: function cfg_middle
//: B0 4 branches B1:next
//: B1 3 returns
//: into the middle: 1
function cfg_middle
        push rax
        mov eax, 1
        test edi, edi
        je 1f + 1
1:      lock xadd dword ptr [rsp], eax
        pop rax
        ret
end cfg_middle

// To where a register says: nobody knows. B1 is where `cfg_indirect_target` is.
//
//     B0 ──► ?
//     B1
//
//: function cfg_indirect
//: B0 1 jumps_anywhere
//: B1 2 returns
//: unknown: 1
function cfg_indirect
        jmp rdi
        .globl cfg_indirect_target
cfg_indirect_target:
        mov eax, 3
        ret
end cfg_indirect

// Bytes that are no instructions (06, 07 and 0e are not in 64-bit code), jumped over.
//
//     B0 ──► B2
//     B1 (data)
//
//: function cfg_data
//: B0 1 jumps B2:jump
//: B1 3 stops
//: B2 2 returns
function cfg_data
        jmp 1f
        .byte 0x06, 0x07, 0x0e
1:      mov eax, 4
        ret
end cfg_data

// B1 is entered by the way back only; what follows a ret is a block of its own.
//
//     B0 ──► B2 ──► B3
//             ▼
//     B1 ◄────┘
//
//: function cfg_backward
//: B0 1 jumps B2:jump
//: B1 2 returns
//: B2 2 branches B1:taken B3:next
//: B3 1 returns
function cfg_backward
        jmp 2f
1:      mov eax, 5
        ret
2:      test edi, edi
        jne 1b
        ret
end cfg_backward

// What others call. `xalloc_die` is known to never return, by its name.
function cfg_nothing
        ret
end cfg_nothing

function xalloc_die
        ud2
end xalloc_die

        .section .rodata
        .p2align 2
relative_table:
        .long .Lrelative_0 - relative_table
        .long .Lrelative_1 - relative_table
        .long .Lrelative_2 - relative_table
        .long .Lrelative_end - relative_table
        .long .Lrelative_1 - relative_table
        .long .Lrelative_0 - relative_table

        .section .data.rel.ro, "aw"
        .p2align 3
absolute_table:
        .quad .Labsolute_0
        .quad .Labsolute_1
        .quad .Labsolute_2
        .quad .Labsolute_1

        .section .note.GNU-stack, "", @progbits
