#include "server/answers.h"

#include "query/now.h"
#include "server/answer_parts.h"
#include "server/run_facts.h"

// ---- Intervals --------------------------------------------------------------------------------

static void put_interval(struct json *j, struct analysis *analysis,
                         const struct interval_entry *entry, uint32_t max_frames)
{
    json_object_begin(j);
    put_thread_fields(j, "thread_name", analysis->run->store, entry->thread);
    json_u64_field(j, "start_ns", entry->start_ns);
    json_u64_field(j, "duration_ns", entry->duration_ns);
    json_u64_field(j, "runnable_ns", entry->runnable_ns);
    json_string_field(j, "reason", event_reason_name(entry->reason));
    json_bool_field(j, "approximate", entry->approximate);
    json_bool_field(j, "open", entry->open);
    json_u64_field(j, "frames_cut", put_stack(j, analysis, entry->stack, max_frames));
    put_waker_fields(j, analysis, entry->woken, entry->waker, entry->waker_stack);
    json_object_end(j);
}

void answer_intervals(struct text *to, struct analysis *analysis, const struct question *question)
{
    const struct interval_list *list = interval_search_make(question->search, analysis->run->store,
                                                            &analysis->names, &analysis->reasons);
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    put_view_fields(&j, analysis, question->kept);
    json_u64_field(&j, "total_intervals", list->n_intervals);
    json_u64_field(&j, "total_duration_ns", list->total_ns);
    put_off_cpu(&j, "by_reason", &list->by_reason);
    json_key(&j, "entries");
    json_array_begin(&j);
    for (size_t i = 0; i < list->entries.n && !answer_is_full(&j); i++) {
        put_interval(&j, analysis, &list->entries.at[i], question->params.max_frames);
    }
    json_array_end(&j);
    json_object_end(&j);
}

// ---- Wakers -----------------------------------------------------------------------------------

static void put_wakers_entry(struct json *j, const struct analysis *analysis,
                             const struct wakers_entry *entry)
{
    const struct store *store = analysis->run->store;
    bool interrupt = entry->waker == THREAD_INTERRUPT;
    const struct thread_row *row = interrupt ? NULL : store_thread(store, entry->waker);
    struct slice name = thread_name_of(store, entry->waker);
    json_object_begin(j);
    json_u64_field(j, "waker_tid", interrupt ? 0 : row->tid);
    json_u64_field(j, "waker_pid", interrupt ? 0 : row->pid);
    json_text_field(j, "waker_name", name.data, name.n);
    json_bool_field(j, "interrupt", interrupt);
    json_bool_field(j, "foreign", !interrupt && row->foreign);
    json_hex_field(j, "waker_address", entry->function == NULL ? 0 : entry->function->addr);
    put_function(j, "waker_function_name", "waker_binary", entry->function);
    json_u64_field(j, "count", entry->count);
    json_u64_field(j, "approximate_count", entry->approximate);
    json_u64_field(j, "ended_ns", entry->ended_ns);
    put_off_cpu(j, "off_cpu", &entry->off_cpu);
    put_stack(j, analysis, entry->stack, RPC_DEFAULT_MAX_FRAMES);
    json_object_end(j);
}

// The name of the newest thread with this tid.
static struct slice name_of_tid(const struct store *store, uint32_t tid)
{
    for (thread_id id = atomic_load_explicit(&store->threads.n, memory_order_acquire); id-- > 0;) {
        if (store_thread(store, id)->tid == tid) {
            return thread_name_of(store, id);
        }
    }
    return (struct slice){0};
}

void answer_wakers(struct text *to, struct analysis *analysis, const struct question *question)
{
    const struct run *run = analysis->run;
    const struct capture_ability_state *ability = &run->abilities.at[CAPTURE_WAKEUPS];
    uint32_t tid = question->params.tid;
    struct slice name = name_of_tid(run->store, tid);
    struct wakers_answer wakers = {0};
    wakers_make(&wakers, question->kept->wakers, run->store, &analysis->reasons, tid,
                question->params.limit);
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    put_view_fields(&j, analysis, question->kept);
    json_u64_field(&j, "wakee_tid", tid);
    json_text_field(&j, "wakee_name", name.data, name.n);
    json_u64_field(&j, "total_wakeups", wakers.n_wakeups);
    json_u64_field(&j, "n_entries", wakers.n_entries);
    json_key(&j, "entries");
    json_array_begin(&j);
    for (size_t i = 0; i < wakers.entries.n && !answer_is_full(&j); i++) {
        put_wakers_entry(&j, analysis, &wakers.entries.at[i]);
    }
    json_array_end(&j);
    json_bool_field(&j, "available", ability->available);
    json_string_field(&j, "reason", ability->available ? "" : ability->reason.text);
    json_object_end(&j);
    wakers_answer_fini(&wakers);
}

