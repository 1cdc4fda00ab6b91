#include "run/pipeline.h"

#include "base/clock.h"
#include "base/limits.h"

_Static_assert((int)STORE_EVENT_KINDS >= (int)EVENT_KIND_COUNT, "a count for every kind of event");
_Static_assert((int)STORE_REASONS == (int)EVENT_REASON_COUNT, "every reason, and no other");
_Static_assert((int)BUILD_ID_MAX == (int)EVENT_BUILD_ID_MAX, "the same build-ids");
_Static_assert((int)COUNTER_COUNT == (int)EVENT_COUNTER_COUNT, "the same counters");

struct pipeline *pipeline_new(struct store *store, struct library *library)
{
    struct pipeline *pipeline = NEW(struct pipeline);
    pipeline->store = store;
    pipeline->library = library;
    pipeline->last_ns = store->started_ns;
    stack_builder_init(&pipeline->stacks, store, library);
    waits_init(&pipeline->waits, store);
    processes_init(&pipeline->live, store, &pipeline->waits);
    jit_code_init(&pipeline->jit, store, library, &pipeline->live.space_versions);
    return pipeline;
}

void pipeline_free(struct pipeline *pipeline)
{
    if (pipeline == NULL) {
        return;
    }
    jit_code_fini(&pipeline->jit);
    processes_fini(&pipeline->live);
    waits_fini(&pipeline->waits);
    heat_fini(&pipeline->heat);
    map_fini(&pipeline->image_by_library);
    stack_builder_fini(&pipeline->stacks);
    free(pipeline);
}

// ---- Images -----------------------------------------------------------------------------------

static image_id add_image(struct pipeline *p, const struct image_identity *identity,
                          enum image_row_kind kind, struct image_root *root, uint64_t load_bias)
{
    uint32_t library = library_get(p->library, identity, root);
    image_id known = map_find(&p->image_by_library, library);
    if (known != MAP_NONE) {
        return known;
    }
    struct slice build_id = {.data = identity->build_id.at, .n = identity->build_id.n};
    image_id id = store_add_image(p->store,
                                  &(struct image_row){
                                      .kind = kind,
                                      .path = strings_add(&p->store->strings, identity->path),
                                      .library = library,
                                      .load_bias = load_bias,
                                      .build_id = strings_add(&p->store->strings, build_id),
                                  });
    if (id != IMAGE_NONE) {
        map_set(&p->image_by_library, library, id);
    }
    return id;
}

static struct image_root *root_of(const struct pipeline *p, struct process *process)
{
    if (process->root == NULL && p->own_root) {
        process->root = image_root_open_directory("/");
    } else if (process->root == NULL) {
        process->root = image_root_open(process->pid);
    }
    return process->root;
}

static image_id file_image(struct pipeline *p, struct process *process, const struct event *event)
{
    struct image_identity identity = {
        .kind = event->image_mapped.kind == EVENT_IMAGE_VDSO ? IMAGE_VDSO : IMAGE_FILE,
        .path = event->image_mapped.path,
        .device = event->image_mapped.device,
        .inode = event->image_mapped.inode,
        .mapped_unix_ns = p->store->started_unix_ns + (event->time_ns - p->store->started_ns),
    };
    const struct event_build_id *build_id = &event->image_mapped.build_id;
    ASSERT(build_id->n <= BUILD_ID_MAX);
    identity.build_id.n = build_id->n;
    memcpy(identity.build_id.at, build_id->at, build_id->n);
    enum image_row_kind kind = identity.kind == IMAGE_VDSO ? IMAGE_ROW_VDSO : IMAGE_ROW_FILE;
    return add_image(p, &identity, kind, root_of(p, process),
                     event->image_mapped.start_addr - event->image_mapped.file_off);
}

// A JIT maps the file that it writes, so that it is found.
static void on_jitdump(struct pipeline *p, struct process *process, const struct event *event)
{
    jit_code_source(&process->jit, p->last_ns);
    if (p->jit_reader != NULL) {
        jit_reader_watch(p->jit_reader, &(struct jit_watch){
                                            .kind = JIT_SOURCE_JITDUMP,
                                            .pid = process->pid,
                                            .root = root_of(p, process),
                                            .path = event->image_mapped.path,
                                            .inode = event->image_mapped.inode,
                                        });
    }
}

