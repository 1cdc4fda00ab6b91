// The perf backend: rings, events and /proc put together.
//
//     open   pidfd ─► who is it ─► features ─► rings ─► events for its threads ─► what exists
//     drain  early events once ─► rings, merged by time ─► parse ─► wanted? ─┬► sink
//                                 at one level of two (deep.h)               │
//                                 where a thread leaves a CPU (switches.h)   │
//                                 who wakes whom (wakeups.h) ────────────────┘
//
// The target is never stopped: events are enabled while it runs, and what was there before is read
// from /proc afterwards. Ends when the pidfd says so.

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "capture/capture.h"
#include "capture/linux/attach.h"
#include "capture/linux/children.h"
#include "capture/linux/deep.h"
#include "capture/linux/governor.h"
#include "capture/linux/look.h"
#include "capture/linux/observer.h"
#include "capture/linux/perf_merge.h"
#include "capture/linux/perf_open.h"
#include "capture/linux/proc.h"
#include "capture/linux/wakeups.h"
#include "capture/perf/switches.h"
#include "capture/perf/tids.h"
#include "event/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SETTLE_NS = 10 * NS_PER_MS }; // no thread takes that long to be born

// Stacks of one kind, which may become too many: first to be copied, then to be taken at all.
struct governed {
    enum perf_meaning meaning;
    enum perf_stacks how;
    struct governor stacks;
    struct governor copies;
    uint64_t n;     // of those of this drain
    uint64_t price; // of those that were copied
};

struct linux_capture {
    struct capture base;
    struct capture_request request;
    int pidfd;
    struct perf_set set;
    struct perf_merge merge;
    struct attach attach;
    struct children children;
    struct switches switches;
    struct wakeups wakeups;
    struct governed switch_stacks;
    struct governed waker_stacks;
    struct tids tids; // threads that are recorded, as of the latest record
    struct deep deep;
    bool told_full; // a note says that too many threads need longer copies
    struct observer observer;
    struct text early;      // events that exist before any record does (event/wire.h)
    uint64_t lost_reported; // by records
    bool lost_settled;
    struct event_regs regs; // of the latest stack: events point here
    uint64_t latest_ns;     // of the latest event that was handed on
    event_sink_fn sink;     // during a drain
    void *context;
};

static struct linux_capture *linux_of(struct capture *capture)
{
    return CONTAINER_OF(capture, struct linux_capture, base);
}

// ---- What can be seen here ---------------------------------------------------------------------

static void set_ability(struct capture_abilities *abilities, enum capture_ability ability,
                        bool available, const char *reason)
{
    struct capture_ability_state *state = &abilities->at[ability];
    *state = (struct capture_ability_state){.available = available};
    if (!available) {
        err_set(&state->reason, EACCES, "%s", reason);
    }
}

// The first lines will do: addresses are shown either all or not at all (but for a few that are 0).
static void probe_kernel_symbols(struct capture_abilities *abilities)
{
    CLEANUP(closep) int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
    char bytes[8192];
    ssize_t n = fd < 0 ? 0 : read(fd, bytes, sizeof bytes);
    bool line_begins = true;
    bool shown = false;
    for (ssize_t i = 0; i < n && !shown; i++) {
        shown = line_begins && bytes[i] != '0';
        line_begins = bytes[i] == '\n' || (line_begins && bytes[i] == '0');
        shown = shown && bytes[i] != ' ';
    }
    set_ability(abilities, CAPTURE_KERNEL_SYMBOLS, shown,
                n <= 0 ? "/proc/kallsyms can't be read"
                       : "/proc/kallsyms shows no addresses: needs kernel.kptr_restrict 0 and "
                         "perf_event_paranoid <= 1, or CAP_SYSLOG");
}

