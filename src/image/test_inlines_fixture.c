// Code with inlined functions at places that the test knows by name: each MARK is a label, and it
// stands in exactly one function that is inlined exactly once.

#include "image/test_inlines_fixture.h"

// A symbol of a function, so that its address is not copied as that of data would be.
#define MARK(label)                                                                                \
    __asm__ volatile(".globl " #label "\n.type " #label ", %function\n" #label ":\n\tnop")
#define INLINED static inline __attribute__((always_inline))

volatile int fixture_number = 1;

// ---- A chain -----------------------------------------------------------------------------------

INLINED void innermost(void)
{
    MARK(mark_innermost);
}

INLINED void middle(void)
{
    innermost();
    MARK(mark_middle);
}

void fixture_outer(void)
{
    middle();
    MARK(mark_outer);
}

// ---- Split hot and cold ------------------------------------------------------------------------

__attribute__((cold, noinline)) static void rare(void)
{
    fixture_number++;
}

INLINED void split(void)
{
    MARK(mark_hot);
    if (fixture_number == 0) {
        MARK(mark_cold);
        rare();
    }
}

void fixture_split(void)
{
    split();
    fixture_number++;
}

// ---- Twice in one line -------------------------------------------------------------------------

INLINED int number(void)
{
    return fixture_number;
}

int fixture_twice(void)
{
    return number() - 3 * number();
}

// ---- Nothing -----------------------------------------------------------------------------------

void fixture_alone(void)
{
    MARK(mark_alone);
}

// ---- Deeper than the limit
// -----------------------------------------------------------------------

INLINED void level_0(void)
{
    MARK(mark_deepest);
}

#define LEVEL(n, below)                                                                            \
    INLINED void level_##n(void)                                                                   \
    {                                                                                              \
        level_##below();                                                                           \
    }
#define TEN(n, above)                                                                              \
    LEVEL(n##1, n##0)                                                                              \
    LEVEL(n##2, n##1)                                                                              \
    LEVEL(n##3, n##2)                                                                              \
    LEVEL(n##4, n##3)                                                                              \
    LEVEL(n##5, n##4)                                                                              \
    LEVEL(n##6, n##5)                                                                              \
    LEVEL(n##7, n##6)                                                                              \
    LEVEL(n##8, n##7)                                                                              \
    LEVEL(n##9, n##8)                                                                              \
    LEVEL(above##0, n##9)

LEVEL(10, 0)
TEN(1, 2)
TEN(2, 3)
TEN(3, 4)
TEN(4, 5)
TEN(5, 6)
TEN(6, 7)
TEN(7, 8)
TEN(8, 9)

void fixture_deep(void)
{
    level_90();
}
