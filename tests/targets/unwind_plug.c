// A library whose functions stand between two of a program.

long plug_enter(long x, long (*next)(long));
long plug_enter(long x, long (*next)(long))
{
    const long y = next(x + 1);
    __asm__ volatile("" ::: "memory");
    return y ^ x;
}
