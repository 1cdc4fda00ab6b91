#include "run/processes.h"

#include "base/limits.h"

void processes_init(struct processes_live *live, struct store *store, struct waits *waits)
{
    *live = (struct processes_live){.store = store, .waits = waits, .foreign_others = THREAD_NONE};
}

static void process_free(struct process *process)
{
    space_fini(&process->space);
    jit_process_fini(&process->jit);
    code_rules_fini(&process->code_rules);
    image_root_unref(process->root);
    free(process);
}

void processes_fini(struct processes_live *live)
{
    for (size_t i = 0; i < live->processes.n; i++) {
        process_free(live->processes.at[i]);
    }
    vec_fini(&live->processes);
    vec_fini(&live->links);
    map_fini(&live->by_pid);
    map_fini(&live->by_tid);
    map_fini(&live->foreign_by_pid);
    map_fini(&live->foreign_by_tid);
}

struct process *processes_find(struct processes_live *live, uint32_t pid)
{
    uint32_t index = map_find(&live->by_pid, pid);
    return index == MAP_NONE ? NULL : live->processes.at[index];
}

// ---- Ends ---------------------------------------------------------------------------------------

static void link_thread(struct processes_live *live, struct process *process, thread_id thread)
{
    vec_grow_zeroed(&live->links, (size_t)thread + 1);
    live->links.at[thread] = (struct thread_links){.before = THREAD_NONE,
                                                   .next = process->first_thread};
    if (process->first_thread != THREAD_NONE) {
        live->links.at[process->first_thread].before = thread;
    }
    process->first_thread = thread;
}

static void unlink_thread(struct processes_live *live, thread_id thread)
{
    struct thread_links links = live->links.at[thread];
    if (links.next != THREAD_NONE) {
        live->links.at[links.next].before = links.before;
    }
    if (links.before != THREAD_NONE) {
        live->links.at[links.before].next = links.next;
        return;
    }
    struct process *process = processes_find(live, store_thread(live->store, thread)->pid);
    ASSERT(process != NULL && process->first_thread == thread);
    process->first_thread = links.next;
}

static bool has_ended(const struct processes_live *live, thread_id thread)
{
    return atomic_load(&store_thread(live->store, thread)->ended_ns) != 0;
}

// A thread that lives ends. Its row of intervals comes first: readers look at them in this order.
static void end_thread(struct processes_live *live, thread_id thread, uint64_t time_ns)
{
    waits_end(live->waits, thread, time_ns);
    atomic_store(&store_thread_mut(live->store, thread)->ended_ns, MAX(time_ns, UINT64_C(1)));
    unlink_thread(live, thread);
}

// All threads of the process that live, but for one (or THREAD_NONE).
static void end_threads(struct processes_live *live, const struct process *process,
                        thread_id but_not, uint64_t time_ns)
{
    for (thread_id thread = process->first_thread; thread != THREAD_NONE;) {
        thread_id next = live->links.at[thread].next;
        if (thread != but_not) {
            end_thread(live, thread, time_ns);
        }
        thread = next;
    }
}

// ---- Processes ----------------------------------------------------------------------------------

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
        process->first_thread = THREAD_NONE;
        map_set(&live->by_pid, pid, (uint32_t)live->processes.n);
        vec_push(&live->processes, process);
        space_init(&process->space, &live->space_versions);
    } else { // the pid is used again
        end_threads(live, process, THREAD_NONE, time_ns);
        space_clear(&process->space, &live->space_versions);
        code_rules_clear(&process->code_rules);
        image_root_unref(TAKE(process->root));
        jit_process_fini(&process->jit);
    }
    jit_process_init(&process->jit);
    process->pid = pid;
    process->id = id;
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

// ---- Threads ------------------------------------------------------------------------------------

