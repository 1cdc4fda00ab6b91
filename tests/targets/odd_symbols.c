// Known: symbols that say of a function's length what is not so, and a function of 200 KB.
//
//     odd_symbols MS       each of these for MS of CPU time, in turns of a millisecond or so:
//
//     size_zero       its symbol has no size
//     size_huge       its symbol has 4 GB
//     overlapped      the one behind it lies in it: the samples there are those of `overlapping`
//     overlapping
//     long_function   51,200 additions

#include "truth.h"

void size_zero(uint64_t n);
void size_huge(uint64_t n);
void overlapped(uint64_t n, uint64_t n_behind);
void long_function(uint64_t n);

int main(int argc, char **argv)
{
    const uint64_t each_ns = arg_ms(argc, argv, 1, 100);
    tell_ready();
    const uint64_t end_ns = thread_cpu_ns() + 4 * each_ns;
    while (thread_cpu_ns() < end_ns) {
        size_zero(2000000);
        size_huge(2000000);
        overlapped(1000000, 1000000);
        long_function(40);
    }
    truth_write();
    return 0;
}
