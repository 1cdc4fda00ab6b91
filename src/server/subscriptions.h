#pragma once

// Questions that are answered again and again: Profiler.subscribe.
//
//     due ──► asked ──► answered ──► sent ──► (interval) ──► due
//
// Latest value, never a queue: a subscription is only asked when the client has read everything
// that was sent before, so that a slow client gets fewer messages, each as new as can be. An answer
// that brings nothing new is not sent. The last message, after the run and its names are complete,
// says `ended`.

#include "base/vec.h"
#include "server/loop.h"
#include "server/questions.h"

struct connection;
struct server;

struct subscription {
    uint64_t connection;
    uint32_t id; // within the connection
    uint32_t run;
    struct question *model; // copied for every question
    uint64_t interval_ns;
    uint64_t due_ns;
    uint64_t seq;
    uint64_t revision; // of the last message
    bool asked;        // a question is under way
};

struct subscriptions {
    struct server *server;
    VEC(struct subscription) all;
    struct loop_timer timer;
    uint32_t next_id;
};

void subscriptions_init(struct subscriptions *subscriptions, struct server *server);
void subscriptions_fini(struct subscriptions *subscriptions);

// Takes over the model, whose run is `run`. The id.
uint32_t subscriptions_add(struct subscriptions *subscriptions, uint64_t connection,
                           struct question *model, uint64_t interval_ns);

// False: there is no such subscription.
bool subscriptions_remove(struct subscriptions *subscriptions, uint64_t connection, uint32_t id);

size_t subscriptions_of(const struct subscriptions *subscriptions, uint64_t connection);

// An answer to one of its questions; borrowed.
void subscriptions_on_answer(struct subscriptions *subscriptions, struct question *question);

// The client has gone.
void subscriptions_drop(struct subscriptions *subscriptions, uint64_t connection);
