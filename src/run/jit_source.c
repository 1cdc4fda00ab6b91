#include "run/jit_source.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10, PROC_BYTES = 64 << 10, CHANGED_SLACK_MS = 50 };

// What the sinks of the parsers need.
struct look {
    struct jit_source *source;
    event_sink_fn sink;
    void *context;
    uint64_t before_ns; // of the look before
};

const char *jit_source_kind_name(enum jit_source_kind kind)
{
    return kind == JIT_SOURCE_JITDUMP ? "jitdump" : "perf_map";
}

// ---- The process -------------------------------------------------------------------------------

static bool read_proc(uint32_t pid, const char *name, struct text *ret)
{
    char path[48];
    snprintf(path, sizeof path, "/proc/%u/%s", pid, name);
    return file_read(path, PROC_BYTES, ret) == 0;
}

// The last number of the line "NSpid:", which is the process' pid in the innermost namespace.
static uint32_t find_own_pid(uint32_t pid)
{
    CLEANUP(text_fini) struct text status = {0};
    if (!read_proc(pid, "status", &status)) {
        return 0;
    }
    const char *line = strstr(text_get(&status), "\nNSpid:");
    if (line == NULL) {
        return 0;
    }
    line += strlen("\nNSpid:");
    unsigned long last = 0;
    while (*line == '\t' || *line == ' ') {
        char *end;
        last = strtoul(line, &end, 10);
        line = end;
    }
    return (uint32_t)last;
}

// From the 22nd field of /proc/PID/stat, ticks since the machine was started; the name before it
// may hold anything.
static uint64_t find_start(uint32_t pid)
{
    CLEANUP(text_fini) struct text stat = {0};
    const char *at = read_proc(pid, "stat", &stat) ? strrchr(text_get(&stat), ')') : NULL;
    for (int field = 2; field < 22 && at != NULL; field++) {
        at = strchr(at + 1, ' ');
    }
    long tick_hz = sysconf(_SC_CLK_TCK);
    struct timespec up;
    if (at == NULL || tick_hz <= 0 || clock_gettime(CLOCK_BOOTTIME, &up) < 0) {
        return 0;
    }
    uint64_t up_ns = (uint64_t)up.tv_sec * NS_PER_S + (uint64_t)up.tv_nsec;
    uint64_t start_ns = strtoull(at, NULL, 10) * ((uint64_t)NS_PER_S / (uint64_t)tick_hz);
    return clock_unix_ns() - (up_ns - MIN(up_ns, start_ns));
}

static void learn_process(struct jit_source *source)
{
    char path[32];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%u", source->watch.pid);
    source->has_uid = stat(path, &st) == 0;
    source->uid = source->has_uid ? st.st_uid : 0;
    source->own_pid = find_own_pid(source->watch.pid);
    source->started_unix_ns = find_start(source->watch.pid);
}

// ---- Life --------------------------------------------------------------------------------------

void jit_source_init(struct jit_source *source, const struct jit_watch *watch)
{
    *source = (struct jit_source){.watch = *watch, .fd = -1, .looked_ns = watch->since_ns};
    image_root_ref(watch->root);
    source->watch.path = (struct slice){0};
    learn_process(source);
    if (watch->kind == JIT_SOURCE_JITDUMP) {
        text_add_bytes(&source->path, watch->path.data, watch->path.n);
    } else {
        uint32_t pid = source->own_pid != 0 ? source->own_pid : watch->pid;
        text_addf(&source->path, "/tmp/perf-%u.map", pid);
    }
}

void jit_source_fini(struct jit_source *source)
{
    closep(&source->fd);
    text_fini(&source->path);
    jitdump_fini(&source->dump);
    perf_map_fini(&source->map);
    code_ranges_fini(&source->known);
    image_root_unref(source->watch.root);
}

// ---- What it says ------------------------------------------------------------------------------

