#include "capture/linux/look.h"

#include "base/clock.h"
#include "base/file.h"
#include "capture/linux/futex.h"
#include "capture/linux/proc.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// The same number on all architectures (Linux 5.16 and 6.7); headers may be older.
enum { NUMBER_FUTEX_WAITV = 449, NUMBER_FUTEX_WAIT = 455 };

enum {
    LINE_LIMIT_BYTES = 4096,
    STATUS_LIMIT_BYTES = 64 << 10,
    THREADS_SEARCHED = 4096, // for the owner of a lock in another pid namespace
};

struct look_path {
    char at[64];
};

static struct look_path path_of(uint32_t pid, uint32_t tid, const char *name)
{
    struct look_path path;
    snprintf(path.at, sizeof path.at, "/proc/%u/task/%u/%s", pid, tid, name);
    return path;
}

static struct slice slice_of(const struct text *text)
{
    return (struct slice){(const uint8_t *)text_get(text), text->n};
}

// ---- Parsers -----------------------------------------------------------------------------------

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

// The next word of a line; empty at its end.
static struct slice take_word(struct reader *from)
{
    while (reader_left(from) > 0 && is_blank(from->bytes.data[from->at])) {
        from->at++;
    }
    size_t begin = from->at;
    while (reader_left(from) > 0 && !is_blank(from->bytes.data[from->at])) {
        from->at++;
    }
    return (struct slice){from->bytes.data + begin, from->at - begin};
}

static unsigned digit_of(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - (unsigned)'0'
           : c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10
                                  : 99;
}

// Decimal, or hexadecimal behind 0x.
static bool parse_number(struct slice word, uint64_t *ret)
{
    bool hex = word.n > 2 && word.data[0] == '0' && word.data[1] == 'x';
    unsigned base = hex ? 16 : 10;
    uint64_t value = 0;
    for (size_t i = hex ? 2 : 0; i < word.n; i++) {
        unsigned digit = digit_of(word.data[i]);
        if (digit >= base || value > (UINT64_MAX - digit) / base) {
            return false;
        }
        value = value * base + digit;
    }
    *ret = value;
    return word.n > 0;
}

bool look_syscall_parse(struct slice line, struct look_syscall *ret)
{
    // running | -1 SP PC | NUMBER ARG ARG ARG ARG ARG ARG SP PC
    struct reader from = reader_of(line);
    struct slice first = take_word(&from);
    *ret = (struct look_syscall){0};
    bool good = true;
    if (slice_equal(first, slice_of_text("running"))) {
        ret->running = true;
    } else {
        ret->inside = !slice_equal(first, slice_of_text("-1"));
        good = !ret->inside || parse_number(first, &ret->number);
        for (size_t i = 0; i < ARRAY_LEN(ret->args) && ret->inside; i++) {
            good = parse_number(take_word(&from), &ret->args[i]) && good;
        }
        good = parse_number(take_word(&from), &ret->sp_addr) && good;
        good = parse_number(take_word(&from), &ret->pc_addr) && good;
    }
    return good && take_word(&from).n == 0;
}

void look_place_parse(struct slice wchan, char ret[CAPTURE_PLACE_BYTES])
{
    struct reader from = reader_of(wchan);
    struct slice name = take_word(&from);
    size_t n = 0;
    while (n < name.n && n < CAPTURE_PLACE_BYTES - 1 && name.data[n] > ' ' && name.data[n] < 0x7f &&
           (name.data[n] != '.' || n == 0)) {
        n++;
    }
    memset(ret, 0, CAPTURE_PLACE_BYTES);
    if (n > 0 && digit_of(name.data[0]) > 9) { // "0": it runs, or may not be known
        memcpy(ret, name.data, n);
    }
}

