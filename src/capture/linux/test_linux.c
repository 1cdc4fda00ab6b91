// Records real programs: this one, forked. What the children do is known; the recording has to say
// the same.

#include "capture/capture.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/vec.h"
#include "capture/linux/perf_open.h"
#include "capture/linux/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { FREQUENCY_HZ = 2000, DEADLINE_S = 60 };

// ---- Targets -----------------------------------------------------------------------------------

// Burns CPU time of the calling thread; its code is what samples have to fall into.
__attribute__((noinline)) static void spin(uint64_t cpu_ns)
{
    volatile uint64_t x = 0;
    uint64_t end_ns = clock_thread_cpu_ns() + cpu_ns;
    do {
        for (int i = 0; i < 100000; i++) {
            x = x * 3 + 1;
        }
    } while (clock_thread_cpu_ns() < end_ns);
}

// Each word of this much of the stack is its own address: so a copy tells where it begins.
enum { MARKED_BYTES = 128 << 10 };

static void mark(volatile uint64_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        words[i] = (uint64_t)(uintptr_t)&words[i];
    }
}

__attribute__((noinline)) static void spin_above_marks(uint64_t cpu_ms)
{
    volatile uint64_t words[MARKED_BYTES / sizeof(uint64_t)];
    mark(words, ARRAY_LEN(words));
    spin(cpu_ms * NS_PER_MS);
}

__attribute__((noinline)) static void sleep_above_marks(void)
{
    volatile uint64_t words[MARKED_BYTES / sizeof(uint64_t)];
    mark(words, ARRAY_LEN(words));
    for (int i = 0; i < 50; i++) {
        poll(NULL, 0, 1);
    }
}

static void *spin_and_sleep_above_marks(void *cpu_ms)
{
    spin_above_marks((uint64_t)(uintptr_t)cpu_ms);
    sleep_above_marks();
    return NULL;
}

// One thread far down its stack, the other one not.
static void spin_high_and_low(uint64_t cpu_ms)
{
    pthread_t thread;
    pthread_create(&thread, NULL, spin_and_sleep_above_marks, (void *)(uintptr_t)cpu_ms);
    spin(cpu_ms * NS_PER_MS);
    pthread_join(thread, NULL);
}

static void *spin_in_thread(void *cpu_ms)
{
    prctl(PR_SET_NAME, "second");
    spin((uint64_t)(uintptr_t)cpu_ms * NS_PER_MS);
    return NULL;
}

static void spin_in_two_threads(uint64_t cpu_ms)
{
    pthread_t thread;
    pthread_create(&thread, NULL, spin_in_thread, (void *)(uintptr_t)cpu_ms);
    spin(cpu_ms * NS_PER_MS);
    pthread_join(thread, NULL);
}

// Threads that come and go until the parent closes the pipe.
static void breed_threads(int stop_fd)
{
    struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
    while (poll(&stop, 1, 0) == 0) {
        pthread_t threads[4];
        for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
            pthread_create(&threads[i], NULL, spin_in_thread, (void *)(uintptr_t)1);
        }
        for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
            pthread_join(threads[i], NULL);
        }
    }
}

enum { SLEEPS = 50, ROUND_TRIPS = 5000, HIGH_AND_LOW_MS = 1000 };

static void *sleep_many_times(void *nothing)
{
    (void)nothing;
    for (int i = 0; i < SLEEPS; i++) {
        poll(NULL, 0, 1);
    }
    return NULL;
}

static void pass_on(int from_fd, int to_fd, bool begins)
{
    char byte = 0;
    bool more = true;
    for (int i = 0; i < ROUND_TRIPS && more; i++) {
        more = begins ? write(to_fd, &byte, 1) == 1 && read(from_fd, &byte, 1) == 1
                      : read(from_fd, &byte, 1) == 1 && write(to_fd, &byte, 1) == 1;
    }
}

static void *return_bytes(void *fds)
{
    int *pipes = fds;
    pass_on(pipes[0], pipes[3], false);
    return NULL;
}

static void play_ping_pong(void)
{
    int pipes[4];
    pthread_t thread;
    if (pipe(pipes) == 0 && pipe(pipes + 2) == 0) {
        pthread_create(&thread, NULL, return_bytes, pipes);
        pass_on(pipes[2], pipes[1], true);
        pthread_join(thread, NULL);
    }
}

// What the program is when a test has launched it: `test_linux target WHAT`.
static _Noreturn void run_as_target(const char *what)
{
    if (strcmp(what, "two-threads") == 0) {
        spin_in_two_threads(300);
    } else if (strcmp(what, "child") == 0) {
        pid_t child = fork();
        if (child == 0) {
            spin(400 * (uint64_t)NS_PER_MS);
            _exit(0);
        }
        waitpid(child, NULL, 0);
        spin(150 * (uint64_t)NS_PER_MS); // so that its account is looked at once more
    } else if (strcmp(what, "long") == 0) {
        spin_in_two_threads(1000);
    } else if (strcmp(what, "sleeps") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, sleep_many_times, NULL);
        pthread_join(thread, NULL);
    } else if (strcmp(what, "ping-pong") == 0) {
        play_ping_pong();
    } else if (strcmp(what, "marks") == 0) {
        spin_above_marks(200);
        sleep_above_marks();
    } else if (strcmp(what, "high-and-low") == 0) {
        spin_high_and_low(HIGH_AND_LOW_MS);
    } else if (strcmp(what, "short") == 0) {
        spin(3 * (uint64_t)NS_PER_MS);
    }
    _exit(0); // a sanitizer would start a process at the end to look for leaks
}

// A child with pipes both ways: it waits for a byte from us before it goes on.
struct child {
    pid_t pid;
    int to_fd;
    int from_fd;
};

static struct child fork_child(void (*run)(int from_fd, int to_fd, const char *what),
                               const char *what)
{
    int to[2];
    int from[2];
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(to[1]);
        close(from[0]);
        run(to[0], from[1], what);
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    return (struct child){.pid = pid, .to_fd = to[1], .from_fd = from[0]};
}

static void go(struct child *child)
{
    assert_int_equal(write(child->to_fd, "x", 1), 1);
}

static void wait_until_ready(struct child *child)
{
    char byte;
    assert_int_equal(read(child->from_fd, &byte, 1), 1);
}

