// Known: a call tree with branches, where the same function is reached by two ways.
//
//     main -> left  -> shared   (40 %)
//                   -> left_own (10 %)
//          -> right -> shared   (20 %)
//                   -> middle -> shared (30 %)
//
// So `shared` has 90 % of the time as self, `left` 50 % in total, `right` 50 %, `middle` 30 %.
//
//     tree [MS=1000]

#include "truth.h"

WORK(shared)
WORK(left_own)

NOINLINE void left(void)
{
    truth_add("left/shared", shared(8 * MS));
    truth_add("left/left_own", left_own(2 * MS));
    spin_sink++;
}

NOINLINE void middle(void)
{
    truth_add("middle/shared", shared(6 * MS));
    spin_sink++;
}

NOINLINE void right(void)
{
    truth_add("right/shared", shared(4 * MS));
    middle();
    spin_sink++;
}

int main(int argc, char **argv)
{
    const uint64_t total_ns = arg_ms(argc, argv, 1, 1000);
    tell_ready();
    while (thread_cpu_ns() < total_ns) {
        left();
        right();
    }
    truth_write();
    return 0;
}
