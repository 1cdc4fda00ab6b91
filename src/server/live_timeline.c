#include "server/live_timeline.h"

#include "server/answer_parts.h"

static void forget_lanes(struct live_timeline_sent *sent)
{
    for (size_t i = 0; i < sent->lanes.n; i++) {
        vec_fini(&sent->lanes.at[i].buckets.hashes);
    }
    vec_clear(&sent->lanes);
}

void live_timeline_sent_fini(struct live_timeline_sent *sent)
{
    forget_lanes(sent);
    vec_fini(&sent->lanes);
    vec_fini(&sent->total.hashes);
}

// ---- What has changed --------------------------------------------------------------------------

// The first bucket that is not as it was sent; they are remembered as they are now.
static size_t first_changed(struct live_buckets *sent, const struct timeline_bucket *buckets,
                            size_t n)
{
    size_t first = MIN(sent->hashes.n, n);
    sent->hashes.n = first;
    vec_grow_zeroed(&sent->hashes, n);
    for (size_t i = n; i-- > 0;) {
        uint64_t hash = hash_bytes(&buckets[i], sizeof buckets[i]);
        if (sent->hashes.at[i] != hash) {
            sent->hashes.at[i] = hash;
            first = MIN(first, i);
        }
    }
    return first;
}

// Threads are known to a client by their ids: where two have the same, both are sent as new.
static bool is_alone(const struct timeline_answer *timeline, const struct store *store, size_t at)
{
    const struct thread_row *row = store_thread(store, timeline->threads.at[at].thread);
    for (size_t i = 0; i < timeline->threads.n; i++) {
        const struct thread_row *other = store_thread(store, timeline->threads.at[i].thread);
        if (i != at && other->tid == row->tid && other->pid == row->pid) {
            return false;
        }
    }
    return true;
}

// What was sent of the thread; nothing when it was not shown in the message before.
static struct live_buckets take_lane(struct live_timeline_sent *sent, thread_id thread)
{
    for (size_t i = 0; i < sent->lanes.n; i++) {
        if (sent->lanes.at[i].thread == thread) {
            struct live_buckets buckets = sent->lanes.at[i].buckets;
            sent->lanes.at[i].buckets = (struct live_buckets){0};
            return buckets;
        }
    }
    return (struct live_buckets){0};
}

// ---- JSON --------------------------------------------------------------------------------------

enum live_column { LIVE_ON_CPU, LIVE_RUNNABLE, LIVE_OFF_CPU, LIVE_REASON, LIVE_COLUMNS };

static uint64_t cell(const struct timeline_bucket *bucket, enum live_column column)
{
    switch (column) {
    case LIVE_ON_CPU:
        return bucket->on_cpu_ns;
    case LIVE_RUNNABLE:
        return bucket->runnable_ns;
    case LIVE_OFF_CPU:
        return off_cpu_total(&bucket->off_cpu);
    case LIVE_REASON:
        return off_cpu_main_reason(&bucket->off_cpu);
    case LIVE_COLUMNS:
        break;
    }
    ASSERT(false);
    return 0;
}

static void put_columns(struct json *j, const struct timeline_bucket *buckets, size_t first,
                        size_t n, enum live_column until)
{
    static const char *const keys[LIVE_COLUMNS] = {
        [LIVE_ON_CPU] = "on_cpu_ns",
        [LIVE_RUNNABLE] = "runnable_ns",
        [LIVE_OFF_CPU] = "off_cpu_ns",
        [LIVE_REASON] = "reason",
    };
    json_u64_field(j, "first", first);
    for (enum live_column column = 0; column < until; column++) {
        json_key(j, keys[column]);
        json_array_begin(j);
        for (size_t i = first; i < n; i++) {
            json_u64(j, cell(&buckets[i], column));
        }
        json_array_end(j);
    }
}

enum bucket_waits_column { WAITS_BUCKET, WAITS_REASON, WAITS_NS, WAITS_COLUMNS };

static void put_waits(struct json *j, const struct timeline_bucket *buckets, size_t first, size_t n)
{
    static const char *const keys[WAITS_COLUMNS] = {
        [WAITS_BUCKET] = "bucket", [WAITS_REASON] = "reason", [WAITS_NS] = "ns"};
    json_key(j, "waits");
    json_object_begin(j);
    for (enum bucket_waits_column column = 0; column < WAITS_COLUMNS; column++) {
        json_key(j, keys[column]);
        json_array_begin(j);
        for (size_t at = first * EVENT_REASON_COUNT; at < n * EVENT_REASON_COUNT; at++) {
            uint64_t bucket = at / EVENT_REASON_COUNT;
            uint64_t reason = at % EVENT_REASON_COUNT;
            uint64_t ns = buckets[bucket].off_cpu.ns[reason];
            if (ns > 0) {
                json_u64(j, column == WAITS_BUCKET ? bucket : column == WAITS_REASON ? reason : ns);
            }
        }
        json_array_end(j);
    }
    json_object_end(j);
}

static void put_threads(struct json *j, struct live_timeline_sent *sent,
                        const struct timeline_answer *timeline, const struct store *store)
{
    struct live_timeline_sent now = {0}; // its lanes only
    json_u64_field(j, "n_threads", timeline->n_threads);
    json_key(j, "threads");
    json_array_begin(j);
    for (size_t i = 0; i < timeline->threads.n && !answer_is_full(j); i++) {
        const struct timeline_thread *thread = &timeline->threads.at[i];
        struct live_lane lane = {.thread = thread->thread,
                                 .buckets = take_lane(sent, thread->thread)};
        if (!is_alone(timeline, store, i)) {
            vec_clear(&lane.buckets.hashes);
        }
        size_t first = first_changed(&lane.buckets, thread->buckets.at, thread->buckets.n);
        json_object_begin(j);
        put_thread_fields(j, "name", store, thread->thread);
        put_columns(j, thread->buckets.at, first, thread->buckets.n, LIVE_COLUMNS);
        json_object_end(j);
        vec_push(&now.lanes, lane);
    }
    json_array_end(j);
    forget_lanes(sent);
    vec_fini(&sent->lanes);
    sent->lanes.at = now.lanes.at;
    sent->lanes.n = now.lanes.n;
    sent->lanes.room = now.lanes.room;
}

void live_timeline_put(struct json *j, struct live_timeline_sent *sent,
                       const struct timeline_answer *timeline, const struct store *store)
{
    if (sent->bucket_ns != timeline->bucket_ns || sent->start_ns != timeline->start_ns) {
        live_timeline_sent_fini(sent);
        *sent = (struct live_timeline_sent){.bucket_ns = timeline->bucket_ns,
                                            .start_ns = timeline->start_ns};
    }
    size_t n = timeline->buckets.n;
    size_t first = first_changed(&sent->total, timeline->buckets.at, n);
    json_bool_field(j, "full", !sent->begun);
    json_u64_field(j, "n_buckets", n);
    put_columns(j, timeline->buckets.at, first, n, LIVE_OFF_CPU);
    put_waits(j, timeline->buckets.at, first, n);
    put_threads(j, sent, timeline, store);
    sent->begun = true;
}
