#pragma once

// Every run that the server knows: at most one active, the stopped ones kept in memory to be asked.
//
// The oldest stopped runs make room when there are too many of them, or when they take too much
// memory (base/limits.h). A launched run whose program never started is forgotten: there is nothing
// to ask.

#include "base/vec.h"
#include "run/run.h"

struct server;

// One that is being imported: answered when all of it is there.
struct import_call {
    struct run *run; // among `runs`
    uint64_t connection;
    uint64_t ticket;
};

struct registry {
    struct server *server;
    VEC(struct run *) runs; // oldest first
    struct run *active;     // NULL: none
    uint32_t next_id;
    uint64_t start_connection; // who is to be told that `active` is armed, until that has happened
    uint64_t start_ticket;
    VEC(struct import_call) imports; // under way
};

void registry_init(struct registry *registry, struct server *server);
void registry_fini(struct registry *registry); // stops the active run

// Starts a run; `params` is taken over. There must be no active one. The ticket is answered when
// the capture is armed or has failed (0, 0: nobody asked).
struct run *registry_start(struct registry *registry, struct run_params params, uint64_t connection,
                           uint64_t ticket);

// Starts to import a file, as a run beside the active one, if any; `params` is taken over. There
// must be fewer than LIMIT_IMPORTS under way.
void registry_import(struct registry *registry, struct run_params params, uint64_t connection,
                     uint64_t ticket);

// Looks at the active run's state, and at imports: answers who asked, and retires what is over.
void registry_check(struct registry *registry);

// By id; NULL when there is none, or when it is still being armed.
struct run *registry_find(const struct registry *registry, uint32_t id);

// This run was asked for and is not armed yet.
bool registry_is_arming(const struct registry *registry, uint32_t id);

// What a question without a run id is about: the active run, else the newest; NULL: none yet. Runs
// that are still being armed are not there yet.
struct run *registry_current(const struct registry *registry);
