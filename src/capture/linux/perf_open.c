#include "capture/linux/perf_open.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "capture/linux/deep.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    RING_ROOT_BYTES = 2 << 20,
    RING_USER_BYTES = 512 << 10, // what perf_event_mlock_kb gives to everybody, less a page
    RING_COPIES_FACTOR = 4,      // records with copies of stacks are that much longer, or more
    RINGS_TOTAL_BYTES = 512 << 20,
    RING_MIN_PAGES = 8,
    RING_SMALL_BYTES = 128 << 10, // below that a busy target may lose records: worth a note
    COPY_BYTES = 8 << 10,         // of a stack at level 0; each level doubles it
    COPY_MAX_BYTES = 65528,       // the largest multiple of 8 that attr.sample_stack_user may be
    COPIES_IN_RING = 8,           // at least
    WATERMARKS_IN_RING = 4,
    WATERMARKS_IN_RING_WITH_COPIES = 8, // which fill it faster
    EXTRAS_RESERVE = 512, // descriptors that the extras leave to connections and files
};

// By position in perf_set.layouts.
enum {
    LAYOUT_CPU_TIME,
    LAYOUT_SWITCH_OUT,
    LAYOUT_SWITCH_PLAIN, // without a copy, where the one above has one
    LAYOUT_WAKEUP,
    LAYOUT_WAKER_STACK,
    LAYOUT_DEEP, // CPU time and switch-out of level 1, of level 2 …
    LAYOUT_COUNT = LAYOUT_DEEP + 2 * (DEEP_LEVELS - 1)
};
_Static_assert((int)LAYOUT_COUNT <= (int)PERF_LAYOUTS_MAX, "room for all layouts");

// Bits of struct perf_event_attr that a kernel header may not know yet are not used here: the
// features that we ask for are all in the headers of Linux 6.1.

static int sys_perf_event_open(struct perf_event_attr *attr, pid_t pid, int cpu)
{
    attr->size = sizeof *attr;
    long fd = syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : (int)fd;
}

// ---- Attributes --------------------------------------------------------------------------------

// What all events share that may write into one ring: the same clock, the same prefix.
static struct perf_event_attr common_attr(void)
{
    return (struct perf_event_attr){
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_DUMMY,
        .sample_type = PERF_PREFIX,
        .sample_id_all = 1,
        .disabled = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
        .use_clockid = 1,
        .clockid = CLOCK_MONOTONIC,
    };
}

// How all events of a thread go on to the threads that it starts.
static void inherit(const struct perf_set *set, struct perf_event_attr *attr)
{
    attr->inherit = 1;
    attr->inherit_thread = set->features.inherit_thread && !set->options.follow;
    attr->enable_on_exec = set->options.on_exec;
}

static uint32_t copy_bytes_of(uint32_t level)
{
    return MIN((uint32_t)COPY_BYTES << level, (uint32_t)COPY_MAX_BYTES);
}

static void add_copies(struct perf_event_attr *attr, uint32_t copy_bytes)
{
    const struct perf_regs *regs = perf_regs_of_host();
    if (copy_bytes == 0 || regs == NULL) {
        return;
    }
    attr->sample_type |= PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
    attr->sample_regs_user = regs->mask;
    attr->sample_stack_user = copy_bytes;
}

// Samples by a timer of the thread's CPU time.
static struct perf_event_attr cpu_time_attr(const struct perf_set *set, uint32_t copy_bytes)
{
    const struct perf_features *features = &set->features;
    struct perf_event_attr attr = common_attr();
    attr.config = PERF_COUNT_SW_CPU_CLOCK;
    attr.freq = 1;
    attr.sample_freq = set->options.frequency_hz;
    attr.sample_type |= PERF_SAMPLE_CALLCHAIN;
    attr.sample_max_stack = (uint16_t)features->max_stack;
    attr.read_format = features->lost ? PERF_FORMAT_LOST : 0;
    attr.exclude_kernel = !features->kernel;
    attr.exclude_callchain_kernel = !features->kernel;
    add_copies(&attr, copy_bytes);
    return attr;
}