static void take_record(void *context, const struct jitdump_record *record)
{
    const struct look *look = context;
    uint32_t pid = look->source->watch.pid;
    struct event event = {.pid = pid, .tid = pid, .time_ns = record->time_ns};
    if (record->kind == JITDUMP_MOVED) {
        event.kind = EVENT_CODE_MOVED;
        event.code_moved.from_addr = record->from_addr;
        event.code_moved.to_addr = record->addr;
        event.code_moved.size_bytes = record->size_bytes;
        event.code_moved.index = record->index;
    } else {
        event.kind = EVENT_CODE_LOADED;
        event.code_loaded.addr = record->addr;
        event.code_loaded.size_bytes = record->size_bytes;
        event.code_loaded.index = record->index;
        event.code_loaded.name = record->name;
        event.code_loaded.code = record->code;
        event.code_loaded.eh_frame = record->eh_frame;
    }
    look->sink(look->context, &event);
}

static void take_entry(void *context, const struct perf_map_entry *entry)
{
    const struct look *look = context;
    struct jit_source *source = look->source;
    uint64_t end = entry->addr + entry->size_bytes;
    uint64_t hash = hash_bytes(entry->name.data, entry->name.n);
    const struct code_span *there = code_ranges_find(&source->known, entry->addr);
    if (there != NULL && there->start == entry->addr && there->end == end && there->what == hash) {
        source->n_known++;
        return;
    }
    if (source->known.n >= LIMIT_JIT_CODES) {
        source->map.n_bad++;
        return;
    }
    bool replaced = code_ranges_put(&source->known, entry->addr, end, hash);
    uint32_t pid = source->watch.pid;
    struct event event = {
        .kind = EVENT_CODE_LOADED,
        .pid = pid,
        .tid = pid,
        .time_ns = replaced ? look->before_ns : source->watch.since_ns,
        .code_loaded = {.addr = entry->addr, .size_bytes = entry->size_bytes, .name = entry->name},
    };
    look->sink(look->context, &event);
}

// ---- The file ----------------------------------------------------------------------------------

// Only what the target, we or root can have written.
static bool is_trusted(const struct jit_source *source, uid_t owner)
{
    return owner == 0 || owner == geteuid() || (source->has_uid && owner == source->uid);
}

static int refuse_unless_right(struct jit_source *source, const struct stat *st)
{
    const char *path = text_get(&source->path);
    if (!is_trusted(source, st->st_uid)) {
        return err_set(&source->note, EACCES, "%s belongs to another user (%u)", path, st->st_uid);
    }
    if (source->watch.kind == JIT_SOURCE_JITDUMP) {
        bool same = source->watch.inode == 0 || source->watch.inode == st->st_ino;
        return same ? 0
                    : err_set(&source->note, ESTALE, "%s is not the file that was mapped", path);
    }
    uint64_t changed_ns = (uint64_t)st->st_ctim.tv_sec * NS_PER_S + (uint64_t)st->st_ctim.tv_nsec;
    if (changed_ns + (uint64_t)CHANGED_SLACK_MS * NS_PER_MS < source->started_unix_ns) {
        return err_set(&source->note, ESTALE, "%s is older than the process", path);
    }
    return 0;
}

static bool open_path(struct jit_source *source)
{
    struct err why = {0};
    struct stat st;
    CLEANUP(closep)
    int fd = image_root_open_file(source->watch.root, text_get(&source->path), &why);
    if (fd < 0) {
        bool absent = fd == -ENOENT && source->watch.kind == JIT_SOURCE_PERF_MAP;
        source->note = absent ? (struct err){0} : why;
        return false;
    }
    if (fstat(fd, &st) < 0 || refuse_unless_right(source, &st) < 0) {
        return false;
    }
    source->note = (struct err){0};
    source->fd = take_fd(&fd);
    source->inode = st.st_ino;
    source->read_bytes = 0;
    source->n_found++;
    return true;
}

static void set_map_path(struct jit_source *source, uint32_t pid)
{
    text_clear(&source->path);
    text_addf(&source->path, "/tmp/perf-%u.map", pid);
}

// A perf map may be named by either pid.
static bool open_source(struct jit_source *source)
{
    if (open_path(source)) {
        return true;
    }
    uint32_t own_pid = source->own_pid;
    if (source->watch.kind != JIT_SOURCE_PERF_MAP || own_pid == 0 || own_pid == source->watch.pid) {
        return false;
    }
    struct err why = source->note;
    set_map_path(source, source->watch.pid);
    if (open_path(source)) {
        return true;
    }
    set_map_path(source, own_pid);
    if (source->note.text[0] == 0) {
        source->note = why;
    }
    return false;
}