static void end_child(struct child *child)
{
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    close(child->to_fd);
    close(child->from_fd);
}

static void wait_for_byte(int fd)
{
    char byte;
    if (read(fd, &byte, 1) != 1) {
        _exit(1);
    }
}

// As the CLI does it: waits to be armed, then becomes the program.
static void launch(int from_fd, int to_fd, const char *what)
{
    (void)to_fd;
    wait_for_byte(from_fd);
    execl("/proc/self/exe", "test_linux", "target", what, NULL);
    _exit(127);
}

static void run_threads(int from_fd, int to_fd, const char *what)
{
    (void)what;
    pthread_t thread;
    pthread_create(&thread, NULL, spin_in_thread, (void *)(uintptr_t)60000);
    if (write(to_fd, "x", 1) == 1) {
        wait_for_byte(from_fd);
    }
    spin(60 * (uint64_t)NS_PER_S);
}

static void run_breeder(int from_fd, int to_fd, const char *what)
{
    (void)what;
    if (write(to_fd, "x", 1) == 1) {
        breed_threads(from_fd);
    }
}

static void run_idle(int from_fd, int to_fd, const char *what)
{
    (void)what;
    if (write(to_fd, "x", 1) == 1) {
        wait_for_byte(from_fd);
    }
}

// Has a child that runs already, and makes another one when told to.
static void run_family(int from_fd, int to_fd, const char *what)
{
    (void)what;
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "first child");
        spin(60 * (uint64_t)NS_PER_S);
    }
    if (write(to_fd, "x", 1) == 1) {
        wait_for_byte(from_fd);
    }
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        spin(60 * (uint64_t)NS_PER_S);
    }
    spin(60 * (uint64_t)NS_PER_S);
}

// ---- What was recorded -------------------------------------------------------------------------

// Copies of stacks, of one kind of event.
struct seen_copies {
    uint32_t n;
    uint32_t n_marked; // with many words that are their own addresses
    uint32_t n_cut;
    uint32_t n_wrong; // the registers say something else than the chain, or there are none
    size_t min_bytes;
    size_t max_bytes;
};

struct seen_thread {
    uint32_t tid;
    uint32_t n_started;
    uint32_t n_samples;
    uint32_t n_exited;
    bool existed;
    bool asleep;
    uint32_t n_waits; // left the CPU of its own accord
    uint32_t n_wait_stacks;
    uint32_t n_preempted;
    uint32_t n_in;
    bool on_cpu;
    uint32_t n_disorder; // came back without having left, or left twice
    uint64_t weight_ns;  // of its samples
    struct seen_copies sample_copies;
    struct seen_copies wait_copies;
};

struct seen_wakeup {
    uint32_t waker;
    uint32_t wakee;
    bool waker_foreign;
    bool wakee_foreign;
    bool has_stack;
    bool has_user_frames;
    char name[32];
};

struct seen {
    uint32_t pid;
    uint64_t n[EVENT_KIND_COUNT];
    uint64_t last_ns;
    uint64_t n_unsorted;
    uint64_t n_foreign;    // events of other processes
    uint64_t n_in_spin;    // samples with their leaf in spin()
    uint64_t n_kernel;     // samples with kernel frames
    uint64_t n_before_map; // samples before the program itself is mapped
    uint64_t n_recorded_children;
    uint64_t n_existing_children; // when the recording began
    uint64_t n_lost;
    bool has_own_image;
    uint64_t spin_addr; // where spin() is in the target
    char exec_name[32];
    bool saw_second; // a thread of that name
    VEC(struct seen_thread) threads;
    VEC(struct seen_wakeup) wakeups;
    VEC(uint32_t) sampled_pids;
    struct capture *deepened; // asked for longer copies of all threads but the first; or NULL
};

// spin() and clock functions that it calls: the leaf or its caller is in spin().
static uint64_t spin_off(void)
{
    return (uint64_t)(uintptr_t)&spin;
}

enum { SPIN_BYTES = 512 };

static struct seen_thread *seen_thread(struct seen *seen, uint32_t tid)
{
    for (size_t i = 0; i < seen->threads.n; i++) {
        if (seen->threads.at[i].tid == tid) {
            return &seen->threads.at[i];
        }
    }
    vec_push(&seen->threads, (struct seen_thread){.tid = tid});
    return vec_last(&seen->threads);
}