// And everything that happens to its code and life.
static struct perf_event_attr sampling_attr(const struct perf_set *set)
{
    struct perf_event_attr attr = cpu_time_attr(set, set->copy_bytes);
    attr.mmap = attr.mmap2 = 1;
    attr.build_id = set->features.build_id;
    attr.comm = attr.comm_exec = 1;
    attr.task = 1;
    attr.context_switch = set->features.switches;
    inherit(set, &attr);
    return attr;
}

static struct perf_event_attr switch_stacks_attr(void)
{
    struct perf_event_attr attr = common_attr();
    attr.config = PERF_COUNT_SW_CONTEXT_SWITCHES;
    attr.exclude_kernel = 0; // that is where it happens
    attr.sample_period = 1;  // all of them: governor.h says when that is too much
    attr.sample_type |= PERF_SAMPLE_CALLCHAIN;
    return attr;
}

// Where a thread is when it leaves a CPU.
static struct perf_event_attr switch_out_attr(const struct perf_set *set, uint32_t copy_bytes)
{
    struct perf_event_attr attr = switch_stacks_attr();
    attr.sample_max_stack = (uint16_t)set->features.max_stack;
    attr.read_format = set->features.lost ? PERF_FORMAT_LOST : 0;
    add_copies(&attr, copy_bytes);
    return attr;
}

static struct perf_event_attr waking_attr(const struct perf_set *set, bool stacks)
{
    const struct perf_features *features = &set->features;
    struct perf_event_attr attr = common_attr();
    attr.type = PERF_TYPE_TRACEPOINT;
    attr.config = features->waking.id;
    attr.exclude_kernel = 0;
    attr.sample_type |= PERF_SAMPLE_RAW;
    attr.sample_period = 1;
    attr.read_format = features->lost ? PERF_FORMAT_LOST : 0;
    if (stacks) {
        attr.sample_type |= PERF_SAMPLE_CALLCHAIN;
        attr.sample_max_stack = (uint16_t)features->max_stack;
    }
    return attr;
}

// ---- Features ----------------------------------------------------------------------------------

// What perf_event_open says to these attributes, without opening anything: the kernel checks
// attributes and permissions before it looks for the process, which can't exist (pid_max is lower).
// A real event would cost 20 ms now and then: the first one of a machine patches the scheduler.
static int ask(struct perf_event_attr attr)
{
    int fd = sys_perf_event_open(&attr, INT32_MAX, -1);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    return fd == -ESRCH ? 0 : fd;
}

static uint32_t read_setting(const char *path, uint32_t otherwise, uint32_t limit)
{
    long value;
    if (file_read_integer(path, &value) < 0 || value <= 0) {
        return otherwise;
    }
    return (uint32_t)MIN(value, (long)limit);
}

static bool has_capability(unsigned number)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    return syscall(SYS_capget, &header, data) == 0 &&
           (data[number / 32].effective & 1u << number % 32) != 0;
}

// Tracepoints tell the numbers of the initial namespace; everybody else speaks of ours.
static bool in_initial_pid_namespace(void)
{
    static const ino_t initial = 0xeffffffc; // PROC_PID_INIT_INO, include/linux/proc_ns.h
    struct stat status;
    return stat("/proc/self/ns/pid", &status) == 0 && status.st_ino == initial;
}

// An event on a whole CPU that counts nothing: such a one may be opened without a cost.
static int ask_for_cpus(void)
{
    struct perf_event_attr attr = common_attr();
    attr.exclude_kernel = 0;
    CLEANUP(closep) int fd = sys_perf_event_open(&attr, -1, 0);
    return fd >= 0 || fd == -ENODEV ? 0 : fd; // CPU 0 is offline: it was permitted by then
}

