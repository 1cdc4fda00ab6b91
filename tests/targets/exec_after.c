// The second half of exec_before.c, which see.

#include "truth.h"

WORK(phase_after)

int main(int argc, char **argv)
{
    truth_add("phase_after", phase_after(arg_ms(argc, argv, 1, 400)));
    char extra[64];
    snprintf(extra, sizeof extra, ", \"address\": %llu",
             (unsigned long long)(uintptr_t)phase_after);
    truth_write_extra(extra);
    return 0;
}
