// Known: how often and how long each thread waits, and why. For each KIND a thread of that name
// waits N times; where somebody has to end the wait, a thread KIND-by does so after a nap of MS
// milliseconds each time, so that it waits too, for `sleep`. Without a KIND: all of them.
//
//     waits [-n N=60] [-m MS=3] [KIND…]
//
// Of a kind that this machine cannot do the truth says why.

#include "waiting.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>

enum { N_MAX = 1000, FILE_BYTES = 32 << 20, READ_BYTES = 1 << 20, PAGE_BYTES = 4096 };

static int n_waits = 60;
static uint64_t pace_ns = 3 * MS;

struct job {
    const struct kind *kind;
    char by_name[16];
    struct waiting w;
    pthread_t waiter;
    pthread_t helper;
    bool has_helper;
    int fd[2];
    pthread_mutex_t mutex[N_MAX]; // one for each wait, so that nobody needs to take turns
    pthread_rwlock_t rwlock[N_MAX];
    pthread_mutex_t one_mutex;
    pthread_cond_t cond;
    int n_let_go;
    sem_t sem;
    mqd_t queue;
    int sem_id;
    struct sockaddr_storage addr;
    socklen_t addr_bytes;
    struct io_uring_params ring;
    void *ring_sq;
    void *ring_cq;
    struct io_uring_sqe *ring_sqes;
    char *buffer;
};

struct kind {
    const char *name;
    const char *reason;
    const char *(*prepare)(struct job *job); // what is wrong, or NULL; in the main thread
    void (*take)(struct job *job);           // in the helper, before the waiter begins
    void (*wait)(struct job *job, int i);    // in the waiter
    void (*let_go)(struct job *job, int i);  // in the helper, after each nap
    void *(*busy)(void *job);                // instead: two threads on one CPU that do this
};

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(99);
    }
}

// ---- Sleep ----

static void sleep_wait(struct job *job, int i)
{
    (void)i;
    struct timespec t = {0, (long)pace_ns};
    waiting_before(&job->w);
    nanosleep(&t, NULL);
    waiting_after(&job->w);
}

static void nap_wait(struct job *job, int i)
{
    (void)i;
    waiting_before(&job->w);
    nap(pace_ns);
    waiting_after(&job->w);
}

// ---- Locks ----

static void mutex_take(struct job *job)
{
    for (int i = 0; i < n_waits; i++) {
        pthread_mutex_init(&job->mutex[i], NULL);
        pthread_mutex_lock(&job->mutex[i]);
    }
}

static void mutex_wait(struct job *job, int i)
{
    waiting_before(&job->w);
    pthread_mutex_lock(&job->mutex[i]);
    waiting_after(&job->w);
}

static void mutex_let_go(struct job *job, int i)
{
    pthread_mutex_unlock(&job->mutex[i]);
}

static void rwlock_take(struct job *job)
{
    for (int i = 0; i < n_waits; i++) {
        pthread_rwlock_init(&job->rwlock[i], NULL);
        pthread_rwlock_wrlock(&job->rwlock[i]);
    }
}

static void rwlock_wait(struct job *job, int i)
{
    waiting_before(&job->w);
    pthread_rwlock_rdlock(&job->rwlock[i]);
    waiting_after(&job->w);
}

static void rwlock_let_go(struct job *job, int i)
{
    pthread_rwlock_unlock(&job->rwlock[i]);
}

static const char *cond_prepare(struct job *job)
{
    pthread_mutex_init(&job->one_mutex, NULL);
    pthread_cond_init(&job->cond, NULL);
    return NULL;
}

static void cond_wait(struct job *job, int i)
{
    waiting_before(&job->w);
    pthread_mutex_lock(&job->one_mutex);
    while (job->n_let_go <= i) {
        pthread_cond_wait(&job->cond, &job->one_mutex);
    }
    pthread_mutex_unlock(&job->one_mutex);
    waiting_after(&job->w);
}

static void cond_let_go(struct job *job, int i)
{
    pthread_mutex_lock(&job->one_mutex);
    job->n_let_go = i + 1;
    pthread_mutex_unlock(&job->one_mutex);
    pthread_cond_signal(&job->cond);
}

// ---- Semaphores ----

static const char *sem_prepare(struct job *job)
{
    sem_init(&job->sem, 0, 0);
    return NULL;
}

