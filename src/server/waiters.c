#include "server/waiters.h"

#include "base/clock.h"
#include "rpc/json.h"
#include "server/server.h"
#include "server/summary.h"

#include <stdlib.h>
#include <string.h>

// How often the names of a run are searched for a symbol.
enum { SYMBOL_PACE_NS = 50 * NS_PER_MS };

static void handle_timer(struct loop_timer *timer)
{
    waiters_check(CONTAINER_OF(timer, struct waiters, timer));
}

void waiters_init(struct waiters *waiters, struct server *server)
{
    *waiters = (struct waiters){.server = server, .timer = {.on_time = handle_timer}};
}

void waiters_fini(struct waiters *waiters)
{
    ASSERT(waiters->all.n == 0); // they went with their connections
    vec_fini(&waiters->all);
}

static void answer(struct waiters *waiters, const struct waiter *waiter, const char *outcome,
                   const struct kept_run *kept)
{
    CLEANUP(text_fini) struct text result = {0};
    struct json j;
    json_init(&j, &result);
    json_object_begin(&j);
    if (waiter->kind != WAIT_STOP_SUMMARY) {
        json_string_field(&j, "outcome", outcome);
    }
    if (kept != NULL) {
        json_key(&j, "summary");
        summary_put(&j, kept);
    }
    json_object_end(&j);
    connections_answer(&waiters->server->connections, waiter->connection, waiter->ticket, &result);
}

// The outcome, or NULL: go on waiting.
static const char *outcome_of(const struct waiter *waiter, const struct kept_run *kept,
                              uint64_t now_ns)
{
    if (kept == NULL) {
        return "no_active_run"; // it could not be armed, or was forgotten while we waited
    }
    if (kept->run == NULL) {
        return "stopped"; // long ago: it is on the shelf
    }
    const struct run *run = kept->run;
    bool stopped = kept->phase == KEPT_OVER;
    bool met = false;
    switch (waiter->kind) {
    case WAIT_STOPPED:
    case WAIT_STOP_SUMMARY:
        break;
    case WAIT_SAMPLES:
        met = atomic_load(&run->store->samples.n) >= waiter->samples;
        break;
    case WAIT_SECONDS:
        met = now_ns >= waiter->until_ns;
        break;
    case WAIT_SYMBOL:
        met = waiter->symbol_look == SYMBOL_SEEN;
        break;
    }
    if (met) {
        return "condition_met";
    }
    // Names come later than samples: a run that is over may still turn out to have had the symbol.
    if (stopped && (waiter->kind != WAIT_SYMBOL || waiter->symbol_look == SYMBOL_NEVER)) {
        return "stopped";
    }
    return waiter->deadline_ns != 0 && now_ns >= waiter->deadline_ns ? "timed_out" : NULL;
}

// No run was active when the wait began. True: one has begun since, and is waited for from here on.
static bool has_started(const struct waiters *waiters, struct waiter *waiter)
{
    const struct kept_run *active = waiters->server->registry.active;
    if (waiter->run == 0 && active != NULL) {
        waiter->run = active->id;
    }
    return waiter->run != 0;
}

static const char *outcome_before_start(const struct waiter *waiter, uint64_t now_ns)
{
    if (waiter->deadline_ns != 0 && now_ns >= waiter->deadline_ns) {
        return "timed_out";
    }
    return now_ns >= waiter->start_by_ns ? "no_active_run" : NULL;
}

static void ask_for_symbol(struct waiters *waiters, struct waiter *waiter, struct run *run,
                           uint64_t now_ns)
{
    if (waiter->symbol_asked || now_ns < waiter->symbol_at_ns) {
        return;
    }
    waiter->symbol_asked = true;
    waiter->symbol_at_ns = now_ns + SYMBOL_PACE_NS;
    struct question *question = question_new(QUESTION_SYMBOL, run);
    question->connection = waiter->connection;
    question->ticket = waiter->ticket;
    question->symbol = alloc_text(waiter->symbol, strlen(waiter->symbol));
    questions_ask(&waiters->server->questions, question);
}

static void set_timer(struct waiters *waiters, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    for (size_t i = 0; i < waiters->all.n; i++) {
        const struct waiter *waiter = &waiters->all.at[i];
        if (waiter->deadline_ns != 0) {
            next_ns = MIN(next_ns, waiter->deadline_ns);
        }
        if (waiter->run == 0) {
            next_ns = MIN(next_ns, waiter->start_by_ns);
            continue;
        }
        if (waiter->kind == WAIT_SECONDS) {
            next_ns = MIN(next_ns, waiter->until_ns);
        }
        if (waiter->kind == WAIT_SYMBOL && !waiter->symbol_asked) {
            next_ns = MIN(next_ns, waiter->symbol_at_ns);
        }
    }
    loop_timer_cancel(&waiters->timer);
    if (next_ns != UINT64_MAX) {
        loop_timer_set(&waiters->server->loop, &waiters->timer, next_ns - MIN(next_ns, now_ns));
    }
}

// Has the active run report its samples for as long as somebody counts them.
static void watch(const struct waiters *waiters)
{
    const struct kept_run *active = waiters->server->registry.active;
    bool watched = false;
    for (size_t i = 0; i < waiters->all.n; i++) {
        watched = watched || waiters->all.at[i].kind == WAIT_SAMPLES;
    }
    if (active != NULL) {
        atomic_store(&active->run->watched, watched);
    }
}

void waiters_check(struct waiters *waiters)
{
    uint64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < waiters->all.n;) {
        struct waiter *waiter = &waiters->all.at[i];
        bool started = has_started(waiters, waiter);
        struct kept_run *kept = started ? registry_find(&waiters->server->registry, waiter->run)
                                        : NULL;
        bool arming = registry_is_arming(&waiters->server->registry, waiter->run);
        const char *outcome = NULL;
        if (!arming) {
            outcome = started ? outcome_of(waiter, kept, now_ns)
                              : outcome_before_start(waiter, now_ns);
        }
        if (outcome == NULL) {
            if (waiter->kind == WAIT_SYMBOL && kept != NULL) {
                ask_for_symbol(waiters, waiter, kept->run, now_ns);
            }
            i++;
            continue;
        }
        struct waiter done = *waiter;
        vec_remove_at(&waiters->all, i);
        answer(waiters, &done, outcome, kept);
        free(done.symbol);
    }
    watch(waiters);
    set_timer(waiters, now_ns);
}

void waiters_add(struct waiters *waiters, struct waiter waiter)
{
    vec_push(&waiters->all, waiter);
    waiters_check(waiters);
}

void waiters_on_symbol(struct waiters *waiters, uint64_t connection, uint64_t ticket,
                       enum symbol_look look)
{
    for (size_t i = 0; i < waiters->all.n; i++) {
        struct waiter *waiter = &waiters->all.at[i];
        if (waiter->connection == connection && waiter->ticket == ticket) {
            waiter->symbol_asked = false;
            waiter->symbol_look = look;
        }
    }
    waiters_check(waiters);
}

void waiters_drop(struct waiters *waiters, uint64_t connection)
{
    for (size_t i = 0; i < waiters->all.n;) {
        if (waiters->all.at[i].connection == connection) {
            free(waiters->all.at[i].symbol);
            vec_remove_at(&waiters->all, i);
        } else {
            i++;
        }
    }
}
