// Known: which instruction of a function the time goes to, and which call of two.
//
//     annotated MS                    divide_chain and chase for MS each, of CPU time, in turns
//
//     divide_chain   one division per turn, which waits for the one before it: nothing else of its
//                    loop takes time
//     chase          one load per turn, whose address the one before it has loaded, from 64 MB in
//                    no order: likewise
//     thrice         calls divide_chain from two places; the first call does three times the work
//     nested         calls itself, at one and the same place, 7 deep; then divide_chain
//     mixed          several lines and inlined functions, for a comparison of lines

#include "truth.h"

#ifndef LOADS
#define LOADS 4000
#endif

enum { DIVISIONS = 20000, CELLS = 1 << 23, DEPTH = 7 };

// The compiler knows neither.
static volatile uint64_t divisor = 3;
static uint64_t *cells;

NOINLINE uint64_t divide_chain(uint64_t n, uint64_t d)
{
    uint64_t x = UINT64_MAX;
    for (uint64_t i = 0; i < n; i++) {
        x = (x / d) | UINT64_C(0xff00000000000000);
    }
    return x;
}

NOINLINE uint64_t chase(uint64_t n, uint64_t from)
{
    const uint64_t *all = cells;
    for (uint64_t i = 0; i < n; i++) {
        from = all[from];
    }
    return from;
}

NOINLINE uint64_t thrice(uint64_t n)
{
    const uint64_t d = divisor;
    const uint64_t much = divide_chain(3 * n, d);
    const uint64_t little = divide_chain(n, d + 1);
    return much ^ little;
}

NOINLINE uint64_t nested(uint64_t depth)
{
    const uint64_t below = depth == 0 ? divide_chain(DIVISIONS, divisor) : nested(depth - 1);
    return below + depth;
}

static inline uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static inline uint64_t scramble(uint64_t x)
{
    x ^= rotate(x, 13);
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return rotate(x, 29) + 1;
}

NOINLINE uint64_t mixed(uint64_t n)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (i % 3 == 0) {
            sum += scramble(sum ^ i);
        } else if (i % 5 == 0) {
            sum -= rotate(i, 7);
        }
        sum = scramble(sum);
    }
    return sum;
}

// One cycle through all cells, each step far from the one before (Sattolo's shuffle).
static void make_cells(void)
{
    uint64_t random = 1;
    cells = malloc(CELLS * sizeof *cells);
    if (cells == NULL) {
        exit(99);
    }
    for (uint64_t i = 0; i < CELLS; i++) {
        cells[i] = i;
    }
    for (uint64_t i = CELLS - 1; i > 0; i--) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const uint64_t j = (random >> 33) % i;
        const uint64_t other = cells[j];
        cells[j] = cells[i];
        cells[i] = other;
    }
}

int main(int argc, char **argv)
{
    const uint64_t each_ns = arg_ms(argc, argv, 1, 300);
    uint64_t at = 0;
    uint64_t sum = 0;
    make_cells();
    tell_ready();
    const uint64_t end_ns = thread_cpu_ns() + 5 * each_ns;
    for (uint64_t until_ns = thread_cpu_ns() + each_ns; thread_cpu_ns() < until_ns;) {
        sum += divide_chain(DIVISIONS, divisor);
    }
    for (uint64_t until_ns = thread_cpu_ns() + each_ns; thread_cpu_ns() < until_ns;) {
        at = chase(LOADS, at);
    }
    while (thread_cpu_ns() < end_ns) {
        sum += thrice(DIVISIONS) + nested(DEPTH) + mixed(DIVISIONS * 4);
    }
    spin_sink = sum + at;
    truth_write();
    return 0;
}
