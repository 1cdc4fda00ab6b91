#include "run/run.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"
#include "event/wire.h"
#include "run/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

// How often the rings are looked at when they do not fill up by themselves: young runs are watched
// closely, so that the first answer comes soon; with nothing going on the pace slows down.
enum { PACE_YOUNG_MS = 10, PACE_MS = 100, PACE_IDLE_MS = 200, YOUNG_MS = 500, IDLE_DRAINS = 8 };

enum {
    PATIENCE_MS = 500, // for rules, in any second
    REPLAY_PATIENCE_S = 60,
    CAPTURE_NICE = -10,
};

static const char *const stop_reason_names[RUN_STOP_REASONS] = {
    [RUN_STOP_NONE] = "none",
    [RUN_STOP_TARGET_EXITED] = "target_exited",
    [RUN_STOP_TIME_LIMIT] = "time_limit",
    [RUN_STOP_USER] = "user_stop",
    [RUN_STOP_RECORDER_ERROR] = "recorder_error",
    [RUN_STOP_SNAPSHOT] = "snapshot",
};

const char *run_stop_reason_name(enum run_stop_reason reason)
{
    ASSERT(reason >= 0 && reason < RUN_STOP_REASONS);
    return stop_reason_names[reason];
}

enum run_stop_reason run_stop_reason_of(const char *name)
{
    for (enum run_stop_reason reason = RUN_STOP_NONE; reason < RUN_STOP_REASONS; reason++) {
        if (strcmp(stop_reason_names[reason], name) == 0) {
            return reason;
        }
    }
    return RUN_STOP_NONE;
}

// What the capture thread works with.
struct session {
    struct run *run;
    struct capture *capture;
    struct pipeline *pipeline;
    struct jit_reader *jit; // NULL in a replay: its file has what was read then
    int tap_fd;             // -1: none
    struct text tap;
    uint64_t n_events; // in this drain
    int idle_drains;
    uint64_t began_ns;
};

static void apply_event(void *context, const struct event *event)
{
    struct session *s = context;
    s->n_events++;
    if (s->tap_fd >= 0) {
        wire_put(&s->tap, event);
    }
    pipeline_apply(s->pipeline, event);
}

// The backend's events, with those of the JIT reader in between.
static void take_event(void *context, const struct event *event)
{
    struct session *s = context;
    if (s->jit != NULL) {
        jit_reader_deliver(s->jit, event->time_ns, apply_event, s);
    }
    apply_event(s, event);
}

static void stop_with(struct run *run, enum run_stop_reason reason)
{
    atomic_store(&run->stop_reason, (int)reason);
}

static void stop_with_error(struct run *run, int number, const struct err *error)
{
    run->error = *error;
    run->error_number = number;
    stop_with(run, RUN_STOP_RECORDER_ERROR);
}

// ---- The tap ----------------------------------------------------------------------------------

static int open_tap(struct session *s, struct err *reterr)
{
    const char *path = s->run->params.tap_path;
    if (path == NULL) {
        return 0;
    }
    s->tap_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->tap_fd < 0) {
        return err_set(reterr, errno, "cannot write the tap %s: %s", path, strerror(errno));
    }
    struct wire_header header = {
        .frequency_hz = s->capture->frequency_hz,
        .switches = s->capture->abilities.at[CAPTURE_OFF_CPU].available,
    };
    wire_put_header(&s->tap, &header);
    return 0;
}

// A tap that cannot be written ends with what it has; the recording goes on.
static void flush_tap(struct session *s)
{
    if (s->tap_fd < 0) {
        return;
    }
    int r = fd_write_all(s->tap_fd, text_get(&s->tap), s->tap.n);
    text_clear(&s->tap);
    if (r < 0) {
        closep(&s->tap_fd);
    }
}

// ---- The thread -------------------------------------------------------------------------------

static bool has_room(void *context)
{
    const struct capture *capture = context;
    return capture->backend->has_room == NULL || capture->backend->has_room(capture);
}

