#pragma once

// A timeline as a subscriber gets it: by columns, and after the first message only from the first
// bucket on that differs from what was sent before. The past hardly ever changes: a wait may turn
// out to be one for another reason, and buckets grow coarser as the run grows longer (then all of
// it is sent).
//
// What was sent is remembered as one hash per bucket.

#include "query/timeline.h"
#include "rpc/json.h"

struct live_buckets {
    VEC(uint64_t) hashes;
};

struct live_lane {
    thread_id thread;
    struct live_buckets buckets;
};

struct live_timeline_sent {
    bool begun;
    uint64_t bucket_ns;
    uint64_t start_ns;
    struct live_buckets total;
    VEC(struct live_lane) lanes;
};

void live_timeline_sent_fini(struct live_timeline_sent *sent); // a zeroed one is empty, and ready

// The fields from `full` on.
void live_timeline_put(struct json *j, struct live_timeline_sent *sent,
                       const struct timeline_answer *timeline, const struct store *store);
