#pragma once

// Files over HTTP into descriptors, several at a time, by one thread, through libcurl.
//
//     http_start() ──► libcurl ──► http_step() ──► ended: http_get.end says how
//                         ▲
//                   http_wait() ◄── http_wake() from any thread
//
// A server may be silent for `silence_ns`: before the first byte of the file, and from then on
// without HTTP_PROGRESS_BYTES more. So one that drips is silent, too. Two fifths of that for
// connecting: the name, the connection, TLS. All of it together may take `total_ns`.
//
// Only http and https, and never from https to http; certificates are verified; redirects are
// followed LIMIT_DEBUGINFOD_REDIRECTS times. Proxies are libcurl's: http_proxy, https_proxy,
// no_proxy.

#include "base/err.h"
#include "base/vec.h"

#include <stdbool.h>

enum { HTTP_PROGRESS_BYTES = 16 << 10, HTTP_TOTAL_S = 1800 };

enum http_end {
    HTTP_FOUND,   // the whole file was written
    HTTP_MISSING, // 404 or 410
    HTTP_SILENT,  // unreachable, too slow, or not now (429, 502, 503, 504)
    HTTP_USELESS, // an answer that nobody can use
    HTTP_OURS,    // it could not be written; the server is not to blame
};

struct http_limits {
    uint64_t silence_ns;
    uint64_t total_ns;
    uint64_t bytes;            // of the file
    uint64_t spare_disk_bytes; // that stay free where it is written
    bool elf_only;             // something else is useless, and refused at once
};

struct http_get {
    void *context; // the caller's
    struct http_limits limits;
    int fd; // borrowed, open for writing

    uint64_t bytes; // so far
    uint64_t total; // as announced; 0: not known
    enum http_end end;
    struct err err; // why not HTTP_FOUND; to be put behind the name of the server

    // Under way.
    void *easy; // CURL
    bool ended;
    char *url;
    char curl_error[256];
    uint64_t started_ns;
    uint64_t mark_ns; // when there were `mark_bytes`; 0: no byte yet
    uint64_t mark_bytes;
    uint64_t checked_disk_bytes;
    uint64_t ignored_bytes;
};

struct http {
    void *multi;                   // CURLM
    VEC(struct http_get *) active; // those that run, and those whose end nobody has taken
};

// 0 or a negative errno.
int http_init(struct http *http, struct err *reterr);

// Ends what is under way, at once.
void http_fini(struct http *http);

// Begins to get `url` into `fd`. The result belongs to the caller, who frees it with
// http_free_get() whether it has ended or not.
struct http_get *http_start(struct http *http, const char *url, int fd,
                            const struct http_limits *limits, void *context);
void http_free_get(struct http *http, struct http_get *get); // accepts NULL

// Goes on with all of them. Returns one that has ended, once each, or NULL.
struct http_get *http_step(struct http *http);

// Waits until there is something to do for http_step(), until that moment (CLOCK_MONOTONIC), or
// until http_wake().
void http_wait(struct http *http, uint64_t until_ns);

// Any thread, between init and fini.
void http_wake(struct http *http);
