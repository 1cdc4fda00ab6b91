#include "run/jit_reader.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/queue.h"
#include "base/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    BYTES_PER_NEWS = 8, // at most, what a byte of a file takes up once it is read
    LOOK_BYTES_MIN = 64 << 10,
};

struct jit_news {
    struct event event;
    uint64_t order_ns; // of deliveries
    uint64_t number;   // in which it was read
    size_t n;
    uint8_t bytes[];
};

// A watch on its way to the reader, with its path.
struct watch_order {
    struct jit_watch watch;
    uint8_t path[];
};

struct jit_reader_shared {
    _Atomic uint32_t n_holders;
    struct queue orders; // struct watch_order
    struct queue news;   // struct jit_news
    int wake_fd;         // eventfds; for the reader thread,
    int done_fd;         // and from it: the last look is over
    _Atomic bool closed;
    _Atomic bool finishing;
    _Atomic uint64_t queued_bytes; // news that have not been delivered
    pthread_mutex_t lock;          // of what follows
    struct jit_reports reports;
    uint64_t version;
};

// What the reader thread works with.
struct followed {
    struct jit_source source;
    int inotify_watch; // -1: none
    uint64_t inode;    // that it is for
};

struct reader_thread {
    struct jit_reader_shared *shared;
    int inotify_fd; // -1: there is none; looks come by time only
    VEC(struct followed *) files;
    uint64_t n_news;
};

static _Atomic int n_reader_threads;

// ---- What the two have in common ---------------------------------------------------------------

static void signal_fd(int fd)
{
    uint64_t one = 1;
    ssize_t n = write(fd, &one, sizeof one);
    (void)n; // a full counter is as good: it is readable
}

static void clear_fd(int fd)
{
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof count);
    (void)n; // nothing there is fine, too
}

static void free_order(struct watch_order *order)
{
    image_root_unref(order->watch.root);
    free(order);
}

static void release(struct jit_reader_shared *shared)
{
    if (atomic_fetch_sub(&shared->n_holders, 1) != 1) {
        return;
    }
    for (void *order; (order = queue_try_pop(&shared->orders)) != NULL;) {
        free_order(order);
    }
    for (void *news; (news = queue_try_pop(&shared->news)) != NULL;) {
        free(news);
    }
    queue_fini(&shared->orders);
    queue_fini(&shared->news);
    closep(&shared->wake_fd);
    closep(&shared->done_fd);
    vec_fini(&shared->reports.list);
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}

// ---- The reader thread -------------------------------------------------------------------------

static struct slice copy_to(struct jit_news *news, struct slice bytes)
{
    uint8_t *to = news->bytes + news->n;
    if (bytes.n > 0) {
        memcpy(to, bytes.data, bytes.n);
    }
    news->n += bytes.n;
    return (struct slice){to, bytes.n};
}

static void push_news(void *context, const struct event *event)
{
    struct reader_thread *t = context;
    bool loaded = event->kind == EVENT_CODE_LOADED;
    size_t n = loaded ? event->code_loaded.name.n + event->code_loaded.code.n +
                            event->code_loaded.eh_frame.n
                      : 0;
    struct jit_news *news = alloc_zeroed(1, sizeof *news + n);
    news->event = *event;
    news->number = t->n_news++;
    if (loaded) {
        news->event.code_loaded.name = copy_to(news, event->code_loaded.name);
        news->event.code_loaded.code = copy_to(news, event->code_loaded.code);
        news->event.code_loaded.eh_frame = copy_to(news, event->code_loaded.eh_frame);
    }
    atomic_fetch_add(&t->shared->queued_bytes, sizeof *news + n);
    queue_push(&t->shared->news, news);
}

static void free_followed(struct reader_thread *t, struct followed *file)
{
    if (file->inotify_watch >= 0) {
        inotify_rm_watch(t->inotify_fd, file->inotify_watch);
    }
    jit_source_fini(&file->source);
    free(file);
}