// A perf map that is another file by now, or has shrunk, is read from its beginning.
static void notice_rewritten(struct jit_source *source)
{
    struct stat st;
    bool shrunk = fstat(source->fd, &st) == 0 && (uint64_t)st.st_size < source->read_bytes;
    if (source->watch.kind == JIT_SOURCE_JITDUMP) {
        if (shrunk) {
            err_set(&source->note, ESTALE, "%s has become shorter: the rest is not read",
                    text_get(&source->path));
            source->over = true;
        }
        return;
    }
    bool other = image_root_stat(source->watch.root, text_get(&source->path), &st) == 0 &&
                 st.st_ino != source->inode;
    if (shrunk || other) {
        closep(&source->fd);
        perf_map_fini(&source->map);
        source->map.too_long = false;
    }
}

static void take_bytes(struct jit_source *source, struct slice bytes, struct look *look)
{
    source->read_bytes += bytes.n;
    if (source->watch.kind == JIT_SOURCE_PERF_MAP) {
        perf_map_feed(&source->map, bytes, take_entry, look);
        return;
    }
    struct err why;
    if (jitdump_feed(&source->dump, bytes, take_record, look, &why) < 0) {
        err_set(&source->note, EBADMSG, "%s %s", text_get(&source->path), why.text);
    }
    source->over = source->dump.closed;
}

static bool read_on(struct jit_source *source, size_t limit_bytes, struct look *look)
{
    CLEANUP(freep) uint8_t *buffer = NEW_ARRAY(uint8_t, READ_BYTES);
    for (size_t n_read = 0; !source->over;) {
        if (source->read_bytes >= LIMIT_JIT_FILE_BYTES) {
            err_set(&source->note, EFBIG, "%s is too long: the rest is not read",
                    text_get(&source->path));
            source->over = true;
            return false;
        }
        if (n_read >= limit_bytes) {
            return true;
        }
        ssize_t n = pread(source->fd, buffer, READ_BYTES, (off_t)source->read_bytes);
        if (n <= 0) {
            return n < 0 && errno == EINTR;
        }
        n_read += (size_t)n;
        take_bytes(source, (struct slice){buffer, (size_t)n}, look);
    }
    return false;
}

bool jit_source_look(struct jit_source *source, uint64_t now_ns, size_t limit_bytes,
                     event_sink_fn sink, void *context)
{
    if (source->over) {
        return false;
    }
    struct look look = {
        .source = source, .sink = sink, .context = context, .before_ns = source->looked_ns};
    if (source->fd >= 0) {
        notice_rewritten(source);
    }
    bool more = false;
    if (!source->over && (source->fd >= 0 || open_source(source))) {
        more = read_on(source, limit_bytes, &look);
    }
    if (!more) { // else this look goes on
        source->looked_ns = now_ns;
    }
    return more;
}

// ---- For people --------------------------------------------------------------------------------

void jit_source_report(const struct jit_source *source, struct jit_report *ret)
{
    const struct jitdump *dump = &source->dump;
    *ret = (struct jit_report){
        .kind = source->watch.kind,
        .pid = source->watch.pid,
        .bytes = source->read_bytes,
        .note = source->note,
    };
    snprintf(ret->path, sizeof ret->path, "%s", text_get(&source->path));
    if (source->watch.kind == JIT_SOURCE_JITDUMP) {
        ret->codes = dump->n_loaded + dump->n_moved;
        ret->bad = dump->n_bad;
        ret->skipped = dump->n_skipped;
        ret->backwards = dump->n_backwards;
        if (ret->note.text[0] == 0 && jitdump_is_cut(dump)) {
            err_set(&ret->note, EBADMSG, "%s ends inside of a record so far", ret->path);
        }
    } else {
        ret->codes = source->map.n_entries - source->n_known;
        ret->bad = source->map.n_bad;
        ret->skipped = source->n_known;
    }
}
