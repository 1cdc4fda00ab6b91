#include "capture/linux/proc.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    PF_KTHREAD = 0x00200000,       // include/linux/sched.h; field 9 of /proc/PID/stat
    STAT_LIMIT_BYTES = 4096,       // one line
    STATUS_LIMIT_BYTES = 64 << 10, // supplementary groups and CPU masks make it long
    CHILDREN_LIMIT_BYTES = 1 << 20,
    MAPS_LINE_BYTES = 256, // typical; for the limit of a whole file
};

struct proc_path {
    char at[64];
};

static struct proc_path path_of(uint32_t pid, const char *name)
{
    struct proc_path path;
    snprintf(path.at, sizeof path.at, "/proc/%u/%s", pid, name);
    return path;
}

static struct proc_path path_of_thread(uint32_t pid, uint32_t tid, const char *name)
{
    struct proc_path path;
    snprintf(path.at, sizeof path.at, "/proc/%u/task/%u/%s", pid, tid, name);
    return path;
}

// ---- Words and numbers -------------------------------------------------------------------------

// The text up to the next `separator` or the end; the separator is consumed.
static struct slice take_word(struct reader *from, char separator)
{
    size_t left = reader_left(from);
    const uint8_t *at = from->bytes.data + from->at;
    const uint8_t *end = left == 0 ? NULL : memchr(at, separator, left);
    struct slice word = read_slice(from, end == NULL ? left : (size_t)(end - at));
    read_slice(from, end == NULL ? 0 : 1);
    return word;
}

static unsigned digit_of(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - (unsigned)'0'
           : c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10
                                  : 99;
}

// False unless the word is a number and nothing else.
static bool parse_number(struct slice word, unsigned base, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < word.n; i++) {
        unsigned digit = digit_of(word.data[i]);
        if (digit >= base || value > (UINT64_MAX - digit) / base) {
            return false;
        }
        value = value * base + digit;
    }
    *ret = value;
    return word.n > 0;
}

// ---- stat --------------------------------------------------------------------------------------

bool proc_stat_parse(struct slice bytes, uint64_t tick_ns, struct proc_stat *ret)
{
    // pid (name) state …: the name may hold anything, parentheses and spaces too.
    const uint8_t *close = bytes.n == 0 ? NULL : memrchr(bytes.data, ')', bytes.n);
    if (close == NULL) {
        return false;
    }
    struct reader from = reader_of(bytes);
    read_slice(&from, (size_t)(close - bytes.data) + 2);
    struct slice state = take_word(&from, ' ');
    uint64_t fields[18] = {0}; // by number as in proc(5)
    for (size_t i = 4; i < ARRAY_LEN(fields); i++) {
        struct slice word = take_word(&from, ' ');
        // Fields that may be negative (tpgid) are none of ours.
        if (!parse_number(word, 10, &fields[i]) && (i == 9 || i >= 14)) {
            return false;
        }
    }
    if (state.n != 1) {
        return false;
    }
    *ret = (struct proc_stat){
        .state = (char)state.data[0],
        .kernel_thread = (fields[9] & PF_KTHREAD) != 0,
        .cpu_ns = (fields[14] + fields[15]) * tick_ns,
        .children_cpu_ns = (fields[16] + fields[17]) * tick_ns,
    };
    return true;
}

static int read_stat(const char *path, struct proc_stat *ret)
{
    CLEANUP(text_fini) struct text text = {0};
    int r = file_read(path, STAT_LIMIT_BYTES, &text);
    if (r < 0) {
        return r == -ENOENT ? -ESRCH : r;
    }
    uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
    struct slice bytes = {(const uint8_t *)text_get(&text), text.n};
    return proc_stat_parse(bytes, tick_ns, ret) ? 0 : -EINVAL;
}

int proc_stat(uint32_t pid, struct proc_stat *ret)
{
    return read_stat(path_of(pid, "stat").at, ret);
}

bool proc_is_asleep(uint32_t pid, uint32_t tid)
{
    struct proc_stat stat;
    return read_stat(path_of_thread(pid, tid, "stat").at, &stat) == 0 && stat.state != 'R';
}

int proc_owner(uint32_t pid, uint32_t *ret_uid)
{
    struct stat status;
    if (stat(path_of(pid, "").at, &status) < 0) {
        return -errno;
    }
    *ret_uid = status.st_uid;
    return 0;
}

// ---- maps --------------------------------------------------------------------------------------