// After an exec the same process is another program, with a perf map of the same name.
static void forget_map(struct reader_thread *t, uint32_t pid)
{
    for (size_t i = 0; i < t->files.n; i++) {
        const struct jit_watch *watch = &t->files.at[i]->source.watch;
        if (watch->kind == JIT_SOURCE_PERF_MAP && watch->pid == pid) {
            free_followed(t, t->files.at[i]);
            vec_remove_at(&t->files, i);
            return;
        }
    }
}

static void take_orders(struct reader_thread *t)
{
    for (struct watch_order *order; (order = queue_try_pop(&t->shared->orders)) != NULL;) {
        if (order->watch.kind == JIT_SOURCE_PERF_MAP) {
            forget_map(t, order->watch.pid);
        }
        struct followed *file = NEW(struct followed);
        file->inotify_watch = -1;
        jit_source_init(&file->source, &order->watch);
        vec_push(&t->files, file);
        free_order(order);
    }
}

// Asks to be told when the file grows. Not by its name: that may stand for another one by now.
static void ask_to_be_told(struct reader_thread *t, struct followed *file)
{
    if (t->inotify_fd < 0 || file->source.fd < 0 || file->inode == file->source.inode) {
        return;
    }
    if (file->inotify_watch >= 0) {
        inotify_rm_watch(t->inotify_fd, file->inotify_watch);
    }
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file->source.fd);
    file->inotify_watch = inotify_add_watch(t->inotify_fd, path, IN_MODIFY);
    file->inode = file->source.inode;
}

static bool is_closed(const struct reader_thread *t)
{
    return atomic_load(&t->shared->closed);
}

// True: there is more to be read, once the recording has taken what is there.
static bool look_at_all(struct reader_thread *t)
{
    bool more = false;
    for (size_t i = 0; i < t->files.n && !is_closed(t); i++) {
        struct followed *file = t->files.at[i];
        uint64_t queued = atomic_load(&t->shared->queued_bytes);
        if (queued >= LIMIT_JIT_QUEUE_BYTES) {
            return true;
        }
        size_t limit = (size_t)(LIMIT_JIT_QUEUE_BYTES - queued) / BYTES_PER_NEWS;
        more |= jit_source_look(&file->source, clock_now_ns(), MAX(limit, (size_t)LOOK_BYTES_MIN),
                                push_news, t);
        ask_to_be_told(t, file);
    }
    return more;
}

static void publish_reports(struct reader_thread *t)
{
    struct jit_reader_shared *shared = t->shared;
    pthread_mutex_lock(&shared->lock);
    bool changed = shared->reports.list.n != t->files.n;
    shared->reports.list.n = MIN(shared->reports.list.n, t->files.n);
    vec_grow_zeroed(&shared->reports.list, t->files.n);
    for (size_t i = 0; i < t->files.n; i++) {
        struct jit_report *report = &shared->reports.list.at[i];
        struct jit_report before = *report;
        jit_source_report(&t->files.at[i]->source, report);
        changed |= before.bytes != report->bytes || before.pid != report->pid ||
                   strcmp(before.note.text, report->note.text) != 0;
    }
    shared->version += changed;
    pthread_mutex_unlock(&shared->lock);
}

// A file that we are told of has changed just now, and not before: its last state is known to be
// younger than the last look.
static void be_told(struct reader_thread *t)
{
    uint64_t since_ns = clock_now_ns() - 2 * (uint64_t)JIT_READER_PAUSE_MS * NS_PER_MS;
    for (size_t i = 0; i < t->files.n; i++) {
        struct jit_source *source = &t->files.at[i]->source;
        if (t->files.at[i]->inotify_watch >= 0) {
            source->looked_ns = MAX(source->looked_ns, since_ns);
        }
    }
}