// ---- Timeline ---------------------------------------------------------------------------------

static void put_bucket(struct json *j, const struct timeline_bucket *bucket, uint64_t start_ns)
{
    json_object_begin(j);
    json_u64_field(j, "start_ns", start_ns);
    json_u64_field(j, "on_cpu_ns", bucket->on_cpu_ns);
    json_u64_field(j, "runnable_ns", bucket->runnable_ns);
    put_off_cpu(j, "off_cpu", &bucket->off_cpu);
    json_object_end(j);
}

enum timeline_column {
    TIMELINE_ON_CPU,
    TIMELINE_RUNNABLE,
    TIMELINE_OFF_CPU,
    TIMELINE_REASON,
    TIMELINE_COLUMNS
};

static uint64_t timeline_cell(const struct timeline_bucket *bucket, enum timeline_column column)
{
    switch (column) {
    case TIMELINE_ON_CPU:
        return bucket->on_cpu_ns;
    case TIMELINE_RUNNABLE:
        return bucket->runnable_ns;
    case TIMELINE_OFF_CPU:
        return off_cpu_total(&bucket->off_cpu);
    case TIMELINE_REASON:
        return off_cpu_main_reason(&bucket->off_cpu);
    case TIMELINE_COLUMNS:
        break;
    }
    ASSERT(false);
    return 0;
}

static void put_timeline_thread(struct json *j, const struct store *store,
                                const struct timeline_thread *thread)
{
    static const char *const names[TIMELINE_COLUMNS] = {
        [TIMELINE_ON_CPU] = "on_cpu_ns",
        [TIMELINE_RUNNABLE] = "runnable_ns",
        [TIMELINE_OFF_CPU] = "off_cpu_ns",
        [TIMELINE_REASON] = "reason",
    };
    json_object_begin(j);
    put_thread_fields(j, "name", store, thread->thread);
    for (enum timeline_column column = 0; column < TIMELINE_COLUMNS; column++) {
        json_key(j, names[column]);
        json_array_begin(j);
        for (size_t i = 0; i < thread->buckets.n; i++) {
            json_u64(j, timeline_cell(&thread->buckets.at[i], column));
        }
        json_array_end(j);
    }
    json_object_end(j);
}

// As of the moment that the buckets end at, which is a hair before that of the fold.
void put_timeline_fields(struct json *j, struct analysis *analysis, const struct kept_view *kept,
                         const struct timeline_answer *timeline)
{
    struct total total = {0};
    total_make(&total, analysis->tree, &kept->fold, analysis->run->store, &analysis->reasons);
    total.health.start_ns = timeline->start_ns;
    total.health.end_ns = timeline->end_ns;
    json_u64_field(j, "total_on_cpu_ns", timeline->total.on_cpu_ns);
    put_health(j, &total.health);
    put_off_cpu(j, "total_off_cpu", &timeline->total.off_cpu);
    json_u64_field(j, "bucket_size_ns", timeline->bucket_ns);
    json_u64_field(j, "recording_duration_ns", run_duration_ns(analysis->run));
}

void answer_timeline(struct text *to, struct analysis *analysis, const struct question *question)
{
    const struct store *store = analysis->run->store;
    struct timeline_answer timeline = {0};
    timeline_make(&timeline, question->kept->timeline, store, question->params.buckets,
                  question->params.threads);
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    put_timeline_fields(&j, analysis, question->kept, &timeline);
    json_key(&j, "buckets");
    json_array_begin(&j);
    for (size_t i = 0; i < timeline.buckets.n; i++) {
        put_bucket(&j, &timeline.buckets.at[i], timeline.start_ns + i * timeline.bucket_ns);
    }
    json_array_end(&j);
    json_u64_field(&j, "n_threads", timeline.n_threads);
    json_key(&j, "threads");
    json_array_begin(&j);
    for (size_t i = 0; i < timeline.threads.n && !answer_is_full(&j); i++) {
        put_timeline_thread(&j, store, &timeline.threads.at[i]);
    }
    json_array_end(&j);
    json_object_end(&j);
    timeline_answer_fini(&timeline);
}

