#include "capture/linux/foreign.h"

#include "base/limits.h"
#include "capture/linux/proc.h"

void foreign_fini(struct foreign *foreign)
{
    map_fini(&foreign->by_tid);
    vec_fini(&foreign->threads);
}

static struct foreign_thread look_up(uint32_t tid)
{
    struct foreign_thread thread = {.pid = tid};
    CLEANUP(text_fini) struct text name = {0};
    proc_process_of(tid, &thread.pid);
    if (proc_name(tid, tid, &name)) {
        thread.n = (uint8_t)MIN(name.n, (size_t)FOREIGN_NAME_BYTES);
        memcpy(thread.name, text_get(&name), thread.n);
    }
    return thread;
}

struct foreign_thread foreign_find(struct foreign *foreign, uint32_t tid)
{
    uint32_t index = map_find(&foreign->by_tid, tid);
    if (index != MAP_NONE) {
        return foreign->threads.at[index];
    }
    if (foreign->threads.n >= LIMIT_FOREIGN_THREADS) {
        return (struct foreign_thread){.pid = tid};
    }
    map_set(&foreign->by_tid, tid, (uint32_t)foreign->threads.n);
    vec_push(&foreign->threads, look_up(tid));
    return *vec_last(&foreign->threads);
}
