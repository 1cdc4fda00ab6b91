// A shared library with every kind of symbol that a table has to tell apart. The tests link it, so
// that they can compare what the file says with where things really are.

#include "image/test_support.h"

#include <unistd.h>

int fixture_data = 7;

__attribute__((noinline)) static int fixture_local(int x)
{
    return x * fixture_data;
}

int fixture_global(int x)
{
    return fixture_local(x) + 1;
}

int fixture_weak(int x);
__attribute__((weak)) int fixture_weak(int x)
{
    return fixture_local(x) + 2;
}

int __fixture_alias_with_a_long_name(int x) __attribute__((alias("fixture_global")));

int fixture_calls_others(void);
int fixture_calls_others(void)
{
    return getppid() + fixture_global(1); // through stubs
}
