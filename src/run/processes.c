#include "run/processes.h"

#include "base/limits.h"

void processes_init(struct processes_live *live, struct store *store)
{
    *live = (struct processes_live){.store = store};
}

static void process_free(struct process *process)
{
    space_fini(&process->space);
    image_root_unref(process->root);
    free(process);
}

void processes_fini(struct processes_live *live)
{
    for (size_t i = 0; i < live->processes.n; i++) {
        process_free(live->processes.at[i]);
    }
    vec_fini(&live->processes);
    vec_fini(&live->waits);
    map_fini(&live->by_pid);
    map_fini(&live->by_tid);
}

struct process *processes_find(struct processes_live *live, uint32_t pid)
{
    uint32_t index = map_find(&live->by_pid, pid);
    return index == MAP_NONE ? NULL : live->processes.at[index];
}

static struct process *add(struct processes_live *live, uint32_t pid, uint32_t parent_pid,
                           string_id name, uint64_t time_ns)
{
    process_id id = store_add_process(live->store, pid, parent_pid, time_ns, name);
    if (id == UINT32_MAX) {
        return NULL;
    }
    struct process *process = processes_find(live, pid);
    if (process == NULL) {
        process = NEW(struct process);
        map_set(&live->by_pid, pid, (uint32_t)live->processes.n);
        vec_push(&live->processes, process);
        space_init(&process->space, &live->space_versions);
    } else { // the pid is used again
        space_clear(&process->space, &live->space_versions);
        image_root_unref(TAKE(process->root));
    }
    process->pid = pid;
    process->id = id;
    process->anonymous_image = IMAGE_NONE;
    process->wants_main_image = true;
    return process;
}

struct process *processes_get(struct processes_live *live, uint32_t pid, uint64_t time_ns)
{
    struct process *process = processes_find(live, pid);
    return process != NULL ? process : add(live, pid, 0, 0, time_ns);
}

struct process *processes_fork(struct processes_live *live, uint32_t pid, uint32_t parent_pid,
                               uint64_t time_ns)
{
    struct process *parent = processes_get(live, parent_pid, time_ns);
    if (parent == NULL) {
        return NULL;
    }
    const struct process_row *row = store_process(live->store, parent->id);
    struct process *child = add(live, pid, parent_pid, atomic_load(&row->name), time_ns);
    if (child == NULL) {
        return NULL;
    }
    space_copy(&child->space, &live->space_versions, &parent->space);
    child->wants_main_image = parent->wants_main_image;
    atomic_store(&store_process_mut(live->store, child->id)->main_image,
                 atomic_load(&row->main_image));
    return child;
}

static thread_id add_thread(struct processes_live *live, uint32_t pid, uint32_t tid, string_id name,
                            uint64_t time_ns)
{
    struct process *process = processes_get(live, pid, time_ns);
    if (process == NULL) {
        return THREAD_NONE;
    }
    thread_id id = store_add_thread(live->store, pid, tid, process->id, time_ns, name);
    if (id != THREAD_NONE) {
        map_set(&live->by_tid, tid, id);
        vec_grow_zeroed(&live->waits, (size_t)id + 1);
    }
    return id;
}

thread_id processes_thread(struct processes_live *live, uint32_t pid, uint32_t tid,
                           uint64_t time_ns)
{
    thread_id id = map_find(&live->by_tid, tid);
    if (id != MAP_NONE && store_thread(live->store, id)->pid == pid) {
        return id;
    }
    struct process *process = processes_get(live, pid, time_ns);
    if (process == NULL) {
        return THREAD_NONE;
    }
    string_id name = atomic_load(&store_process(live->store, process->id)->name);
    return add_thread(live, pid, tid, name, time_ns);
}

thread_id processes_start_thread(struct processes_live *live, uint32_t pid, uint32_t tid,
                                 uint32_t parent_tid, uint64_t time_ns)
{
    string_id name = 0;
    thread_id parent = map_find(&live->by_tid, parent_tid);
    if (parent != MAP_NONE) {
        name = atomic_load(&store_thread(live->store, parent)->name);
    }
    return add_thread(live, pid, tid, name, time_ns);
}

void processes_name_thread(struct processes_live *live, uint32_t pid, uint32_t tid,
                           struct slice name, uint64_t time_ns)
{
    thread_id id = processes_thread(live, pid, tid, time_ns);
    if (id == THREAD_NONE) {
        return;
    }
    string_id string = strings_add(&live->store->strings, name);
    atomic_store(&store_thread_mut(live->store, id)->name, string);
    if (pid == tid) {
        struct process *process = processes_get(live, pid, time_ns);
        atomic_store(&store_process_mut(live->store, process->id)->name, string);
    }
}

void processes_end_thread(struct processes_live *live, uint32_t pid, uint32_t tid, uint64_t time_ns)
{
    thread_id id = map_find(&live->by_tid, tid);
    if (id == MAP_NONE || store_thread(live->store, id)->pid != pid) {
        return;
    }
    atomic_store(&store_thread_mut(live->store, id)->ended_ns, time_ns);
    struct process *process = processes_find(live, pid);
    if (pid == tid && process != NULL) {
        atomic_store(&store_process_mut(live->store, process->id)->ended_ns, time_ns);
    }
}

void processes_exec(struct processes_live *live, uint32_t pid, uint32_t tid, struct slice name,
                    uint64_t time_ns)
{
    struct process *process = processes_get(live, pid, time_ns);
    if (process == NULL) {
        return;
    }
    space_clear(&process->space, &live->space_versions);
    process->anonymous_image = IMAGE_NONE;
    process->wants_main_image = true;
    processes_name_thread(live, pid, tid, name, time_ns);
}