static void wait_for_work(struct reader_thread *t, bool more)
{
    struct pollfd fds[] = {{.fd = t->shared->wake_fd, .events = POLLIN},
                           {.fd = t->inotify_fd, .events = POLLIN}};
    if (poll(fds, 1, JIT_READER_PAUSE_MS) == 0 && !more &&
        poll(fds, ARRAY_LEN(fds), JIT_READER_LOOK_MS) > 0 && fds[1].revents != 0) {
        be_told(t);
    }
    clear_fd(t->shared->wake_fd);
    char events[4096];
    while (t->inotify_fd >= 0 && read(t->inotify_fd, events, sizeof events) > 0) {
    }
}

static void *read_files(void *context)
{
    struct reader_thread t = {.shared = context};
    t.inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    while (!is_closed(&t)) {
        bool finishing = atomic_load(&t.shared->finishing);
        take_orders(&t);
        bool more = look_at_all(&t);
        publish_reports(&t);
        if (finishing && !more) {
            signal_fd(t.shared->done_fd);
            break;
        }
        wait_for_work(&t, more);
    }
    for (size_t i = 0; i < t.files.n; i++) {
        free_followed(&t, t.files.at[i]);
    }
    vec_fini(&t.files);
    closep(&t.inotify_fd);
    release(t.shared);
    atomic_fetch_sub(&n_reader_threads, 1);
    return NULL;
}

// ---- The recording's side ----------------------------------------------------------------------

struct jit_reader *jit_reader_new(void)
{
    return NEW(struct jit_reader);
}

void jit_reader_free(struct jit_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    for (size_t i = reader->first_ready; i < reader->ready.n; i++) {
        free(reader->ready.at[i]);
    }
    vec_fini(&reader->ready);
    if (reader->shared != NULL) {
        atomic_store(&reader->shared->closed, true);
        signal_fd(reader->shared->wake_fd);
        release(reader->shared);
    }
    free(reader);
}

bool jit_reader_is_dump(struct slice path)
{
    static const char begin[] = "/jit-";
    static const char end[] = ".dump";
    size_t n_ends = strlen(begin) + strlen(end);
    size_t digits = 0;
    while (path.n > n_ends + digits && path.data[path.n - strlen(end) - 1 - digits] >= '0' &&
           path.data[path.n - strlen(end) - 1 - digits] <= '9') {
        digits++;
    }
    return digits > 0 && memcmp(path.data + path.n - strlen(end), end, strlen(end)) == 0 &&
           memcmp(path.data + path.n - n_ends - digits, begin, strlen(begin)) == 0;
}

static void start(struct jit_reader *reader)
{
    struct jit_reader_shared *shared = NEW(struct jit_reader_shared);
    atomic_init(&shared->n_holders, 2);
    queue_init(&shared->orders);
    queue_init(&shared->news);
    ASSERT(pthread_mutex_init(&shared->lock, NULL) == 0);
    shared->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    shared->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int number = EMFILE;
    if (shared->wake_fd >= 0 && shared->done_fd >= 0) {
        number = EAGAIN;
        if (atomic_fetch_add(&n_reader_threads, 1) < JIT_READERS_MAX) {
            number = thread_start_detached(read_files, shared);
        }
        if (number != 0) {
            atomic_fetch_sub(&n_reader_threads, 1);
        }
    }
    if (number == 0) {
        reader->shared = shared;
        return;
    }
    atomic_store(&shared->n_holders, 1);
    release(shared);
    reader->off = true;
    err_set(&reader->note, number,
            "no thread for reading the files of JITs (%s): their functions "
            "have no names",
            strerror(number));
}

void jit_reader_watch(struct jit_reader *reader, const struct jit_watch *watch)
{
    if (reader->n_watched >= LIMIT_JIT_SOURCES) {
        err_set(&reader->note, ENOSPC,
                "more than %d files of JITs: the functions in those beyond "
                "have no names",
                LIMIT_JIT_SOURCES);
        return;
    }
    if (reader->shared == NULL && !reader->off) {
        start(reader);
    }
    if (reader->off) {
        return;
    }
    reader->n_watched++;
    struct watch_order *order = alloc_zeroed(1, sizeof *order + watch->path.n);
    order->watch = *watch;
    image_root_ref(watch->root);
    if (watch->path.n > 0) {
        memcpy(order->path, watch->path.data, watch->path.n);
    }
    order->watch.path.data = order->path;
    queue_push(&reader->shared->orders, order);
    signal_fd(reader->shared->wake_fd);
}