static void on_image_mapped(struct pipeline *p, const struct event *event)
{
    if (event->image_mapped.kind == EVENT_IMAGE_KERNEL) {
        if (event->pid == 0) { // of no process: how would one know?
            stack_builder_name_kernel(&p->stacks, event->image_mapped.path);
        }
        return;
    }
    struct process *process = processes_get(&p->live, event->pid, p->last_ns);
    if (process == NULL) {
        return;
    }
    bool anonymous = event->image_mapped.kind == EVENT_IMAGE_ANONYMOUS;
    image_id image = anonymous ? jit_code_image(&p->jit, process->id, &process->jit, p->last_ns)
                               : file_image(p, process, event);
    if (image == IMAGE_NONE) {
        return;
    }
    if (jit_reader_is_dump(event->image_mapped.path)) {
        on_jitdump(p, process, event);
    }
    stack_builder_meet_image(&p->stacks, image);
    space_map(&process->space, &p->live.space_versions, event->image_mapped.start_addr,
              event->image_mapped.size_bytes,
              anonymous ? event->image_mapped.start_addr : event->image_mapped.file_off, image);
    if (event->image_mapped.kind == EVENT_IMAGE_FILE && process->wants_main_image) {
        process->wants_main_image = false;
        atomic_store(&store_process_mut(p->store, process->id)->main_image, image);
    }
}

// ---- Stacks -----------------------------------------------------------------------------------

// A stack has been in memory without a file: the process may have a JIT that writes a perf map.
static void on_anonymous_frame(struct pipeline *p, struct process *process)
{
    process->jit.met = true;
    if (p->jit_reader != NULL) {
        jit_reader_watch(p->jit_reader,
                         &(struct jit_watch){
                             .kind = JIT_SOURCE_PERF_MAP,
                             .pid = process->pid,
                             .root = root_of(p, process),
                             .since_ns = MAX(p->store->started_ns, process->jit.exec_ns),
                         });
    }
}

// `process` may be NULL when there is no user part.
static struct built_stack push_stack(struct pipeline *p, struct process *process, uint32_t tid,
                                     const struct event_stack *stack, bool copied)
{
    if (process == NULL) {
        return stack_builder_push(&p->stacks, NULL, tid, stack, copied);
    }
    jit_code_tick(&p->jit, process->id, &process->jit, &process->space, p->last_ns);
    struct built_stack built = stack_builder_push(&p->stacks, process, tid, stack, copied);
    if (built.is_in_anonymous && !process->jit.met) {
        on_anonymous_frame(p, process);
    }
    return built;
}

// ---- Samples ----------------------------------------------------------------------------------

static void count_stack(struct pipeline *p, const struct built_stack *built)
{
    store_count(p->store, ACCOUNT_FRAMES, built->n_frames);
    if (built->n_frames == 0) {
        store_count(p->store, ACCOUNT_STACKS_EMPTY, 1);
    }
    if (built->is_truncated) {
        store_count(p->store, ACCOUNT_STACKS_TRUNCATED, 1);
    }
}

static void on_sample(struct pipeline *p, const struct event *event)
{
    struct process *process = processes_get(&p->live, event->pid, p->last_ns);
    thread_id thread = processes_thread(&p->live, event->pid, event->tid, p->last_ns);
    if (process == NULL || thread == THREAD_NONE) {
        store_count(p->store, ACCOUNT_SAMPLES_DROPPED, 1);
        return;
    }
    p->began = true;
    waits_runs(&p->waits, thread, event->time_ns, p->last_ns);
    if (p->pauses != NULL && pauses_drop(p->pauses, p->last_ns)) {
        return;
    }
    struct built_stack built = push_stack(p, process, event->tid, &event->sample.stack, true);
    count_stack(p, &built);
    uint64_t row = atomic_load_explicit(&p->store->samples.n, memory_order_relaxed);
    atomic_store_explicit(&store_thread_mut(p->store, thread)->last_stack, built.stack,
                          memory_order_release);
    heat_add(&p->heat, p->store, built.stack);
    bool added = store_add_sample(p->store, p->last_ns, thread, built.stack);
    if (added && event->sample.counters.valid != 0) {
        struct counter_row counters = {.sample = row, .valid = event->sample.counters.valid};
        memcpy(counters.delta, event->sample.counters.delta, sizeof counters.delta);
        store_add_counters(p->store, &counters);
    }
}