static bool parse_maps_line(struct slice line, struct proc_mapping *ret)
{
    // start-end perms offset major:minor inode      path
    struct reader from = reader_of(line);
    uint64_t major = 0;
    uint64_t minor = 0;
    *ret = (struct proc_mapping){0};
    bool good = parse_number(take_word(&from, '-'), 16, &ret->start_addr);
    good = parse_number(take_word(&from, ' '), 16, &ret->end_addr) && good;
    struct slice permissions = take_word(&from, ' ');
    good = parse_number(take_word(&from, ' '), 16, &ret->file_off) && good;
    good = parse_number(take_word(&from, ':'), 16, &major) && good;
    good = parse_number(take_word(&from, ' '), 16, &minor) && good;
    good = parse_number(take_word(&from, ' '), 10, &ret->inode) && good;
    while (reader_left(&from) > 0 && from.bytes.data[from.at] == ' ') {
        read_u8(&from);
    }
    ret->path = read_slice(&from, reader_left(&from));
    ret->executable = permissions.n == 4 && permissions.data[2] == 'x';
    ret->device = makedev((unsigned)major, (unsigned)minor);
    return good && permissions.n == 4 && ret->start_addr < ret->end_addr &&
           ret->path.n < LIMIT_NAME_BYTES;
}

bool proc_maps_next(struct reader *maps, struct proc_mapping *ret)
{
    while (reader_left(maps) > 0) {
        if (parse_maps_line(take_word(maps, '\n'), ret)) {
            return true;
        }
    }
    return false;
}

void proc_path_unescape(struct text *to, struct slice path)
{
    static const char escape[] = {'\\', '0', '1', '2'};
    for (size_t i = 0; i < path.n; i++) {
        if (path.n - i >= sizeof escape && memcmp(path.data + i, escape, sizeof escape) == 0) {
            text_add_char(to, '\n');
            i += sizeof escape - 1;
        } else {
            text_add_char(to, (char)path.data[i]);
        }
    }
}

int proc_maps(uint32_t pid, struct text *maps)
{
    return file_read(path_of(pid, "maps").at, (size_t)LIMIT_MAPPINGS * MAPS_LINE_BYTES, maps);
}

// ---- Threads and children ----------------------------------------------------------------------

static bool parse_id(struct slice word, uint32_t *ret)
{
    uint64_t value;
    if (!parse_number(word, 10, &value) || value == 0 || value > INT32_MAX) {
        return false;
    }
    *ret = (uint32_t)value;
    return true;
}

int proc_threads(uint32_t pid, struct proc_ids *tids)
{
    DIR *folder = opendir(path_of(pid, "task").at);
    if (folder == NULL) {
        return errno == ENOENT ? -ESRCH : -errno;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        uint32_t tid;
        if (parse_id(slice_of_text(entry->d_name), &tid) && tids->list.n < LIMIT_THREADS) {
            vec_push(&tids->list, tid);
        }
    }
    closedir(folder);
    return 0;
}

static void add_children(uint32_t pid, uint32_t tid, size_t limit, struct proc_ids *pids)
{
    CLEANUP(text_fini) struct text text = {0};
    if (file_read(path_of_thread(pid, tid, "children").at, CHILDREN_LIMIT_BYTES, &text) < 0) {
        return;
    }
    struct reader from = reader_of((struct slice){(const uint8_t *)text_get(&text), text.n});
    uint32_t child;
    while (reader_left(&from) > 0 && pids->list.n < limit) {
        if (parse_id(take_word(&from, ' '), &child)) {
            vec_push(&pids->list, child);
        }
    }
}

static void add_children_of_all_threads(uint32_t pid, size_t limit, struct proc_ids *pids)
{
    struct proc_ids tids = {0};
    proc_threads(pid, &tids);
    for (size_t i = 0; i < tids.list.n; i++) {
        add_children(pid, tids.list.at[i], limit, pids);
    }
    vec_fini(&tids.list);
}

void proc_descendants(uint32_t pid, size_t limit, struct proc_ids *pids)
{
    size_t next = pids->list.n;
    limit += next;
    add_children_of_all_threads(pid, limit, pids);
    for (; next < pids->list.n; next++) {
        add_children_of_all_threads(pids->list.at[next], limit, pids);
    }
}

bool proc_process_of(uint32_t tid, uint32_t *ret_pid)
{
    static const char key[] = "Tgid:\t";
    CLEANUP(text_fini) struct text text = {0};
    if (file_read(path_of(tid, "status").at, STATUS_LIMIT_BYTES, &text) < 0) {
        return false;
    }
    struct reader from = reader_of((struct slice){(const uint8_t *)text_get(&text), text.n});
    while (reader_left(&from) > 0) {
        struct slice line = take_word(&from, '\n');
        if (line.n > sizeof key - 1 && memcmp(line.data, key, sizeof key - 1) == 0) {
            line = (struct slice){line.data + sizeof key - 1, line.n - (sizeof key - 1)};
            return parse_id(line, ret_pid);
        }
    }
    return false;
}

bool proc_name(uint32_t pid, uint32_t tid, struct text *name)
{
    if (file_read(path_of_thread(pid, tid, "comm").at, LIMIT_NAME_BYTES, name) < 0) {
        return false;
    }
    if (name->n > 0 && name->at[name->n - 1] == '\n') {
        name->at[--name->n] = 0;
    }
    return true;
}