static void sem_kind_wait(struct job *job, int i)
{
    (void)i;
    waiting_before(&job->w);
    sem_wait(&job->sem);
    waiting_after(&job->w);
}

static void sem_let_go(struct job *job, int i)
{
    (void)i;
    sem_post(&job->sem);
}

static const char *semop_prepare(struct job *job)
{
    job->sem_id = semget(IPC_PRIVATE, 1, 0600);
    return job->sem_id < 0 ? "no SysV semaphores here" : NULL;
}

static void semop_by(struct job *job, short by)
{
    struct sembuf op = {.sem_op = by};
    must(semop(job->sem_id, &op, 1) == 0, "semop");
}

static void semop_wait(struct job *job, int i)
{
    (void)i;
    waiting_before(&job->w);
    semop_by(job, -1);
    waiting_after(&job->w);
}

static void semop_let_go(struct job *job, int i)
{
    semop_by(job, 1);
    if (i == n_waits - 1) {
        while (semctl(job->sem_id, 0, GETNCNT) > 0) { // until it has been let go
            nap(MS);
        }
        semctl(job->sem_id, 0, IPC_RMID);
    }
}

// ---- Pipes, sockets, queues ----

static const char *pipe_prepare(struct job *job)
{
    must(pipe2(job->fd, O_CLOEXEC) == 0, "pipe2");
    return NULL;
}

static void read_wait(struct job *job, int i)
{
    (void)i;
    char byte;
    waiting_before(&job->w);
    must(read(job->fd[0], &byte, 1) == 1, "read");
    waiting_after(&job->w);
}

static void write_byte(struct job *job, int i)
{
    (void)i;
    must(write(job->fd[1], "x", 1) == 1, "write");
}

// A pipe of one page that is full; each write of a page waits until the page before it is read.
static const char *full_pipe_prepare(struct job *job)
{
    static const char page[PAGE_BYTES];
    pipe_prepare(job);
    if (fcntl(job->fd[1], F_SETPIPE_SZ, PAGE_BYTES) != PAGE_BYTES) {
        return "a pipe cannot be as small as a page here";
    }
    must(write(job->fd[1], page, sizeof page) == (ssize_t)sizeof page, "write");
    return NULL;
}

static void full_pipe_wait(struct job *job, int i)
{
    (void)i;
    static const char page[PAGE_BYTES];
    waiting_before(&job->w);
    must(write(job->fd[1], page, sizeof page) == (ssize_t)sizeof page, "write");
    waiting_after(&job->w);
}

static void read_page(struct job *job, int i)
{
    (void)i;
    char page[PAGE_BYTES];
    must(read(job->fd[0], page, sizeof page) == (ssize_t)sizeof page, "read");
}

static const char *unix_prepare(struct job *job)
{
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, job->fd) == 0, "socketpair");
    return NULL;
}

static void listen_somewhere(struct job *job, sa_family_t family, int backlog)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un un = {.sun_family = AF_UNIX}; // no name: the kernel chooses one
    job->fd[0] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(job->fd[0] >= 0, "socket");
    if (family == AF_INET) {
        must(bind(job->fd[0], (struct sockaddr *)&in, sizeof in) == 0, "bind");
    } else {
        must(bind(job->fd[0], (struct sockaddr *)&un, sizeof(sa_family_t)) == 0, "bind");
    }
    must(listen(job->fd[0], backlog) == 0, "listen");
    job->addr_bytes = sizeof job->addr;
    must(getsockname(job->fd[0], (struct sockaddr *)&job->addr, &job->addr_bytes) == 0, "name");
}

static int connect_there(const struct job *job)
{
    const int fd = socket(job->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0, "socket");
    must(connect(fd, (const struct sockaddr *)&job->addr, job->addr_bytes) == 0, "connect");
    return fd;
}

