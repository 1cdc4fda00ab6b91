#include "image/debuginfod.h"
#include "base/thread.h"

#include <stdio.h>
#include <unistd.h>

enum {
    NO_SERVER = UINT32_MAX,
    OURS_AGAIN_S = 600,
    SOURCE_TOTAL_S = 120, // that a source may take
};

// A file on its way: from the cache to one server after the other.
struct debuginfod_job {
    struct debuginfod_need need;
    uint32_t answered;    // bits: servers that have been asked, and whose answer was no
    uint32_t missing;     // bits: those of them that do not have it
    uint32_t server;      // that is being asked; NO_SERVER: none yet
    struct http_get *get; // NULL: none
    struct debuginfod_part part;
};

// ---- What it tells -----------------------------------------------------------------------------

static void tell_failure(struct debuginfod *d, const struct build_id *id, const char *url,
                         const struct err *err)
{
    struct debuginfod_failure failure = {.url = url, .unix_ns = clock_unix_ns(), .err = *err};
    debuginfod_hex(id, failure.build_id);
    pthread_mutex_lock(&d->lock);
    struct debuginfod_report *report = &d->report;
    memmove(report->failures + 1, report->failures,
            (LIMIT_DEBUGINFOD_FAILURES - 1) * sizeof report->failures[0]);
    report->failures[0] = failure;
    report->n_failures = MIN(report->n_failures + 1, (uint32_t)LIMIT_DEBUGINFOD_FAILURES);
    pthread_mutex_unlock(&d->lock);
}

static const char *shown_url(const struct debuginfod *d, uint32_t server)
{
    return d->settings.urls.at[server].shown;
}

static void tell_transfers(struct debuginfod *d)
{
    pthread_mutex_lock(&d->lock);
    d->report.n_transfers = 0;
    for (size_t i = 0; i < LIMIT_DEBUGINFOD_TRANSFERS; i++) {
        const struct debuginfod_job *job = d->jobs[i];
        if (job == NULL || job->get == NULL) {
            continue;
        }
        struct debuginfod_transfer *transfer = &d->report.transfers[d->report.n_transfers++];
        debuginfod_hex(&job->need.id, transfer->build_id);
        transfer->url = shown_url(d, job->server);
        transfer->bytes = job->get->bytes;
        transfer->total_bytes = job->get->total;
        transfer->since_ns = job->get->started_ns;
    }
    pthread_mutex_unlock(&d->lock);
}

static void tell_deferred(struct debuginfod *d)
{
    pthread_mutex_lock(&d->lock);
    d->report.deferred = d->later.n;
    pthread_mutex_unlock(&d->lock);
}

static void count(struct debuginfod *d, uint64_t *counter)
{
    pthread_mutex_lock(&d->lock);
    (*counter)++;
    pthread_mutex_unlock(&d->lock);
}

void debuginfod_report(struct debuginfod *d, struct debuginfod_report *ret)
{
    uint64_t now_ns = clock_now_ns();
    pthread_mutex_lock(&d->lock);
    *ret = d->report;
    ret->sources_wanted = (uint32_t)d->wants.n;
    ret->n_servers = d->servers.n;
    for (uint32_t i = 0; i < d->servers.n; i++) {
        const struct debuginfod_server *server = &d->servers.at[i];
        uint64_t until_ns = server->rests_until_ns;
        ret->servers[i] = (struct debuginfod_server_report){
            .url = server->url->shown,
            .state = server->state,
            .rests_ns = until_ns > now_ns ? until_ns - now_ns : 0,
            .asked = server->asked,
            .found = server->found,
            .missing = server->missing,
            .failed = server->failed,
            .bytes = server->bytes,
        };
    }
    pthread_mutex_unlock(&d->lock);
}

// ---- The end of a job --------------------------------------------------------------------------

static void defer(struct debuginfod *d, const struct debuginfod_need *need, uint64_t due_ns)
{
    struct debuginfod_need again = *need;
    again.due_ns = due_ns;
    vec_push(&d->later, again);
    tell_deferred(d);
}