// ---- Waiting ----------------------------------------------------------------------------------

static void on_switch_out(struct pipeline *p, const struct event *event)
{
    thread_id thread = processes_thread(&p->live, event->pid, event->tid, p->last_ns);
    if (thread == THREAD_NONE) {
        return;
    }
    stack_id stack = STACK_ROOT;
    if (event->switch_out.has_stack) {
        struct process *process = processes_find(&p->live, event->pid);
        stack = push_stack(p, process, event->tid, &event->switch_out.stack, true).stack;
    }
    waits_out(&p->waits, thread, event, stack, p->last_ns);
}

static void on_switch_in(struct pipeline *p, const struct event *event)
{
    thread_id thread = processes_thread(&p->live, event->pid, event->tid, p->last_ns);
    if (thread != THREAD_NONE) {
        waits_in(&p->waits, thread, p->last_ns);
    }
}

// Wakeups name threads, not always their process: one that is on its way out has none any more.
static thread_id find_own(struct pipeline *p, uint32_t pid, uint32_t tid)
{
    thread_id known = map_find(&p->live.by_tid, tid);
    return known != MAP_NONE ? known : processes_thread(&p->live, pid, tid, p->last_ns);
}

// THREAD_NONE: nobody, or no room for it.
static thread_id find_wakee(struct pipeline *p, const struct event *event)
{
    uint32_t pid = event->wakeup.wakee_pid;
    uint32_t tid = event->wakeup.wakee_tid;
    if (tid == 0) { // the kernel's idle loop
        return THREAD_NONE;
    }
    return event->wakeup.wakee_foreign
               ? processes_foreign(&p->live, pid, tid, event->wakeup.foreign_name, p->last_ns)
               : find_own(p, pid, tid);
}

static thread_id find_waker(struct pipeline *p, const struct event *event)
{
    if (event->wakeup.interrupt || event->tid == 0) { // likewise: it does nothing by itself
        return THREAD_INTERRUPT;
    }
    if (event->wakeup.waker_foreign) {
        return processes_foreign(&p->live, event->pid, event->tid, event->wakeup.foreign_name,
                                 p->last_ns);
    }
    thread_id waker = find_own(p, event->pid, event->tid);
    if (waker != THREAD_NONE) {
        waits_runs(&p->waits, waker, event->time_ns, p->last_ns);
    }
    return waker;
}

// Where the waker was. The user's part of a stack belongs to a thread of the run, unless an
// interrupt came in between.
static void put_waker_stack(struct pipeline *p, const struct event *event, struct wakeup *ret)
{
    struct event_stack stack = event->wakeup.stack;
    bool own = ret->waker != THREAD_INTERRUPT && !event->wakeup.waker_foreign;
    if (!own) {
        stack = (struct event_stack){.kernel = stack.kernel, .n_kernel = stack.n_kernel};
    }
    bool has_any = stack.n_user + stack.n_kernel > 0 || stack.regs != NULL;
    if (event->wakeup.has_stack && has_any) {
        uint32_t pid = own ? store_thread(p->store, ret->waker)->pid : 0;
        struct process *process = own ? processes_find(&p->live, pid) : NULL;
        ret->stack = push_stack(p, process, event->tid, &stack, false).stack;
        if (ret->waker != THREAD_INTERRUPT) {
            waker_stacks_put(&p->waker_stacks, ret->waker, ret->wakee, ret->stack);
        }
    } else if (ret->waker != THREAD_INTERRUPT) {
        ret->stack = waker_stacks_find(&p->waker_stacks, ret->waker, ret->wakee);
        ret->approximate = ret->stack != STACK_ROOT;
    }
}