// Rules of binaries are waited for as long as the rings have room. A stream that is replayed waits
// for whatever it needs, so that it always gives the same.
static void set_patience(struct session *s)
{
    struct unwinder *unwinder = &s->pipeline->stacks.unwinder;
    uint64_t seconds_ns = (uint64_t)REPLAY_PATIENCE_S * NS_PER_S;
    bool replay = s->run->params.replay_path != NULL;
    unwinder->patience_ns = replay ? seconds_ns : (uint64_t)PATIENCE_MS * NS_PER_MS;
    unwinder->may_wait = has_room;
    unwinder->context = s->capture;
}

// The rings fill up while others have the CPU: where that is permitted, they have it less.
static void take_precedence(void)
{
    setpriority(PRIO_PROCESS, (id_t)gettid(), CAPTURE_NICE);
}

static uint64_t started_unix_ns(const struct capture *capture)
{
    uint64_t now_ns = clock_now_ns();
    return capture->started_unix_ns != 0
               ? capture->started_unix_ns
               : clock_unix_ns() - (now_ns - MIN(now_ns, capture->started_ns));
}

static void take_label(struct run *run, const struct capture *capture)
{
    if (capture->label != NULL) {
        free(run->params.label);
        run->params.label = alloc_text(capture->label, strlen(capture->label));
    }
}

static int arm(struct session *s, struct err *reterr)
{
    struct run *run = s->run;
    int r = run->params.backend->open(&run->params.request, &s->capture, reterr);
    if (r < 0) {
        return r;
    }
    r = open_tap(s, reterr);
    if (r < 0) {
        return r;
    }
    run->started_ns = s->capture->started_ns;
    run->started_unix_ns = started_unix_ns(s->capture);
    run->store = store_new(run->started_ns, run->started_unix_ns,
                           s->capture->weight_ns != 0 ? s->capture->weight_ns
                                                      : NS_PER_S / s->capture->frequency_hz);
    run->store->has_switches = s->capture->abilities.at[CAPTURE_OFF_CPU].available;
    run->arch = s->capture->arch != ARCH_UNKNOWN ? s->capture->arch : (enum arch)ARCH_HERE;
    run->abilities = s->capture->abilities;
    run->capture_note = s->capture->note;
    run->params.request.frequency_hz = s->capture->frequency_hz;
    take_label(run, s->capture);
    atomic_store(&run->vitals.rings, s->capture->n_rings);
    atomic_store(&run->vitals.ring_bytes, s->capture->ring_bytes);
    s->pipeline = pipeline_new(run->store, run->library);
    s->pipeline->pauses = &run->pauses;
    s->pipeline->own_root = run->params.replay_path != NULL;
    if (run->params.replay_path == NULL) {
        s->pipeline->jit_reader = s->jit = jit_reader_new();
    }
    set_patience(s);
    s->pipeline->stacks.unwinds = run->params.request.unwind &&
                                  run->abilities.at[CAPTURE_STACK_COPIES].available;
    s->began_ns = clock_now_ns();
    return 0;
}

// What goes wrong later on: the first such line is told, and stays.
static void report_late_note(struct session *s)
{
    struct run *run = s->run;
    const struct err *note = &s->capture->note;
    if (!atomic_load(&run->has_late_note) && note->text[0] != 0 &&
        strcmp(note->text, run->capture_note.text) != 0) {
        run->late_note = *note;
        atomic_store_explicit(&run->has_late_note, true, memory_order_release);
    }
}

static void report_jit(struct session *s)
{
    struct run *run = s->run;
    if (s->jit == NULL) {
        return;
    }
    pthread_mutex_lock(&run->jit_lock);
    jit_reader_report(s->jit, &run->jit);
    run->jit_note = s->jit->note;
    pthread_mutex_unlock(&run->jit_lock);
}

static void report_unwinding(struct run_vitals *vitals, const struct unwinder_counts *counts)
{
    atomic_store(&vitals->unwind_walks, counts->n_walks);
    atomic_store(&vitals->unwind_complete, counts->n_complete);
    atomic_store(&vitals->unwind_joined, counts->n_joined);
    atomic_store(&vitals->unwind_fp_steps, counts->n_fp_steps);
    atomic_store(&vitals->unwind_missed, counts->n_missed);
    atomic_store(&vitals->unwind_waited_ns, counts->waited_ns);
}

