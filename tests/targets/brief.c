// Known: a program that is over within 5 ms: 4 ms of CPU time in `brief_work`, from its first
// instruction on. At 900 Hz that is three samples: they are only there if capture was armed before
// the program began.
//
//     brief [MS=4] [EXIT_STATUS=0]

#include "truth.h"

WORK(brief_work)

int main(int argc, char **argv)
{
    truth_add("brief_work", brief_work(arg_ms(argc, argv, 1, 4)));
    truth_write();
    return arg_int(argc, argv, 2, 0);
}