// Opening the tracepoint would be the proof, but the first one of a machine patches the scheduler,
// and the last one that is closed waits for all CPUs: 40 ms.
static void probe_wakeups(struct perf_features *ret)
{
    bool privileged = has_capability(CAP_PERFMON) || has_capability(CAP_SYS_ADMIN);
    if (ask_for_cpus() < 0 || !(privileged || ret->paranoid < 0)) {
        err_set(&ret->no_wakeups, EACCES,
                "perf_event_paranoid is %ld: tracepoints of whole CPUs need -1, root (or "
                "CAP_PERFMON), or the staxd broker",
                ret->paranoid);
    } else if (!in_initial_pid_namespace()) {
        err_set(&ret->no_wakeups, EINVAL,
                "stax-server runs in a container, and tracepoints number threads as they are "
                "numbered outside");
    } else {
        ret->wakeups = tracefs_find_waking(&ret->waking, &ret->no_wakeups) == 0;
    }
}

void perf_features_probe(struct perf_features *ret)
{
    *ret = (struct perf_features){.paranoid = -1};
    file_read_integer("/proc/sys/kernel/perf_event_paranoid", &ret->paranoid);
    ret->max_stack = read_setting("/proc/sys/kernel/perf_event_max_stack", 127, LIMIT_STACK_DEPTH);
    ret->max_rate_hz = read_setting("/proc/sys/kernel/perf_event_max_sample_rate",
                                    LIMIT_FREQUENCY_HZ, LIMIT_FREQUENCY_HZ);
    ret->refused = -ask(common_attr());
    struct perf_event_attr attr = common_attr();
    attr.exclude_kernel = 0;
    ret->kernel = ask(attr) == 0;
    attr = common_attr();
    attr.mmap = attr.mmap2 = attr.build_id = 1;
    ret->build_id = ask(attr) == 0;
    attr = common_attr();
    attr.inherit = attr.inherit_thread = 1;
    ret->inherit_thread = ask(attr) == 0;
    attr = common_attr();
    attr.read_format = PERF_FORMAT_LOST;
    ret->lost = ask(attr) == 0;
    attr = common_attr();
    attr.context_switch = 1;
    ret->switches = ask(attr) == 0;
    ret->switch_stacks = ret->kernel && ret->switches && ask(switch_stacks_attr()) == 0;
    attr = common_attr();
    add_copies(&attr, COPY_BYTES);
    ret->copies = perf_regs_of_host() != NULL && ask(attr) == 0;
    probe_wakeups(ret);
}

int perf_features_explain(const struct perf_features *features, struct err *reterr)
{
    int number = features->refused;
    if ((number == EACCES || number == EPERM) && features->paranoid > 2) {
        return err_set(reterr, number,
                       "perf_event_open is forbidden: perf_event_paranoid is %ld; run stax-server "
                       "as root, or: sysctl kernel.perf_event_paranoid=2",
                       features->paranoid);
    }
    if (number == ENOSYS || number == ENOENT) {
        return err_set(reterr, number,
                       "perf_event_open is not there: the kernel has no perf events, or a "
                       "container's seccomp filter hides them");
    }
    return err_set(reterr, number,
                   "perf_event_open is forbidden (%s), most likely by the seccomp filter of a "
                   "container: allow perf_event_open there, or run stax-server outside",
                   strerror(number));
}

// ---- Rings -------------------------------------------------------------------------------------

bool perf_cpus_parse(struct slice list, struct perf_cpus *cpus)
{
    const uint8_t *at = list.data;
    const uint8_t *end = list.data + list.n;
    uint32_t first = 0;
    bool in_range = false;
    while (at < end) {
        uint32_t cpu = 0;
        const uint8_t *digits = at;
        while (at < end && *at >= '0' && *at <= '9' && cpu < PERF_CPUS_MAX) {
            cpu = cpu * 10 + (uint32_t)(*at++ - '0');
        }
        if (at == digits || cpu >= PERF_CPUS_MAX || (in_range && cpu < first)) {
            return false;
        }
        uint8_t separator = at < end ? *at++ : '\n';
        if (separator == '-' && !in_range) {
            first = cpu;
            in_range = true;
            continue;
        }
        for (uint32_t i = in_range ? first : cpu; i <= cpu; i++) {
            vec_push(&cpus->list, i);
        }
        in_range = false;
        if (separator == '\n') {
            return at == end;
        }
        if (separator != ',') {
            return false;
        }
    }
    return false;
}

