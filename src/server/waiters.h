#pragma once

// Clients that asked to be told when something has happened to a run: RunControl.wait_active and
// stop_active. Each is answered once. Nobody polls: runs report their changes, and one timer stands
// for the earliest deadline.

#include "base/vec.h"
#include "server/loop.h"
#include "server/questions.h"

struct server;

enum wait_kind { WAIT_STOPPED, WAIT_SAMPLES, WAIT_SECONDS, WAIT_SYMBOL, WAIT_STOP_SUMMARY };

struct waiter {
    uint64_t connection;
    uint64_t ticket;
    uint32_t run;         // 0: none is active; the next one that begins
    uint64_t start_by_ns; // until when it may begin
    enum wait_kind kind;
    uint64_t samples;     // WAIT_SAMPLES
    uint64_t until_ns;    // WAIT_SECONDS: CLOCK_MONOTONIC
    uint64_t deadline_ns; // 0: none
    char *symbol;         // WAIT_SYMBOL: owned
    enum symbol_look symbol_look;
    bool symbol_asked;     // a question is under way
    uint64_t symbol_at_ns; // not before
};

struct waiters {
    struct server *server;
    VEC(struct waiter) all;
    struct loop_timer timer;
};

void waiters_init(struct waiters *waiters, struct server *server);
void waiters_fini(struct waiters *waiters);

// Takes over waiter->symbol. May answer at once.
void waiters_add(struct waiters *waiters, struct waiter waiter);

// Answers those whose time has come. After every change of a run.
void waiters_check(struct waiters *waiters);

// A question for the symbol of a waiter was answered.
void waiters_on_symbol(struct waiters *waiters, uint64_t connection, uint64_t ticket,
                       enum symbol_look look);

// The client has gone.
void waiters_drop(struct waiters *waiters, uint64_t connection);
