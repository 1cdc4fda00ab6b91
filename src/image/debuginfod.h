#pragma once

// Debug files and sources from debuginfod servers, in the background.
//
//     client ──next()──► cache ──► server, server, … ──► check ──► cache ──found()──► client
//                          │             │
//                          └─ at once    └─ LIMIT_DEBUGINFOD_TRANSFERS at a time
//
// A source goes the same way, from debuginfod_want_source() to source_found(). Somebody is looking
// at code just now, so sources go first, and have a place that no debug file takes. One that could
// not be had is forgotten: whoever looks again asks again, and the cache and the servers' rests
// see to it that nobody is bothered.
//
// One thread of its own does all of it: nobody waits for a server, a name, or the disk, and at the
// end what is under way is dropped. A file that could not be had is tried again later: when the
// servers that failed have rested, or after a day when all said that they do not have it. What is
// asked is the build-id, as hexadecimal digits; what comes is a file of the cache that was checked.
//
// Without servers in the settings it is off: no thread, no directory, no network.

#include "image/debuginfod_cache.h"
#include "image/debuginfod_servers.h"
#include "image/debuginfod_settings.h"
#include "image/http.h"
#include "image/library.h"

#include <pthread.h>
#include <stdatomic.h>

// Who needs files, and gets them: a library, behind two functions. Called on the thread of
// debuginfod.
struct debuginfod_client {
    // What is needed most and was not answered before. False: nothing for now; debuginfod_wake()
    // says when that may have changed.
    bool (*next)(void *context, uint32_t *ret_image, struct build_id *ret_id);
    void (*found)(void *context, uint32_t image, const char *path);
    void *context;

    // A source has come, and debuginfod_cache_find_source() finds it. NULL: nobody cares.
    void (*source_found)(void *source_context, const struct build_id *id, const char *source);
    void *source_context;
};

struct debuginfod_client debuginfod_client_of(struct library *library);

// ---- What there is to say about it
// ---------------------------------------------------------------

struct debuginfod_server_report {
    const char *url; // for people; lives as long as the debuginfod
    enum debuginfod_state state;
    uint64_t rests_ns; // from now on
    uint64_t asked;
    uint64_t found;
    uint64_t missing;
    uint64_t failed;
    uint64_t bytes;
};

struct debuginfod_transfer {
    char build_id[DEBUGINFOD_HEX_BYTES];
    const char *url;
    uint64_t bytes;
    uint64_t total_bytes; // 0: not known
    uint64_t since_ns;    // CLOCK_MONOTONIC
};

struct debuginfod_failure {
    char build_id[DEBUGINFOD_HEX_BYTES];
    const char *url; // NULL: it is our own
    uint64_t unix_ns;
    struct err err;
};

struct debuginfod_report {
    bool on;
    struct err note;  // servers that were left out, no cache; "" for none
    char *cache_path; // NULL: not yet. Lives as long as the debuginfod
    uint64_t fetched; // files from servers
    uint64_t cached;  // files that were there already
    uint64_t missing; // files that no server has
    uint64_t sources; // from servers
    uint64_t sources_missing;
    uint32_t sources_wanted; // and under way
    uint64_t deferred;       // files that will be tried again, those among them
    uint32_t n_servers;
    uint32_t n_transfers;
    uint32_t n_failures;
    struct debuginfod_server_report servers[LIMIT_DEBUGINFOD_SERVERS];
    struct debuginfod_transfer transfers[LIMIT_DEBUGINFOD_TRANSFERS];
    struct debuginfod_failure failures[LIMIT_DEBUGINFOD_FAILURES]; // the newest first
};

// ---- The thing itself
// ----------------------------------------------------------------------------

struct debuginfod_job; // one file on its way

struct debuginfod_need {
    uint32_t image;
    struct build_id id;
    uint64_t due_ns; // not before; 0: at once
    char *source;    // owned; NULL: it is a debug file, for that image
};

// A source that somebody wants.
struct debuginfod_want {
    struct build_id id;
    char *source;
    bool is_taken; // there is a job for it
};

struct debuginfod {
    bool on;
    struct debuginfod_settings settings;
    struct debuginfod_client client;
    pthread_t thread;
    _Atomic bool stopping;
    struct http http;

    // Of the thread.
    struct debuginfod_cache cache;
    struct debuginfod_job *jobs[LIMIT_DEBUGINFOD_TRANSFERS]; // NULL: free
    VEC(struct debuginfod_need) later;                       // debug files only

    // What the thread tells, and what it is told, under the lock.
    pthread_mutex_t lock;
    VEC(struct debuginfod_want) wants; // at most LIMIT_SOURCES_WANTED, none twice
    struct debuginfod_servers servers; // changed by the thread only, which reads it without
    struct debuginfod_report report;
};

// Takes over the settings. Starts the thread when there are servers. What fails is in the report.
void debuginfod_init(struct debuginfod *debuginfod, struct debuginfod_settings *settings,
                     struct debuginfod_client client);

// Something may be needed. Any thread, between init and fini.
void debuginfod_wake(struct debuginfod *debuginfod);

// A source of that build is wanted: its absolute, normalized path as the debug information has it.
// Any thread, between init and fini; returns at once. What is wanted already, or too much, is left
// out.
void debuginfod_want_source(struct debuginfod *debuginfod, const struct build_id *id,
                            const char *source);

// Where the cache is, for debuginfod_cache_find_source(). NULL: not yet, or it is off. Any thread,
// between init and fini; lives as long as the debuginfod.
const char *debuginfod_cache_path(struct debuginfod *debuginfod);

// Ends the thread and what it was fetching, at once; the client is not called any more.
void debuginfod_stop(struct debuginfod *debuginfod);

// After debuginfod_stop(), when nobody wakes it any more.
void debuginfod_fini(struct debuginfod *debuginfod);

// Any thread, between init and fini.
void debuginfod_report(struct debuginfod *debuginfod, struct debuginfod_report *ret);