bool look_status_parse(struct slice status, uint32_t *ret_tid, uint32_t *ret_depth)
{
    // NSpid:  in our namespace, in the next one …, in its own
    static const char key[] = "\nNSpid:";
    const uint8_t *found = status.n == 0 ? NULL
                                         : memmem(status.data, status.n, key, sizeof key - 1);
    if (found == NULL) {
        return false;
    }
    struct reader from = reader_of(status);
    read_slice(&from, (size_t)(found - status.data) + sizeof key - 1);
    const uint8_t *at = from.bytes.data + from.at;
    const uint8_t *end = reader_left(&from) == 0 ? NULL : memchr(at, '\n', reader_left(&from));
    if (end == NULL) {
        return false;
    }
    from = reader_of((struct slice){at, (size_t)(end - at)});
    uint64_t tid = 0;
    uint32_t n = 0;
    for (struct slice word; (word = take_word(&from)).n > 0; n++) {
        if (!parse_number(word, &tid) || tid == 0 || tid > INT32_MAX) {
            return false;
        }
    }
    *ret_tid = (uint32_t)tid;
    *ret_depth = n - 1;
    return n > 0;
}

// ---- What is not permitted ---------------------------------------------------------------------

static bool may_trace_all(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, data) < 0) {
        return false;
    }
    return (data[CAP_TO_INDEX(CAP_SYS_PTRACE)].effective & CAP_TO_MASK(CAP_SYS_PTRACE)) != 0;
}

static long ptrace_scope(void)
{
    long scope = 0; // without the module nothing more is forbidden
    file_read_integer("/proc/sys/kernel/yama/ptrace_scope", &scope);
    return scope;
}

// False when it forbids nothing to us.
static bool explain_scope(struct err *reterr)
{
    long scope = ptrace_scope();
    if (scope >= 3) {
        err_set(reterr, EPERM,
                "kernel.yama.ptrace_scope is %ld: nobody may look at what threads wait for, until "
                "the machine is restarted",
                scope);
        return true;
    }
    if (scope > 0 && !may_trace_all()) {
        err_set(reterr, EPERM,
                "kernel.yama.ptrace_scope is %ld: looking at what threads wait for needs 0 there, "
                "or a stax-server with CAP_SYS_PTRACE%s",
                scope, scope == 1 ? ", or a program that stax has launched" : "");
        return true;
    }
    return false;
}

// Why the kernel refuses to show what the threads of this process wait for.
static void explain_refusal(uint32_t pid, struct err *reterr)
{
    uint32_t uid;
    if (proc_owner(pid, &uid) == 0 && uid != geteuid() && !may_trace_all()) {
        err_set(reterr, EPERM,
                "process %u belongs to uid %u and stax-server runs as uid %u: looking at what its "
                "threads wait for needs root or CAP_SYS_PTRACE",
                pid, uid, geteuid());
    } else if (!explain_scope(reterr)) {
        err_set(reterr, EPERM,
                "process %u is protected (set-uid, not dumpable, or with capabilities that "
                "stax-server lacks): looking at what its threads wait for needs CAP_SYS_PTRACE",
                pid);
    }
}

// ---- One thread --------------------------------------------------------------------------------

// 0 or a negative errno.
static int read_syscall(uint32_t pid, uint32_t tid, struct look_syscall *ret)
{
    CLEANUP(text_fini) struct text text = {0};
    int r = file_read(path_of(pid, tid, "syscall").at, LINE_LIMIT_BYTES, &text);
    return r < 0 ? r : look_syscall_parse(slice_of(&text), ret) ? 0 : -EINVAL;
}

static void read_place(struct capture_look *look)
{
    CLEANUP(text_fini) struct text text = {0};
    file_read(path_of(look->pid, look->tid, "wchan").at, LINE_LIMIT_BYTES, &text);
    look_place_parse(slice_of(&text), look->place);
}

// Whether it is off the CPU for a reason, by its state, which everybody may read.
static bool is_asleep(uint32_t pid, uint32_t tid)
{
    CLEANUP(text_fini) struct text text = {0};
    struct proc_stat stat;
    return file_read(path_of(pid, tid, "stat").at, LINE_LIMIT_BYTES, &text) == 0 &&
           proc_stat_parse(slice_of(&text), 1, &stat) && strchr("SDTt", stat.state) != NULL;
}