static void fill_abilities(const struct perf_features *features, struct capture_abilities *ret)
{
    struct err reason = {0};
    err_set(&reason, EACCES,
            "perf_event_paranoid is %ld: kernel frames need <= 1, root, or the staxd broker",
            features->paranoid);
    set_ability(ret, CAPTURE_KERNEL_STACKS, features->kernel, reason.text);
    set_ability(ret, CAPTURE_BUILD_IDS, features->build_id,
                "the kernel does not report build-ids with mappings");
    set_ability(ret, CAPTURE_LOST_SAMPLES, features->lost,
                "the kernel does not count lost samples by event");
    set_ability(ret, CAPTURE_OFF_CPU, features->switches,
                "the kernel does not report context switches (PERF_RECORD_SWITCH)");
    set_ability(ret, CAPTURE_OFF_CPU_STACKS, features->switch_stacks,
                features->kernel ? "the kernel does not sample context switches" : reason.text);
    set_ability(ret, CAPTURE_WAKEUPS, features->wakeups, features->no_wakeups.text);
    set_ability(ret, CAPTURE_STACK_COPIES, features->copies,
                "the kernel does not copy registers and stacks of this machine, or stax has no "
                "table of its registers");
    set_ability(ret, CAPTURE_PMU, false, "not recorded yet by this version of stax");
    probe_kernel_symbols(ret);
    look_probe(&ret->at[CAPTURE_WAIT_DETAILS]);
    if (features->refused != 0) {
        static const enum capture_ability all[] = {
            CAPTURE_KERNEL_STACKS,  CAPTURE_BUILD_IDS, CAPTURE_LOST_SAMPLES, CAPTURE_OFF_CPU,
            CAPTURE_OFF_CPU_STACKS, CAPTURE_WAKEUPS,   CAPTURE_STACK_COPIES};
        perf_features_explain(features, &reason);
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
            set_ability(ret, all[i], false, reason.text);
        }
    }
}

static void linux_probe(struct capture_abilities *ret)
{
    struct perf_features features;
    perf_features_probe(&features);
    *ret = (struct capture_abilities){0};
    fill_abilities(&features, ret);
}

// ---- Open --------------------------------------------------------------------------------------

static int check_frequency(const struct capture_request *request,
                           const struct perf_features *features, struct err *reterr)
{
    if (request->frequency_hz == 0) {
        return err_set(reterr, EINVAL, "a frequency of 0 records nothing: use 1 to %u",
                       features->max_rate_hz);
    }
    if (request->frequency_hz > features->max_rate_hz) {
        return err_set(reterr, EINVAL,
                       "frequency %u Hz is above the limit of %u Hz "
                       "(/proc/sys/kernel/perf_event_max_sample_rate)",
                       request->frequency_hz, features->max_rate_hz);
    }
    return 0;
}

// A leader that has ended stays a zombie as long as there are other threads: those can be recorded.
static bool has_living_threads(uint32_t pid, const struct proc_stat *stat)
{
    if (stat->state != 'Z' && stat->state != 'X') {
        return true;
    }
    struct proc_ids tids = {0};
    proc_threads(pid, &tids);
    bool more = tids.list.n > 1;
    vec_fini(&tids.list);
    return more;
}

static int check_target(uint32_t pid, struct err *reterr)
{
    struct proc_stat stat;
    int r = proc_stat(pid, &stat);
    if (r == -ESRCH) {
        return err_set(reterr, ESRCH, "no process %u", pid);
    }
    if (r < 0) {
        return err_set(reterr, -r, "cannot read /proc/%u/stat: %s", pid, strerror(-r));
    }
    if (stat.kernel_thread) {
        return err_set(reterr, EINVAL,
                       "process %u is a thread of the kernel: it has no program to record", pid);
    }
    if (!has_living_threads(pid, &stat)) {
        return err_set(reterr, ESRCH, "process %u has exited already (its parent has not waited)",
                       pid);
    }
    return 0;
}

// The number can't be given to another process while we hold this.
static int open_pidfd(struct linux_capture *linux_capture, struct err *reterr)
{
    uint32_t pid = linux_capture->request.pid;
    if (pid == 0 || pid > INT32_MAX) {
        return err_set(reterr, ESRCH, "no process %u", pid);
    }
    long fd = syscall(SYS_pidfd_open, (pid_t)pid, 0);
    int number = errno;
    if (fd >= 0) {
        linux_capture->pidfd = (int)fd;
        return 0;
    }
    struct proc_stat stat;
    if (number == ESRCH || proc_stat(pid, &stat) == -ESRCH) {
        return err_set(reterr, ESRCH, "no process %u", pid);
    }
    if (number == EINVAL || number == ENOENT) {
        return err_set(reterr, EINVAL, "%u is a thread: give the pid of its process", pid);
    }
    return err_set(reterr, number, "pidfd_open of process %u: %s; stax needs Linux 5.3 or newer",
                   pid, strerror(number));
}

