// Any stream of events, applied: rows lie in the life of their thread, one after another.

#include "event/wire.h"
#include "run/pipeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS = 1000 };

static void check_rows(const struct store *store)
{
    uint64_t end_of[EVENTS * 4] = {0}; // an event mentions two threads, and may renew one
    for (uint64_t i = 0; i < atomic_load(&store->intervals.n); i++) {
        struct interval row = intervals_get(&store->intervals, i);
        ASSERT(row.thread < atomic_load(&store->threads.n) && row.thread < EVENTS * 4);
        const struct thread_row *thread = store_thread(store, row.thread);
        uint64_t end_ns = row.start_ns + row.duration_ns;
        uint64_t ended_ns = atomic_load(&thread->ended_ns);
        ASSERT(!thread->foreign);
        ASSERT(row.start_ns >= thread->started_ns && row.start_ns >= end_of[row.thread]);
        ASSERT(ended_ns == 0 || end_ns <= ended_ns);
        ASSERT(row.stack < atomic_load(&store->stacks.n_nodes));
        end_of[row.thread] = end_ns;
    }
}

static void check_threads(const struct store *store)
{
    uint32_t n_recorded = 0;
    for (thread_id id = 0; id < atomic_load(&store->threads.n); id++) {
        struct thread_off off;
        ASSERT(!store_thread_off(store, id, &off)); // the run is over
        n_recorded += !store_thread(store, id)->foreign;
    }
    ASSERT(n_recorded == store_count_threads(store));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader from = reader_of((struct slice){data, size});
    struct wire_header header = {.switches = true};
    struct err err;
    if (wire_parse_header(&from, &header, &err) < 0) {
        from = reader_of((struct slice){data, size});
    }
    struct library library;
    library_init(&library, NULL, NULL);
    struct store *store = store_new(2, 2, 1);
    store->has_switches = header.switches;
    struct pipeline *pipeline = pipeline_new(store, &library);
    CLEANUP(wire_scratch_fini) struct wire_scratch scratch = {0};
    struct event event;
    for (int i = 0; i < EVENTS && wire_parse(&from, &scratch, &event) == WIRE_OK; i++) {
        if (event.kind != EVENT_IMAGE_MAPPED) { // its process and its file would be looked at
            pipeline_apply(pipeline, &event);
        }
    }
    pipeline_end(pipeline, 0);
    check_rows(store);
    check_threads(store);
    pipeline_free(pipeline);
    store_free(store);
    library_fini(&library);
    return 0;
}
