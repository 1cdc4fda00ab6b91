// Known: one thread that waits for each byte of its stdin, which another program writes. It answers
// each byte with one on stdout, so that the writer knows that it was read.
//
//     reader

#include "waiting.h"

NOINLINE long read_byte(char *byte);
NOINLINE long read_byte(char *byte)
{
    return raw_syscall(SYS_read, STDIN_FILENO, (long)byte, 1);
}

int main(void)
{
    struct waiting w;
    waiting_begin(&w, "reader", "ipc");
    tell_ready();
    for (;;) {
        char byte = 0;
        waiting_before(&w);
        const long n = read_byte(&byte);
        waiting_after(&w);
        if (n != 1) {
            break;
        }
        if (write(STDOUT_FILENO, &byte, 1) != 1) {
            return 99;
        }
    }
    waiting_end(&w);
    waiting_write();
    return 0;
}
