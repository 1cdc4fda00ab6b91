// Functions whose symbols say something odd of their length; each runs the loop that it is given
// as a count. See odd_symbols.c.

#if defined(__x86_64__)
#define LOOP   1: dec %rdi; jnz 1b
#define LOOP2  3: dec %rsi; jnz 3b // the second argument
#define RETURN ret
#define ADD    add $1, %rax // 4 bytes
#define TURN   dec %rdi; jnz 4b
#else
#define LOOP   1: subs x0, x0, #1; b.ne 1b
#define LOOP2  3: subs x1, x1, #1; b.ne 3b
#define RETURN ret
#define ADD    add x1, x1, #1
#define TURN   sub x0, x0, #1; cbz x0, 2f; b 4b; 2:
#endif

#define FUNCTION(name) \
    .globl name; \
    .type name, %function

    .text
    .balign 64

    FUNCTION(size_zero)
size_zero:
    LOOP
    RETURN
    .size size_zero, 0

    .balign 64
    FUNCTION(size_huge)
size_huge:
    LOOP
    RETURN
    .size size_huge, 0x100000000

    .balign 64
    FUNCTION(overlapped)
    FUNCTION(overlapping)
overlapped:
    LOOP
overlapping:
    LOOP2
    RETURN
    .size overlapped, . - overlapped
    .size overlapping, 64

    .balign 64
    FUNCTION(long_function)
long_function:
4:
    .rept 51200
    ADD
    .endr
    TURN
    RETURN
    .size long_function, . - long_function

    .balign 64
    FUNCTION(behind)
behind:
    RETURN
    .size behind, . - behind

    .section .note.GNU-stack, "", %progbits
