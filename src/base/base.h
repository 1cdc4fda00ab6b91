#pragma once

// The words that every file may use without thinking: assertions, ownership that is visible at a
// glance, and the few macros that C17 still lacks.

#include <stddef.h>
#include <stdint.h>

// A broken invariant of our own. On in every build; never used for input from outside, which gets
// an error instead.
#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(__FILE__, __LINE__, #condition))

_Noreturn void assert_failed(const char *file, int line, const char *condition);

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

// Each argument is evaluated once. The unique names let one stand inside of the other.
#define MIN(a, b)            PICK_(a, b, <, __COUNTER__)
#define MAX(a, b)            PICK_(a, b, >, __COUNTER__)
#define PICK_(a, b, than, n) PICK2_(a, b, than, n)
#define PICK2_(a, b, than, n)                                                                      \
    __extension__({                                                                                \
        __typeof__(a) a_##n = (a);                                                                 \
        __typeof__(b) b_##n = (b);                                                                 \
        a_##n than b_##n ? a_##n : b_##n;                                                          \
    })

// `CLEANUP(freep) char *text = NULL;` frees when the scope ends, whichever way it ends.
// `return TAKE(text);` is then the one visible place where ownership moves out.
#define CLEANUP(function) __attribute__((cleanup(function)))

#define TAKE(pointer)                                                                              \
    __extension__({                                                                                \
        __typeof__(pointer) taken_ = (pointer);                                                    \
        (pointer) = NULL;                                                                          \
        taken_;                                                                                    \
    })

#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

// From a pointer to an embedded member to its owner.
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