// Where this program's code begins in its file, and in our memory: spin() is as far behind it in
// the target's.
static bool own_text(uint64_t addr, uint64_t *ret_start, uint64_t *ret_off)
{
    CLEANUP(text_fini) struct text maps = {0};
    assert_int_equal(file_read("/proc/self/maps", 1 << 20, &maps), 0);
    for (const char *line = text_get(&maps); line != NULL && *line != 0;) {
        unsigned long long start;
        unsigned long long end;
        unsigned long long off;
        if (sscanf(line, "%llx-%llx %*s %llx", &start, &end, &off) == 3 && start <= addr &&
            addr < end) {
            *ret_start = start;
            *ret_off = off;
            return true;
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return false;
}

// In DWARF's numbers, which the two machines do not share.
static uint64_t register_of(const struct event_regs *regs, bool sp)
{
    bool x86_64 = regs->arch == EVENT_ARCH_X86_64;
    unsigned number = x86_64 ? (sp ? 7 : 16) : (sp ? 31 : 32);
    assert_true(regs->valid >> number & 1);
    return regs->at[number];
}

static void see_copy(struct seen_copies *copies, const struct event_stack *stack)
{
    copies->n++;
    if (stack->regs == NULL) {
        copies->n_wrong++;
        return;
    }
    uint64_t sp = register_of(stack->regs, true);
    uint32_t n_marks = 0;
    for (size_t at = -sp % 8; at + 8 <= stack->copy.n; at += 8) {
        uint64_t word;
        memcpy(&word, stack->copy.data + at, sizeof word);
        n_marks += word == sp + at;
    }
    copies->n_marked += n_marks >= 500;
    copies->n_cut += stack->copy_cut;
    copies->n_wrong += stack->n_user > 0 && stack->user[0] != register_of(stack->regs, false);
    copies->min_bytes = MIN(copies->n == 1 ? SIZE_MAX : copies->min_bytes, stack->copy.n);
    copies->max_bytes = MAX(copies->max_bytes, stack->copy.n);
}

static void see_sample(struct seen *seen, const struct event *event)
{
    const struct event_stack *stack = &event->sample.stack;
    struct seen_thread *thread = seen_thread(seen, event->tid);
    thread->n_samples++;
    thread->weight_ns += event->sample.weight_ns;
    see_copy(&thread->sample_copies, stack);
    if (seen->deepened != NULL && stack->copy_cut && event->tid != seen->pid) {
        capture_linux.deepen(seen->deepened, event->tid);
    }
    seen->n_kernel += stack->n_kernel > 0;
    seen->n_before_map += !seen->has_own_image;
    for (uint32_t i = 0; i < MIN(stack->n_user, 2u); i++) {
        if (stack->user[i] - seen->spin_addr < SPIN_BYTES) {
            seen->n_in_spin++;
            break;
        }
    }
    for (size_t i = 0; i < seen->sampled_pids.n; i++) {
        if (seen->sampled_pids.at[i] == event->pid) {
            return;
        }
    }
    vec_push(&seen->sampled_pids, event->pid);
}

static void see_mapping(struct seen *seen, const struct event *event)
{
    static const char own[] = "test_linux";
    struct slice path = event->image_mapped.path;
    if (path.n < sizeof own - 1 ||
        memcmp(path.data + path.n - (sizeof own - 1), own, sizeof own - 1) != 0) {
        return;
    }
    uint64_t start = 0;
    uint64_t off = 0;
    assert_true(own_text(spin_off(), &start, &off));
    if (event->image_mapped.file_off == off) {
        seen->has_own_image = true;
        seen->spin_addr = event->image_mapped.start_addr + (spin_off() - start);
    }
}

static void see_switch(struct seen *seen, const struct event *event)
{
    struct seen_thread *thread = seen_thread(seen, event->tid);
    bool in = event->kind == EVENT_SWITCH_IN;
    thread->n_disorder += thread->on_cpu == in;
    thread->on_cpu = in;
    if (in) {
        thread->n_in++;
    } else if (event->switch_out.preempted) {
        thread->n_preempted++;
    } else {
        const struct event_stack *stack = &event->switch_out.stack;
        thread->n_waits++;
        if (event->switch_out.has_stack) {
            see_copy(&thread->wait_copies, stack);
        }
        thread->n_wait_stacks += event->switch_out.has_stack && stack->n_kernel > 0 &&
                                 stack->n_user > 0;
    }
}

static void see_wakeup(struct seen *seen, const struct event *event)
{
    struct seen_wakeup wakeup = {.waker = event->tid,
                                 .wakee = event->wakeup.wakee_tid,
                                 .waker_foreign = event->wakeup.waker_foreign,
                                 .wakee_foreign = event->wakeup.wakee_foreign,
                                 .has_stack = event->wakeup.has_stack,
                                 .has_user_frames = event->wakeup.stack.n_user > 0};
    struct slice name = event->wakeup.foreign_name;
    snprintf(wakeup.name, sizeof wakeup.name, "%.*s", (int)name.n, (const char *)name.data);
    assert_false(wakeup.waker_foreign && wakeup.wakee_foreign);
    if (!event->wakeup.interrupt) {
        vec_push(&seen->wakeups, wakeup);
    }
}

static void see(void *context, const struct event *event)
{
    struct seen *seen = context;
    seen->n[event->kind]++;
    seen->n_unsorted += event->time_ns < seen->last_ns;
    seen->last_ns = MAX(seen->last_ns, event->time_ns);
    seen->n_foreign += event->pid != seen->pid && event->kind != EVENT_PROCESS_FORKED &&
                       event->kind != EVENT_LOST && event->kind != EVENT_WAKEUP;
    if (event->kind == EVENT_SAMPLE) {
        see_sample(seen, event);
    } else if (event->kind == EVENT_LOST) {
        seen->n_lost += event->lost.n;
    } else if (event->kind == EVENT_IMAGE_MAPPED) {
        see_mapping(seen, event);
    } else if (event->kind == EVENT_THREAD_STARTED) {
        struct seen_thread *thread = seen_thread(seen, event->tid);
        thread->n_started++;
        thread->existed = event->thread_started.existed;
        thread->asleep = event->thread_started.asleep;
    } else if (event->kind == EVENT_SWITCH_OUT || event->kind == EVENT_SWITCH_IN) {
        see_switch(seen, event);
    } else if (event->kind == EVENT_WAKEUP) {
        see_wakeup(seen, event);
    } else if (event->kind == EVENT_THREAD_EXITED) {
        seen_thread(seen, event->tid)->n_exited++;
    } else if (event->kind == EVENT_PROCESS_FORKED) {
        seen->n_recorded_children += event->process_forked.recorded;
        seen->n_existing_children += event->process_forked.existed && !event->process_forked.asleep;
    } else if (event->kind == EVENT_THREAD_NAMED) {
        seen->saw_second |= slice_equal(event->thread_named.name, slice_of_text("second"));
    } else if (event->kind == EVENT_EXEC) {
        snprintf(seen->exec_name, sizeof seen->exec_name, "%.*s", (int)event->exec.name.n,
                 (const char *)event->exec.name.data);
    }
}

static void seen_fini(struct seen *seen)
{
    vec_fini(&seen->threads);
    vec_fini(&seen->wakeups);
    vec_fini(&seen->sampled_pids);
}

// ---- Recording ---------------------------------------------------------------------------------

__attribute__((noinline)) // gcc 12 at -O3 takes the result for a pointer to the local variable
static struct capture *
open_request(const struct capture_request *request)
{
    struct capture *capture = NULL;
    struct err err = {0};
    if (capture_linux.open(request, &capture, &err) != 0) {
        fail_msg("%s", err.text);
    }
    return capture;
}

static struct capture *open_capture(pid_t pid, bool launched, bool follow)
{
    return open_request(&(struct capture_request){.pid = (uint32_t)pid,
                                                  .frequency_hz = FREQUENCY_HZ,
                                                  .launched = launched,
                                                  .follow = follow});
}

// Drains until the capture ends or `enough` says so.
static int drain_until(struct capture *capture, struct seen *seen,
                       bool (*enough)(const struct seen *seen))
{
    uint64_t deadline_ns = clock_now_ns() + DEADLINE_S * (uint64_t)NS_PER_S;
    int r = CAPTURE_OK;
    while (r == CAPTURE_OK && !(enough != NULL && enough(seen))) {
        if (clock_now_ns() > deadline_ns) {
            fail_msg("nothing more after %d s", DEADLINE_S);
        }
        struct pollfd fd = {.fd = capture->poll_fd, .events = POLLIN};
        poll(&fd, 1, 20);
        r = capture_linux.drain(capture, false, see, seen);
    }
    return r;
}

static bool has_500_samples(const struct seen *seen)
{
    return seen->n[EVENT_SAMPLE] >= 500;
}

static bool has_1000_samples(const struct seen *seen)
{
    return seen->n[EVENT_SAMPLE] >= 1000;
}

static void assert_mostly_in_spin(const struct seen *seen)
{
    // All that the target does is spin; the start of a program and its threads is the rest.
    assert_true(seen->n[EVENT_SAMPLE] > 0);
    if (seen->n_in_spin < seen->n[EVENT_SAMPLE] * 8 / 10) {
        fail_msg("%llu of %llu samples are in spin()", (unsigned long long)seen->n_in_spin,
                 (unsigned long long)seen->n[EVENT_SAMPLE]);
    }
}

static bool forbidden(void)
{
    struct perf_features features;
    perf_features_probe(&features);
    if (features.refused != 0) {
        struct err err;
        perf_features_explain(&features, &err);
        print_message("skipped: %s\n", err.text);
        return true;
    }
    return false;
}

// ---- Tests -------------------------------------------------------------------------------------

static void test_launch_records_all_from_the_exec_on(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct child child = fork_child(launch, "two-threads");
    struct capture *capture = open_capture(child.pid, true, false);
    struct seen seen = {.pid = (uint32_t)child.pid};
    go(&child);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);

    assert_int_equal(seen.n[EVENT_EXEC], 1);
    assert_string_equal(seen.exec_name, "exe"); // execl of /proc/self/exe
    assert_int_equal(seen.n_foreign, 0);
    assert_int_equal(seen.n_unsorted, 0);
    assert_int_equal(seen.n[EVENT_LOST], 0);
    assert_int_equal(seen.threads.n, 2);
    for (size_t i = 0; i < 2; i++) {
        // The life of the first begins with the exec.
        bool is_main = seen.threads.at[i].tid == (uint32_t)child.pid;
        assert_int_equal(seen.threads.at[i].n_started, !is_main);
        assert_int_equal(seen.threads.at[i].n_exited, 1);
        // 300 ms each at 2000 Hz make 600; CPU time in the kernel is not seen by everybody.
        assert_in_range(seen.threads.at[i].n_samples, 450, 900);
    }
    assert_true(seen.saw_second);
    assert_true(seen.has_own_image);
    assert_mostly_in_spin(&seen);
    assert_int_equal(capture->unrecorded_cpu_ns, 0);
    // Asking again is harmless and brings nothing.
    uint64_t n = seen.n[EVENT_SAMPLE];
    assert_int_equal(capture_linux.drain(capture, true, see, &seen), CAPTURE_E_ENDED);
    assert_int_equal(seen.n[EVENT_SAMPLE], n);
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

static void test_a_target_that_lives_for_milliseconds(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct child child = fork_child(launch, "short");
    struct capture *capture = open_capture(child.pid, true, false);
    struct seen seen = {.pid = (uint32_t)child.pid};
    go(&child);
    waitpid(child.pid, NULL, 0); // gone, and waited for, before anybody looks
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    assert_int_equal(seen.n[EVENT_EXEC], 1);
    assert_true(seen.has_own_image);
    assert_true(seen.n[EVENT_SAMPLE] > 0);
    assert_int_equal(seen.n[EVENT_THREAD_EXITED], 1);
    assert_int_equal(seen.n_unsorted, 0);
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

static void test_a_launch_that_never_execs_just_ends(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct child child = fork_child(launch, "two-threads");
    struct capture *capture = open_capture(child.pid, true, false);
    struct seen seen = {.pid = (uint32_t)child.pid};
    kill(child.pid, SIGKILL);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    assert_int_equal(seen.n[EVENT_SAMPLE], 0);
    assert_int_equal(seen.n[EVENT_EXEC], 0);
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

static void test_children_are_told_and_counted_but_not_recorded(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct child child = fork_child(launch, "child");
    struct capture *capture = open_capture(child.pid, true, false);
    struct seen seen = {.pid = (uint32_t)child.pid};
    go(&child);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    assert_int_equal(seen.n[EVENT_PROCESS_FORKED], 1);
    assert_int_equal(seen.n_recorded_children, 0);
    assert_int_equal(seen.n_foreign, 0);
    assert_int_equal(seen.sampled_pids.n, 1);
    // The child spun for 400 ms; its account counts in steps of 10 ms.
    assert_in_range(capture->unrecorded_cpu_ns, 350 * NS_PER_MS, 700 * NS_PER_MS);
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

static void test_follow_records_children(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct child child = fork_child(launch, "child");
    struct capture *capture = open_capture(child.pid, true, true);
    struct seen seen = {.pid = (uint32_t)child.pid};
    go(&child);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    assert_int_equal(seen.n[EVENT_PROCESS_FORKED], 1);
    assert_int_equal(seen.n_recorded_children, 1);
    assert_int_equal(seen.sampled_pids.n, 2);
    assert_int_equal(seen.n_unsorted, 0);
    assert_mostly_in_spin(&seen);
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

// Nobody drains until the target has ended, and its samples do not fit. The kernel drops the new
// ones, so that no record can tell of the loss: the counts of the events do.
static void test_what_did_not_fit_is_counted(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct perf_features features;
    perf_features_probe(&features);
    if (!features.lost || features.max_rate_hz < 100000) {
        print_message("skipped: lost samples are not counted, or not to be had, here\n");
        return;
    }
    struct child child = fork_child(launch, "long");
    struct capture *capture = open_request(&(struct capture_request){
        .pid = (uint32_t)child.pid, .frequency_hz = features.max_rate_hz, .launched = true});
    struct seen seen = {.pid = (uint32_t)child.pid};
    siginfo_t info;
    go(&child);
    waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    assert_true(seen.n_lost > 1000);
    // Two seconds of CPU time; the kernel's timer does not hold such a rate to the last. On a busy
    // machine there are many switches, too, of which some are lost.
    assert_in_range(seen.n_lost + seen.n[EVENT_SAMPLE], features.max_rate_hz,
                    features.max_rate_hz * 4);
    assert_int_equal(seen.n_unsorted, 0);
    uint64_t n_lost = seen.n_lost;
    assert_int_equal(capture_linux.drain(capture, true, see, &seen), CAPTURE_E_ENDED);
    assert_int_equal(seen.n_lost, n_lost); // once is enough
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

static void test_attach_finds_threads_names_and_code(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct child child = fork_child(run_threads, NULL);
    wait_until_ready(&child);
    struct capture *capture = open_capture(child.pid, false, false);
    struct seen seen = {.pid = (uint32_t)child.pid};
    go(&child);
    assert_int_equal(drain_until(capture, &seen, has_500_samples), CAPTURE_OK);
    assert_int_equal(seen.n_before_map, 0); // what exists comes first
    assert_int_equal(seen.n_foreign, 0);
    assert_int_equal(seen.n_unsorted, 0);
    assert_int_equal(seen.threads.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(seen.threads.at[i].n_started, 1);
        assert_true(seen.threads.at[i].existed);
        assert_true(seen.threads.at[i].n_samples > 0);
        // The second one spins; the main thread may still be in its read().
        assert_false(seen.threads.at[i].asleep && seen.threads.at[i].tid != (uint32_t)child.pid);
    }
    assert_true(seen.saw_second);
    assert_true(seen.has_own_image);
    assert_mostly_in_spin(&seen);

    // Stopped: what is in the rings still comes, then nothing more.
    capture_linux.stop(capture);
    assert_int_equal(capture_linux.drain(capture, true, see, &seen), CAPTURE_OK);
    uint64_t n = seen.n[EVENT_SAMPLE];
    assert_int_equal(capture_linux.drain(capture, true, see, &seen), CAPTURE_OK);
    assert_int_equal(seen.n[EVENT_SAMPLE], n);
    assert_int_equal(kill(child.pid, 0), 0); // and it lives on
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

static void test_attach_while_threads_come_and_go(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    for (int round = 0; round < 10; round++) {
        struct child child = fork_child(run_breeder, NULL);
        wait_until_ready(&child);
        struct capture *capture = open_capture(child.pid, false, false);
        struct seen seen = {.pid = (uint32_t)child.pid};
        assert_int_equal(drain_until(capture, &seen, has_500_samples), CAPTURE_OK);
        go(&child);
        assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
        assert_int_equal(seen.n_foreign, 0);
        assert_int_equal(seen.n_unsorted, 0);
        size_t n_twice = 0;
        for (size_t i = 0; i < seen.threads.n; i++) {
            if (seen.threads.at[i].n_started != 1) {
                fail_msg("thread %u started %u times", seen.threads.at[i].tid,
                         seen.threads.at[i].n_started);
            }
            // 1 ms of CPU time at 2000 Hz, or the main thread.
            n_twice += seen.threads.at[i].tid != (uint32_t)child.pid &&
                       seen.threads.at[i].n_samples > 10;
        }
        assert_int_equal(n_twice, 0);
        assert_true(seen.threads.n > 50);
        capture_linux.close(capture);
        end_child(&child);
        seen_fini(&seen);
    }
}

static void test_attach_with_follow_takes_the_family(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct child child = fork_child(run_family, NULL);
    wait_until_ready(&child);
    struct capture *capture = open_capture(child.pid, false, true);
    struct seen seen = {.pid = (uint32_t)child.pid};
    go(&child);
    assert_int_equal(drain_until(capture, &seen, has_500_samples), CAPTURE_OK);
    assert_int_equal(seen.n[EVENT_PROCESS_FORKED], 2);
    assert_int_equal(seen.n_recorded_children, 2);
    // The second one is so young that the second look may be what finds it.
    assert_in_range(seen.n_existing_children, 1, 2);
    assert_int_equal(seen.sampled_pids.n, 3);
    assert_int_equal(seen.n_unsorted, 0);
    kill(child.pid, SIGKILL);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

static void test_wakes_up_at_the_end_and_does_not_spin(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct child child = fork_child(run_idle, NULL);
    wait_until_ready(&child);
    struct capture *capture = open_capture(child.pid, false, false);
    struct seen seen = {.pid = (uint32_t)child.pid};
    assert_int_equal(capture_linux.drain(capture, false, see, &seen), CAPTURE_OK);
    struct pollfd fd = {.fd = capture->poll_fd, .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 50), 0); // an idle target wakes nobody
    go(&child);
    assert_int_equal(poll(&fd, 1, DEADLINE_S * 1000), 1);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    assert_int_equal(poll(&fd, 1, 0), 0);
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

// A thread that does nothing but sleep leaves its CPU once per sleep, and comes back each time.
static void test_each_sleep_is_one_wait(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct perf_features features;
    perf_features_probe(&features);
    struct child child = fork_child(launch, "sleeps");
    struct capture *capture = open_capture(child.pid, true, false);
    assert_true(capture->abilities.at[CAPTURE_OFF_CPU].available);
    assert_int_equal(capture->abilities.at[CAPTURE_OFF_CPU_STACKS].available, features.kernel);
    assert_string_equal(capture->note.text, "");
    struct seen seen = {.pid = (uint32_t)child.pid};
    go(&child);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    assert_int_equal(seen.n_lost, 0);
    assert_int_equal(seen.n_unsorted, 0);
    assert_int_equal(seen.threads.n, 2);
    const struct seen_thread *sleeper = &seen.threads.at[1];
    assert_int_not_equal(sleeper->tid, child.pid);
    // Its birth and its end may wait for the address space, too.
    assert_in_range(sleeper->n_waits, SLEEPS, SLEEPS + 10);
    assert_int_equal(sleeper->n_disorder, 0);
    assert_int_equal(sleeper->n_in, sleeper->n_waits + sleeper->n_preempted + 1);
    // Fifty in 50 ms are rare enough to keep every stack; the kernel may be slow to find that out.
    uint32_t expected = features.kernel ? SLEEPS * 9 / 10 : 0;
    assert_in_range(sleeper->n_wait_stacks, expected, features.kernel ? SLEEPS + 10 : 0);
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

static void assert_copies(const struct seen_copies *copies, uint32_t n_marked)
{
    print_message("%u copies of %zu to %zu bytes, %u marked, %u cut, %u wrong\n", copies->n,
                  copies->min_bytes, copies->max_bytes, copies->n_marked, copies->n_cut,
                  copies->n_wrong);
    assert_in_range(copies->n_marked, n_marked, copies->n);
    assert_true(copies->n_cut >= copies->n_marked);
    assert_int_equal(copies->max_bytes, 8192);
    assert_int_equal(copies->n_wrong, 0);
}

// Its stack is known: the copies have to be of the very place that the registers tell.
static void test_stacks_come_with_registers_and_a_copy(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct child child = fork_child(launch, "marks");
    struct capture *capture = open_request(&(struct capture_request){.pid = (uint32_t)child.pid,
                                                                     .frequency_hz = FREQUENCY_HZ,
                                                                     .launched = true,
                                                                     .unwind = true});
    assert_true(capture->abilities.at[CAPTURE_STACK_COPIES].available);
    assert_string_equal(capture->note.text, "");
    struct seen seen = {.pid = (uint32_t)child.pid};
    go(&child);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    assert_int_equal(seen.n_lost, 0);
    assert_mostly_in_spin(&seen);
    const struct seen_thread *thread = seen_thread(&seen, (uint32_t)child.pid);
    assert_copies(&thread->sample_copies, 300); // 200 ms at 2000 Hz make 400
    if (capture->abilities.at[CAPTURE_OFF_CPU_STACKS].available) {
        assert_copies(&thread->wait_copies, 45);
    }
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

static void test_no_copies_when_not_asked_for(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct child child = fork_child(launch, "marks");
    struct capture *capture = open_capture(child.pid, true, false);
    const struct capture_ability_state *copies = &capture->abilities.at[CAPTURE_STACK_COPIES];
    assert_false(copies->available);
    assert_non_null(strstr(copies->reason.text, "--no-dwarf-unwind"));
    struct seen seen = {.pid = (uint32_t)child.pid};
    go(&child);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    const struct seen_thread *thread = seen_thread(&seen, (uint32_t)child.pid);
    assert_true(thread->sample_copies.n > 0);
    assert_int_equal(thread->sample_copies.n_wrong, thread->sample_copies.n); // without registers
    assert_int_equal(thread->wait_copies.n_wrong, thread->wait_copies.n);
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

static unsigned count_descriptors(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 1024; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

// Each sample stands for a period of CPU time, whichever event took it: sampled twice or not at
// all, the sum would be far off.
static void assert_cpu_time(const struct seen_thread *thread)
{
    uint64_t expected_ns = HIGH_AND_LOW_MS * (uint64_t)NS_PER_MS;
    print_message("%llu ms in %u samples\n", (unsigned long long)(thread->weight_ns / NS_PER_MS),
                  thread->n_samples);
    assert_in_range(thread->weight_ns, expected_ns * 9 / 10, expected_ns * 11 / 10);
}

static void test_longer_copies_for_the_thread_that_needs_them(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct child child = fork_child(launch, "high-and-low");
    struct capture *capture = open_request(&(struct capture_request){.pid = (uint32_t)child.pid,
                                                                     .frequency_hz = FREQUENCY_HZ,
                                                                     .launched = true,
                                                                     .unwind = true});
    struct seen seen = {.pid = (uint32_t)child.pid, .deepened = capture};
    unsigned n_descriptors = count_descriptors();
    go(&child);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    assert_true(seen.n_lost <
                100); // a ring holds little of such records, and others may be running
    assert_int_equal(seen.n_unsorted, 0);
    assert_int_equal(seen.n_foreign, 0);
    assert_string_equal(capture->note.text, "");
    assert_int_equal(seen.threads.n, 2);
    bool waits = capture->abilities.at[CAPTURE_OFF_CPU_STACKS].available;
    for (size_t i = 0; i < 2; i++) {
        const struct seen_thread *thread = &seen.threads.at[i];
        const struct seen_copies *copies = &thread->sample_copies;
        bool low = thread->tid != (uint32_t)child.pid;
        assert_cpu_time(thread);
        assert_int_equal(copies->n_wrong, 0);
        assert_int_equal(thread->wait_copies.n_wrong, 0);
        // The kernel's records end below 64 KiB.
        assert_in_range(copies->max_bytes, low ? 60000 : 1, low ? 65528 : 8192);
        assert_in_range(thread->wait_copies.max_bytes, low && waits ? 60000 : 0,
                        low ? 65528 : 8192);
        assert_true(!low || copies->n_marked >= thread->n_samples * 9 / 10);
        assert_true(!low || !waits || thread->wait_copies.n_marked >= SLEEPS * 9 / 10);
    }
    // What was opened for a thread is closed with it.
    assert_int_equal(count_descriptors(), n_descriptors);
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

// In a process of its own, with a limit that leaves no descriptor for longer copies.
static _Noreturn void deepen_without_descriptors(pid_t pid)
{
    struct capture *capture = open_request(&(struct capture_request){
        .pid = (uint32_t)pid, .frequency_hz = FREQUENCY_HZ, .unwind = true});
    struct seen seen = {.pid = (uint32_t)pid};
    assert_int_equal(drain_until(capture, &seen, has_500_samples), CAPTURE_OK);
    int next_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct rlimit tight = {.rlim_cur = (rlim_t)next_fd, .rlim_max = (rlim_t)next_fd};
    closep(&next_fd);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    unsigned n_descriptors = count_descriptors();
    seen.deepened = capture;
    assert_int_equal(drain_until(capture, &seen, has_1000_samples), CAPTURE_OK);
    assert_non_null(strstr(capture->note.text, "copies of stacks get no longer"));
    assert_non_null(strstr(capture->note.text, "RLIMIT_NOFILE"));
    assert_int_equal(count_descriptors(), n_descriptors);
    for (size_t i = 0; i < seen.threads.n; i++) {
        assert_true(seen.threads.at[i].n_samples > 0);
        assert_int_equal(seen.threads.at[i].sample_copies.n_wrong, 0);
        assert_in_range(seen.threads.at[i].sample_copies.max_bytes, 0, 8192);
    }
    seen_fini(&seen);
    capture_linux.close(capture);
    _exit(0);
}

static void run_high_and_low(int from_fd, int to_fd, const char *what)
{
    (void)what;
    if (write(to_fd, "x", 1) == 1) {
        wait_for_byte(from_fd);
    }
    spin_high_and_low(60000);
}

static void assert_succeeds(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_short_of_descriptors_copies_get_no_longer(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    struct child child = fork_child(run_high_and_low, NULL);
    wait_until_ready(&child);
    go(&child);
    pid_t recorder = fork();
    if (recorder == 0) {
        deepen_without_descriptors(child.pid);
    }
    assert_succeeds(recorder);
    end_child(&child);
}

static uint32_t count_wakeups(const struct seen *seen, uint32_t waker, uint32_t wakee,
                              bool with_stack)
{
    uint32_t n = 0;
    for (size_t i = 0; i < seen->wakeups.n; i++) {
        const struct seen_wakeup *wakeup = &seen->wakeups.at[i];
        n += wakeup->waker == waker && wakeup->wakee == wakee &&
             (!with_stack || (wakeup->has_stack && wakeup->has_user_frames));
    }
    return n;
}

static bool no_wakeups(void)
{
    struct perf_features features;
    perf_features_probe(&features);
    if (!features.wakeups) {
        assert_true(features.no_wakeups.text[0] != 0);
        print_message("skipped: %s\n", features.no_wakeups.text);
    }
    return !features.wakeups;
}

static void test_two_threads_wake_each_other(void **state)
{
    (void)state;
    if (forbidden() || no_wakeups()) {
        return;
    }
    struct child child = fork_child(launch, "ping-pong");
    struct capture *capture = open_capture(child.pid, true, false);
    assert_true(capture->abilities.at[CAPTURE_WAKEUPS].available);
    struct seen seen = {.pid = (uint32_t)child.pid};
    go(&child);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    assert_int_equal(seen.n_unsorted, 0);
    assert_int_equal(seen.threads.n, 2);
    uint32_t tids[] = {seen.threads.at[0].tid, seen.threads.at[1].tid};
    for (int i = 0; i < 2; i++) {
        // One that finds its byte there already is not woken.
        assert_in_range(count_wakeups(&seen, tids[i], tids[1 - i], false), ROUND_TRIPS / 10,
                        ROUND_TRIPS + 10);
    }
    // Which of them have stacks is up to the kernel, and may well follow the beat of the game.
    assert_true(count_wakeups(&seen, tids[0], tids[1], true) +
                    count_wakeups(&seen, tids[1], tids[0], true) >
                0);
    for (size_t i = 0; i < seen.wakeups.n; i++) {
        const struct seen_wakeup *wakeup = &seen.wakeups.at[i];
        bool waker_ours = wakeup->waker == tids[0] || wakeup->waker == tids[1];
        bool wakee_ours = wakeup->wakee == tids[0] || wakeup->wakee == tids[1];
        assert_true(waker_ours || wakee_ours);
        assert_int_equal(wakeup->waker_foreign, !waker_ours);
        assert_int_equal(wakeup->wakee_foreign, !wakee_ours);
    }
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

static void test_who_wakes_from_outside_is_named(void **state)
{
    (void)state;
    if (forbidden() || no_wakeups()) {
        return;
    }
    struct child child = fork_child(run_idle, NULL);
    wait_until_ready(&child);
    while (!proc_is_asleep((uint32_t)child.pid, (uint32_t)child.pid)) {
    }
    struct capture *capture = open_capture(child.pid, false, false);
    struct seen seen = {.pid = (uint32_t)child.pid};
    assert_int_equal(capture_linux.drain(capture, false, see, &seen), CAPTURE_OK);
    assert_int_equal(seen.threads.n, 1);
    assert_true(seen.threads.at[0].existed);
    assert_true(seen.threads.at[0].asleep);
    go(&child);
    assert_int_equal(drain_until(capture, &seen, NULL), CAPTURE_E_ENDED);
    uint32_t self = (uint32_t)getpid();
    assert_int_equal(count_wakeups(&seen, self, (uint32_t)child.pid, false), 1);
    for (size_t i = 0; i < seen.wakeups.n; i++) {
        if (seen.wakeups.at[i].waker == self) {
            assert_true(seen.wakeups.at[i].waker_foreign);
            assert_false(seen.wakeups.at[i].has_user_frames);
            assert_string_equal(seen.wakeups.at[i].name, "test_linux");
        }
    }
    capture_linux.close(capture);
    end_child(&child);
    seen_fini(&seen);
}

// In a process of its own: a limit that has been lowered stays so.
static _Noreturn void record_with_few_descriptors(pid_t pid)
{
    CLEANUP(closep) int next_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);
    // The rings, wakeups, pidfd and epoll, and one event for each of two threads and CPU.
    rlim_t enough = (rlim_t)(next_fd + n_cpus * 5 + 8);
    struct rlimit tight = {.rlim_cur = enough, .rlim_max = enough};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    struct capture *capture = open_capture(pid, false, false);
    const struct capture_ability_state *stacks = &capture->abilities.at[CAPTURE_OFF_CPU_STACKS];
    assert_false(stacks->available);
    assert_non_null(strstr(stacks->reason.text, "RLIMIT_NOFILE"));
    assert_true(capture->note.text[0] != 0);
    struct seen seen = {.pid = (uint32_t)pid};
    assert_int_equal(drain_until(capture, &seen, has_500_samples), CAPTURE_OK);
    assert_int_equal(seen.threads.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(seen.threads.at[i].n_samples > 0);
        assert_int_equal(seen.threads.at[i].n_wait_stacks, 0);
    }
    seen_fini(&seen);
    capture_linux.close(capture);
    _exit(0);
}

// Where there are too few descriptors for both events of a thread, all threads are still recorded.
static void test_short_of_descriptors_it_gives_up_stacks(void **state)
{
    (void)state;
    struct perf_features features;
    perf_features_probe(&features);
    if (forbidden() || !features.switch_stacks) {
        return;
    }
    struct child child = fork_child(run_threads, NULL);
    wait_until_ready(&child);
    go(&child);
    pid_t recorder = fork();
    if (recorder == 0) {
        record_with_few_descriptors(child.pid); // a failed assertion ends it, too
    }
    assert_succeeds(recorder);
    end_child(&child);
}

static void assert_refused(uint32_t pid, uint32_t frequency_hz, int number, const char *says)
{
    struct capture_request request = {.pid = pid, .frequency_hz = frequency_hz};
    struct capture *capture = NULL;
    struct err err = {0};
    assert_int_equal(capture_linux.open(&request, &capture, &err), -number);
    if (strstr(err.text, says) == NULL) {
        fail_msg("'%s' does not say '%s'", err.text, says);
    }
    assert_null(capture);
}

static void test_refusals_say_why(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    uint32_t self = (uint32_t)getpid();
    assert_refused(INT32_MAX, 900, ESRCH, "no process 2147483647");
    assert_refused(UINT32_MAX, 900, ESRCH, "no process");
    assert_refused(0, 900, ESRCH, "no process 0");
    assert_refused(self, 0, EINVAL, "frequency of 0");
    assert_refused(self, 10000000, EINVAL, "perf_event_max_sample_rate");
    struct child zombie = fork_child(launch, "short");
    siginfo_t info;
    go(&zombie);
    waitid(P_PID, (id_t)zombie.pid, &info, WEXITED | WNOWAIT);
    assert_refused((uint32_t)zombie.pid, 900, ESRCH, "has exited already");
    end_child(&zombie);
    CLEANUP(text_fini) struct text stat = {0};
    if (file_read("/proc/2/stat", 4096, &stat) == 0 && strstr(text_get(&stat), "(kthreadd)")) {
        assert_refused(2, 900, EINVAL, "thread of the kernel");
    }
    if (geteuid() != 0) {
        assert_refused(1, 900, EACCES, "belongs to uid 0");
    }
}

static void *idle_until_closed(void *fd)
{
    char byte;
    ssize_t n = read(*(int *)fd, &byte, 1);
    (void)n;
    return NULL;
}

static void test_a_thread_is_no_process(void **state)
{
    (void)state;
    if (forbidden()) {
        return;
    }
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pthread_t thread;
    pthread_create(&thread, NULL, idle_until_closed, &pipe_fds[0]);
    struct proc_ids tids = {0};
    assert_int_equal(proc_threads((uint32_t)getpid(), &tids), 0);
    assert_int_equal(tids.list.n, 2);
    uint32_t tid = tids.list.at[tids.list.at[0] == (uint32_t)getpid()];
    assert_refused(tid, 900, EINVAL, "is a thread: give the pid");
    vec_fini(&tids.list);
    close(pipe_fds[1]);
    pthread_join(thread, NULL);
    close(pipe_fds[0]);
}

static void test_probe_is_quick_and_names_reasons(void **state)
{
    (void)state;
    struct capture_abilities abilities;
    uint64_t best_ns = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        uint64_t start_ns = clock_thread_cpu_ns();
        capture_linux.probe(&abilities);
        best_ns = MIN(best_ns, clock_thread_cpu_ns() - start_ns);
    }
    assert_true(best_ns < 5 * NS_PER_MS); // a sanitizer slows it down
    print_message("probe: %u us\n", (unsigned)(best_ns / 1000));
    for (int i = 0; i < CAPTURE_ABILITY_COUNT; i++) {
        assert_int_equal(abilities.at[i].available, abilities.at[i].reason.text[0] == 0);
    }
    assert_false(abilities.at[CAPTURE_PMU].available);
    assert_true(forbidden() || abilities.at[CAPTURE_STACK_COPIES].available);
    if (geteuid() == 0 && !forbidden()) {
        assert_true(abilities.at[CAPTURE_KERNEL_STACKS].available);
        assert_true(abilities.at[CAPTURE_OFF_CPU].available);
        assert_true(abilities.at[CAPTURE_OFF_CPU_STACKS].available);
    }
    long paranoid = 0;
    file_read_integer("/proc/sys/kernel/perf_event_paranoid", &paranoid);
    if (geteuid() != 0 && paranoid == 2 && !forbidden()) {
        assert_true(abilities.at[CAPTURE_OFF_CPU].available);
        assert_non_null(strstr(abilities.at[CAPTURE_OFF_CPU_STACKS].reason.text,
                               "perf_event_paranoid is 2: kernel frames need"));
        assert_non_null(strstr(abilities.at[CAPTURE_WAKEUPS].reason.text, "perf_event_paranoid"));
        assert_non_null(strstr(abilities.at[CAPTURE_WAKEUPS].reason.text, "staxd broker"));
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "target") == 0) {
        run_as_target(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_launch_records_all_from_the_exec_on),
        cmocka_unit_test(test_a_target_that_lives_for_milliseconds),
        cmocka_unit_test(test_a_launch_that_never_execs_just_ends),
        cmocka_unit_test(test_children_are_told_and_counted_but_not_recorded),
        cmocka_unit_test(test_follow_records_children),
        cmocka_unit_test(test_what_did_not_fit_is_counted),
        cmocka_unit_test(test_attach_finds_threads_names_and_code),
        cmocka_unit_test(test_attach_while_threads_come_and_go),
        cmocka_unit_test(test_attach_with_follow_takes_the_family),
        cmocka_unit_test(test_wakes_up_at_the_end_and_does_not_spin),
        cmocka_unit_test(test_each_sleep_is_one_wait),
        cmocka_unit_test(test_stacks_come_with_registers_and_a_copy),
        cmocka_unit_test(test_no_copies_when_not_asked_for),
        cmocka_unit_test(test_longer_copies_for_the_thread_that_needs_them),
        cmocka_unit_test(test_short_of_descriptors_copies_get_no_longer),
        cmocka_unit_test(test_two_threads_wake_each_other),
        cmocka_unit_test(test_who_wakes_from_outside_is_named),
        cmocka_unit_test(test_short_of_descriptors_it_gives_up_stacks),
        cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_a_thread_is_no_process),
        cmocka_unit_test(test_probe_is_quick_and_names_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