static int find_cpus(struct perf_cpus *cpus, struct err *reterr)
{
    static const char path[] = "/sys/devices/system/cpu/online";
    CLEANUP(text_fini) struct text text = {0};
    int r = file_read(path, 1 << 16, &text);
    if (r == 0 && perf_cpus_parse(slice_of_text(text_get(&text)), cpus)) {
        return 0;
    }
    if (r < 0) {
        return err_set(reterr, -r, "cannot read %s: %s", path, strerror(-r));
    }
    return err_set(reterr, EINVAL, "%s is no list of CPUs", path);
}

static int explain_open(int number, struct err *reterr)
{
    struct rlimit limit;
    if (number == EMFILE && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        return err_set(
            reterr, number,
            "out of file descriptors: a thread needs up to two per CPU and "
            "RLIMIT_NOFILE is %llu; raise it (ulimit -Hn, LimitNOFILE=) and start stax-server again",
            (unsigned long long)limit.rlim_cur);
    }
    return err_set(reterr, number, "perf_event_open failed: %s", strerror(number));
}

static uint32_t watermark_of(const struct perf_set *set)
{
    int n = set->options.copies ? WATERMARKS_IN_RING_WITH_COPIES : WATERMARKS_IN_RING;
    return (uint32_t)(set->ring_bytes / (uint64_t)n);
}

// The events that own the rings. A CPU that has just gone offline is left out.
static int open_ring_events(struct perf_set *set, struct err *reterr)
{
    struct perf_event_attr attr = common_attr();
    attr.watermark = 1;
    size_t n = 0;
    for (size_t i = 0; i < set->cpus.list.n; i++) {
        uint32_t cpu = set->cpus.list.at[i];
        attr.wakeup_watermark = watermark_of(set);
        int fd = sys_perf_event_open(&attr, 0, (int)cpu);
        if (fd == -ENODEV) {
            continue;
        }
        if (fd < 0) {
            return explain_open(-fd, reterr);
        }
        set->ring_fds[n] = fd;
        set->cpus.list.at[n++] = cpu;
    }
    set->cpus.list.n = n;
    return 0;
}

static void unmap_rings(struct perf_set *set)
{
    for (size_t i = 0; i < set->cpus.list.n; i++) {
        perf_ring_fini(&set->rings[i]);
    }
}

static int map_rings(struct perf_set *set, size_t n_pages)
{
    for (size_t i = 0; i < set->cpus.list.n; i++) {
        int r = perf_ring_map(&set->rings[i], set->ring_fds[i], n_pages);
        if (r < 0) {
            unmap_rings(set);
            return r;
        }
    }
    return 0;
}

static void close_ring_events(struct perf_set *set)
{
    for (size_t i = 0; i < set->cpus.list.n; i++) {
        closep(&set->ring_fds[i]);
    }
}

static uint64_t wanted_ring_bytes(const struct perf_set *set)
{
    uint64_t bytes = geteuid() == 0 ? RING_ROOT_BYTES : RING_USER_BYTES;
    uint64_t larger = bytes * RING_COPIES_FACTOR;
    while (set->options.copies && larger > bytes && larger * set->cpus.list.n > RINGS_TOTAL_BYTES) {
        larger /= 2;
    }
    return set->options.copies ? larger : bytes;
}