static int compare_news(const void *a, const void *b)
{
    const struct jit_news *x = *(struct jit_news *const *)a;
    const struct jit_news *y = *(struct jit_news *const *)b;
    if (x->order_ns != y->order_ns) {
        return x->order_ns < y->order_ns ? -1 : 1;
    }
    return x->number < y->number ? -1 : x->number > y->number;
}

void jit_reader_collect(struct jit_reader *reader)
{
    if (reader->shared == NULL || reader->off) {
        return;
    }
    size_t n_left = reader->ready.n - reader->first_ready;
    if (reader->first_ready > 0 && n_left > 0) {
        memmove(reader->ready.at, reader->ready.at + reader->first_ready,
                n_left * sizeof *reader->ready.at);
    }
    reader->ready.n = n_left;
    reader->first_ready = 0;
    uint64_t now_ns = clock_now_ns();
    bool sorted = true;
    for (struct jit_news *news; (news = queue_try_pop(&reader->shared->news)) != NULL;) {
        // What claims to be of the future must not wait for it.
        news->order_ns = news->event.time_ns <= now_ns ? news->event.time_ns : 0;
        vec_push(&reader->ready, news);
        size_t n = reader->ready.n;
        sorted = sorted &&
                 (n < 2 || compare_news(&reader->ready.at[n - 2], &reader->ready.at[n - 1]) < 0);
    }
    if (!sorted) {
        qsort(reader->ready.at, reader->ready.n, sizeof *reader->ready.at, compare_news);
    }
}

void jit_reader_deliver(struct jit_reader *reader, uint64_t until_ns, event_sink_fn sink,
                        void *context)
{
    while (reader->first_ready < reader->ready.n &&
           reader->ready.at[reader->first_ready]->order_ns <= until_ns) {
        struct jit_news *news = reader->ready.at[reader->first_ready++];
        sink(context, &news->event);
        atomic_fetch_sub(&reader->shared->queued_bytes, sizeof *news + news->n);
        free(news);
    }
}

void jit_reader_finish(struct jit_reader *reader, event_sink_fn sink, void *context)
{
    if (reader->shared == NULL || reader->off) {
        return;
    }
    atomic_store(&reader->shared->finishing, true);
    signal_fd(reader->shared->wake_fd);
    uint64_t until_ns = clock_now_ns() + (uint64_t)JIT_READER_FINISH_MS * NS_PER_MS;
    struct pollfd done = {.fd = reader->shared->done_fd, .events = POLLIN};
    while (poll(&done, 1, JIT_READER_PAUSE_MS) <= 0 && clock_now_ns() < until_ns) {
        jit_reader_collect(reader); // it waits for that when there is much
        jit_reader_deliver(reader, UINT64_MAX, sink, context);
    }
    jit_reader_collect(reader);
    jit_reader_deliver(reader, UINT64_MAX, sink, context);
    if (done.revents == 0) {
        reader->off = true;
        err_set(&reader->note, ETIMEDOUT,
                "the files of a JIT could not be read to their ends within %d ms: its last "
                "functions have no names",
                JIT_READER_FINISH_MS);
    }
}

bool jit_reader_report(struct jit_reader *reader, struct jit_reports *ret)
{
    struct jit_reader_shared *shared = reader->shared;
    if (shared == NULL) {
        return false;
    }
    pthread_mutex_lock(&shared->lock);
    bool changed = shared->version != reader->reported;
    if (changed) {
        reader->reported = shared->version;
        vec_clear(&ret->list);
        for (size_t i = 0; i < shared->reports.list.n; i++) {
            vec_push(&ret->list, shared->reports.list.at[i]);
        }
    }
    pthread_mutex_unlock(&shared->lock);
    return changed;
}