static void report_vitals(struct session *s)
{
    struct run_vitals *vitals = &s->run->vitals;
    report_late_note(s);
    report_jit(s);
    atomic_fetch_add(&vitals->drains, 1);
    atomic_store(&vitals->cpu_ns, clock_thread_cpu_ns());
    atomic_store(&vitals->unrecorded_cpu_ns, s->capture->unrecorded_cpu_ns);
    atomic_store(&vitals->edges_missed, s->pipeline->stacks.edges.n_missed);
    report_unwinding(vitals, &s->pipeline->stacks.unwinder.counts);
    atomic_store(&s->run->began, s->pipeline->began);
}

// Stacks that needed more than was copied of them: more is copied from now on.
static void deepen(struct session *s)
{
    struct stack_builder *stacks = &s->pipeline->stacks;
    const struct capture_backend *backend = s->capture->backend;
    for (size_t i = 0; i < stacks->short_tids.n && backend->deepen != NULL; i++) {
        backend->deepen(s->capture, stacks->short_tids.at[i]);
    }
    vec_clear(&stacks->short_tids);
}

// Takes over what has been recorded. False: there will be no more.
static bool drain(struct session *s, bool final)
{
    s->n_events = 0;
    if (s->jit != NULL) {
        jit_reader_collect(s->jit);
    }
    int r = s->capture->backend->drain(s->capture, final, take_event, s);
    pipeline_advance(s->pipeline, s->capture->complete_ns);
    if (s->jit != NULL) {
        jit_reader_deliver(s->jit, s->capture->complete_ns, apply_event, s);
    }
    deepen(s);
    pipeline_flush(s->pipeline);
    flush_tap(s);
    report_vitals(s);
    if (r < 0) {
        struct err error;
        err_set(&error, -r, "%s",
                s->capture->note.text[0] != 0 ? s->capture->note.text : strerror(-r));
        stop_with_error(s->run, -r, &error);
        return false;
    }
    if (s->n_events > 0) {
        s->idle_drains = 0;
        if (atomic_load(&s->run->watched)) {
            s->run->params.on_change(s->run->params.context);
        }
    } else {
        s->idle_drains = MIN(s->idle_drains + 1, (int)IDLE_DRAINS);
    }
    return r != CAPTURE_E_ENDED;
}

static int pace_ms(const struct session *s)
{
    if (clock_now_ns() - s->began_ns < (uint64_t)YOUNG_MS * NS_PER_MS) {
        return PACE_YOUNG_MS;
    }
    return s->idle_drains < IDLE_DRAINS ? PACE_MS : PACE_IDLE_MS;
}

// Waits until there is something to do. False: the run is over, and why is noted.
static bool wait_for_work(struct session *s)
{
    struct run *run = s->run;
    int timeout_ms = pace_ms(s);
    if (run->params.time_limit_ns != 0) {
        uint64_t elapsed_ns = clock_now_ns() - run->started_ns;
        if (elapsed_ns >= run->params.time_limit_ns) {
            stop_with(run, RUN_STOP_TIME_LIMIT);
            return false;
        }
        uint64_t left_ms = (run->params.time_limit_ns - elapsed_ns) / NS_PER_MS + 1;
        timeout_ms = (int)MIN((uint64_t)timeout_ms, left_ms);
    }
    struct pollfd fds[] = {{.fd = run->stop_fd, .events = POLLIN},
                           {.fd = s->capture->poll_fd, .events = POLLIN}};
    poll(fds, ARRAY_LEN(fds), timeout_ms); // a signal or an error: look, and wait again
    if (fds[0].revents != 0) {
        stop_with(run, RUN_STOP_USER);
        return false;
    }
    return true;
}

static void record(struct session *s, bool more)
{
    while (more && wait_for_work(s)) {
        more = drain(s, false);
    }
    if (!more && atomic_load(&s->run->stop_reason) == RUN_STOP_NONE) {
        stop_with(s->run, RUN_STOP_TARGET_EXITED);
    }
    s->capture->backend->stop(s->capture);
    if (atomic_load(&s->run->stop_reason) != RUN_STOP_RECORDER_ERROR) {
        drain(s, true);
    }
    if (s->jit != NULL) {
        jit_reader_finish(s->jit, apply_event, s);
        flush_tap(s);
    }
    uint64_t end_ns = s->run->params.replay_path != NULL ? 0 : clock_now_ns();
    pipeline_end(s->pipeline, end_ns);
    uint64_t last_ns = atomic_load(&s->run->store->last_ns);
    s->run->stopped_unix_ns = s->capture->started_unix_ns != 0
                                  ? s->run->started_unix_ns + (last_ns - s->run->started_ns)
                                  : clock_unix_ns();
    atomic_store(&s->run->store->ended_ns, last_ns);
    report_vitals(s);
}

