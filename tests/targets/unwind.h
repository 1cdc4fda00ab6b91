#pragma once

// Call chains that are known, in programs built like those that are shipped: optimised, without
// frame pointers, with call frame information, with symbols.
//
//     static long outer(long x) { … }               functions that call each other
//     static const struct stack_kind kinds[] = {{"name", run, "outer;middle;inner"}, …};
//     return stack_main(argc, argv, kinds, n_kinds);
//
// The command line is KIND [MS=400] [END=spin]. All of the program's CPU time but for a millisecond
// at its start passes at the end of that chain; the truth (truth.h) says what the chain is:
//
//     "stack": {"kind": "name", "tid": 7, "chain": "_start;main;outer;middle;inner;spin_end",
//               "least": 6, "end": "complete", "waits": 0}
//
// `chain` has the functions of this program (and of what comes with it), the outermost first; those
// of other libraries may stand between them. `name*500` is 500 of them in a row.
//
// `end` is "complete", or why callers are missing: then a stack has the last names of the chain, at
// least `least` of them. A complete one has all names; or the first ones of them, at least `least`,
// of a kind that works in all of its functions.
//
// END "spin" burns MS milliseconds of CPU time; nap, mutex, sem, join and pipe wait instead,
// through libc, once per 3 ms for that time.

#include "truth.h"

#include <errno.h>
#include <semaphore.h>
#include <stdbool.h>

// Of a function that is called by its neighbours in a chain, however clever the compiler is.
#define APART __attribute__((noipa, used))
#ifdef __cplusplus
#define PLAINLY extern "C" // named as in C
#else
#define PLAINLY
#endif
// What follows a call that shall not become a jump.
#define AFTER_CALL() __asm__ volatile("" ::: "memory")

typedef long (*stack_fn)(long x);

struct stack_kind {
    const char *name;
    stack_fn run;
    const char *chain; // below main; "END" is the function at the end
    int least;         // 0: all, or all that the end allows
    const char *end;   // NULL: "complete"
    bool elsewhere;    // on another stack than that of main: the chain begins there. `run` sets
                       // stack_tid
};

enum { STACK_PACE_MS = 3, STACK_WAITS_MAX = 1000 };

static UNUSED uint64_t stack_budget_ns;
static UNUSED int stack_n_waits;
static UNUSED uint32_t stack_tid;
static UNUSED stack_fn volatile stack_end;

static void stack_must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(99);
    }
}

// ---- Ends ----

PLAINLY APART long spin_end(long x);
APART long spin_end(long x)
{
    return (long)spin(stack_budget_ns, 4711) + x;
}

static void stack_nap(void)
{
    const struct timespec t = {0, (long)(STACK_PACE_MS * MS)};
    nanosleep(&t, NULL);
}

PLAINLY APART long nap_end(long x);
APART long nap_end(long x)
{
    for (int i = 0; i < stack_n_waits; i++) {
        stack_nap();
    }
    return x;
}

// One for each wait, so that nobody needs to take turns.
static pthread_mutex_t stack_mutex[STACK_WAITS_MAX];
static pthread_barrier_t stack_taken;
static sem_t stack_sem;
static int stack_pipe[2];

static UNUSED void *mutex_holder(void *arg)
{
    for (int i = 0; i < stack_n_waits; i++) {
        pthread_mutex_lock(&stack_mutex[i]);
    }
    pthread_barrier_wait(&stack_taken);
    for (int i = 0; i < stack_n_waits; i++) {
        stack_nap();
        pthread_mutex_unlock(&stack_mutex[i]);
    }
    return arg;
}

PLAINLY APART long mutex_end(long x);
APART long mutex_end(long x)
{
    pthread_t holder;
    pthread_barrier_init(&stack_taken, NULL, 2);
    for (int i = 0; i < stack_n_waits; i++) {
        pthread_mutex_init(&stack_mutex[i], NULL);
    }
    pthread_create(&holder, NULL, mutex_holder, NULL);
    pthread_barrier_wait(&stack_taken);
    for (int i = 0; i < stack_n_waits; i++) {
        pthread_mutex_lock(&stack_mutex[i]);
    }
    pthread_join(holder, NULL);
    return x;
}

static void *sem_poster(void *arg)
{
    for (int i = 0; i < stack_n_waits; i++) {
        stack_nap();
        sem_post(&stack_sem);
    }
    return arg;
}

