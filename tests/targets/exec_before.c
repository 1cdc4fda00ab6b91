// Known: a program that becomes another one in the middle. `phase_before` works, then the process
// execs its neighbour `exec_after`, where `phase_after` works as long. Both are linked at the same
// fixed address and have the same layout, so that an address of one is an address of the other:
// names are right only if the address space is replaced at the exec.
//
//     exec_before [MS_PER_PHASE=400]

#include "truth.h"

WORK(phase_before)

int main(int argc, char **argv)
{
    tell_ready();
    truth_add("phase_before", phase_before(arg_ms(argc, argv, 1, 400)));
    char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);
    if (n < 0) {
        return 2;
    }
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash) {
        return 2;
    }
    memcpy(slash + 1, "exec_after", sizeof "exec_after");
    char extra[64];
    snprintf(extra, sizeof extra, ", \"address\": %llu",
             (unsigned long long)(uintptr_t)phase_before);
    truth_write_extra(extra);
    execl(path, "exec_after", argc > 1 ? argv[1] : "400", (char *)NULL);
    return 3;
}