// A source was had, or could not be: it may be wanted again. Moves its path out of `need`.
static char *end_want(struct debuginfod *d, struct debuginfod_need *need)
{
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->wants.n; i++) {
        struct debuginfod_want *want = &d->wants.at[i];
        if (build_id_equal(&want->id, &need->id) && strcmp(want->source, need->source) == 0) {
            free(want->source);
            vec_remove_at(&d->wants, i);
            break;
        }
    }
    pthread_mutex_unlock(&d->lock);
    return TAKE(need->source);
}

static void free_job(struct debuginfod *d, struct debuginfod_job *job)
{
    http_free_get(&d->http, job->get);
    debuginfod_cache_drop(&d->cache, &job->part);
    for (size_t i = 0; i < LIMIT_DEBUGINFOD_TRANSFERS; i++) {
        if (d->jobs[i] == job) {
            d->jobs[i] = NULL;
        }
    }
    if (job->need.source != NULL) {
        free(end_want(d, &job->need));
    }
    free(job);
}

static void defer_job(struct debuginfod *d, struct debuginfod_job *job, uint64_t due_ns)
{
    if (job->need.source == NULL) {
        defer(d, &job->need, due_ns);
    }
    free_job(d, job);
}

// All servers have answered.
static void give_up(struct debuginfod *d, struct debuginfod_job *job)
{
    bool is_absent = job->missing == job->answered;
    if (is_absent) {
        count(d, job->need.source == NULL ? &d->report.missing : &d->report.sources_missing);
    }
    uint64_t seconds = is_absent ? DEBUGINFOD_ABSENT_S : DEBUGINFOD_DOWN_S;
    defer_job(d, job, clock_now_ns() + seconds * NS_PER_S);
}

// Our own disk is to blame: no other server will help.
static void fail_on_disk(struct debuginfod *d, struct debuginfod_job *job, const struct err *err)
{
    tell_failure(d, &job->need.id, NULL, err);
    defer_job(d, job, clock_now_ns() + (uint64_t)OURS_AGAIN_S * NS_PER_S);
}

static void hand_over(struct debuginfod *d, struct debuginfod_need *need, const char *path)
{
    if (need->source == NULL) {
        d->client.found(d->client.context, need->image, path);
        return;
    }
    CLEANUP(freep) char *source = end_want(d, need);
    if (d->client.source_found != NULL) {
        d->client.source_found(d->client.source_context, &need->id, source);
    }
}

static void deliver(struct debuginfod *d, struct debuginfod_job *job)
{
    struct err err = {0};
    struct debuginfod_need *need = &job->need;
    CLEANUP(freep)
    char *path = debuginfod_cache_finish(&d->cache, &need->id, need->source, &job->part, &err);
    if (path == NULL) {
        fail_on_disk(d, job, &err);
        return;
    }
    count(d, need->source == NULL ? &d->report.fetched : &d->report.sources);
    hand_over(d, need, path);
    free_job(d, job);
}

// ---- Asking a server ---------------------------------------------------------------------------

// What a server calls a file. Of a path, all is encoded that means something in a URL.
static void add_url(struct text *to, const char *server, const struct debuginfod_need *need)
{
    char hex[DEBUGINFOD_HEX_BYTES];
    debuginfod_hex(&need->id, hex);
    text_addf(to, "%s/buildid/%s/%s", server, hex, need->source == NULL ? "debuginfo" : "source");
    for (const char *at = need->source; at != NULL && *at != 0; at++) {
        bool is_plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                        (*at >= '0' && *at <= '9') || strchr("/-._~", *at) != NULL;
        text_addf(to, is_plain ? "%c" : "%%%02X", (uint8_t)*at);
    }
}

static struct http_limits limits_of(const struct debuginfod *d, const struct debuginfod_need *need)
{
    struct http_limits limits = {
        .silence_ns = d->settings.silence_ns,
        .total_ns = (uint64_t)HTTP_TOTAL_S * NS_PER_S,
        .bytes = d->settings.file_bytes,
        .spare_disk_bytes = d->settings.spare_disk_bytes,
        .elf_only = need->source == NULL,
    };
    if (need->source != NULL) {
        limits.total_ns = (uint64_t)SOURCE_TOTAL_S * NS_PER_S;
        limits.bytes = MIN(limits.bytes, (uint64_t)LIMIT_SOURCE_FILE_BYTES);
    }
    return limits;
}

