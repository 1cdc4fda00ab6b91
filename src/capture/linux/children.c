#include "capture/linux/children.h"

#include "base/clock.h"
#include "base/limits.h"
#include "capture/linux/proc.h"

enum { PERIOD_NS = 100 * NS_PER_MS };

// False when the target is gone for good.
static bool read_total(struct children *children, uint64_t *ret_ns)
{
    struct proc_stat stat;
    if (proc_stat(children->pid, &stat) < 0) {
        return false;
    }
    uint64_t total_ns = stat.children_cpu_ns;
    struct proc_ids pids = {0};
    proc_descendants(children->pid, LIMIT_CHILDREN, &pids);
    for (size_t i = 0; i < pids.list.n; i++) {
        if (proc_stat(pids.list.at[i], &stat) == 0) {
            total_ns += stat.cpu_ns + stat.children_cpu_ns;
        }
    }
    children->any = children->any || pids.list.n > 0;
    vec_fini(&pids.list);
    *ret_ns = total_ns;
    return true;
}

void children_init(struct children *children, uint32_t pid)
{
    *children = (struct children){.pid = pid};
    read_total(children, &children->before_ns);
}

void children_update(struct children *children, uint64_t now_ns, bool ending)
{
    if (!children->any || (now_ns < children->next_ns && !ending)) {
        return;
    }
    children->next_ns = now_ns + PERIOD_NS;
    uint64_t total_ns;
    if (read_total(children, &total_ns) && total_ns > children->before_ns) {
        children->used_ns = MAX(children->used_ns, total_ns - children->before_ns);
    }
}