// When a ring wakes us up is set by the event that it is mapped from, so a smaller ring takes new
// events. All rings have the same size: the largest that the kernel grants for all of them.
static int open_rings(struct perf_set *set, struct err *note, struct err *reterr)
{
    uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t small_bytes = RING_SMALL_BYTES * (set->options.copies ? RING_COPIES_FACTOR : 1);
    int r = 0;
    for (set->ring_bytes = wanted_ring_bytes(set); set->ring_bytes >= RING_MIN_PAGES * page_bytes;
         set->ring_bytes /= 2) {
        close_ring_events(set);
        r = open_ring_events(set, reterr);
        if (r < 0) {
            return r;
        }
        r = map_rings(set, set->ring_bytes / page_bytes);
        if (r == 0) {
            if (set->ring_bytes < small_bytes) {
                err_set(note, ENOMEM,
                        "rings have only %llu KiB per CPU: raise RLIMIT_MEMLOCK or "
                        "kernel.perf_event_mlock_kb if records are lost",
                        (unsigned long long)(set->ring_bytes >> 10));
            }
            return 0;
        }
        if (r != -EPERM && r != -ENOMEM) {
            break;
        }
    }
    return err_set(reterr, -r,
                   "no memory for perf rings: %s; raise RLIMIT_MEMLOCK or "
                   "kernel.perf_event_mlock_kb, or end other profilers",
                   strerror(-r));
}

// Returns where the extras have to stop: descriptors are numbered from the lowest free one.
static int raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return INT32_MAX;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    rlim_t reserve = MIN((rlim_t)EXTRAS_RESERVE, limit.rlim_cur / 4);
    return (int)MIN(limit.rlim_cur - reserve, (rlim_t)INT32_MAX);
}

static void describe_thread_layouts(struct perf_set *set, uint32_t first, uint32_t level)
{
    struct perf_layout layout = {.meaning = PERF_MEANS_SWITCH_OUT,
                                 .callchain = true,
                                 .level = level,
                                 .max_stack = set->features.max_stack};
    if (level == 0) {
        set->layouts.at[LAYOUT_SWITCH_PLAIN] = layout;
    }
    layout.regs = set->copy_bytes > 0 ? perf_regs_of_host() : NULL;
    set->layouts.at[first + LAYOUT_SWITCH_OUT] = layout;
    layout.meaning = PERF_MEANS_CPU_TIME;
    layout.weight_ns = NS_PER_S / set->options.frequency_hz;
    set->layouts.at[first + LAYOUT_CPU_TIME] = layout;
}

static void describe_layouts(struct perf_set *set)
{
    struct perf_layout wakeup = {.meaning = PERF_MEANS_WAKEUP, .raw = true};
    set->layouts.n = LAYOUT_COUNT;
    set->layouts.at[LAYOUT_WAKEUP] = wakeup;
    wakeup.callchain = true;
    wakeup.max_stack = set->features.max_stack;
    set->layouts.at[LAYOUT_WAKER_STACK] = wakeup;
    describe_thread_layouts(set, 0, 0);
    for (uint32_t level = 1; level < DEEP_LEVELS; level++) {
        describe_thread_layouts(set, LAYOUT_DEEP + 2 * (level - 1), level);
    }
}

static void choose_copies(struct perf_set *set)
{
    if (!set->options.copies) {
        return;
    }
    uint64_t largest = set->ring_bytes / COPIES_IN_RING;
    set->copy_bytes = (uint32_t)MIN((uint64_t)COPY_BYTES, largest);
    while (set->top_level + 1 < DEEP_LEVELS && copy_bytes_of(set->top_level + 1) <= largest) {
        set->top_level++;
    }
}

int perf_set_open(struct perf_set *set, const struct perf_features *features,
                  const struct perf_options *options, struct err *note, struct err *reterr)
{
    *set = (struct perf_set){.features = *features,
                             .options = *options,
                             .switch_stacks_how = PERF_STACKS_COPIED,
                             .waker_stacks_how = PERF_STACKS_COPIED};
    set->extras_limit = raise_descriptor_limit();
    set->switch_stacks = features->switch_stacks;
    int r = find_cpus(&set->cpus, reterr);
    if (r < 0) {
        return r;
    }
    set->rings = NEW_ARRAY(struct perf_ring, set->cpus.list.n);
    set->ring_fds = NEW_ARRAY(int, set->cpus.list.n);
    for (size_t i = 0; i < set->cpus.list.n; i++) {
        set->ring_fds[i] = -1;
    }
    r = open_rings(set, note, reterr);
    if (r < 0) {
        return r;
    }
    choose_copies(set);
    describe_layouts(set);
    return 0;
}

