#include "capture/linux/children.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"

#include <stdlib.h>
#include <unistd.h>

enum { READ_PACE_NS = 500 * NS_PER_MS, STAT_BYTES = 4096 };

// Fields of /proc/<pid>/stat by their numbers in proc(5). The second is the command in parentheses,
// which may itself hold anything, so counting starts behind the last parenthesis.
enum { FIELD_AFTER_COMMAND = 3, FIELD_UTIME = 14, FIELD_CSTIME = 17 };

bool stat_times_parse(struct slice line, struct stat_times *ret)
{
    const uint8_t *command_end = line.n == 0 ? NULL : memrchr(line.data, ')', line.n);
    if (command_end == NULL) {
        return false;
    }
    char rest[STAT_BYTES];
    size_t n = MIN((size_t)(line.data + line.n - command_end - 1), sizeof rest - 1);
    memcpy(rest, command_end + 1, n);
    rest[n] = 0;
    uint64_t times[FIELD_CSTIME - FIELD_UTIME + 1];
    size_t n_times = 0;
    char *save = NULL;
    int field = FIELD_AFTER_COMMAND;
    for (char *word = strtok_r(rest, " \n", &save); word != NULL && field <= FIELD_CSTIME;
         word = strtok_r(NULL, " \n", &save), field++) {
        if (field >= FIELD_UTIME) {
            times[n_times++] = strtoull(word, NULL, 10);
        }
    }
    if (n_times < ARRAY_LEN(times)) {
        return false;
    }
    *ret = (struct stat_times){.own_ticks = times[0] + times[1],
                               .children_ticks = times[2] + times[3]};
    return true;
}

static bool read_times(uint32_t pid, struct stat_times *ret)
{
    CLEANUP(text_fini) struct text path = {0};
    CLEANUP(text_fini) struct text line = {0};
    text_addf(&path, "/proc/%u/stat", pid);
    return file_read(text_get(&path), STAT_BYTES, &line) == 0 &&
           stat_times_parse((struct slice){(const uint8_t *)text_get(&line), line.n}, ret);
}

void children_init(struct children *children, uint32_t target_pid)
{
    struct stat_times times = {0};
    read_times(target_pid, &times);
    *children = (struct children){.target_pid = target_pid, .baseline_ticks = times.children_ticks};
}

void children_fini(struct children *children)
{
    vec_fini(&children->pids);
}

void children_add(struct children *children, uint32_t pid)
{
    if (children->pids.n < LIMIT_CHILDREN) {
        vec_push(&children->pids, pid);
    }
}

uint64_t children_cpu_ns(struct children *children, bool now)
{
    uint64_t now_ns = clock_now_ns();
    if (!now && now_ns - children->read_ns < READ_PACE_NS) {
        return children->most_ns;
    }
    children->read_ns = now_ns;
    struct stat_times times = {0};
    if (!read_times(children->target_pid, &times)) {
        return children->most_ns;
    }
    uint64_t ticks = times.children_ticks - MIN(children->baseline_ticks, times.children_ticks);
    for (size_t i = 0; i < children->pids.n;) {
        struct stat_times child;
        if (read_times(children->pids.at[i], &child)) {
            ticks += child.own_ticks + child.children_ticks;
            i++;
        } else { // gone, and so counted with its parent
            children->pids.at[i] = *vec_last(&children->pids);
            children->pids.n--;
        }
    }
    uint64_t ns = ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
    children->most_ns = MAX(children->most_ns, ns);
    return children->most_ns;
}