// How many bytes could be read, or a negative errno.
static ssize_t read_memory(uint32_t pid, uint64_t addr, void *to, size_t n)
{
    struct iovec local = {.iov_base = to, .iov_len = n};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)addr, .iov_len = n};
    ssize_t got = process_vm_readv((pid_t)pid, &local, 1, &remote, 1, 0);
    return got < 0 ? -errno : got;
}

// A thread of the process by its number in its own pid namespace. 0: there is none.
static uint32_t find_thread(uint32_t pid, uint32_t tid, uint32_t wanted)
{
    CLEANUP(text_fini) struct text text = {0};
    uint32_t own_tid;
    uint32_t depth = 0;
    if (file_read(path_of(pid, tid, "status").at, STATUS_LIMIT_BYTES, &text) == 0) {
        look_status_parse(slice_of(&text), &own_tid, &depth);
    }
    if (depth == 0) {
        return access(path_of(pid, wanted, "stat").at, F_OK) == 0 ? wanted : 0;
    }
    struct proc_ids tids = {0};
    proc_threads(pid, &tids);
    uint32_t found = 0;
    for (size_t i = 0; i < MIN(tids.list.n, (size_t)THREADS_SEARCHED) && found == 0; i++) {
        text_clear(&text);
        if (file_read(path_of(pid, tids.list.at[i], "status").at, STATUS_LIMIT_BYTES, &text) == 0 &&
            look_status_parse(slice_of(&text), &own_tid, &depth) && own_tid == wanted) {
            found = tids.list.at[i];
        }
    }
    vec_fini(&tids.list);
    return found;
}

// The owner as we count. One that is not in the process any more keeps its number if that means the
// same to us: a mutex that nobody will ever unlock.
static uint32_t owner_of(const struct capture_look *look, uint32_t owner)
{
    CLEANUP(text_fini) struct text text = {0};
    uint32_t own_tid;
    uint32_t depth;
    if (owner == 0 ||
        file_read(path_of(look->pid, look->tid, "status").at, STATUS_LIMIT_BYTES, &text) < 0 ||
        !look_status_parse(slice_of(&text), &own_tid, &depth)) {
        return 0;
    }
    return depth == 0 ? owner : find_thread(look->pid, look->tid, owner);
}

static void look_at_futex(struct capture_look *look, const struct look_syscall *call)
{
    struct futex_wait wait = {
        .addr = call->args[0],
        .op = (uint32_t)call->args[1],
        .value = (uint32_t)call->args[2],
        .timeout = call->args[3] != 0,
        .memory_addr = call->args[0],
    };
    uint8_t bytes[FUTEX_BEFORE_BYTES + FUTEX_AFTER_BYTES];
    uint8_t *word = bytes + FUTEX_BEFORE_BYTES;
    ssize_t n = read_memory(look->pid, wait.addr, word, FUTEX_AFTER_BYTES);
    if (n == -EPERM || n == -EACCES || n == -ENOSYS) {
        explain_refusal(look->pid, &look->not_details);
    }
    if (n > 0) {
        wait.memory = (struct slice){word, (size_t)n};
    }
    // What is before it may lie on a page that does not exist.
    if (n > 0 && wait.addr >= FUTEX_BEFORE_BYTES &&
        read_memory(look->pid, wait.addr - FUTEX_BEFORE_BYTES, bytes, FUTEX_BEFORE_BYTES) ==
            FUTEX_BEFORE_BYTES) {
        wait.memory_addr -= FUTEX_BEFORE_BYTES;
        wait.memory = (struct slice){bytes, FUTEX_BEFORE_BYTES + (size_t)n};
    }
    wait.value_is_thread = futex_may_join(&wait) &&
                           find_thread(look->pid, look->tid, wait.value) != 0;
    struct futex_object object;
    futex_classify(&wait, &object);
    look->object = object.object;
    look->object_addr = object.object == CAPTURE_OBJECT_UNKNOWN ? 0 : wait.addr;
    look->owner_tid = owner_of(look, object.owner_tid);
}