static void ask(struct debuginfod *d, struct debuginfod_job *job, uint32_t server)
{
    struct err err = {0};
    if (debuginfod_cache_begin(&d->cache, &job->need.id, &job->part, &err) < 0) {
        fail_on_disk(d, job, &err);
        return;
    }
    CLEANUP(text_fini) struct text url = {0};
    add_url(&url, d->settings.urls.at[server].url, &job->need);
    struct http_limits limits = limits_of(d, &job->need);
    pthread_mutex_lock(&d->lock);
    debuginfod_servers_begin(&d->servers, server);
    pthread_mutex_unlock(&d->lock);
    job->server = server;
    job->get = http_start(&d->http, text_get(&url), job->part.fd, &limits, job);
}

// Asks the next server, or ends. A job that has to wait for somebody else's trial stays as it is.
static void ask_next(struct debuginfod *d, struct debuginfod_job *job)
{
    uint32_t server = 0;
    uint64_t due_ns = 0;
    switch (debuginfod_servers_pick(&d->servers, job->answered, clock_now_ns(), &server, &due_ns)) {
    case PICK_SERVER:
        ask(d, job, server);
        return;
    case PICK_WAIT:
        return;
    case PICK_LATER:
        defer_job(d, job, due_ns);
        return;
    case PICK_NONE:
        give_up(d, job);
        return;
    }
}

// What the server sent is checked before it counts as found.
static enum http_end judge(const struct debuginfod_job *job, struct err *reterr)
{
    *reterr = job->get->err;
    if (job->get->end != HTTP_FOUND) {
        return job->get->end;
    }
    struct err err = {0};
    int r = job->need.source == NULL ? debuginfod_check(job->part.fd, &job->need.id, &err)
                                     : debuginfod_check_source(job->part.fd, &err);
    if (r < 0) {
        err_set(reterr, 0, "answered with a file that %s", err.text);
        return HTTP_USELESS;
    }
    return HTTP_FOUND;
}

static void on_answer(struct debuginfod *d, struct debuginfod_job *job)
{
    struct err err;
    enum http_end end = judge(job, &err);
    uint64_t bytes = job->get->bytes;
    if (end == HTTP_SILENT || end == HTTP_USELESS) { // the reason first, then the state
        tell_failure(d, &job->need.id, shown_url(d, job->server), &err);
    }
    pthread_mutex_lock(&d->lock);
    debuginfod_servers_end(&d->servers, job->server, end, bytes, clock_now_ns());
    pthread_mutex_unlock(&d->lock);
    http_free_get(&d->http, TAKE(job->get));
    if (end == HTTP_FOUND) {
        deliver(d, job);
        return;
    }
    debuginfod_cache_drop(&d->cache, &job->part);
    if (end == HTTP_OURS) {
        fail_on_disk(d, job, &err);
        return;
    }
    if (end == HTTP_MISSING) {
        debuginfod_cache_set_absent(&d->cache, &job->need.id, job->need.source,
                                    d->settings.urls.at[job->server].url);
        job->missing |= 1u << job->server;
    }
    if (end != HTTP_SILENT) {
        job->answered |= 1u << job->server; // one that was silent rests, and is asked again
    }
    job->server = NO_SERVER;
}

// ---- New jobs ----------------------------------------------------------------------------------

static bool take_due(struct debuginfod *d, struct debuginfod_need *ret)
{
    uint64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < d->later.n; i++) {
        if (d->later.at[i].due_ns <= now_ns) {
            *ret = d->later.at[i];
            vec_remove_at(&d->later, i);
            tell_deferred(d);
            return true;
        }
    }
    return false;
}

static bool take_source(struct debuginfod *d, struct debuginfod_need *ret)
{
    bool any = false;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->wants.n && !any; i++) {
        struct debuginfod_want *want = &d->wants.at[i];
        if (!want->is_taken) {
            want->is_taken = any = true;
            *ret = (struct debuginfod_need){
                .id = want->id, .source = alloc_text(want->source, strlen(want->source))};
        }
    }
    pthread_mutex_unlock(&d->lock);
    return any;
}