static int explain_refused_target(uint32_t pid, int number, struct err *reterr)
{
    uint32_t uid;
    int r = proc_owner(pid, &uid);
    if (r < 0) {
        return err_set(reterr, ESRCH, "process %u has just ended", pid);
    }
    if (uid != geteuid() && geteuid() != 0) {
        return err_set(reterr, number,
                       "process %u belongs to uid %u and stax-server runs as uid %u: recording it "
                       "needs root or CAP_PERFMON",
                       pid, uid, geteuid());
    }
    return err_set(reterr, number,
                   "process %u may not be recorded (%s): a set-uid or protected program needs a "
                   "stax-server with CAP_PERFMON",
                   pid, strerror(number));
}

static int watch(int epoll, int fd, struct err *reterr)
{
    // Edge-triggered: a ring that stays above its mark, or an ended thread, is told once.
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        return err_set(reterr, errno, "epoll: %s", strerror(errno));
    }
    return 0;
}

static int open_poll(struct linux_capture *c, struct err *reterr)
{
    c->base.poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (c->base.poll_fd < 0) {
        return err_set(reterr, errno, "epoll: %s", strerror(errno));
    }
    int r = watch(c->base.poll_fd, c->pidfd, reterr);
    for (size_t i = 0; i < c->set.cpus.list.n && r == 0; i++) {
        r = watch(c->base.poll_fd, c->set.ring_fds[i], reterr);
    }
    return r;
}

// An ability that was there and is not, for lack of something; the recording goes on without it.
static void lose_ability(struct linux_capture *c, enum capture_ability ability,
                         const struct err *why)
{
    set_ability(&c->base.abilities, ability, false, why->text);
    if (c->base.note.text[0] == 0) {
        c->base.note = *why;
    }
}

static void add_wakeups(struct linux_capture *c)
{
    struct err why = {0};
    if (c->set.features.wakeups && perf_set_add_wakeups(&c->set, &why) < 0) {
        err_prefix(&why, "no wakeups");
        lose_ability(c, CAPTURE_WAKEUPS, &why);
    }
}

// From here on their wakeups are ours.
static void know_threads(struct linux_capture *c, size_t first)
{
    for (size_t i = first; i < c->attach.threads.n; i++) {
        tids_add(&c->tids, c->attach.threads.at[i].tid, c->attach.threads.at[i].pid);
    }
}

// A launched thread becomes known by its exec: what the launcher did in it before is not ours.
static int add_threads(struct linux_capture *c, struct err *reterr)
{
    if (c->request.launched) {
        return attach_launched(&c->attach, reterr);
    }
    int r = attach_all(&c->attach, c->base.started_ns, &c->early, reterr);
    know_threads(c, 0);
    return r;
}

// Copies that are saved for fill half of the rings at most, before anybody has to look.
static void governed_init(struct governed *governed, enum perf_meaning meaning,
                          const struct perf_set *set, uint64_t now_ns)
{
    *governed = (struct governed){.meaning = meaning, .how = PERF_STACKS_COPIED};
    governor_init(&governed->stacks, GOVERNOR_SAVINGS, now_ns);
    uint64_t room = set->ring_bytes * set->cpus.list.n / 2;
    uint64_t n_copies = room / MAX(set->copy_bytes, UINT32_C(1));
    uint64_t savings = MIN(n_copies * governor_price(set->copy_bytes), (uint64_t)GOVERNOR_SAVINGS);
    governor_init(&governed->copies, (int64_t)savings, now_ns);
}

static int arm(struct linux_capture *c, struct err *reterr)
{
    const struct capture_request *request = &c->request;
    children_init(&c->children, request->pid);
    attach_init(&c->attach, &c->set, request->pid, request->follow);
    // Before the first event can write: no record is older than what we tell from /proc.
    c->base.started_ns = clock_now_ns();
    c->merge.round_ns = c->base.started_ns;
    governed_init(&c->switch_stacks, PERF_MEANS_SWITCH_OUT, &c->set, c->base.started_ns);
    governed_init(&c->waker_stacks, PERF_MEANS_WAKEUP, &c->set, c->base.started_ns);
    add_wakeups(c);
    int r = add_threads(c, reterr);
    if (c->set.features.switch_stacks && !c->set.switch_stacks) {
        lose_ability(c, CAPTURE_OFF_CPU_STACKS, &c->set.no_switch_stacks);
    }
    return r == -EACCES || r == -EPERM ? explain_refused_target(request->pid, -r, reterr) : r;
}