void perf_set_close(struct perf_set *set)
{
    for (size_t i = 0; i < set->events.n; i++) {
        closep(&set->events.at[i].fd);
    }
    vec_fini(&set->events);
    if (set->rings != NULL) {
        unmap_rings(set);
        close_ring_events(set);
    }
    freep(&set->rings);
    freep(&set->ring_fds);
    vec_fini(&set->cpus.list);
    perf_layouts_fini(&set->layouts);
    *set = (struct perf_set){0};
}

// ---- Events ------------------------------------------------------------------------------------

static uint64_t read_lost(int fd)
{
    struct {
        uint64_t value;
        uint64_t lost;
    } counts = {0};
    return read(fd, &counts, sizeof counts) == (ssize_t)sizeof counts ? counts.lost : 0;
}

// Opens one event on the CPU of a ring; it is not yet enabled. An extra one leaves some descriptors
// free.
static int add_event(struct perf_set *set, uint32_t layout, struct perf_event_attr *attr,
                     uint32_t tid, size_t ring, struct err *reterr)
{
    attr->watermark = 1;
    attr->wakeup_watermark = watermark_of(set);
    pid_t pid = tid == 0 ? -1 : (pid_t)tid;
    CLEANUP(closep) int fd = sys_perf_event_open(attr, pid, (int)set->cpus.list.at[ring]);
    if (fd == -ESRCH) {
        return PERF_SET_E_GONE;
    }
    if (fd >= set->extras_limit && layout != LAYOUT_CPU_TIME) {
        closep(&fd);
        fd = -EMFILE;
    }
    if (fd == -EACCES || fd == -EPERM) {
        return fd;
    }
    if (fd < 0) {
        return explain_open(-fd, reterr);
    }
    uint64_t id = 0;
    if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, set->ring_fds[ring]) < 0 ||
        ioctl(fd, PERF_EVENT_IOC_ID, &id) < 0) {
        return err_set(reterr, errno, "cannot direct a perf event into its ring: %s",
                       strerror(errno));
    }
    map_set(&set->layouts.by_id, id, layout);
    enum perf_meaning meaning = set->layouts.at[layout].meaning;
    bool copies = set->layouts.at[layout].regs != NULL;
    vec_push(&set->events, (struct perf_event_fd){.fd = take_fd(&fd),
                                                  .meaning = meaning,
                                                  .extra = meaning == PERF_MEANS_SWITCH_OUT ||
                                                           layout == LAYOUT_WAKER_STACK,
                                                  .copies = copies,
                                                  .level = set->layouts.at[layout].level,
                                                  .tid = tid,
                                                  .id = id});
    return 0;
}

// Some of the events.
struct selection {
    bool any_thread;
    uint32_t tid;
    bool any_meaning;
    enum perf_meaning meaning;
    uint32_t from_level;
    uint32_t to_level; // it is not one of them
};

static bool selects(const struct selection *which, const struct perf_event_fd *event)
{
    return (which->any_thread || event->tid == which->tid) &&
           (which->any_meaning || event->meaning == which->meaning) &&
           event->level >= which->from_level && event->level < which->to_level;
}

// What they have written is still in the rings: their ids stay known until that has been read.
static void close_events(struct perf_set *set, struct selection which)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->events.n; i++) {
        struct perf_event_fd *event = &set->events.at[i];
        if (!selects(&which, event)) {
            set->events.at[kept++] = *event;
            continue;
        }
        set->lost_before += set->features.lost ? read_lost(event->fd) : 0;
        closep(&event->fd);
    }
    if (kept < set->events.n) {
        set->closed_ns = clock_now_ns();
    }
    set->events.n = kept;
}

void perf_set_forget_closed(struct perf_set *set, uint64_t read_until_ns)
{
    if (set->closed_ns == 0 || read_until_ns <= set->closed_ns) {
        return;
    }
    set->closed_ns = 0;
    struct map by_id = {0};
    for (size_t i = 0; i < set->events.n; i++) {
        uint64_t id = set->events.at[i].id;
        map_set(&by_id, id, map_find(&set->layouts.by_id, id));
    }
    map_fini(&set->layouts.by_id);
    set->layouts.by_id = by_id;
}

