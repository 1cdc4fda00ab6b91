// Known: the basic blocks of the functions of cfg_x86_64.S, which are written by hand.
//
//     cfg [MS=300]      runs all of them, most of the time cfg_loop

#include "truth.h"

extern int cfg_straight(int n), cfg_if_else(int n), cfg_loop(int n);
extern int cfg_switch_relative(int n, int m), cfg_switch_absolute(int n, int m);
extern int cfg_tail_calls(int n), cfg_noreturn(int n), cfg_middle(int n), cfg_data(void);
extern int cfg_indirect(void (*target)(void)), cfg_backward(int n);
extern void cfg_indirect_target(void);

enum { ROUNDS = 600000, TURNS = 5000 };

static int all(int n)
{
    return cfg_straight(n) + cfg_if_else(n) + cfg_switch_relative(n, n) +
           cfg_switch_absolute(n, n) + cfg_tail_calls(n) + cfg_noreturn(n) + cfg_middle(n) +
           cfg_data() + cfg_indirect(cfg_indirect_target) + cfg_backward(n);
}

int main(int argc, char **argv)
{
    const uint64_t total_ns = arg_ms(argc, argv, 1, 300);
    volatile int sum = 0;
    tell_ready();
    while (thread_cpu_ns() < total_ns) {
        sum += cfg_loop(3 * ROUNDS);      // never comes past 5
        for (int n = 0; n < TURNS; n++) { // a tenth of the time
            sum += all(n % 8);
        }
    }
    truth_write();
    return 0;
}
