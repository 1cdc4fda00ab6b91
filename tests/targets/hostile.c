// Known: names that try to drive the reader's terminal or break his lines. The thread is called
// "\x1b[31mevil\nname", and the functions that work get their names in the Makefile with objcopy:
//
//     hostile_escape   ->  esc\x1b[31mred\x1b[0m
//     hostile_newline  ->  error: one\ntwo\r three\x07
//     hostile_utf8     ->  bad\xff\xfeutf8\xc3
//     hostile_json     ->  q"uo\te</script>
//     hostile_long     ->  20000 times the letter x
//
// Each works for a fifth of the time; the truth is kept under the names on the left.
//
//     hostile [MS=600]

#include "truth.h"

WORK(hostile_escape)
WORK(hostile_newline)
WORK(hostile_utf8)
WORK(hostile_json)
WORK(hostile_long)

int main(int argc, char **argv)
{
    const uint64_t total_ns = arg_ms(argc, argv, 1, 600);
    tell_ready();
    pthread_setname_np(pthread_self(), "\x1b[31mevil\nname");
    while (thread_cpu_ns() < total_ns) {
        truth_add("hostile_escape", hostile_escape(4 * MS));
        truth_add("hostile_newline", hostile_newline(4 * MS));
        truth_add("hostile_utf8", hostile_utf8(4 * MS));
        truth_add("hostile_json", hostile_json(4 * MS));
        truth_add("hostile_long", hostile_long(4 * MS));
    }
    truth_write();
    return 0;
}
