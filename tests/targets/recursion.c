// Known: recursion, where a function is on the stack many times and must be counted once.
//
//     main -> direct -> direct -> … (20 levels, each works)                       about one half
//          -> ping -> pong -> ping -> pong -> … (20 levels; the ten pings work)     about one half
//
// `direct`: self = total. `ping`: self, and total = that. `pong`: no self, total = all but the
// first ping's work. No total is above 100 %.
//
//     recursion [MS=1000]

#include "truth.h"

NOINLINE void direct(int level)
{
    truth_add("direct", spin(1 * MS, 77));
    if (level > 1) {
        direct(level - 1);
    }
    spin_sink++;
}

NOINLINE void pong(int level);

NOINLINE void ping(int level)
{
    truth_add(level == 20 ? "ping/first" : "ping/inner", spin(2 * MS, 79));
    if (level > 1) {
        pong(level - 1);
    }
    spin_sink++;
}

NOINLINE void pong(int level)
{
    if (level > 1) {
        ping(level - 1);
    }
    spin_sink++;
}

int main(int argc, char **argv)
{
    const uint64_t total_ns = arg_ms(argc, argv, 1, 1000);
    tell_ready();
    while (thread_cpu_ns() < total_ns) {
        direct(20);
        ping(20);
    }
    truth_write();
    return 0;
}
