#include "server/server.h"

#include "base/clock.h"
#include "server/handlers.h"

// What the loop does when it was woken: other threads have news.

static void out_of_patience(struct loop_timer *timer)
{
    loop_stop(&CONTAINER_OF(timer, struct server, patience)->loop);
}

void server_leave(struct server *server)
{
    server->leaving = true;
    registry_request_stop(&server->registry); // server_on_wake() goes on from there
    if (!server->is_private) {
        server->patience.on_time = out_of_patience;
        loop_timer_set(&server->loop, &server->patience, (uint64_t)SERVER_PATIENCE_MS * NS_PER_MS);
    }
    if (registry_is_quiet(&server->registry)) {
        loop_stop(&server->loop);
    }
}

void server_on_closed(struct server *server)
{
    if (server->is_private && server->connections.all.n == 0 && !server->leaving) {
        server_leave(server);
    }
}

void server_on_looked(void *context, struct question *question)
{
    struct server *server = context;
    question->wants_looks = false;
    const struct kept_run *kept = registry_find(&server->registry, question->run_id);
    if (kept != NULL && kept->run == question->run) {
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

static void take_files(struct server *server, struct filer *filer)
{
    for (struct filer_job *job; (job = filer_take_done(filer)) != NULL;) {
        switch (job->kind) {
        case FILER_LOAD:
            parked_calls_on_loaded(server, job);
            break;
        case FILER_SAVE:
            handle_saved(server, job);
            break;
        }
        filer_job_free(job);
    }
}

void server_on_wake(void *context)
{
    struct server *server = context;
    take_files(server, &server->loader);
    take_files(server, &server->saver); // first: a run may wait for the end of its being saved
    registry_check(&server->registry);
    deliver_answers(server);
    inspector_check(&server->inspector);
    waiters_check(&server->waiters);
    if (server->leaving && registry_is_quiet(&server->registry)) {
        loop_stop(&server->loop);
    }
}
