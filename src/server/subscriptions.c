#include "server/subscriptions.h"

#include "base/clock.h"
#include "rpc/json.h"
#include "server/sent.h"
#include "server/server.h"

enum { IN_STEP = 8 };

static void ask_those_due(struct subscriptions *subscriptions);

static void handle_timer(struct loop_timer *timer)
{
    ask_those_due(CONTAINER_OF(timer, struct subscriptions, timer));
}

void subscriptions_init(struct subscriptions *subscriptions, struct server *server)
{
    *subscriptions = (struct subscriptions){.server = server, .timer = {.on_time = handle_timer}};
}

void subscriptions_fini(struct subscriptions *subscriptions)
{
    ASSERT(subscriptions->all.n == 0); // they went with their connections
    vec_fini(&subscriptions->all);
}

static void cancel(struct subscriptions *subscriptions, const struct subscription *subscription)
{
    if (subscription->under_way != NULL) {
        questions_cancel(&subscriptions->server->questions, subscription->under_way);
    }
}

static void remove_at(struct subscriptions *subscriptions, size_t index)
{
    cancel(subscriptions, &subscriptions->all.at[index]);
    question_free(subscriptions->all.at[index].model);
    vec_remove_at(&subscriptions->all, index);
}

static void send_message(struct subscriptions *subscriptions, struct subscription *subscription,
                         const struct question *question)
{
    struct connection *connection = connections_find(&subscriptions->server->connections,
                                                     subscription->connection);
    CLEANUP(text_fini) struct text line = {0};
    struct json j;
    rpc_put_notification_begin(&line, "subscription");
    json_init(&j, &line);
    json_object_begin(&j);
    json_u64_field(&j, "subscription", subscription->id);
    json_u64_field(&j, "seq", ++subscription->seq);
    json_u64_field(&j, "epoch", subscription->epoch);
    json_bool_field(&j, "ended", question->ended || question->failed);
    if (question->failed) {
        json_key(&j, "error");
        json_object_begin(&j);
        json_string_field(&j, "kind", rpc_error_name(question->error_kind));
        json_string_field(&j, "message", question->error.text);
        json_object_end(&j);
    } else {
        json_key(&j, "result");
        text_add_bytes(&line, question->result.at, question->result.n);
    }
    json_object_end(&j);
    rpc_put_notification_end(&line);
    connection_send(connection, &line);
}

static void ask(struct subscriptions *subscriptions, struct subscription *subscription)
{
    const struct kept_run *kept = registry_find(&subscriptions->server->registry,
                                                subscription->run);
    ASSERT(kept != NULL && kept->run != NULL); // see subscriptions_on_shelved()
    struct question *question = question_copy(subscription->model);
    question->connection = subscription->connection;
    question->subscription = subscription->id;
    question->epoch = subscription->epoch;
    question->seen_revision = subscription->revision;
    question->sent = TAKE(subscription->model->sent);
    subscription->under_way = question;
    questions_ask(&subscriptions->server->questions, question);
}

// Whether it can be asked at all. If not, something will happen that tries again.
static bool is_ready(const struct subscription *subscription)
{
    bool is_free = !subscription->waits_for_acks || subscription->acked == subscription->seq ||
                   subscription->is_new;
    return subscription->under_way == NULL && is_free;
}

// Whether its client is behind. One that acknowledges says so itself; of another one the kernel
// knows what it has not read, if rather late: TCP acknowledges after up to 40 ms. Nobody is behind
// with the first answer to a question: just then, what the call itself answered is on its way.
static bool is_slow(const struct subscriptions *subscriptions,
                    const struct subscription *subscription)
{
    if (subscription->is_new) {
        return false;
    }
    const struct connection *connection = connections_find(&subscriptions->server->connections,
                                                           subscription->connection);
    return subscription->waits_for_acks ? !connection_is_drained(connection)
                                        : !connection_is_read(connection);
}

// When it is best asked: a little later than it is due, if others are due then.
static uint64_t time_in_step(const struct subscriptions *subscriptions,
                             const struct subscription *subscription)
{
    uint64_t best_ns = subscription->due_ns;
    uint64_t until_ns = subscription->due_ns + subscription->interval_ns / IN_STEP;
    for (size_t i = 0; i < subscriptions->all.n && subscription->due_ns != 0; i++) {
        const struct subscription *other = &subscriptions->all.at[i];
        if (other->run == subscription->run && is_ready(other) && other->due_ns <= until_ns) {
            best_ns = MAX(best_ns, other->due_ns);
        }
    }
    return best_ns;
}

// From question to question, so that those in step stay so. But what takes long to answer leaves
// time for others. A new one, which was asked whenever its client wanted that, falls into the step
// of those that are there: its second answer comes up to half an interval early.
static uint64_t next_due(const struct subscriptions *subscriptions,
                         const struct subscription *subscription)
{
    uint64_t interval_ns = subscription->interval_ns;
    uint64_t earliest_ns = clock_now_ns() + interval_ns / 2;
    uint64_t due_ns = MAX(subscription->asked_ns + interval_ns, earliest_ns);
    uint64_t best_ns = 0;
    for (size_t i = 0; i < subscriptions->all.n && subscription->is_new; i++) {
        const struct subscription *other = &subscriptions->all.at[i];
        bool fits = other->due_ns >= earliest_ns && other->due_ns <= due_ns;
        if (other != subscription && other->run == subscription->run && fits) {
            best_ns = MAX(best_ns, other->due_ns);
        }
    }
    return best_ns == 0 ? due_ns : best_ns;
}

