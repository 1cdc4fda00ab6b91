#include "capture/linux/attach.h"

#include "base/limits.h"
#include "capture/linux/proc.h"
#include "event/wire.h"

#include <errno.h>

enum { ROUNDS_MAX = 8 }; // listings; from the third on, whoever is new is a child of a recorded one

void attach_init(struct attach *attach, struct perf_set *set, uint32_t pid, bool follow)
{
    *attach = (struct attach){.set = set, .pid = pid, .follow = follow};
}

void attach_fini(struct attach *attach)
{
    vec_fini(&attach->threads);
    map_fini(&attach->by_tid);
    map_fini(&attach->suspect_by_id);
    *attach = (struct attach){0};
}

static uint32_t add_thread(struct attach *attach, struct attach_thread thread)
{
    uint32_t index = (uint32_t)attach->threads.n;
    vec_push(&attach->threads, thread);
    map_set(&attach->by_tid, thread.tid, index);
    return index;
}

// ---- Opening -----------------------------------------------------------------------------------

static int open_thread(struct attach *attach, uint32_t pid, uint32_t tid, bool suspect,
                       struct err *reterr)
{
    int r = perf_set_add_thread(attach->set, tid, reterr);
    if (r != PERF_SET_OK) {
        return r;
    }
    uint32_t index = add_thread(
        attach,
        (struct attach_thread){.tid = tid, .pid = pid, .announced = true, .suspect = suspect});
    if (suspect) {
        attach->n_suspects++;
        const struct perf_set *set = attach->set; // the events of the thread are the last ones
        for (size_t i = set->events.n; i-- > 0 && set->events.at[i].tid == tid;) {
            map_set(&attach->suspect_by_id, set->events.at[i].id, index);
        }
    }
    return PERF_SET_OK;
}

struct listed_thread {
    uint32_t pid;
    uint32_t tid;
};

struct listing {
    VEC(struct listed_thread) threads;
};

// All threads that are to be recorded and that nobody knows yet.
static void list_unknown(const struct attach *attach, struct listing *ret)
{
    struct proc_ids pids = {0};
    vec_push(&pids.list, attach->pid);
    if (attach->follow) {
        proc_descendants(attach->pid, LIMIT_PROCESSES, &pids);
    }
    for (size_t i = 0; i < pids.list.n; i++) {
        struct proc_ids tids = {0};
        proc_threads(pids.list.at[i], &tids);
        for (size_t k = 0; k < tids.list.n; k++) {
            uint32_t tid = tids.list.at[k];
            if (map_find(&attach->by_tid, tid) == MAP_NONE) {
                vec_push(&ret->threads, (struct listed_thread){pids.list.at[i], tid});
            }
        }
        vec_fini(&tids.list);
    }
    vec_fini(&pids.list);
}

// The whole listing is made before the first of it is opened: in the first round nobody can have
// inherited. A thread that ends meanwhile needs nothing. Returns how many were opened.
static int open_round(struct attach *attach, bool suspects, struct err *reterr)
{
    struct listing listing = {0};
    list_unknown(attach, &listing);
    int r = 0;
    int n_opened = 0;
    for (size_t i = 0; i < listing.threads.n && r >= 0; i++) {
        struct listed_thread *thread = &listing.threads.at[i];
        r = open_thread(attach, thread->pid, thread->tid, suspects, reterr);
        n_opened += r == PERF_SET_OK;
    }
    vec_fini(&listing.threads);
    return r < 0 ? r : n_opened;
}

// ---- Telling what exists -----------------------------------------------------------------------

// Its events are enabled by now. So if the thread has slept and woken up before we look, or fallen
// asleep, its switches tell; if it has not, it still sleeps.
static void put_started(const struct attach *attach, const struct attach_thread *thread,
                        uint64_t time_ns, struct text *early)
{
    struct event event = {.pid = thread->pid, .tid = thread->tid, .time_ns = time_ns};
    bool asleep = proc_is_asleep(thread->pid, thread->tid);
    if (thread->pid == thread->tid && thread->pid != attach->pid) {
        event.kind = EVENT_PROCESS_FORKED;
        event.process_forked.parent_pid = attach->pid;
        event.process_forked.parent_tid = attach->pid;
        event.process_forked.recorded = true;
        event.process_forked.existed = true;
        event.process_forked.asleep = asleep;
    } else {
        event.kind = EVENT_THREAD_STARTED;
        event.thread_started.existed = true;
        event.thread_started.asleep = asleep;
    }
    wire_put(early, &event);
}

static void put_name(const struct attach_thread *thread, uint64_t time_ns, struct text *early)
{
    CLEANUP(text_fini) struct text name = {0};
    if (proc_name(thread->pid, thread->tid, &name)) {
        struct event event = {
            .kind = EVENT_THREAD_NAMED, .pid = thread->pid, .tid = thread->tid, .time_ns = time_ns};
        event.thread_named.name = slice_of_text(text_get(&name));
        wire_put(early, &event);
    }
}

static void put_mapping(uint32_t pid, const struct proc_mapping *mapping, uint64_t time_ns,
                        struct text *early)
{
    CLEANUP(text_fini) struct text path = {0};
    proc_path_unescape(&path, mapping->path);
    if (path.n == 0) {
        text_add(&path, "//anon"); // as a perf record would call it
    }
    struct event event = {.kind = EVENT_IMAGE_MAPPED, .pid = pid, .tid = pid, .time_ns = time_ns};
    event.image_mapped.start_addr = mapping->start_addr;
    event.image_mapped.size_bytes = mapping->end_addr - mapping->start_addr;
    event.image_mapped.file_off = mapping->file_off;
    event.image_mapped.device = mapping->device;
    event.image_mapped.inode = mapping->inode;
    event.image_mapped.path = (struct slice){(const uint8_t *)path.at, path.n};
    event.image_mapped.kind = perf_image_kind(event.image_mapped.path);
    wire_put(early, &event);
}