static int open_all(struct linux_capture *c, struct err *reterr)
{
    struct perf_features features;
    perf_features_probe(&features);
    fill_abilities(&features, &c->base.abilities);
    look_probe_process(c->request.pid, &c->base.abilities.at[CAPTURE_WAIT_DETAILS]);
    if (!c->request.unwind) {
        set_ability(&c->base.abilities, CAPTURE_STACK_COPIES, false,
                    "turned off by --no-dwarf-unwind");
    }
    int r = check_frequency(&c->request, &features, reterr);
    r = r < 0 ? r : open_pidfd(c, reterr);
    r = r < 0 ? r : check_target(c->request.pid, reterr);
    if (r == 0 && features.refused != 0) {
        r = perf_features_explain(&features, reterr);
    }
    if (r < 0) {
        return r;
    }
    struct perf_options options = {.frequency_hz = c->request.frequency_hz,
                                   .on_exec = c->request.launched,
                                   .follow = c->request.follow,
                                   .copies = c->request.unwind && features.copies};
    r = perf_set_open(&c->set, &features, &options, &c->base.note, reterr);
    if (r < 0) {
        return r;
    }
    uint32_t n_rings = (uint32_t)c->set.cpus.list.n;
    perf_merge_init(&c->merge, c->set.rings, n_rings);
    switches_init(&c->switches, n_rings);
    wakeups_init(&c->wakeups, n_rings, &features.waking.format, &c->tids, &c->set.layouts);
    c->base.frequency_hz = options.frequency_hz;
    c->base.n_rings = n_rings;
    c->deep.top_level = c->set.top_level;
    c->base.ring_bytes = c->set.ring_bytes * c->base.n_rings;
    r = open_poll(c, reterr);
    return r < 0 ? r : arm(c, reterr);
}

static void linux_close(struct capture *capture)
{
    if (capture == NULL) {
        return;
    }
    struct linux_capture *c = linux_of(capture);
    closep(&c->base.poll_fd);
    observer_fini(&c->observer);
    attach_fini(&c->attach);
    wakeups_fini(&c->wakeups);
    switches_fini(&c->switches);
    tids_fini(&c->tids);
    deep_fini(&c->deep);
    perf_merge_fini(&c->merge);
    perf_set_close(&c->set);
    closep(&c->pidfd);
    text_fini(&c->early);
    free(c);
}

static int linux_open(const struct capture_request *request, struct capture **ret,
                      struct err *reterr)
{
    struct linux_capture *c = NEW(struct linux_capture);
    c->base.backend = &capture_linux;
    c->base.poll_fd = -1;
    c->pidfd = -1;
    c->request = *request;
    observer_init(&c->observer, look_at);
    int r = open_all(c, reterr);
    if (r < 0) {
        linux_close(&c->base);
        return r;
    }
    *ret = &c->base;
    return 0;
}

// ---- Drain -------------------------------------------------------------------------------------

// With what has been observed up to then before it.
static void hand_on(struct linux_capture *c, const struct event *event)
{
    observer_deliver(&c->observer, event->time_ns, c->sink, c->context);
    c->latest_ns = event->time_ns;
    c->sink(c->context, event);
    observer_on_event(&c->observer, event);
}

static void deliver_lost(struct linux_capture *c, uint64_t n, uint64_t time_ns)
{
    struct event event = {.kind = EVENT_LOST, .time_ns = time_ns, .lost.n = n};
    hand_on(c, &event);
}

// Whose event it is. Child processes are announced in any case, by the parent that made them.
static bool is_ours(struct linux_capture *c, struct event *event)
{
    uint32_t pid = c->request.pid;
    if (event->pid == UINT32_MAX) { // a thread on its way out: no number left
        return false;
    }
    if (event->kind == EVENT_PROCESS_FORKED) {
        bool by_target = event->process_forked.parent_pid == pid;
        event->process_forked.recorded = c->request.follow;
        c->children.any = c->children.any || by_target;
        return by_target || c->request.follow;
    }
    return c->request.follow || event->pid == pid;
}

static void end_deep(struct linux_capture *c, uint32_t tid)
{
    if (deep_end(&c->deep, tid)) {
        perf_set_undeepen(&c->set, tid);
    }
}