// Asks what is due, and sets the timer for what is next.
static void ask_those_due(struct subscriptions *subscriptions)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t next_ns = UINT64_MAX;
    for (size_t i = 0; i < subscriptions->all.n; i++) {
        struct subscription *subscription = &subscriptions->all.at[i];
        if (!is_ready(subscription)) {
            continue;
        }
        if (subscription->due_ns <= now_ns && is_slow(subscriptions, subscription)) {
            subscription->due_ns = now_ns + subscription->interval_ns; // too slow: looks again then
        }
        uint64_t when_ns = MAX(subscription->due_ns, time_in_step(subscriptions, subscription));
        if (when_ns > now_ns) {
            next_ns = MIN(next_ns, when_ns);
        } else {
            subscription->asked_ns = now_ns;
            ask(subscriptions, subscription);
        }
    }
    loop_timer_cancel(&subscriptions->timer);
    if (next_ns != UINT64_MAX) {
        loop_timer_set(&subscriptions->server->loop, &subscriptions->timer, next_ns - now_ns);
    }
}

// Asks from the timer: the answer to the call itself comes first.
static void look_soon(struct subscriptions *subscriptions)
{
    loop_timer_set(&subscriptions->server->loop, &subscriptions->timer, 0);
}

uint32_t subscriptions_add(struct subscriptions *subscriptions, struct subscription wanted)
{
    subscriptions->next_id = subscriptions->next_id % INT32_MAX + 1;
    struct subscription subscription = wanted;
    subscription.id = subscriptions->next_id;
    subscription.run = wanted.model->run->id;
    subscription.model->sent = sent_new();
    subscription.epoch = 1;
    subscription.is_new = true;
    vec_push(&subscriptions->all, subscription);
    look_soon(subscriptions);
    return subscription.id;
}

struct subscription *subscriptions_find(struct subscriptions *subscriptions, uint64_t connection,
                                        uint32_t id)
{
    for (size_t i = 0; i < subscriptions->all.n; i++) {
        struct subscription *subscription = &subscriptions->all.at[i];
        if (subscription->connection == connection && subscription->id == id) {
            return subscription;
        }
    }
    return NULL;
}

void subscriptions_remove(struct subscriptions *subscriptions, struct subscription *subscription)
{
    remove_at(subscriptions, (size_t)(subscription - subscriptions->all.at));
}

void subscriptions_renew(struct subscriptions *subscriptions, struct subscription *subscription,
                         struct question *model, uint64_t interval_ns)
{
    cancel(subscriptions, subscription);
    question_free(subscription->model);
    model->sent = sent_new();
    subscription->model = model;
    subscription->run = model->run->id;
    subscription->interval_ns = interval_ns;
    subscription->epoch++;
    subscription->is_new = true;
    subscription->revision = 0;
    subscription->due_ns = 0;
    look_soon(subscriptions);
}

void subscriptions_ack(struct subscriptions *subscriptions, struct subscription *subscription,
                       uint64_t seq)
{
    ASSERT(seq <= subscription->seq);
    subscription->acked = MAX(subscription->acked, seq);
    look_soon(subscriptions);
}

size_t subscriptions_of(const struct subscriptions *subscriptions, uint64_t connection)
{
    size_t n = 0;
    for (size_t i = 0; i < subscriptions->all.n; i++) {
        n += subscriptions->all.at[i].connection == connection;
    }
    return n;
}

// The question is that of the subscription as it is now.
static void take_answer(struct subscriptions *subscriptions, struct subscription *subscription,
                        struct question *question)
{
    subscription->model->sent = TAKE(question->sent);
    subscription->due_ns = next_due(subscriptions, subscription);
    if (question->failed || !question->unchanged) {
        subscription->revision = question->revision;
        subscription->is_new = false;
        send_message(subscriptions, subscription, question);
        if (question->failed || question->ended) {
            subscriptions_remove(subscriptions, subscription);
        }
    }
}

void subscriptions_on_answer(struct subscriptions *subscriptions, struct question *question)
{
    struct subscription *subscription = subscriptions_find(subscriptions, question->connection,
                                                           question->subscription);
    if (subscription == NULL) {
        return; // unsubscribed meanwhile
    }
    subscription->under_way = NULL;
    if (question->epoch == subscription->epoch) {
        take_answer(subscriptions, subscription, question);
    }
    ask_those_due(subscriptions);
}

void subscriptions_on_shelved(struct subscriptions *subscriptions, uint32_t run)
{
    struct question gone = {.failed = true, .error_kind = RPC_ERROR_UNKNOWN_RUN};
    err_set(&gone.error, 0, "run %u is not in memory any more; subscribe again", run);
    for (size_t i = subscriptions->all.n; i-- > 0;) {
        if (subscriptions->all.at[i].run == run) {
            send_message(subscriptions, &subscriptions->all.at[i], &gone);
            remove_at(subscriptions, i);
        }
    }
}

void subscriptions_drop(struct subscriptions *subscriptions, uint64_t connection)
{
    for (size_t i = subscriptions->all.n; i-- > 0;) {
        if (subscriptions->all.at[i].connection == connection) {
            remove_at(subscriptions, i);
        }
    }
}