static void look_into(struct capture_look *look, const struct look_syscall *call)
{
    // After a stop, a wait with a timeout goes on as restart_syscall, its arguments untouched.
    bool restarted = call->number == SYS_restart_syscall && strncmp(look->place, "futex_", 6) == 0;
    if (!call->inside) {
        return;
    }
    if (call->number == SYS_futex || restarted) {
        look_at_futex(look, call);
    } else if (call->number == NUMBER_FUTEX_WAIT) {
        look->object = CAPTURE_OBJECT_LOCK;
        look->object_addr = call->args[0];
    } else if (call->number == NUMBER_FUTEX_WAITV) {
        look->object = CAPTURE_OBJECT_LOCK; // several: none of them is the one
    }
}

static bool is_same_wait(const struct look_syscall *a, const struct look_syscall *b)
{
    return !b->running && a->inside == b->inside && a->number == b->number &&
           memcmp(a->args, b->args, sizeof a->args) == 0 && a->sp_addr == b->sp_addr &&
           a->pc_addr == b->pc_addr;
}

uint64_t look_at(struct capture_look *look)
{
    *look = (struct capture_look){.pid = look->pid, .tid = look->tid};
    struct look_syscall before;
    struct look_syscall after;
    if (look->tid == (uint32_t)gettid()) { // the kernel would show the call that asks
        return 0;
    }
    int r = read_syscall(look->pid, look->tid, &before);
    if (r == 0 ? before.running : !is_asleep(look->pid, look->tid)) {
        return 0;
    }
    read_place(look);
    if (r == 0) {
        look_into(look, &before);
    } else if (r == -ENOENT) {
        err_set(&look->not_details, ENOENT, "the kernel has no /proc/PID/task/TID/syscall");
    } else {
        explain_refusal(look->pid, &look->not_details);
    }
    uint64_t held_ns = clock_now_ns();
    look->waits = r == 0 ? read_syscall(look->pid, look->tid, &after) == 0 &&
                               is_same_wait(&before, &after)
                         : is_asleep(look->pid, look->tid);
    return look->waits ? held_ns : 0;
}

void look_threads(struct capture_look *looks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        look_at(&looks[i]);
    }
}

// ---- Abilities ---------------------------------------------------------------------------------

// What no setting of this process could change: the kernel, or a filter around us.
static bool explain_machine(struct err *reterr)
{
    if (access("/proc/thread-self/syscall", F_OK) < 0) {
        err_set(reterr, ENOENT,
                "/proc/PID/task/TID/syscall is not there: /proc is not mounted, or the kernel was "
                "built without it");
        return true;
    }
    uint32_t word = 0;
    ssize_t n = read_memory((uint32_t)getpid(), (uint64_t)(uintptr_t)&word, &word, sizeof word);
    if (n < 0) {
        err_set(reterr, (int)-n,
                "process_vm_readv is forbidden (%s), most likely by the seccomp filter of a "
                "container: allow it there, or run stax-server outside",
                strerror((int)-n));
        return true;
    }
    return false;
}

void look_probe(struct capture_ability_state *ret)
{
    *ret = (struct capture_ability_state){0};
    ret->available = !explain_machine(&ret->reason) && !explain_scope(&ret->reason);
}

void look_probe_process(uint32_t pid, struct capture_ability_state *ret)
{
    *ret = (struct capture_ability_state){0};
    if (explain_machine(&ret->reason)) {
        return;
    }
    struct look_syscall call;
    int r = read_syscall(pid, pid, &call);
    if (r == -EPERM || r == -EACCES) {
        explain_refusal(pid, &ret->reason);
        return;
    }
    ret->available = true;
}
