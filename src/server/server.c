#include "server/server.h"

// What the loop does when it was woken: other threads have news.

void server_leave(struct server *server)
{
    server->leaving = true;
    if (server->registry.active != NULL) {
        run_request_stop(server->registry.active); // server_on_wake() goes on from there
    } else {
        loop_stop(&server->loop);
    }
}

void server_on_looked(void *context, struct question *question)
{
    struct server *server = context;
    question->wants_looks = false;
    if (registry_find(&server->registry, question->run_id) == question->run) {
        questions_ask(&server->questions, question);
        return;
    }
    connections_refuse(&server->connections, question->connection, question->ticket,
                       RPC_ERROR_UNKNOWN_RUN, "the run was forgotten meanwhile");
    question_free(question);
}

void server_on_symbols(void *context)
{
    debuginfod_wake(&((struct server *)context)->debuginfod);
}

static void deliver_answers(struct server *server)
{
    for (struct question *q; (q = questions_take_answered(&server->questions)) != NULL;) {
        if (q->wants_looks) {
            inspector_ask(&server->inspector, q);
            continue;
        }
        if (q->subscription != 0) {
            subscriptions_on_answer(&server->subscriptions, q);
        } else if (q->kind == QUESTION_SYMBOL) {
            waiters_on_symbol(&server->waiters, q->connection, q->ticket, q->look);
        } else if (q->failed) {
            connections_refuse(&server->connections, q->connection, q->ticket, q->error_kind,
                               q->error.text);
        } else {
            connections_answer(&server->connections, q->connection, q->ticket, &q->result);
        }
        question_free(q);
    }
}

void server_on_wake(void *context)
{
    struct server *server = context;
    registry_check(&server->registry);
    deliver_answers(server);
    inspector_check(&server->inspector);
    waiters_check(&server->waiters);
    if (server->leaving && server->registry.active == NULL) {
        loop_stop(&server->loop);
    }
}