static void end_deep_of(struct linux_capture *c, uint32_t pid)
{
    for (uint32_t tid; (tid = deep_find_of(&c->deep, pid)) != 0;) {
        end_deep(c, tid);
    }
}

// Who is recorded as of this event. Whoever ran is, also when the record of the birth was lost.
static void keep_tids(struct linux_capture *c, const struct event *event)
{
    switch (event->kind) {
    case EVENT_SAMPLE:
    case EVENT_SWITCH_IN:
    case EVENT_SWITCH_OUT:
        tids_add(&c->tids, event->tid, event->pid);
        break;
    case EVENT_THREAD_STARTED:
        end_deep(c, event->tid); // the number was another one's, whose end got lost
        tids_add(&c->tids, event->tid, event->pid);
        break;
    case EVENT_PROCESS_FORKED:
        end_deep(c, event->tid);
        if (event->process_forked.recorded) {
            tids_add(&c->tids, event->tid, event->pid);
        }
        break;
    case EVENT_EXEC:
        tids_exec(&c->tids, event->pid);
        end_deep_of(c, event->pid);
        break;
    case EVENT_THREAD_EXITED:
        tids_end(&c->tids, event->tid, event->time_ns);
        end_deep(c, event->tid);
        break;
    case EVENT_WAKEUP:
    case EVENT_WAIT_SEEN:
    case EVENT_IMAGE_MAPPED:
    case EVENT_IMAGE_UNMAPPED:
    case EVENT_CODE_LOADED:
    case EVENT_CODE_MOVED:
    case EVENT_THREAD_NAMED:
    case EVENT_LOST:
    case EVENT_THROTTLED:
    case EVENT_KIND_COUNT:
        break;
    }
}

// Whether it is news of our processes; keeps the books about it. Events of a level above 0 are
// bound to one thread, so that nobody inherits them.
static bool takes(struct linux_capture *c, const struct perf_layout *layout,
                  const struct perf_event_header *record, struct event *event)
{
    if (!is_ours(c, event) || (layout->level == 0 && !attach_wants(&c->attach, record, event))) {
        return false;
    }
    keep_tids(c, event);
    return true;
}

// Of a thread that is recorded at two levels, the samples of one count, and of that below
// everything else: throttling meets both.
static bool counts(const struct linux_capture *c, const struct perf_layout *layout,
                   const struct event *event)
{
    return event->kind == EVENT_SAMPLE
               ? deep_counts(&c->deep, event->tid, event->pid, layout->level, event->time_ns)
               : layout->level == 0;
}

static void govern(struct linux_capture *c, struct governed *governed, bool crowded,
                   uint64_t now_ns)
{
    enum perf_stacks how = PERF_STACKS_NONE;
    bool copied = governor_pay(&governed->copies, governed->price, crowded, now_ns);
    if (governor_pay(&governed->stacks, governed->n, false, now_ns)) {
        how = copied ? PERF_STACKS_COPIED : PERF_STACKS_PLAIN;
    }
    governed->n = governed->price = 0;
    if (how != governed->how) {
        governed->how = how;
        perf_set_take_stacks(&c->set, governed->meaning, how);
    }
}

// Not only after a drain: one that takes long would find the rings full.
static void govern_at_once(struct linux_capture *c, struct governed *governed)
{
    bool broke = (governed->how == PERF_STACKS_COPIED &&
                  (int64_t)governed->price > governed->copies.balance) ||
                 (governed->how != PERF_STACKS_NONE &&
                  (int64_t)governed->n > governed->stacks.balance);
    if (broke) {
        govern(c, governed, false, clock_now_ns());
    }
}

static enum perf_outcome take_switch_stack(struct linux_capture *c,
                                           const struct perf_layout *layout,
                                           const struct perf_event_header *record, uint32_t ring)
{
    struct perf_stamp stamp;
    struct perf_sample sample;
    if (!perf_record_stamp(record, &stamp) || !perf_sample_parse(layout, record, &sample)) {
        return PERF_E_BAD;
    }
    struct event event = {
        .kind = EVENT_SAMPLE, .pid = stamp.pid, .tid = stamp.tid, .time_ns = stamp.time_ns};
    bool may_count = layout->level == 0 || counts(c, layout, &event);
    if (may_count && takes(c, layout, record, &event)) {
        struct event_stack stack;
        perf_sample_stack(layout, record, &sample, &c->regs, &stack);
        switches_hold(&c->switches, ring, stamp.tid, &stack);
    }
    c->switch_stacks.n++;
    c->switch_stacks.price += sample.copy.n > 0 ? governor_price(sample.copy.n) : 0;
    govern_at_once(c, &c->switch_stacks);
    return PERF_E_IGNORED; // the event is the switch
}