// ---- Now --------------------------------------------------------------------------------------

enum { NOW_NOTES = 5 }; // different ones that single threads have; the rest is left out

static void put_owner(struct json *j, struct analysis *analysis, const struct now_wait *wait)
{
    const struct store *store = analysis->run->store;
    if (wait->owner == THREAD_NONE) {
        return;
    }
    struct slice name = thread_name_of(store, wait->owner);
    json_key(j, "owner");
    json_object_begin(j);
    json_u64_field(j, "tid", store_thread(store, wait->owner)->tid);
    json_text_field(j, "name", name.data, name.n);
    json_string_field(j, "state", now_state_name(wait->owner_state));
    put_function(j, "function_name", "binary", telling_function(analysis, wait->owner_stack));
    json_object_end(j);
}

static void put_now_wait(struct json *j, struct analysis *analysis, const struct now_wait *wait,
                         uint32_t max_frames)
{
    const struct now_look *look = wait->look;
    json_object_begin(j);
    put_thread_fields(j, "thread_name", analysis->run->store, wait->thread);
    json_u64_field(j, "since_ns", wait->since_ns);
    json_u64_field(j, "duration_ns", wait->duration_ns);
    json_string_field(j, "reason", event_reason_name(wait->reason));
    json_text_field(j, "place", wait->place.data, wait->place.n);
    json_bool_field(j, "approximate", wait->approximate);
    json_u64_field(j, "frames_cut", put_stack(j, analysis, wait->stack, max_frames));
    put_waker_fields(j, analysis, wait->woken, wait->waker, wait->waker_stack);
    json_string_field(j, "object", look == NULL ? "" : look->object);
    if (look != NULL && look->object_addr != 0) {
        json_hex_field(j, "object_address", look->object_addr);
    }
    put_owner(j, analysis, wait);
    json_bool_field(j, "deadlock", wait->in_deadlock);
    json_object_end(j);
}

// "thread 11 (worker)"
static void add_thread(struct text *to, const struct store *store, thread_id thread)
{
    struct slice name = thread_name_of(store, thread);
    text_addf(to, "thread %u (", store_thread(store, thread)->tid);
    text_add_bytes(to, name.data, name.n);
    text_add(to, ")");
}

// What `waiter` waits for; NULL when its wait is not among those that are shown.
static const struct now_look *look_of(const struct now *now, thread_id waiter)
{
    for (size_t i = 0; i < now->waits.n; i++) {
        if (now->waits.at[i].thread == waiter) {
            return now->waits.at[i].look;
        }
    }
    return NULL;
}

// "thread 11 (worker) waits for a mutex that thread 12 (main) has; thread 12 (main) waits for …"
static void add_deadlock(struct text *to, const struct now *now, const struct store *store,
                         const struct now_deadlock *deadlock)
{
    const char *end_of_thread = capture_object_name(CAPTURE_OBJECT_THREAD);
    for (size_t i = 0; i < deadlock->threads.n; i++) {
        thread_id waiter = deadlock->threads.at[i];
        thread_id owner = deadlock->threads.at[(i + 1) % deadlock->threads.n];
        const struct now_look *look = look_of(now, waiter);
        const char *object = look == NULL ? "" : look->object;
        bool joins = strcmp(object, end_of_thread) == 0;
        text_add(to, i == 0 ? "" : "; ");
        add_thread(to, store, waiter);
        if (joins) {
            text_add(to, " waits for the end of ");
        } else if (object[0] != 0) {
            text_addf(to, " waits for a %s that ", object);
        } else {
            text_add(to, " waits for something that ");
        }
        if (owner == waiter) {
            text_add(to, joins ? "itself" : "it has itself");
        } else {
            add_thread(to, store, owner);
            text_add(to, joins ? "" : " has");
        }
    }
}