// One event on each CPU, or none. As many as there are rings are added last to `events`.
static int add_events(struct perf_set *set, uint32_t layout, struct perf_event_attr attr,
                      uint32_t tid, struct err *reterr)
{
    size_t n_before = set->events.n;
    for (size_t i = 0; i < set->cpus.list.n; i++) {
        int r = add_event(set, layout, &attr, tid, i, reterr);
        if (r != 0) {
            while (set->events.n > n_before) { // they have never been enabled
                closep(&vec_pop(&set->events).fd);
                set->closed_ns = clock_now_ns();
            }
            return r;
        }
    }
    return 0;
}

// Of stacks that may be copied there are two events, one of which is on; of others just one.
static bool is_on(const struct perf_set *set, const struct perf_event_fd *event)
{
    enum perf_stacks how = event->meaning == PERF_MEANS_WAKEUP ? set->waker_stacks_how
                                                               : set->switch_stacks_how;
    bool has_twin = event->meaning == PERF_MEANS_SWITCH_OUT && set->copy_bytes > 0;
    return has_twin ? how == (event->copies ? PERF_STACKS_COPIED : PERF_STACKS_PLAIN)
                    : how != PERF_STACKS_NONE;
}

static void enable_since(struct perf_set *set, size_t first)
{
    for (size_t i = first; i < set->events.n; i++) {
        const struct perf_event_fd *event = &set->events.at[i];
        if (!event->extra || is_on(set, event)) {
            ioctl(event->fd, PERF_EVENT_IOC_ENABLE, 0);
        }
    }
}

// ---- Threads -----------------------------------------------------------------------------------

// For all threads alike: a recording that has stacks of some threads only would be hard to read.
static void give_up_switch_stacks(struct perf_set *set, const struct err *why)
{
    close_events(set, (struct selection){.any_thread = true,
                                         .meaning = PERF_MEANS_SWITCH_OUT,
                                         .to_level = DEEP_LEVELS});
    set->switch_stacks = false;
    set->no_switch_stacks = *why;
    err_prefix(&set->no_switch_stacks, "no stacks of waits");
}

static int add_sampling(struct perf_set *set, uint32_t tid, struct err *reterr)
{
    struct err why = {0};
    int r = add_events(set, LAYOUT_CPU_TIME, sampling_attr(set), tid, &why);
    if ((r == -EMFILE || r == -ENOMEM) && set->switch_stacks) {
        give_up_switch_stacks(set, &why);
        r = add_events(set, LAYOUT_CPU_TIME, sampling_attr(set), tid, &why);
    }
    if (r < 0 && reterr != NULL) {
        *reterr = why;
    }
    return r;
}

static void add_switch_stacks(struct perf_set *set, uint32_t tid)
{
    struct err why = {0};
    struct perf_event_attr attr = switch_out_attr(set, set->copy_bytes);
    inherit(set, &attr);
    int r = add_events(set, LAYOUT_SWITCH_OUT, attr, tid, &why);
    if (r == PERF_SET_OK && set->copy_bytes > 0) {
        attr = switch_out_attr(set, 0);
        inherit(set, &attr);
        attr.enable_on_exec = 0;
        r = add_events(set, LAYOUT_SWITCH_PLAIN, attr, tid, &why);
    }
    if (r == -EACCES || r == -EPERM) {
        err_set(&why, -r, "perf_event_open: %s", strerror(-r));
    }
    if (r < 0) {
        give_up_switch_stacks(set, &why);
    }
}

// An event starts only when it has its ring: what it would record before has nowhere to go. A
// thread that is born in between inherits it disabled, and is enabled along with it.
int perf_set_add_thread(struct perf_set *set, uint32_t tid, struct err *reterr)
{
    int r = add_sampling(set, tid, reterr);
    if (r != PERF_SET_OK) {
        return r;
    }
    if (set->switch_stacks) {
        add_switch_stacks(set, tid);
    }
    size_t first = set->events.n;
    while (first > 0 && set->events.at[first - 1].tid == tid) {
        first--;
    }
    if (!set->options.on_exec) {
        enable_since(set, first);
    }
    return PERF_SET_OK;
}