// What is no part of another fact.
static enum perf_outcome take_other(struct linux_capture *c, const struct perf_layout *layout,
                                    const struct perf_event_header *record, uint32_t ring,
                                    struct event *event)
{
    enum perf_outcome outcome = perf_record_parse(layout, record, &c->regs, event);
    if (outcome != PERF_OK) {
        return outcome;
    }
    if (event->kind == EVENT_LOST) { // of everything that writes into the ring: says nothing of who
        c->lost_reported += event->lost.n;
        switches_drop(&c->switches, ring, 0);
        return PERF_OK;
    }
    // Of the others only those by CPU time tell of threads: a throttled extra costs some stacks.
    if (layout->meaning != PERF_MEANS_CPU_TIME || !counts(c, layout, event) ||
        !takes(c, layout, record, event)) {
        return PERF_E_IGNORED;
    }
    struct perf_stamp stamp;
    perf_record_stamp(record, &stamp);
    switches_complete(&c->switches, ring, stamp.tid, event);
    return PERF_OK;
}

static enum perf_outcome take_record(struct linux_capture *c, const struct perf_layout *layout,
                                     const struct perf_event_header *record, uint64_t time_ns,
                                     uint32_t ring, struct event *event)
{
    if (layout == NULL) {
        return PERF_E_BAD;
    }
    bool is_sample = record->type == PERF_RECORD_SAMPLE;
    if (is_sample && layout->meaning == PERF_MEANS_WAKEUP) {
        c->waker_stacks.n += layout->callchain;
        return wakeups_take(&c->wakeups, layout, record, &c->set.rings[ring], ring, time_ns, event);
    }
    wakeups_interrupt(&c->wakeups, ring);
    if (is_sample && layout->meaning == PERF_MEANS_SWITCH_OUT) {
        return take_switch_stack(c, layout, record, ring);
    }
    return take_other(c, layout, record, ring, event);
}

static void on_record(void *context, const struct perf_event_header *record, uint64_t time_ns,
                      uint32_t ring)
{
    struct linux_capture *c = context;
    const struct perf_layout *layout = perf_layouts_find(&c->set.layouts, record);
    struct event event;
    enum perf_outcome outcome = take_record(c, layout, record, time_ns, ring, &event);
    if (outcome == PERF_OK) {
        event.time_ns = time_ns;
        hand_on(c, &event);
    } else if (outcome == PERF_E_BAD) {
        switches_drop(&c->switches, ring, 0);
        deliver_lost(c, 1, time_ns);
    }
}

static void deliver_early(struct linux_capture *c)
{
    if (c->early.n == 0) {
        return;
    }
    CLEANUP(wire_scratch_fini) struct wire_scratch scratch = {0};
    struct reader from = reader_of((struct slice){(const uint8_t *)c->early.at, c->early.n});
    struct event event;
    while (wire_parse(&from, &scratch, &event) == WIRE_OK) {
        hand_on(c, &event);
    }
    text_fini(&c->early);
}

// Records tell of a loss when there is room again, which the last ones of a run never see.
static void deliver_untold_losses(struct linux_capture *c, uint64_t time_ns)
{
    uint64_t lost = perf_set_lost(&c->set);
    for (size_t i = 0; i < c->set.cpus.list.n; i++) {
        lost += c->set.rings[i].n_bad;
    }
    if (!c->lost_settled && lost > c->lost_reported) {
        deliver_lost(c, lost - c->lost_reported, time_ns);
    }
    c->lost_settled = true;
}

static bool is_gone(const struct linux_capture *c)
{
    struct pollfd target = {.fd = c->pidfd, .events = POLLIN};
    return poll(&target, 1, 0) > 0 && target.revents != 0;
}

// Takes the wake-ups that led here. Before the rings are looked at: what comes later wakes again.
static void clear_poll(const struct linux_capture *c)
{
    struct epoll_event events[64];
    while (epoll_wait(c->base.poll_fd, events, ARRAY_LEN(events), 0) == ARRAY_LEN(events)) {
    }
}