static void put_deadlocks(struct json *j, const struct now *now, const struct store *store)
{
    CLEANUP(text_fini) struct text text = {0};
    json_key(j, "deadlocks");
    json_array_begin(j);
    for (size_t i = 0; i < now->deadlocks.n && !answer_is_full(j); i++) {
        const struct now_deadlock *deadlock = &now->deadlocks.at[i];
        json_object_begin(j);
        json_key(j, "tids");
        json_array_begin(j);
        for (size_t k = 0; k < deadlock->threads.n; k++) {
            json_u64(j, store_thread(store, deadlock->threads.at[k])->tid);
        }
        json_array_end(j);
        text_clear(&text);
        add_deadlock(&text, now, store, deadlock);
        json_text_field(j, "text", text_get(&text), text.n);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_ability_note(struct json *j, const struct run *run, enum capture_ability ability,
                             const char *what)
{
    const struct capture_ability_state *state = &run->abilities.at[ability];
    if (state->available) {
        return;
    }
    CLEANUP(text_fini) struct text line = {0};
    text_addf(&line, "%s%s%s", what, state->reason.text[0] == 0 ? "" : ": ", state->reason.text);
    json_cstr(j, text_get(&line));
}

// What threads themselves did not let be found out, each text once.
static void put_look_notes(struct json *j, const struct question_looks *looks)
{
    const char *said[NOW_NOTES];
    size_t n_said = 0;
    for (size_t i = 0; i < looks->all.n && n_said < NOW_NOTES; i++) {
        const char *text = looks->all.at[i].not_details.text;
        bool known = text[0] == 0;
        for (size_t k = 0; k < n_said && !known; k++) {
            known = strcmp(said[k], text) == 0;
        }
        if (!known) {
            json_cstr(j, text);
            said[n_said++] = text;
        }
    }
}

static void put_now_notes(struct json *j, const struct run *run, const struct question_looks *looks)
{
    json_key(j, "notes");
    json_array_begin(j);
    if (looks->note.text[0] != 0) {
        json_cstr(j, looks->note.text);
    }
    if (looks->look == NULL) {
        json_cstr(j, "what threads wait for was not looked up: there is no live process");
    }
    put_look_notes(j, looks);
    put_ability_note(j, run, CAPTURE_OFF_CPU, "waits are not recorded");
    if (run->abilities.at[CAPTURE_OFF_CPU].available) {
        put_ability_note(j, run, CAPTURE_OFF_CPU_STACKS,
                         "stacks are the last known ones, not those of the waits");
    }
    if (looks->look != NULL) {
        put_ability_note(j, run, CAPTURE_WAIT_DETAILS, "what threads wait for is not known");
    }
    put_ability_note(j, run, CAPTURE_WAKEUPS, "who wakes threads is not recorded");
    json_array_end(j);
}

// A copy in the words of query/; borrows from `looks`.
static struct now_look *translate_looks(const struct question_looks *looks)
{
    struct now_look *ret = NEW_ARRAY(struct now_look, looks->all.n);
    for (size_t i = 0; i < looks->all.n; i++) {
        const struct capture_look *look = &looks->all.at[i];
        ret[i] = (struct now_look){
            .pid = look->pid,
            .tid = look->tid,
            .since_ns = looks->since_ns.at[i],
            .waits = look->waits,
            .place = {(const uint8_t *)look->place, strnlen(look->place, sizeof look->place)},
            .object = capture_object_name(look->object),
            .object_addr = look->object_addr,
            .owner_tid = look->owner_tid,
        };
    }
    return ret;
}

void answer_now(struct text *to, struct analysis *analysis, const struct question *question)
{
    const struct store *store = analysis->run->store;
    const struct question_looks *looks = &question->looks;
    CLEANUP(freep) struct now_look *translated = translate_looks(looks);
    struct now now = {0};
    now_make(&now, store, &analysis->names, &analysis->reasons, &question->kept->fold.view,
             translated, looks->all.n, question->params.limit);
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    put_view_fields(&j, analysis, question->kept);
    json_u64_field(&j, "time_ns", now.time_ns);
    json_u64_field(&j, "n_running", now.n_running);
    json_u64_field(&j, "n_runnable", now.n_runnable);
    json_u64_field(&j, "n_waiting", now.n_waiting);
    json_key(&j, "waits");
    json_array_begin(&j);
    for (size_t i = 0; i < now.waits.n && !answer_is_full(&j); i++) {
        put_now_wait(&j, analysis, &now.waits.at[i], question->params.max_frames);
    }
    json_array_end(&j);
    put_deadlocks(&j, &now, store);
    put_now_notes(&j, analysis->run, looks);
    json_object_end(&j);
    now_fini(&now);
}