static void *capture_thread(void *context)
{
    struct run *run = context;
    struct session s = {.run = run, .tap_fd = -1};
    struct err error = {0};
    int r = arm(&s, &error);
    if (run->params.replay_path == NULL) {
        take_precedence(); // not its own threads
    }
    if (r < 0) {
        run->error = error;
        run->error_number = -r;
        atomic_store_explicit(&run->state, RUN_FAILED, memory_order_release);
    } else {
        // What exists already is in the store before anybody can ask.
        bool more = drain(&s, false);
        atomic_store_explicit(&run->state, RUN_RECORDING, memory_order_release);
        run->params.on_change(run->params.context);
        record(&s, more);
        atomic_store_explicit(&run->state, RUN_STOPPED, memory_order_release);
    }
    pipeline_free(s.pipeline);
    jit_reader_free(s.jit);
    if (s.capture != NULL) {
        run->params.backend->close(s.capture);
    }
    closep(&s.tap_fd);
    text_fini(&s.tap);
    run->params.on_change(run->params.context);
    return NULL;
}

// ---- Life -------------------------------------------------------------------------------------

static struct run *make(uint32_t id, const char *backend_name, struct library *library)
{
    struct run *run = NEW(struct run);
    run->id = id;
    run->library = library;
    run->backend_name = alloc_text(backend_name, strlen(backend_name));
    run->arch = (enum arch)ARCH_HERE;
    run->stop_fd = -1;
    ASSERT(pthread_mutex_init(&run->jit_lock, NULL) == 0);
    return run;
}

struct run *run_new(uint32_t id, struct run_params params, struct library *library)
{
    struct run *run = make(id, params.backend->name, library);
    run->params = params;
    run->params.request.replay_path = params.replay_path;
    run->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(run->stop_fd >= 0);
    ASSERT(thread_start(&run->thread, capture_thread, run) == 0);
    return run;
}

struct run *run_new_past(uint32_t id, const char *label, const char *backend_name,
                         struct library *library, struct store *store)
{
    struct run *run = make(id, backend_name, library);
    run->params.label = alloc_text(label, strlen(label));
    run->store = store;
    run->started_ns = store->started_ns;
    run->started_unix_ns = store->started_unix_ns;
    atomic_store(&run->state, RUN_STOPPED);
    return run;
}

void run_request_stop(struct run *run)
{
    if (run->stop_fd < 0) {
        return;
    }
    uint64_t one = 1;
    ssize_t n = write(run->stop_fd, &one, sizeof one);
    (void)n; // a full counter is as good: it is readable
}

void run_retire(struct run *run)
{
    if (run->stop_fd >= 0) {
        pthread_join(run->thread, NULL);
        closep(&run->stop_fd);
    }
}

void run_free(struct run *run)
{
    if (run == NULL) {
        return;
    }
    run_request_stop(run);
    run_retire(run);
    if (run->on_free != NULL) {
        run->on_free(run->on_free_context, run);
    }
    store_free(run->store);
    vec_fini(&run->jit.list);
    pthread_mutex_destroy(&run->jit_lock);
    free(atomic_load(&run->names_path));
    free(run->backend_name);
    free(run->params.label);
    free(run->params.replay_path);
    free(run->params.tap_path);
    free(run);
}

void run_set_names_path(struct run *run, const char *path)
{
    ASSERT(run_names_path(run) == NULL);
    atomic_store_explicit(&run->names_path, alloc_text(path, strlen(path)), memory_order_release);
}

const char *run_names_path(const struct run *run)
{
    return atomic_load_explicit(&run->names_path, memory_order_acquire);
}

enum run_state run_state(const struct run *run)
{
    return (enum run_state)atomic_load_explicit(&run->state, memory_order_acquire);
}

bool run_is_active(const struct run *run)
{
    enum run_state state = run_state(run);
    return state == RUN_ARMING || state == RUN_RECORDING;
}
