#include "server/subscriptions.h"

#include "base/clock.h"
#include "rpc/json.h"
#include "server/code_question.h"
#include "server/server.h"

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

static void remove_at(struct subscriptions *subscriptions, size_t index)
{
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

// What its client has been told of some code goes along with each question, and comes back.
static void lend_sent(const struct subscription *subscription, struct question *question)
{
    if (question->code != NULL) {
        question->code->sent = TAKE(subscription->model->code->sent);
    }
}

static void take_back_sent(const struct subscription *subscription, struct question *question)
{
    if (question->code != NULL) {
        subscription->model->code->sent = TAKE(question->code->sent);
    }
}

// Asks what is due, and sets the timer for what is next.
static void ask_those_due(struct subscriptions *subscriptions)
{
    uint64_t now_ns = clock_now_ns();
    uint64_t next_ns = UINT64_MAX;
    for (size_t i = 0; i < subscriptions->all.n; i++) {
        struct subscription *subscription = &subscriptions->all.at[i];
        if (subscription->asked) {
            continue;
        }
        const struct connection *connection = connections_find(&subscriptions->server->connections,
                                                               subscription->connection);
        if (subscription->due_ns <= now_ns && !connection_is_read(connection)) {
            subscription->due_ns = now_ns + subscription->interval_ns; // too slow: looks again then
        }
        if (subscription->due_ns > now_ns) {
            next_ns = MIN(next_ns, subscription->due_ns);
            continue;
        }
        struct kept_run *kept = registry_find(&subscriptions->server->registry, subscription->run);
        if (kept == NULL || kept->run == NULL) {
            struct question gone = {.failed = true, .error_kind = RPC_ERROR_UNKNOWN_RUN};
            err_set(&gone.error, 0, "run %u is not in memory any more; subscribe again",
                    subscription->run);
            send_message(subscriptions, subscription, &gone);
            remove_at(subscriptions, i--);
            continue;
        }
        struct question *question = question_copy(subscription->model);
        question->run = kept->run;
        question->connection = subscription->connection;
        question->subscription = subscription->id;
        question->seen_revision = subscription->revision;
        lend_sent(subscription, question);
        subscription->asked = true;
        questions_ask(&subscriptions->server->questions, question);
    }
    loop_timer_cancel(&subscriptions->timer);
    if (next_ns != UINT64_MAX) {
        loop_timer_set(&subscriptions->server->loop, &subscriptions->timer, next_ns - now_ns);
    }
}

uint32_t subscriptions_add(struct subscriptions *subscriptions, uint64_t connection,
                           struct question *model, uint64_t interval_ns)
{
    subscriptions->next_id = subscriptions->next_id % INT32_MAX + 1;
    if (model->code != NULL) {
        model->code->sent = code_sent_new();
    }
    struct subscription subscription = {.connection = connection,
                                        .id = subscriptions->next_id,
                                        .run = model->run->id,
                                        .model = model,
                                        .interval_ns = interval_ns};
    vec_push(&subscriptions->all, subscription);
    // Asked from the timer: the answer to the call itself comes first.
    loop_timer_set(&subscriptions->server->loop, &subscriptions->timer, 0);
    return subscription.id;
}

// Its index, or SIZE_MAX.
static size_t index_of(const struct subscriptions *subscriptions, uint64_t connection, uint32_t id)
{
    for (size_t i = 0; i < subscriptions->all.n; i++) {
        const struct subscription *subscription = &subscriptions->all.at[i];
        if (subscription->connection == connection && subscription->id == id) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool subscriptions_remove(struct subscriptions *subscriptions, uint64_t connection, uint32_t id)
{
    size_t index = index_of(subscriptions, connection, id);
    if (index != SIZE_MAX) {
        remove_at(subscriptions, index);
    }
    return index != SIZE_MAX;
}

size_t subscriptions_of(const struct subscriptions *subscriptions, uint64_t connection)
{
    size_t n = 0;
    for (size_t i = 0; i < subscriptions->all.n; i++) {
        n += subscriptions->all.at[i].connection == connection;
    }
    return n;
}

void subscriptions_on_answer(struct subscriptions *subscriptions, struct question *question)
{
    size_t index = index_of(subscriptions, question->connection, question->subscription);
    if (index == SIZE_MAX) {
        return; // unsubscribed meanwhile
    }
    struct subscription *subscription = &subscriptions->all.at[index];
    subscription->asked = false;
    take_back_sent(subscription, question);
    subscription->due_ns = clock_now_ns() + subscription->interval_ns;
    if (question->failed || !question->unchanged) {
        subscription->revision = question->revision;
        send_message(subscriptions, subscription, question);
        if (question->failed || question->ended) {
            remove_at(subscriptions, index);
        }
    }
    ask_those_due(subscriptions);
}

void subscriptions_drop(struct subscriptions *subscriptions, uint64_t connection)
{
    for (size_t i = subscriptions->all.n; i-- > 0;) {
        if (subscriptions->all.at[i].connection == connection) {
            remove_at(subscriptions, i);
        }
    }
}
