#pragma once

// What targets with known waits share. A thread says when it waits and why, and measures that by
// its own clocks:
//
//     struct waiting w;
//     waiting_begin(&w, "sleep", "sleep");  names the thread; its life begins here for the truth
//     waiting_before(&w);                   around each call that waits
//     nanosleep(…);
//     waiting_after(&w);
//     waiting_end(&w);                      at its end
//     …
//     waiting_write();                      as truth_write(), with one object per thread in
//     "waits":
//
//     {"thread": "sleep", "tid": 8, "reason": "sleep", "waits": 60, "blocked_ns": …, "life_ns": …,
//      "cpu_ns": …, "run_delay_ns": …, "voluntary": 60, "involuntary": 2}
//
// How exact it is: `blocked_ns` is what passed on the wall clock during the calls, less what the
// thread's CPU clock counted during them. So it holds the time that the thread was blocked and the
// time that it then waited for a CPU, and of the call's own work only the two clock reads (below a
// microsecond). `voluntary` and `involuntary` are the kernel's own counts of how often the thread
// left a CPU, and `run_delay_ns` its own measure of how long the thread was ready without one
// (0 on a kernel that does not measure it); both for the time from waiting_begin() on.

#include "truth.h"

#include <sys/resource.h>

enum { WAITING_MAX = 2048 };

struct waiting {
    const char *name;
    const char *reason; // as in answers; "" for a thread that never waits
    uint32_t tid;
    uint64_t waits;
    uint64_t blocked_ns;
    uint64_t life_ns;
    uint64_t cpu_ns;
    uint64_t run_delay_ns;
    uint64_t voluntary;
    uint64_t involuntary;
    uint64_t before_wall_ns;
    uint64_t before_cpu_ns;
};

static UNUSED struct waiting waiting_done[WAITING_MAX];
static UNUSED int waiting_n_done;
static UNUSED char waiting_skipped[4096]; // more JSON objects, each after a comma

static UNUSED uint64_t waiting_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

// What the kernel counted for this thread so far.
static UNUSED void waiting_counts(struct waiting *w, int sign)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_THREAD, &usage);
    unsigned long long on_cpu_ns = 0, delay_ns = 0;
    FILE *in = fopen("/proc/thread-self/schedstat", "re");
    if (in) {
        if (fscanf(in, "%llu %llu", &on_cpu_ns, &delay_ns) != 2) {
            delay_ns = 0;
        }
        fclose(in);
    }
    const uint64_t s = sign > 0 ? 1 : UINT64_MAX; // plus or minus one
    w->life_ns += s * waiting_now_ns();
    w->cpu_ns += s * thread_cpu_ns();
    w->run_delay_ns += s * delay_ns;
    w->voluntary += s * (uint64_t)usage.ru_nvcsw;
    w->involuntary += s * (uint64_t)usage.ru_nivcsw;
}

// Both texts must live as long as the program.
static UNUSED void waiting_begin(struct waiting *w, const char *name, const char *reason)
{
    memset(w, 0, sizeof *w);
    w->name = name;
    w->reason = reason;
    w->tid = thread_id();
    pthread_setname_np(pthread_self(), name);
    waiting_counts(w, -1);
}

static UNUSED void waiting_before(struct waiting *w)
{
    w->before_cpu_ns = thread_cpu_ns();
    w->before_wall_ns = waiting_now_ns();
}

static UNUSED void waiting_after(struct waiting *w)
{
    const uint64_t wall_ns = waiting_now_ns() - w->before_wall_ns;
    const uint64_t cpu_ns = thread_cpu_ns() - w->before_cpu_ns;
    w->blocked_ns += wall_ns > cpu_ns ? wall_ns - cpu_ns : 0;
    w->waits++;
}

static UNUSED void waiting_end(struct waiting *w)
{
    waiting_counts(w, 1);
    pthread_mutex_lock(&truth_lock);
    if (waiting_n_done < WAITING_MAX) {
        waiting_done[waiting_n_done++] = *w;
    }
    pthread_mutex_unlock(&truth_lock);
}

// A thread that could not be, and why.
static UNUSED void waiting_skip(const char *name, const char *why)
{
    const size_t n = strlen(waiting_skipped);
    snprintf(waiting_skipped + n, sizeof waiting_skipped - n,
             ", {\"thread\": \"%s\", \"skipped\": \"%s\"}", name, why);
}

// `more` is more JSON, starting with a comma, or "".
static UNUSED void waiting_write_extra(const char *more)
{
    char *text = NULL;
    size_t n_bytes = 0;
    FILE *out = open_memstream(&text, &n_bytes);
    if (!out) {
        perror("open_memstream");
        exit(99);
    }
    fprintf(out, ", \"waits\": [");
    for (int i = 0; i < waiting_n_done; i++) {
        const struct waiting *w = &waiting_done[i];
        fprintf(out,
                "%s{\"thread\": \"%s\", \"tid\": %u, \"reason\": \"%s\", \"waits\": %llu, "
                "\"blocked_ns\": %llu, \"life_ns\": %llu, \"cpu_ns\": %llu, "
                "\"run_delay_ns\": %llu, \"voluntary\": %llu, \"involuntary\": %llu}",
                i ? ", " : "", w->name, w->tid, w->reason, (unsigned long long)w->waits,
                (unsigned long long)w->blocked_ns, (unsigned long long)w->life_ns,
                (unsigned long long)w->cpu_ns, (unsigned long long)w->run_delay_ns,
                (unsigned long long)w->voluntary, (unsigned long long)w->involuntary);
    }
    fprintf(out, "%s]%s", waiting_skipped + (waiting_n_done || !*waiting_skipped ? 0 : 2), more);
    fclose(out);
    truth_write_extra(text);
    free(text);
}

static UNUSED void waiting_write(void)
{
    waiting_write_extra("");
}

// ---- System calls without a library between ----

// libc is often built without frame pointers, and the stack then lacks the function that called it.
// A call made here comes from the function that it stands in.
static inline __attribute__((always_inline)) long raw_syscall(long number, long a, long b, long c)
{
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
#else
    return syscall(number, a, b, c);
#endif
}

// Sleeps; a thread that naps waits in the kernel for `sleep`.
NOINLINE void nap(uint64_t ns);
NOINLINE void nap(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    raw_syscall(SYS_nanosleep, (long)&t, 0, 0);
}

// The state letter of a thread of this process, as /proc tells it; 0 when it is gone.
static UNUSED char waiting_state_of(uint32_t tid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/task/%u/stat", tid);
    FILE *in = fopen(path, "re");
    if (!in) {
        return 0;
    }
    const size_t n = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[n] = 0;
    const char *end = strrchr(text, ')');
    return end && end[1] ? end[2] : 0;
}

// Returns when that thread has been asleep at several looks in a row. `*tid` is set by the thread
// itself just before it begins to wait for good.
static UNUSED void waiting_until_asleep(volatile uint32_t *tid)
{
    for (int asleep = 0; asleep < 5;) {
        nap(2 * MS);
        const uint32_t whose = __atomic_load_n(tid, __ATOMIC_ACQUIRE);
        asleep = whose && waiting_state_of(whose) == 'S' ? asleep + 1 : 0;
    }
}