// More than the watermark twice over, within a round: copies come faster than they are read.
static bool is_crowded(const struct linux_capture *c)
{
    return c->set.copy_bytes > 0 && perf_merge_held_bytes(&c->merge) > c->set.ring_bytes / 4;
}

static void note_too_short(struct linux_capture *c, struct err *why)
{
    err_prefix(why, "copies of stacks get no longer");
    if (c->base.note.text[0] == 0) {
        c->base.note = *why;
    }
}

static void deepen_due(struct linux_capture *c)
{
    struct err why = {0};
    for (struct deep_thread *thread; (thread = deep_take_due(&c->deep)) != NULL;) {
        uint64_t since_ns;
        int r = perf_set_deepen(&c->set, thread->tid, thread->level + 1, &since_ns, &why);
        if (r == PERF_SET_OK) {
            deep_step(thread, since_ns);
        } else if (r < 0) {
            deep_give_up(&c->deep);
            note_too_short(c, &why);
        }
    }
    if (c->deep.full && !c->told_full) {
        c->told_full = true;
        err_set(&why, ENOSPC, "more than %d threads need it", LIMIT_DEEP_THREADS);
        note_too_short(c, &why);
    }
}

// While events are being handed on, no descriptors come and go: the step is taken after that.
static void linux_deepen(struct capture *capture, uint32_t tid)
{
    struct linux_capture *c = linux_of(capture);
    uint32_t pid = tids_find(&c->tids, tid);
    if (pid != 0) {
        deep_ask(&c->deep, tid, pid, c->latest_ns);
    }
}

static int linux_drain(struct capture *capture, bool final, event_sink_fn sink, void *context)
{
    struct linux_capture *c = linux_of(capture);
    bool gone = is_gone(c);         // before the clock: what it did last is in the rings by then
    observer_collect(&c->observer); // as well: nothing observed is newer
    uint64_t now_ns = clock_now_ns();
    c->sink = sink;
    c->context = context;
    if (gone) { // whole CPUs would be recorded on and on
        perf_set_disable(&c->set);
    }
    if (!c->attach.settled && !gone && !final && now_ns - c->base.started_ns >= SETTLE_NS) {
        size_t first = c->attach.threads.n;
        attach_settle(&c->attach, MAX(c->base.started_ns, c->merge.until_ns), &c->early);
        know_threads(c, first);
    }
    deliver_early(c);
    clear_poll(c);
    perf_merge_drain(&c->merge, now_ns, final || gone, on_record, c);
    c->base.complete_ns = MIN(c->merge.until_ns, now_ns);
    perf_set_forget_closed(&c->set, c->merge.until_ns);
    observer_deliver(&c->observer, c->merge.until_ns, sink, context);
    observer_tick(&c->observer, now_ns, c->base.note.text[0] == 0 ? &c->base.note : NULL);
    tids_forget_ended(&c->tids, c->merge.until_ns);
    if (!final && !gone) {
        govern(c, &c->switch_stacks, is_crowded(c), now_ns);
        govern(c, &c->waker_stacks, false, now_ns);
        deepen_due(c);
    }
    if (final || gone) {
        c->attach.settled = true;
        deliver_untold_losses(c, now_ns);
    }
    if (!c->request.follow) {
        children_update(&c->children, now_ns, final || gone);
        c->base.unrecorded_cpu_ns = c->children.used_ns;
    }
    return gone ? CAPTURE_E_ENDED : CAPTURE_OK;
}

static bool linux_has_room(const struct capture *capture)
{
    const struct perf_set *set = &CONTAINER_OF(capture, struct linux_capture, base)->set;
    for (size_t i = 0; i < set->cpus.list.n; i++) {
        if (perf_ring_used(&set->rings[i]) > set->ring_bytes / 2) {
            return false;
        }
    }
    return true;
}

static void linux_stop(struct capture *capture)
{
    perf_set_disable(&linux_of(capture)->set);
}

const struct capture_backend capture_linux = {
    .name = "perf_event_open in-process",
    .probe = linux_probe,
    .open = linux_open,
    .drain = linux_drain,
    .deepen = linux_deepen,
    .has_room = linux_has_room,
    .stop = linux_stop,
    .close = linux_close,
    .look = look_threads,
};