static bool take_debug_file(struct debuginfod *d, struct debuginfod_need *ret)
{
    *ret = (struct debuginfod_need){0};
    while (d->client.next(d->client.context, &ret->image, &ret->id)) {
        if (ret->id.n >= DEBUGINFOD_ID_MIN && ret->id.n <= BUILD_ID_MAX) {
            return true;
        }
    }
    return take_due(d, ret);
}

static struct debuginfod_job *job_new(struct debuginfod *d, const struct debuginfod_need *need)
{
    struct debuginfod_job *job = NEW(struct debuginfod_job);
    *job = (struct debuginfod_job){.need = *need, .server = NO_SERVER, .part = {.fd = -1}};
    for (uint32_t i = 0; i < d->servers.n; i++) {
        if (debuginfod_cache_is_absent(&d->cache, &need->id, need->source,
                                       d->settings.urls.at[i].url)) {
            job->answered |= 1u << i;
            job->missing |= 1u << i;
        }
    }
    return job;
}

// The last place is for sources only.
static bool is_for_debug_files(size_t place)
{
    return place < LIMIT_DEBUGINFOD_TRANSFERS - 1;
}

// Fills a free place. False: there is nothing to do for it.
static bool begin(struct debuginfod *d, size_t place)
{
    struct debuginfod_need need;
    if (!take_source(d, &need) && !(is_for_debug_files(place) && take_debug_file(d, &need))) {
        return false;
    }
    CLEANUP(freep)
    char *path = need.source == NULL
                     ? debuginfod_cache_find(&d->cache, &need.id)
                     : debuginfod_cache_find_source(d->cache.path, &need.id, need.source);
    if (path == NULL) {
        d->jobs[place] = job_new(d, &need);
        ask_next(d, d->jobs[place]);
        return true;
    }
    if (need.source == NULL) {
        count(d, &d->report.cached);
    }
    hand_over(d, &need, path);
    return true;
}

// ---- The thread --------------------------------------------------------------------------------

static bool is_stopping(const struct debuginfod *d)
{
    return atomic_load_explicit(&d->stopping, memory_order_relaxed);
}

static void begin_all(struct debuginfod *d)
{
    for (size_t i = 0; i < LIMIT_DEBUGINFOD_TRANSFERS; i++) {
        while (d->jobs[i] == NULL && !is_stopping(d) && begin(d, i)) {
        }
    }
}

// Jobs that wait for a server: it may be theirs now.
static void ask_waiting(struct debuginfod *d)
{
    for (size_t i = 0; i < LIMIT_DEBUGINFOD_TRANSFERS; i++) {
        if (d->jobs[i] != NULL && d->jobs[i]->get == NULL) {
            ask_next(d, d->jobs[i]);
        }
    }
}

static uint64_t next_due_ns(const struct debuginfod *d)
{
    uint64_t due_ns = UINT64_MAX;
    for (size_t i = 0; i < d->later.n; i++) {
        due_ns = MIN(due_ns, d->later.at[i].due_ns);
    }
    return due_ns;
}

static bool has_free_place(const struct debuginfod *d)
{
    for (size_t i = 0; i < LIMIT_DEBUGINFOD_TRANSFERS; i++) {
        if (d->jobs[i] == NULL && is_for_debug_files(i)) {
            return true;
        }
    }
    return false;
}

static void run(struct debuginfod *d)
{
    while (!is_stopping(d)) {
        for (struct http_get *get; !is_stopping(d) && (get = http_step(&d->http)) != NULL;) {
            on_answer(d, get->context);
        }
        ask_waiting(d);
        begin_all(d);
        tell_transfers(d);
        http_wait(&d->http, has_free_place(d) ? next_due_ns(d) : UINT64_MAX);
    }
}