static void on_wakeup(struct pipeline *p, const struct event *event)
{
    struct wakeup wakeup = {.time_ns = p->last_ns, .wakee = find_wakee(p, event)};
    if (wakeup.wakee == THREAD_NONE) {
        return;
    }
    wakeup.waker = find_waker(p, event);
    if (wakeup.waker == THREAD_NONE) {
        return;
    }
    put_waker_stack(p, event, &wakeup);
    store_add_wakeup(p->store, &wakeup);
    if (!event->wakeup.wakee_foreign) {
        waits_woken(&p->waits, wakeup.wakee, p->last_ns);
    }
}

static void on_wait_seen(struct pipeline *p, const struct event *event)
{
    thread_id thread = processes_find_thread(&p->live, event->pid, event->tid);
    if (thread != THREAD_NONE) {
        waits_seen(&p->waits, thread, event);
    }
}

// ---- Code -------------------------------------------------------------------------------------

static void on_image_unmapped(struct pipeline *p, const struct event *event)
{
    struct process *process = processes_find(&p->live, event->pid);
    if (process != NULL) {
        space_unmap(&process->space, &p->live.space_versions, event->image_unmapped.start_addr,
                    event->image_unmapped.size_bytes);
    }
}

static void on_code_loaded(struct pipeline *p, const struct event *event)
{
    struct process *process = processes_get(&p->live, event->pid, p->last_ns);
    if (process != NULL &&
        jit_code_loaded(&p->jit, process->id, &process->jit, event, p->last_ns)) {
        unwinder_add_code(&p->stacks.unwinder, process, event->code_loaded.addr,
                          event->code_loaded.size_bytes, event->code_loaded.eh_frame);
    }
}

// Rules for unwinding it do not come with it: it is walked by its frame pointer from then on.
static void on_code_moved(struct pipeline *p, const struct event *event)
{
    struct process *process = processes_find(&p->live, event->pid);
    if (process != NULL && jit_code_moved(&p->jit, process->id, &process->jit, event, p->last_ns)) {
        unwinder_add_code(&p->stacks.unwinder, process, event->code_moved.to_addr,
                          event->code_moved.size_bytes, (struct slice){0});
    }
}

// ---- Lives ------------------------------------------------------------------------------------

// The thread that this event begins, if it was announced before: by two sets of kernel events, or
// by its birth and by a list of those that exist. Else THREAD_NONE.
static thread_id find_announced(const struct pipeline *p, const struct event *event, bool existed)
{
    thread_id thread = processes_find_thread(&p->live, event->pid, event->tid);
    if (thread == THREAD_NONE || existed) {
        return thread;
    }
    uint64_t started_ns = store_thread(p->store, thread)->started_ns;
    bool same = event->time_ns <= started_ns || event->time_ns - started_ns <= WAITS_HAIR_NS;
    return same ? thread : THREAD_NONE;
}

static void begin_wait(struct pipeline *p, thread_id thread, bool existed, bool asleep)
{
    enum wait_begin there = asleep ? WAIT_BEGIN_ASLEEP : WAIT_BEGIN_AWAKE;
    if (thread != THREAD_NONE) {
        waits_begin(&p->waits, thread, existed ? there : WAIT_BEGIN_BORN);
    }
}

static void on_thread_started(struct pipeline *p, const struct event *event)
{
    bool existed = event->thread_started.existed;
    thread_id thread = find_announced(p, event, existed);
    if (thread == THREAD_NONE) {
        thread = processes_start_thread(&p->live, event->pid, event->tid,
                                        event->thread_started.parent_tid, p->last_ns);
    }
    begin_wait(p, thread, existed, event->thread_started.asleep);
}

static void on_process_forked(struct pipeline *p, const struct event *event)
{
    if (!event->process_forked.recorded) {
        return;
    }
    uint32_t parent_pid = event->process_forked.parent_pid;
    bool existed = event->process_forked.existed;
    const struct process *known = processes_find(&p->live, event->pid);
    bool is_child = known != NULL && store_process(p->store, known->id)->parent_pid == parent_pid;
    thread_id thread = is_child ? find_announced(p, event, existed) : THREAD_NONE;
    if (thread == THREAD_NONE) {
        processes_fork(&p->live, event->pid, parent_pid, p->last_ns);
        thread = processes_start_thread(&p->live, event->pid, event->tid,
                                        event->process_forked.parent_tid, p->last_ns);
    }
    begin_wait(p, thread, existed, event->process_forked.asleep);
}

