// Known: most of the CPU time is in two child processes. The parent works in `parent_work`, each
// child in `child_work` (three times as long); the parent waits for both. Three lines of truth.
//
//     children [PARENT_MS=200]

#include "truth.h"

#include <sys/wait.h>

WORK(parent_work)
WORK(child_work)

int main(int argc, char **argv)
{
    const uint64_t budget_ns = arg_ms(argc, argv, 1, 200);
    tell_ready();
    for (int i = 0; i < 2; i++) {
        const pid_t child = fork();
        if (child < 0) {
            return 2;
        }
        if (child == 0) {
            truth_add("child_work", child_work(3 * budget_ns));
            truth_write();
            _exit(0);
        }
    }
    truth_add("parent_work", parent_work(budget_ns));
    while (wait(NULL) > 0) {
    }
    truth_write();
    return 0;
}