void perf_set_remove_thread(struct perf_set *set, uint32_t tid)
{
    close_events(set, (struct selection){.tid = tid, .any_meaning = true, .to_level = 1});
}

// ---- Longer copies -----------------------------------------------------------------------------

static int add_deep(struct perf_set *set, uint32_t tid, uint32_t level, struct err *reterr)
{
    uint32_t first = LAYOUT_DEEP + 2 * (level - 1);
    uint32_t copy_bytes = copy_bytes_of(level);
    int r = add_events(set, first + LAYOUT_CPU_TIME, cpu_time_attr(set, copy_bytes), tid, reterr);
    if (r == PERF_SET_OK && set->switch_stacks) {
        r = add_events(set, first + LAYOUT_SWITCH_OUT, switch_out_attr(set, copy_bytes), tid,
                       reterr);
    }
    return r;
}

int perf_set_deepen(struct perf_set *set, uint32_t tid, uint32_t level, uint64_t *ret_since_ns,
                    struct err *reterr)
{
    ASSERT(level >= 1 && level <= set->top_level);
    size_t first = set->events.n;
    struct selection of_level = {
        .tid = tid, .any_meaning = true, .from_level = level, .to_level = level + 1};
    int r = add_deep(set, tid, level, reterr);
    if (r != PERF_SET_OK) {
        close_events(set, of_level);
        return r == -EACCES || r == -EPERM
                   ? err_set(reterr, -r, "perf_event_open: %s", strerror(-r))
                   : r;
    }
    enable_since(set, first);
    *ret_since_ns = clock_now_ns();
    of_level.from_level = 1;
    of_level.to_level = level;
    close_events(set, of_level);
    return PERF_SET_OK;
}

void perf_set_undeepen(struct perf_set *set, uint32_t tid)
{
    close_events(set,
                 (struct selection){
                     .tid = tid, .any_meaning = true, .from_level = 1, .to_level = DEEP_LEVELS});
}

// ---- Wakeups -----------------------------------------------------------------------------------

int perf_set_add_wakeups(struct perf_set *set, struct err *reterr)
{
    size_t first = set->events.n;
    int r = add_events(set, LAYOUT_WAKEUP, waking_attr(set, false), 0, reterr);
    if (r == 0) {
        r = add_events(set, LAYOUT_WAKER_STACK, waking_attr(set, true), 0, reterr);
    }
    if (r < 0) {
        close_events(set, (struct selection){.meaning = PERF_MEANS_WAKEUP, .to_level = 1});
        return r == -EACCES || r == -EPERM
                   ? err_set(reterr, -r, "the tracepoint sched:sched_waking: %s", strerror(-r))
                   : r;
    }
    enable_since(set, first);
    return 0;
}

// Threads that inherited the event go along with it.
void perf_set_take_stacks(struct perf_set *set, enum perf_meaning meaning, enum perf_stacks how)
{
    *(meaning == PERF_MEANS_WAKEUP ? &set->waker_stacks_how : &set->switch_stacks_how) = how;
    for (size_t i = 0; i < set->events.n; i++) {
        const struct perf_event_fd *event = &set->events.at[i];
        if (event->extra && event->meaning == meaning) {
            bool on = is_on(set, event);
            ioctl(event->fd, on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
        }
    }
}

// ---- The end -----------------------------------------------------------------------------------

void perf_set_disable(struct perf_set *set)
{
    for (size_t i = 0; i < set->events.n; i++) {
        ioctl(set->events.at[i].fd, PERF_EVENT_IOC_DISABLE, 0);
    }
}

uint64_t perf_set_lost(const struct perf_set *set)
{
    uint64_t lost = set->lost_before;
    for (size_t i = 0; i < set->events.n && set->features.lost; i++) {
        lost += read_lost(set->events.at[i].fd);
    }
    return lost;
}