static const char *tcp_prepare(struct job *job)
{
    listen_somewhere(job, AF_INET, 1);
    job->fd[1] = connect_there(job);
    const int listener = job->fd[0];
    job->fd[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    must(job->fd[0] >= 0, "accept");
    close(listener);
    const int on = 1;
    setsockopt(job->fd[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return NULL;
}

static const char *accept_prepare(struct job *job)
{
    listen_somewhere(job, AF_INET, 16);
    return NULL;
}

static void accept_wait(struct job *job, int i)
{
    (void)i;
    waiting_before(&job->w);
    const int fd = accept4(job->fd[0], NULL, NULL, SOCK_CLOEXEC);
    waiting_after(&job->w);
    must(fd >= 0, "accept");
    close(fd);
}

static void connect_once(struct job *job, int i)
{
    (void)i;
    close(connect_there(job));
}

// One connection may wait to be accepted; the next one blocks in connect().
static const char *connect_prepare(struct job *job)
{
    listen_somewhere(job, AF_UNIX, 0);
    connect_there(job);
    return NULL;
}

static void connect_wait(struct job *job, int i)
{
    (void)i;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    waiting_before(&job->w);
    must(connect(fd, (const struct sockaddr *)&job->addr, job->addr_bytes) == 0, "connect");
    waiting_after(&job->w);
    close(fd);
}

static void accept_once(struct job *job, int i)
{
    (void)i;
    const int fd = accept4(job->fd[0], NULL, NULL, SOCK_CLOEXEC);
    must(fd >= 0, "accept");
    close(fd);
}

static const char *mqueue_prepare(struct job *job)
{
    char name[64];
    snprintf(name, sizeof name, "/stax-waits-%d", (int)getpid());
    struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 1};
    job->queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
    if (job->queue == (mqd_t)-1) {
        return "no POSIX message queues here";
    }
    mq_unlink(name);
    return NULL;
}

static void mqueue_wait(struct job *job, int i)
{
    (void)i;
    char byte;
    waiting_before(&job->w);
    must(mq_receive(job->queue, &byte, 1, NULL) == 1, "mq_receive");
    waiting_after(&job->w);
}

static void mqueue_let_go(struct job *job, int i)
{
    (void)i;
    must(mq_send(job->queue, "x", 1, 0) == 0, "mq_send");
}

// ---- Readiness ----

static void read_byte(struct job *job)
{
    char byte;
    must(read(job->fd[0], &byte, 1) == 1, "read");
}

static void poll_wait(struct job *job, int i)
{
    (void)i;
    struct pollfd fd = {job->fd[0], POLLIN, 0};
    waiting_before(&job->w);
    must(poll(&fd, 1, -1) == 1, "poll");
    waiting_after(&job->w);
    read_byte(job);
}

static void select_wait(struct job *job, int i)
{
    (void)i;
    fd_set set;
    FD_ZERO(&set);
    FD_SET(job->fd[0], &set);
    waiting_before(&job->w);
    must(select(job->fd[0] + 1, &set, NULL, NULL, NULL) == 1, "select");
    waiting_after(&job->w);
    read_byte(job);
}

static const char *epoll_prepare(struct job *job)
{
    pipe_prepare(job);
    job->sem_id = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    must(epoll_ctl(job->sem_id, EPOLL_CTL_ADD, job->fd[0], &event) == 0, "epoll_ctl");
    return NULL;
}

static void epoll_kind_wait(struct job *job, int i)
{
    (void)i;
    struct epoll_event event;
    waiting_before(&job->w);
    must(epoll_wait(job->sem_id, &event, 1, -1) == 1, "epoll_wait");
    waiting_after(&job->w);
    read_byte(job);
}

static const char *uring_prepare(struct job *job)
{
    job->fd[0] = (int)syscall(SYS_io_uring_setup, 4, &job->ring);
    if (job->fd[0] < 0) {
        return errno == ENOSYS ? "the kernel has no io_uring" : "the kernel forbids io_uring";
    }
    const struct io_uring_params *p = &job->ring;
    const size_t sq_bytes = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
    const size_t cq_bytes = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
    const int rw = PROT_READ | PROT_WRITE;
    job->ring_sq = mmap(NULL, sq_bytes, rw, MAP_SHARED, job->fd[0], IORING_OFF_SQ_RING);
    job->ring_cq = mmap(NULL, cq_bytes, rw, MAP_SHARED, job->fd[0], IORING_OFF_CQ_RING);
    job->ring_sqes = (struct io_uring_sqe *)mmap(NULL, p->sq_entries * sizeof *job->ring_sqes, rw,
                                                 MAP_SHARED, job->fd[0], IORING_OFF_SQES);
    must(job->ring_sq != MAP_FAILED && job->ring_cq != MAP_FAILED, "mmap");
    must((void *)job->ring_sqes != MAP_FAILED, "mmap");
    return NULL;
}

// Submits a time-out and waits for its completion.
static void uring_wait(struct job *job, int i)
{
    (void)i;
    const struct io_uring_params *p = &job->ring;
    uint32_t *tail = (uint32_t *)((char *)job->ring_sq + p->sq_off.tail);
    uint32_t *array = (uint32_t *)((char *)job->ring_sq + p->sq_off.array);
    const uint32_t slot = *tail & (p->sq_entries - 1);
    struct timespec t = {0, (long)pace_ns};
    memset(&job->ring_sqes[slot], 0, sizeof job->ring_sqes[slot]);
    job->ring_sqes[slot].opcode = IORING_OP_TIMEOUT;
    job->ring_sqes[slot].addr = (uint64_t)(uintptr_t)&t;
    job->ring_sqes[slot].len = 1;
    array[slot] = slot;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    waiting_before(&job->w);
    must(syscall(SYS_io_uring_enter, job->fd[0], 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) == 1,
         "io_uring_enter");
    waiting_after(&job->w);
    uint32_t *cq_head = (uint32_t *)((char *)job->ring_cq + p->cq_off.head);
    __atomic_store_n(cq_head, *cq_head + 1, __ATOMIC_RELEASE);
}

// ---- Files ----

// A new file without a name, on a real disk; -1 when there is none.
static int open_on_disk(int flags)
{
    enum { TMPFS = 0x01021994, RAMFS = (int)0x858458f6 };
    const char *const folders[] = {getenv("STAX_DISK"), ".", "/var/tmp", "/tmp", getenv("HOME")};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        struct statfs fs;
        if (!folders[i] || statfs(folders[i], &fs) != 0 || (uint32_t)fs.f_type == TMPFS ||
            (uint32_t)fs.f_type == (uint32_t)RAMFS) {
            continue;
        }
        char path[4096];
        snprintf(path, sizeof path, "%s/stax-waits-XXXXXX", folders[i]);
        const int fd = mkostemp(path, flags | O_CLOEXEC);
        if (fd >= 0) {
            unlink(path);
            return fd;
        }
    }
    return -1;
}

static const char *file_prepare_with(struct job *job, int flags)
{
    job->fd[0] = open_on_disk(flags);
    if (job->fd[0] < 0) {
        return "no directory on a real disk that allows it";
    }
    must(posix_memalign((void **)&job->buffer, PAGE_BYTES, READ_BYTES) == 0, "posix_memalign");
    memset(job->buffer, 7, READ_BYTES);
    for (int done = 0; done < FILE_BYTES; done += READ_BYTES) {
        must(write(job->fd[0], job->buffer, READ_BYTES) == READ_BYTES, "write");
    }
    must(fsync(job->fd[0]) == 0, "fsync");
    return NULL;
}

static const char *direct_prepare(struct job *job)
{
    return file_prepare_with(job, O_DIRECT);
}

static const char *file_prepare(struct job *job)
{
    return file_prepare_with(job, 0);
}

static off_t place_of(int i)
{
    return (off_t)(i * 7 % (FILE_BYTES / READ_BYTES)) * READ_BYTES;
}

static void direct_wait(struct job *job, int i)
{
    waiting_before(&job->w);
    must(pread(job->fd[0], job->buffer, READ_BYTES, place_of(i)) == READ_BYTES, "pread");
    waiting_after(&job->w);
}

static void cached_wait(struct job *job, int i)
{
    posix_fadvise(job->fd[0], place_of(i), READ_BYTES, POSIX_FADV_DONTNEED);
    direct_wait(job, i);
}

static void fault_wait(struct job *job, int i)
{
    posix_fadvise(job->fd[0], place_of(i), READ_BYTES, POSIX_FADV_DONTNEED);
    volatile char *at = (volatile char *)mmap(NULL, READ_BYTES, PROT_READ, MAP_SHARED, job->fd[0],
                                              place_of(i));
    must((void *)at != MAP_FAILED, "mmap");
    waiting_before(&job->w);
    (void)at[PAGE_BYTES * 3];
    waiting_after(&job->w);
    munmap((void *)at, READ_BYTES);
}

static void fsync_wait(struct job *job, int i)
{
    for (int part = 0; part < 8; part++) {
        must(pwrite(job->fd[0], job->buffer, READ_BYTES, place_of(i + part)) > 0, "pwrite");
    }
    waiting_before(&job->w);
    must(fsync(job->fd[0]) == 0, "fsync");
    waiting_after(&job->w);
}

// ---- The end of somebody, and signals ----

static void child_wait(struct job *job, int i)
{
    (void)i;
    const pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        nap(pace_ns);
        _exit(0);
    }
    waiting_before(&job->w);
    must(waitpid(pid, NULL, 0) == pid, "waitpid");
    waiting_after(&job->w);
}