static bool open_cache(struct debuginfod *d)
{
    struct err err = {0};
    int r = debuginfod_cache_open(&d->cache, &d->settings, &err);
    pthread_mutex_lock(&d->lock);
    d->report.cache_path = d->cache.path;
    if (r < 0) {
        d->report.note = err;
    } else if (d->cache.note.text[0] != 0) {
        err_set(&d->report.note, 0, "%s; debug files are kept only until stax-server ends",
                d->cache.note.text);
    }
    pthread_mutex_unlock(&d->lock);
    return r == 0;
}

static void *work(void *context)
{
    struct debuginfod *d = context;
    if (open_cache(d)) {
        run(d);
    }
    for (size_t i = 0; i < LIMIT_DEBUGINFOD_TRANSFERS; i++) {
        if (d->jobs[i] != NULL) {
            free_job(d, d->jobs[i]);
        }
    }
    return NULL;
}

// ---- Its life ----------------------------------------------------------------------------------

void debuginfod_init(struct debuginfod *d, struct debuginfod_settings *settings,
                     struct debuginfod_client client)
{
    *d = (struct debuginfod){.settings = *settings, .client = client, .cache = {.dir = -1}};
    debuginfod_settings_init(settings);
    ASSERT(pthread_mutex_init(&d->lock, NULL) == 0);
    debuginfod_servers_init(&d->servers, &d->settings);
    d->report.note = d->settings.note;
    if (d->servers.n == 0 || http_init(&d->http, &d->report.note) < 0) {
        return;
    }
    d->on = true;
    d->report.on = true;
    ASSERT(thread_start(&d->thread, work, d) == 0);
}

void debuginfod_wake(struct debuginfod *d)
{
    if (d->on) {
        http_wake(&d->http);
    }
}

void debuginfod_want_source(struct debuginfod *d, const struct build_id *id, const char *source)
{
    if (!d->on || id->n < DEBUGINFOD_ID_MIN || id->n > BUILD_ID_MAX || source[0] != '/' ||
        strlen(source) >= LIMIT_NAME_BYTES) {
        return;
    }
    pthread_mutex_lock(&d->lock);
    bool is_new = d->wants.n < LIMIT_SOURCES_WANTED;
    for (size_t i = 0; i < d->wants.n && is_new; i++) {
        const struct debuginfod_want *want = &d->wants.at[i];
        is_new = !build_id_equal(&want->id, id) || strcmp(want->source, source) != 0;
    }
    if (is_new) {
        vec_push(&d->wants,
                 (struct debuginfod_want){.id = *id, .source = alloc_text(source, strlen(source))});
    }
    pthread_mutex_unlock(&d->lock);
    if (is_new) {
        http_wake(&d->http);
    }
}

const char *debuginfod_cache_path(struct debuginfod *d)
{
    if (!d->on) {
        return NULL;
    }
    pthread_mutex_lock(&d->lock);
    const char *path = d->report.cache_path;
    pthread_mutex_unlock(&d->lock);
    return path;
}

void debuginfod_stop(struct debuginfod *d)
{
    if (d->on) {
        atomic_store_explicit(&d->stopping, true, memory_order_relaxed);
        http_wake(&d->http);
        ASSERT(pthread_join(d->thread, NULL) == 0);
    }
}

void debuginfod_fini(struct debuginfod *d)
{
    if (d->on) {
        http_fini(&d->http);
        debuginfod_cache_close(&d->cache);
    }
    for (size_t i = 0; i < d->wants.n; i++) {
        free(d->wants.at[i].source);
    }
    vec_fini(&d->wants);
    vec_fini(&d->later);
    debuginfod_settings_fini(&d->settings);
    pthread_mutex_destroy(&d->lock);
}

// ---- For a library -----------------------------------------------------------------------------

static bool next_of_library(void *context, uint32_t *ret_image, struct build_id *ret_id)
{
    struct library *library = context;
    uint32_t image = library_next_missing(library);
    if (image == LIBRARY_NONE) {
        return false;
    }
    *ret_image = image;
    *ret_id = library_at(library, image)->file_build_id;
    return true;
}

static void give_to_library(void *context, uint32_t image, const char *path)
{
    library_add_debug_file(context, image, path);
}

struct debuginfod_client debuginfod_client_of(struct library *library)
{
    return (struct debuginfod_client){
        .next = next_of_library, .found = give_to_library, .context = library};
}
