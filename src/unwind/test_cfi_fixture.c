// Functions whose frames differ: compiled once with .debug_frame only, for the oracle's test.

#include <stdint.h>
#include <string.h>

int fixture_leaf(int a);
int fixture_saves(int a, int b, int c, int (*f)(int));
int fixture_grows(int n, int (*f)(void *));
int fixture_aligned(int a, int (*f)(void *));

int fixture_leaf(int a)
{
    return a * 3 + 1;
}

int fixture_saves(int a, int b, int c, int (*f)(int))
{
    int x = f(a);
    int y = f(b + x);
    return f(c + y) + x + y + a + b + c;
}

int fixture_grows(int n, int (*f)(void *))
{
    char *room = __builtin_alloca((size_t)n);
    memset(room, n, (size_t)n);
    return f(room) + room[0];
}

// The stack has to be realigned: the CFA is then found through memory.
int fixture_aligned(int a, int (*f)(void *))
{
    _Alignas(64) char room[128];
    char *more = __builtin_alloca((size_t)a);
    memset(room, a, sizeof room);
    more[0] = room[a & 127];
    return f(room) + f(more) + room[1];
}