static void *nap_main(void *arg)
{
    (void)arg;
    pthread_setname_np(pthread_self(), "join-napper");
    nap(pace_ns);
    return NULL;
}

static void join_wait(struct job *job, int i)
{
    (void)i;
    pthread_t thread;
    must(pthread_create(&thread, NULL, nap_main, NULL) == 0, "pthread_create");
    waiting_before(&job->w);
    pthread_join(thread, NULL);
    waiting_after(&job->w);
}

static void signal_wait(struct job *job, int i)
{
    (void)i;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    int number;
    waiting_before(&job->w);
    must(sigwait(&set, &number) == 0, "sigwait");
    waiting_after(&job->w);
}

static void signal_let_go(struct job *job, int i)
{
    (void)i;
    pthread_kill(job->waiter, SIGUSR1);
}

// ---- Two threads on one CPU that never wait ----

WORK(rival_work)

static void pin_to_one_cpu(void)
{
    cpu_set_t all, one;
    CPU_ZERO(&one);
    must(sched_getaffinity(getpid(), sizeof all, &all) == 0, "sched_getaffinity");
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
        if (CPU_ISSET(cpu, &all)) {
            CPU_SET(cpu, &one);
            break;
        }
    }
    must(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
}

static void busy(struct job *job, const char *name, bool yields)
{
    pin_to_one_cpu();
    waiting_begin(&job->w, name, "");
    const uint64_t end_ns = waiting_now_ns() + (uint64_t)n_waits * 3 * pace_ns;
    while (waiting_now_ns() < end_ns) {
        rival_work(yields ? 100000 : MS);
        if (yields) {
            sched_yield();
        }
    }
    waiting_end(&job->w);
}