static thread_id add_thread(struct processes_live *live, uint32_t pid, uint32_t tid, string_id name,
                            uint64_t time_ns)
{
    struct process *process = processes_get(live, pid, time_ns);
    if (process == NULL) {
        return THREAD_NONE;
    }
    thread_id before = map_find(&live->by_tid, tid);
    if (before != MAP_NONE && !has_ended(live, before)) {
        end_thread(live, before, time_ns);
    }
    thread_id id = store_add_thread(live->store, pid, tid, process->id, time_ns, name);
    if (id != THREAD_NONE) {
        map_set(&live->by_tid, tid, id);
        link_thread(live, process, id);
    }
    return id;
}

thread_id processes_find_thread(const struct processes_live *live, uint32_t pid, uint32_t tid)
{
    thread_id id = map_find(&live->by_tid, tid);
    bool lives = id != MAP_NONE && store_thread(live->store, id)->pid == pid;
    return lives && !has_ended(live, id) ? id : THREAD_NONE;
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
    thread_id id = processes_find_thread(live, pid, tid);
    if (id == THREAD_NONE) {
        return;
    }
    end_thread(live, id, time_ns);
    struct process *process = processes_find(live, pid);
    if (pid == tid && process != NULL) {
        atomic_store(&store_process_mut(live->store, process->id)->ended_ns, time_ns);
    }
}

thread_id processes_exec(struct processes_live *live, uint32_t pid, struct slice name,
                         uint64_t time_ns)
{
    struct process *process = processes_get(live, pid, time_ns);
    if (process == NULL) {
        return THREAD_NONE;
    }
    thread_id thread = processes_find_thread(live, pid, pid);
    end_threads(live, process, thread, time_ns);
    space_clear(&process->space, &live->space_versions);
    code_rules_clear(&process->code_rules);
    process->wants_main_image = true;
    if (thread == THREAD_NONE) { // the first one of it, or another one takes over the tid
        thread = add_thread(live, pid, pid, 0, time_ns);
    }
    atomic_store(&store_process_mut(live->store, process->id)->ended_ns, 0);
    processes_name_thread(live, pid, pid, name, time_ns);
    return thread;
}

// ---- Threads of other programs ------------------------------------------------------------------

// `key` stands for its process.
static thread_id add_foreign(struct processes_live *live, uint64_t key, uint32_t pid, uint32_t tid,
                             string_id name, uint64_t time_ns)
{
    process_id process = map_find(&live->foreign_by_pid, key);
    if (process == MAP_NONE) {
        process = store_add_process(live->store, pid, 0, time_ns, name);
        if (process == PROCESS_NONE) {
            return THREAD_NONE;
        }
        map_set(&live->foreign_by_pid, key, process);
    }
    return store_add_foreign_thread(live->store, pid, tid, process, time_ns, name);
}

static thread_id foreign_others(struct processes_live *live, uint64_t time_ns)
{
    if (live->foreign_others == THREAD_NONE) {
        string_id name = strings_add(&live->store->strings, slice_of_text("[others]"));
        live->foreign_others = add_foreign(live, UINT64_MAX, 0, 0, name, time_ns);
    }
    return live->foreign_others;
}

thread_id processes_foreign(struct processes_live *live, uint32_t pid, uint32_t tid,
                            struct slice name, uint64_t time_ns)
{
    thread_id id = map_find(&live->foreign_by_tid, tid);
    if (id != MAP_NONE) {
        const struct thread_row *row = store_thread(live->store, id);
        struct slice known = strings_get(&live->store->strings, atomic_load(&row->name));
        if (row->pid == pid && slice_equal(known, name)) {
            return id;
        }
    }
    if (live->n_foreign >= LIMIT_FOREIGN_THREADS) {
        return foreign_others(live, time_ns);
    }
    // The kernel's wakeups name a thread, not always its process.
    uint64_t key = pid != 0 ? pid : (uint64_t)tid | UINT64_C(1) << 32;
    id = add_foreign(live, key, pid, tid, strings_add(&live->store->strings, name), time_ns);
    if (id != THREAD_NONE) {
        live->n_foreign++;
        map_set(&live->foreign_by_tid, tid, id);
    }
    return id;
}