static void put_mappings(uint32_t pid, uint64_t time_ns, struct text *early)
{
    CLEANUP(text_fini) struct text maps = {0};
    if (proc_maps(pid, &maps) < 0) {
        return; // it ends just now, and is not ours to look into then
    }
    struct reader from = reader_of((struct slice){(const uint8_t *)text_get(&maps), maps.n});
    struct proc_mapping mapping;
    while (proc_maps_next(&from, &mapping)) {
        if (mapping.executable) {
            put_mapping(pid, &mapping, time_ns, early);
        }
    }
}

// Processes first, while their address spaces are empty: a fork copies that of its parent. The
// main thread of a process stands for it, whether or not it is still there itself.
static void put_all(struct attach *attach, uint64_t time_ns, struct text *early)
{
    for (size_t i = 0; i < attach->threads.n; i++) {
        const struct attach_thread *thread = &attach->threads.at[i];
        if (map_find(&attach->by_tid, thread->pid) == MAP_NONE) {
            add_thread(attach, (struct attach_thread){
                                   .tid = thread->pid, .pid = thread->pid, .announced = true});
        }
    }
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < attach->threads.n; i++) {
            const struct attach_thread *thread = &attach->threads.at[i];
            if ((thread->pid == thread->tid) == (pass == 0)) {
                put_started(attach, thread, time_ns, early);
            }
        }
    }
    for (size_t i = 0; i < attach->threads.n; i++) {
        put_name(&attach->threads.at[i], time_ns, early);
    }
    for (size_t i = 0; i < attach->threads.n; i++) {
        if (attach->threads.at[i].pid == attach->threads.at[i].tid) {
            put_mappings(attach->threads.at[i].pid, time_ns, early);
        }
    }
}

// ---- Life --------------------------------------------------------------------------------------

int attach_all(struct attach *attach, uint64_t time_ns, struct text *early, struct err *reterr)
{
    int r = 1;
    for (int round = 0; round < ROUNDS_MAX && r > 0; round++) {
        r = open_round(attach, round > 0, reterr);
        if (r < 0) {
            return r;
        }
    }
    if (attach->threads.n == 0) {
        return err_set(reterr, ESRCH, "process %u has just ended", attach->pid);
    }
    // Only now, when every change is recorded: what is read is older than nothing in the rings.
    put_all(attach, time_ns, early);
    return 0;
}

int attach_launched(struct attach *attach, struct err *reterr)
{
    attach->settled = true;
    int r = open_thread(attach, attach->pid, attach->pid, false, reterr);
    if (r == PERF_SET_E_GONE) {
        return err_set(reterr, ESRCH, "process %u has ended before it was recorded", attach->pid);
    }
    return r;
}

void attach_settle(struct attach *attach, uint64_t time_ns, struct text *early)
{
    size_t known = attach->threads.n;
    attach->settled = true;
    open_round(attach, true, NULL);
    for (size_t i = known; i < attach->threads.n; i++) {
        put_started(attach, &attach->threads.at[i], time_ns, early);
        put_name(&attach->threads.at[i], time_ns, early);
    }
}

// ---- Records -----------------------------------------------------------------------------------

static struct attach_thread *find_thread(struct attach *attach, uint32_t tid)
{
    uint32_t index = map_find(&attach->by_tid, tid);
    return index == MAP_NONE ? NULL : &attach->threads.at[index];
}

// Whether the record comes from an event that should not have been opened.
static bool is_double(struct attach *attach, const struct perf_event_header *record)
{
    struct perf_stamp stamp;
    perf_record_stamp(record, &stamp);
    uint32_t owner = map_find(&attach->suspect_by_id, stamp.id);
    if (owner != MAP_NONE) {
        return attach->threads.at[owner].inherited;
    }
    struct attach_thread *thread = find_thread(attach, stamp.tid);
    if (thread != NULL && thread->suspect) {
        thread->suspect = false;
        thread->inherited = true;
        perf_set_remove_thread(attach->set, thread->tid);
    }
    return false;
}

static bool is_new_thread(struct attach *attach, const struct event *event)
{
    struct attach_thread *thread = find_thread(attach, event->tid);
    if (thread != NULL && thread->announced) {
        thread->announced = false;
        return false;
    }
    // A suspect's child is told by both sets of events.
    bool again = attach->n_suspects > 0 && event->tid == attach->last_started_tid;
    attach->last_started_tid = event->tid;
    if (thread == NULL && !attach->settled) {
        add_thread(attach, (struct attach_thread){.tid = event->tid, .pid = event->pid});
    }
    return !again;
}

bool attach_wants(struct attach *attach, const struct perf_event_header *record,
                  const struct event *event)
{
    if (attach->n_suspects > 0 && is_double(attach, record)) {
        return false;
    }
    if (event->kind == EVENT_THREAD_STARTED || event->kind == EVENT_PROCESS_FORKED) {
        return is_new_thread(attach, event);
    }
    if (event->kind == EVENT_THREAD_EXITED) {
        struct attach_thread *thread = find_thread(attach, event->tid);
        if (thread != NULL) { // the number may be used again
            thread->announced = thread->suspect = false;
        }
    }
    return true;
}
