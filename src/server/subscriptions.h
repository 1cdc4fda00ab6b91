#pragma once

// Questions that are answered again and again: Profiler.subscribe.
//
//     due ──► asked ──► answered ──► sent ──► (interval) ──► due
//                                     │
//                                     └─────► (acknowledged) ──►   where the client wants that
//
// Latest value, never a queue: a subscription is only asked when the client has read everything
// that was sent before, as far as the kernel knows, or, if it acknowledges, has worked off the last
// message: so a slow client gets fewer messages, each as new as can be. An answer that brings
// nothing new is not sent. The last message, after the run and its names are complete, says
// `ended`.
//
// Those that look at one run are asked together where that costs nobody more than a little patience
// (IN_STEP of an interval): their answers then stand on the same moment, and on the same sums. A
// new one is asked at once, and then falls into step.
//
// What the client has been told (server/sent.h) belongs to the model, and is lent to the question
// under way; there is one at most.
//
// A client may change the question. That begins a new epoch: what was told so far counts no more,
// and an answer to the old question, on its way at that moment, is dropped. The new one is asked at
// once, whatever was acknowledged: that is what the client wants to see now.

#include "base/vec.h"
#include "server/loop.h"
#include "server/questions.h"

struct connection;
struct server;

struct subscription {
    uint64_t connection;
    uint32_t id; // within the connection
    uint32_t run;
    const char *method;     // of the schema
    struct question *model; // copied for every question
    uint64_t interval_ns;
    bool waits_for_acks;
    uint64_t due_ns;
    uint64_t asked_ns;
    uint64_t epoch;             // from 1 on
    uint64_t seq;               // of the last message
    uint64_t acked;             // likewise, among those that were acknowledged
    bool is_new;                // nothing was sent in this epoch
    uint64_t revision;          // of the last message
    struct question *under_way; // borrowed; NULL: none
};

struct subscriptions {
    struct server *server;
    VEC(struct subscription) all;
    struct loop_timer timer;
    uint32_t next_id;
};

void subscriptions_init(struct subscriptions *subscriptions, struct server *server);
void subscriptions_fini(struct subscriptions *subscriptions);

// Of `*wanted`, the connection, method, model (taken over), interval and waits_for_acks count. The
// id.
uint32_t subscriptions_add(struct subscriptions *subscriptions, struct subscription wanted);

// Borrowed until anything happens to any of them. NULL: there is no such subscription.
struct subscription *subscriptions_find(struct subscriptions *subscriptions, uint64_t connection,
                                        uint32_t id);
void subscriptions_remove(struct subscriptions *subscriptions, struct subscription *subscription);

// Another question for the same subscription: a new epoch. Takes over the model.
void subscriptions_renew(struct subscriptions *subscriptions, struct subscription *subscription,
                         struct question *model, uint64_t interval_ns);

// The client has worked off that message, which was sent, and all before.
void subscriptions_ack(struct subscriptions *subscriptions, struct subscription *subscription,
                       uint64_t seq);

size_t subscriptions_of(const struct subscriptions *subscriptions, uint64_t connection);

// An answer to one of its questions; borrowed.
void subscriptions_on_answer(struct subscriptions *subscriptions, struct question *question);

// The run is about to leave memory: those who look at it are told, and that was it.
void subscriptions_on_shelved(struct subscriptions *subscriptions, uint32_t run);

// The client has gone.
void subscriptions_drop(struct subscriptions *subscriptions, uint64_t connection);
