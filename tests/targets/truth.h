#pragma once

// What all targets share: work whose length is measured by the thread's own CPU clock, and a way to
// tell the tests afterwards how long each function really worked.
//
//     WORK(hot)                       defines `uint64_t hot(uint64_t budget_ns)`
//     truth_add("hot", hot(30 * MS)); worked for so long
//     truth_write();                  one JSON line, appended to $TRUTH, else to stdout:
//
//     {"pid": 7, "functions": {"hot": 30012345}, "threads": [{"tid": 7, "name": "x", "cpu_ns": 1}]}
//
// A process that execs or forks writes one line per program, so a truth file is a list of lines.
//
// How exact it is: a function reads the clock once per chunk of arithmetic of some 300 us, and a
// read costs below half a microsecond. So more than 99 % of a function's time is spent in its own
// instructions and not in libc or the kernel, and it overruns its budget by one chunk at most; what
// it returns is the time that it really took.

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MS       UINT64_C(1000000)
#define NOINLINE __attribute__((noinline, noclone, used))
#define UNUSED   __attribute__((unused))

enum { SPIN_CHUNK = 200000, TRUTH_MAX = 1024 };

static UNUSED uint64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static UNUSED uint64_t thread_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static UNUSED uint32_t thread_id(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

static UNUSED volatile uint64_t spin_sink;

// One chunk of arithmetic, a chain of multiplications that no compiler shortens. `salt` makes every
// work function different from all others, so that none are folded into one.
static inline __attribute__((always_inline)) void spin_chunk(uint64_t salt)
{
    uint64_t x = spin_sink;
    for (int i = 0; i < SPIN_CHUNK; i++) {
        x = x * UINT64_C(6364136223846793005) + salt;
    }
    spin_sink = x;
}

static inline __attribute__((always_inline)) uint64_t spin(uint64_t budget_ns, uint64_t salt)
{
    const uint64_t start_ns = thread_cpu_ns();
    uint64_t spent_ns = 0;
    do {
        spin_chunk(salt);
        spent_ns = thread_cpu_ns() - start_ns;
    } while (spent_ns < budget_ns);
    return spent_ns;
}

#define WORK(name)                                                                                 \
    NOINLINE uint64_t name(uint64_t budget_ns);                                                    \
    NOINLINE uint64_t name(uint64_t budget_ns)                                                     \
    {                                                                                              \
        return spin(budget_ns, 2 * __COUNTER__ + 12345);                                           \
    }

// ---- The truth
// -------------------------------------------------------------------------------------

static UNUSED pthread_mutex_t truth_lock = PTHREAD_MUTEX_INITIALIZER;
static UNUSED struct {
    const char *function;
    uint64_t ns;
} truth_functions[TRUTH_MAX];
static UNUSED struct {
    uint32_t tid;
    char name[16];
    uint64_t cpu_ns;
} truth_threads[TRUTH_MAX];
static UNUSED int truth_n_functions;
static UNUSED int truth_n_threads;

// `function` must live as long as the program.
static UNUSED void truth_add(const char *function, uint64_t ns)
{
    pthread_mutex_lock(&truth_lock);
    int i = 0;
    while (i < truth_n_functions && strcmp(truth_functions[i].function, function) != 0) {
        i++;
    }
    if (i == truth_n_functions && i < TRUTH_MAX) {
        truth_functions[truth_n_functions++].function = function;
    }
    if (i < TRUTH_MAX) {
        truth_functions[i].ns += ns;
    }
    pthread_mutex_unlock(&truth_lock);
}

// A thread says at its end how much CPU time it used in all.
static UNUSED void truth_add_thread(const char *name)
{
    pthread_mutex_lock(&truth_lock);
    if (truth_n_threads < TRUTH_MAX) {
        truth_threads[truth_n_threads].tid = thread_id();
        snprintf(truth_threads[truth_n_threads].name, 16, "%s", name);
        truth_threads[truth_n_threads].cpu_ns = thread_cpu_ns();
        truth_n_threads++;
    }
    pthread_mutex_unlock(&truth_lock);
}

// `extra` is more JSON, starting with a comma, or "".
static UNUSED void truth_write_extra(const char *extra)
{
    const char *path = getenv("TRUTH");
    FILE *out = path ? fopen(path, "ae") : stdout;
    if (!out) {
        perror("TRUTH");
        exit(99);
    }
    fprintf(out, "{\"pid\": %d, \"process_cpu_ns\": %llu, \"functions\": {", (int)getpid(),
            (unsigned long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID));
    for (int i = 0; i < truth_n_functions; i++) {
        fprintf(out, "%s\"%s\": %llu", i ? ", " : "", truth_functions[i].function,
                (unsigned long long)truth_functions[i].ns);
    }
    fprintf(out, "}, \"threads\": [");
    for (int i = 0; i < truth_n_threads; i++) {
        fprintf(out, "%s{\"tid\": %u, \"name\": \"%s\", \"cpu_ns\": %llu}", i ? ", " : "",
                truth_threads[i].tid, truth_threads[i].name,
                (unsigned long long)truth_threads[i].cpu_ns);
    }
    fprintf(out, "]%s}\n", extra);
    fflush(out);
    if (path) {
        fclose(out);
    }
}

static UNUSED void truth_write(void)
{
    truth_write_extra("");
}

// Tells the test, through the FIFO named by $READY, that the program runs; says the pid.
static UNUSED void tell_ready(void)
{
    const char *path = getenv("READY");
    if (!path) {
        return;
    }
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        dprintf(fd, "%d\n", (int)getpid());
        close(fd);
    }
}

// argv[i] as a small number, else `otherwise`.
static UNUSED int arg_int(int argc, char **argv, int i, int otherwise)
{
    return i < argc ? (int)strtol(argv[i], NULL, 10) : otherwise;
}

// argv[i] as a number of milliseconds, else `otherwise`.
static UNUSED uint64_t arg_ms(int argc, char **argv, int i, uint64_t otherwise)
{
    return (i < argc ? strtoull(argv[i], NULL, 10) : otherwise) * MS;
}
