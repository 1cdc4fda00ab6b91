// Known: the time of functions that the compiler has inlined, by order.
//
//     inlining [MS=1000]
//
// Stack: main -> rounds -> step, which has inlined `both`, which has inlined `hot` (4 parts of 10)
// and `warm` (3 parts); and `shared` (2 parts), of which `step` also calls the function itself (1
// part). Each of them has inlined `spin` and that `spin_chunk`, where the time goes.

#include "truth.h"

#define INLINED static inline __attribute__((always_inline))

INLINED uint64_t hot(uint64_t budget_ns)
{
    return spin(budget_ns, 21);
}

INLINED uint64_t warm(uint64_t budget_ns)
{
    return spin(budget_ns, 23);
}

INLINED void both(uint64_t unit_ns)
{
    truth_add("hot", hot(4 * unit_ns));
    truth_add("warm", warm(3 * unit_ns));
}

INLINED uint64_t shared(uint64_t budget_ns)
{
    return spin(budget_ns, 25);
}

static uint64_t (*volatile shared_itself)(uint64_t budget_ns) = shared;

NOINLINE void step(uint64_t unit_ns)
{
    both(unit_ns);
    truth_add("shared (inlined)", shared(2 * unit_ns));
    truth_add("shared", shared_itself(unit_ns));
}

NOINLINE void rounds(uint64_t total_ns)
{
    const uint64_t start_ns = thread_cpu_ns();
    while (thread_cpu_ns() - start_ns < total_ns) {
        step(2 * MS);
    }
}

int main(int argc, char **argv)
{
    tell_ready();
    rounds(arg_ms(argc, argv, 1, 1000));
    truth_write();
    return 0;
}