static void *preempt_main(void *arg)
{
    busy(arg, "preempt", false);
    return NULL;
}

static void *yield_main(void *arg)
{
    busy(arg, "yield", true);
    return NULL;
}

// ---- The table ----

static const struct kind kinds[] = {
    {.name = "sleep", .reason = "sleep", .wait = sleep_wait},
    {.name = "nap", .reason = "sleep", .wait = nap_wait},
    {"mutex", "lock", NULL, mutex_take, mutex_wait, mutex_let_go, NULL},
    {"rwlock", "lock", NULL, rwlock_take, rwlock_wait, rwlock_let_go, NULL},
    {"cond", "lock", cond_prepare, NULL, cond_wait, cond_let_go, NULL},
    {"sem", "semaphore", sem_prepare, NULL, sem_kind_wait, sem_let_go, NULL},
    {"semop", "semaphore", semop_prepare, NULL, semop_wait, semop_let_go, NULL},
    {"pipe_read", "ipc", pipe_prepare, NULL, read_wait, write_byte, NULL},
    {"pipe_write", "ipc", full_pipe_prepare, NULL, full_pipe_wait, read_page, NULL},
    {"unix_read", "ipc", unix_prepare, NULL, read_wait, write_byte, NULL},
    {"tcp_read", "ipc", tcp_prepare, NULL, read_wait, write_byte, NULL},
    {"mqueue", "ipc", mqueue_prepare, NULL, mqueue_wait, mqueue_let_go, NULL},
    {"poll", "readiness", pipe_prepare, NULL, poll_wait, write_byte, NULL},
    {"select", "readiness", pipe_prepare, NULL, select_wait, write_byte, NULL},
    {"epoll", "readiness", epoll_prepare, NULL, epoll_kind_wait, write_byte, NULL},
    {.name = "io_uring", .reason = "readiness", .prepare = uring_prepare, .wait = uring_wait},
    {"accept", "connect", accept_prepare, NULL, accept_wait, connect_once, NULL},
    {"connect", "connect", connect_prepare, NULL, connect_wait, accept_once, NULL},
    {.name = "file_direct", .reason = "io_read", .prepare = direct_prepare, .wait = direct_wait},
    {.name = "file_cached", .reason = "io_read", .prepare = file_prepare, .wait = cached_wait},
    {.name = "page_fault", .reason = "io_read", .prepare = file_prepare, .wait = fault_wait},
    {.name = "fsync", .reason = "io_write", .prepare = file_prepare, .wait = fsync_wait},
    {.name = "child", .reason = "other", .wait = child_wait},
    {.name = "join", .reason = "other", .wait = join_wait},
    {"signal", "other", NULL, NULL, signal_wait, signal_let_go, NULL},
    {.name = "preempt", .busy = preempt_main},
    {.name = "yield", .busy = yield_main},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

// ---- Threads ----

static void *waiter_main(void *arg)
{
    struct job *job = (struct job *)arg;
    waiting_begin(&job->w, job->kind->name, job->kind->reason);
    for (int i = 0; i < n_waits; i++) {
        job->kind->wait(job, i);
    }
    waiting_end(&job->w);
    return NULL;
}

static void *helper_main(void *arg)
{
    struct job *job = (struct job *)arg;
    struct waiting w;
    waiting_begin(&w, job->by_name, "sleep");
    if (job->kind->take) {
        job->kind->take(job);
    }
    must(pthread_create(&job->waiter, NULL, waiter_main, job) == 0, "pthread_create");
    for (int i = 0; i < n_waits; i++) {
        waiting_before(&w);
        nap(pace_ns);
        waiting_after(&w);
        job->kind->let_go(job, i);
    }
    waiting_end(&w);
    return NULL;
}

static void start(struct job *job)
{
    const struct kind *kind = job->kind;
    const char *wrong = kind->prepare ? kind->prepare(job) : NULL;
    if (wrong) {
        waiting_skip(kind->name, wrong);
        job->kind = NULL;
        return;
    }
    snprintf(job->by_name, sizeof job->by_name, "%.12s-by", kind->name);
    job->has_helper = kind->let_go || kind->busy;
    int r = 0;
    if (kind->busy) {
        struct job *second = (struct job *)calloc(1, sizeof *second);
        must(second != NULL, "calloc");
        r = pthread_create(&job->waiter, NULL, kind->busy, job) ||
            pthread_create(&job->helper, NULL, kind->busy, second);
    } else if (kind->let_go) {
        r = pthread_create(&job->helper, NULL, helper_main, job);
    } else {
        r = pthread_create(&job->waiter, NULL, waiter_main, job);
    }
    must(r == 0, "pthread_create");
}

static const struct kind *find_kind(const char *name)
{
    for (int k = 0; k < N_KINDS; k++) {
        if (strcmp(kinds[k].name, name) == 0) {
            return &kinds[k];
        }
    }
    fprintf(stderr, "waits: no such kind: %s\n", name);
    exit(98);
}

int main(int argc, char **argv)
{
    for (int option; (option = getopt(argc, argv, "n:m:")) != -1;) {
        if (option == 'n') {
            n_waits = (int)strtol(optarg, NULL, 10);
        } else {
            pace_ns = strtoull(optarg, NULL, 10) * MS;
        }
    }
    n_waits = n_waits < 1 ? 1 : n_waits > N_MAX ? N_MAX : n_waits;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL); // the threads inherit it

    const int n_jobs = argc > optind ? argc - optind : N_KINDS;
    struct job *jobs = (struct job *)calloc((size_t)n_jobs, sizeof *jobs);
    must(jobs != NULL, "calloc");
    for (int j = 0; j < n_jobs; j++) {
        jobs[j].kind = argc > optind ? find_kind(argv[optind + j]) : &kinds[j];
    }
    tell_ready();
    for (int j = 0; j < n_jobs; j++) {
        start(&jobs[j]);
    }
    for (int j = 0; j < n_jobs; j++) {
        if (jobs[j].kind) {
            if (jobs[j].has_helper) {
                pthread_join(jobs[j].helper, NULL);
            }
            pthread_join(jobs[j].waiter, NULL);
        }
    }
    waiting_write();
    return 0;
}