PLAINLY APART long sem_end(long x);
APART long sem_end(long x)
{
    pthread_t poster;
    sem_init(&stack_sem, 0, 0);
    pthread_create(&poster, NULL, sem_poster, NULL);
    for (int i = 0; i < stack_n_waits; i++) {
        stack_must(sem_wait(&stack_sem) == 0, "sem_wait");
    }
    pthread_join(poster, NULL);
    return x;
}

static void *brief_thread(void *arg)
{
    stack_nap();
    return arg;
}

PLAINLY APART long join_end(long x);
APART long join_end(long x)
{
    for (int i = 0; i < stack_n_waits; i++) {
        pthread_t brief;
        pthread_create(&brief, NULL, brief_thread, NULL);
        pthread_join(brief, NULL);
    }
    return x;
}

static void *pipe_writer(void *arg)
{
    for (int i = 0; i < stack_n_waits; i++) {
        stack_nap();
        stack_must(write(stack_pipe[1], "x", 1) == 1, "write");
    }
    return arg;
}

PLAINLY APART long pipe_end(long x);
APART long pipe_end(long x)
{
    pthread_t writer;
    stack_must(pipe2(stack_pipe, O_CLOEXEC) == 0, "pipe2");
    pthread_create(&writer, NULL, pipe_writer, NULL);
    for (int i = 0; i < stack_n_waits; i++) {
        char byte;
        stack_must(read(stack_pipe[0], &byte, 1) == 1, "read");
    }
    pthread_join(writer, NULL);
    return x;
}

static const struct {
    const char *name;
    const char *function;
    stack_fn run;
} stack_ends[] = {
    {"spin", "spin_end", spin_end},    {"nap", "nap_end", nap_end},
    {"mutex", "mutex_end", mutex_end}, {"sem", "sem_end", sem_end},
    {"join", "join_end", join_end},    {"pipe", "pipe_end", pipe_end},
};

// ---- The truth ----

// `chain` has its functions in place of _start, main and END.
static void stack_write(const struct stack_kind *kind, const char *end_function)
{
    char *text = NULL;
    size_t n_bytes = 0;
    FILE *out = open_memstream(&text, &n_bytes);
    stack_must(out != NULL, "open_memstream");
    const char *chain = kind->chain;
    const char *end = strstr(chain, ";END");
    fprintf(out, ", \"stack\": {\"kind\": \"%s\", \"tid\": %u, \"chain\": \"%s%.*s%s%s\", ",
            kind->name, stack_tid, kind->elsewhere ? "" : "_start;main;",
            (int)(end ? (size_t)(end - chain) : strlen(chain)), chain, end ? ";" : "",
            end ? end_function : "");
    fprintf(out, "\"least\": %d, \"end\": \"%s\", \"waits\": %d}", kind->least,
            kind->end ? kind->end : "complete", stack_end == spin_end ? 0 : stack_n_waits);
    fclose(out);
    truth_write_extra(text);
    free(text);
}

static int stack_main(int argc, char **argv, const struct stack_kind *kinds, size_t n_kinds);
static inline __attribute__((always_inline)) int
stack_main(int argc, char **argv, const struct stack_kind *kinds, size_t n_kinds)
{
    const struct stack_kind *kind = NULL;
    for (size_t i = 0; i < n_kinds && argc > 1; i++) {
        kind = strcmp(kinds[i].name, argv[1]) == 0 ? &kinds[i] : kind;
    }
    size_t end = 0;
    while (argc > 3 && end < sizeof stack_ends / sizeof *stack_ends &&
           strcmp(stack_ends[end].name, argv[3]) != 0) {
        end++;
    }
    if (!kind || end == sizeof stack_ends / sizeof *stack_ends) {
        fprintf(stderr, "no such kind or end\n");
        return 98;
    }
    stack_budget_ns = arg_ms(argc, argv, 2, 400);
    const uint64_t n_waits = stack_budget_ns / (STACK_PACE_MS * MS);
    stack_n_waits = n_waits < STACK_WAITS_MAX ? (int)n_waits : STACK_WAITS_MAX;
    stack_end = stack_ends[end].run;
    stack_tid = thread_id();
    tell_ready();
    kind->run(argc);
    AFTER_CALL();
    stack_write(kind, stack_ends[end].function);
    return 0;
}