static void on_thread_named(struct pipeline *p, const struct event *event)
{
    processes_name_thread(&p->live, event->pid, event->tid, event->thread_named.name, p->last_ns);
    thread_id thread = processes_find_thread(&p->live, event->pid, event->tid);
    if (thread != THREAD_NONE) {
        waits_meet(&p->waits, thread);
    }
}

static void on_exec(struct pipeline *p, const struct event *event)
{
    p->began = true;
    struct process *process = processes_find(&p->live, event->pid);
    if (process != NULL) {
        jit_code_exec(&p->jit, &process->jit, p->last_ns);
    }
    thread_id thread = processes_exec(&p->live, event->pid, event->exec.name, p->last_ns);
    if (thread != THREAD_NONE) {
        waits_runs(&p->waits, thread, event->time_ns, p->last_ns);
    }
}

// ---- Events -----------------------------------------------------------------------------------

static void on_lost(struct pipeline *p, const struct event *event)
{
    enum account account = event->lost.samples ? ACCOUNT_SAMPLES_LOST : ACCOUNT_RECORDS_LOST;
    store_count(p->store, account, event->lost.n);
    store_count(p->store, ACCOUNT_LOST_REPORTS, 1);
}

static void keep_time(struct pipeline *p, const struct event *event)
{
    if (event->kind == EVENT_CODE_LOADED || event->kind == EVENT_CODE_MOVED) {
        return; // claims of the target, known when they are
    }
    if (event->time_ns < p->last_ns) {
        // What was there before the recording began may well carry an earlier time.
        if (event->time_ns >= p->store->started_ns) {
            store_count(p->store, ACCOUNT_OUT_OF_ORDER, 1);
        }
        return;
    }
    pipeline_advance(p, event->time_ns); // before it is applied: store_thread_off() says why
}

void pipeline_apply(struct pipeline *p, const struct event *event)
{
    keep_time(p, event);
    store_count_event(p->store, event->kind);
    switch (event->kind) {
    case EVENT_SAMPLE:
        on_sample(p, event);
        break;
    case EVENT_SWITCH_OUT:
        on_switch_out(p, event);
        break;
    case EVENT_SWITCH_IN:
        on_switch_in(p, event);
        break;
    case EVENT_WAKEUP:
        on_wakeup(p, event);
        break;
    case EVENT_WAIT_SEEN:
        on_wait_seen(p, event);
        break;
    case EVENT_IMAGE_MAPPED:
        on_image_mapped(p, event);
        break;
    case EVENT_IMAGE_UNMAPPED:
        on_image_unmapped(p, event);
        break;
    case EVENT_CODE_LOADED:
        on_code_loaded(p, event);
        break;
    case EVENT_CODE_MOVED:
        on_code_moved(p, event);
        break;
    case EVENT_EXEC:
        on_exec(p, event);
        break;
    case EVENT_THREAD_STARTED:
        on_thread_started(p, event);
        break;
    case EVENT_PROCESS_FORKED:
        on_process_forked(p, event);
        break;
    case EVENT_THREAD_NAMED:
        on_thread_named(p, event);
        break;
    case EVENT_THREAD_EXITED:
        processes_end_thread(&p->live, event->pid, event->tid, p->last_ns);
        break;
    case EVENT_LOST:
        on_lost(p, event);
        break;
    case EVENT_THROTTLED:
        store_count(p->store, event->throttled.ended ? ACCOUNT_UNTHROTTLES : ACCOUNT_THROTTLES, 1);
        break;
    case EVENT_KIND_COUNT:
        ASSERT(false);
    }
}

void pipeline_advance(struct pipeline *p, uint64_t time_ns)
{
    if (time_ns > p->last_ns) {
        p->last_ns = time_ns;
        atomic_store_explicit(&p->store->last_ns, p->last_ns, memory_order_release);
    }
}

void pipeline_flush(struct pipeline *p)
{
    heat_flush(&p->heat, p->store, p->library);
}

void pipeline_end(struct pipeline *p, uint64_t time_ns)
{
    pipeline_advance(p, time_ns);
    waits_end_run(&p->waits, p->last_ns);
}
