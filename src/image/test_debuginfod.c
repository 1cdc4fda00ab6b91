// Debug files from servers that are honest, broken, slow or hostile; over the loopback.

#include "image/debuginfod.h"
#include "image/test_http_server.h"
#include "image/test_support.h"

#include "base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    PATIENCE_S = 20,  // for what is sure to happen
    SILENCE_MS = 400, // that servers may be silent
    FILES_MAX = 40,
    FILE_BYTES_MAX = 4 << 20,
};

// Wants files, and waits for them.
struct fetching {
    char *home;
    struct text file; // with symbols and this build-id
    struct build_id id;
    struct debuginfod debuginfod;

    pthread_mutex_t lock;
    pthread_cond_t moved; // the thread came by
    uint32_t n_wanted;
    uint32_t n_asked; // of those
    struct build_id wanted[FILES_MAX];
    uint32_t n_dropped; // of those, how many will not be fetched
    uint32_t n_found;
    char *found[FILES_MAX]; // by image
    uint64_t silence_ns;    // of a server, until it is given up
    uint32_t n_sources;     // that came, the last one of which is
    char source[64];
};

static void notify(struct fetching *f)
{
    pthread_cond_signal(&f->moved);
    pthread_mutex_unlock(&f->lock);
}

static bool next(void *context, uint32_t *ret_image, struct build_id *ret_id)
{
    struct fetching *f = context;
    pthread_mutex_lock(&f->lock);
    bool any = f->n_asked < f->n_wanted;
    if (any) {
        *ret_image = f->n_asked++;
        *ret_id = f->wanted[*ret_image];
    }
    notify(f);
    return any;
}

static void found(void *context, uint32_t image, const char *path)
{
    struct fetching *f = context;
    pthread_mutex_lock(&f->lock);
    assert_null(f->found[image]);
    f->found[image] = alloc_text(path, strlen(path));
    f->n_found++;
    notify(f);
}

static void source_found(void *context, const struct build_id *id, const char *source)
{
    struct fetching *f = context;
    pthread_mutex_lock(&f->lock);
    assert_true(build_id_equal(id, &f->id));
    f->n_sources++;
    snprintf(f->source, sizeof f->source, "%s", source);
    notify(f);
}

static void read_fixture(struct fetching *f)
{
    CLEANUP(freep) char *path = path_of_code((void *)(uintptr_t)fixture_global);
    assert_int_equal(file_read(path, FILE_BYTES_MAX, &f->file), 0);
    struct elf_facts facts;
    struct symtab *symtab;
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(elf_symbols_read(fd, &symtab, &facts, NULL), 0);
    symtab_free(symtab);
    f->id = facts.build_id;
}

static struct slice file_bytes(const struct fetching *f)
{
    return (struct slice){.data = (const uint8_t *)f->file.at, .n = f->file.n};
}

static void fetching_init(struct fetching *f)
{
    *f = (struct fetching){.home = directory_new(), .silence_ns = (uint64_t)SILENCE_MS * NS_PER_MS};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&f->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&f->lock, NULL);
    read_fixture(f);
}

// A server like stax-server begins, with the cache that is there.
static void fetching_start(struct fetching *f, const char *urls)
{
    struct debuginfod_settings settings;
    debuginfod_settings_init(&settings);
    debuginfod_settings_add_urls(&settings, slice_of_text(urls));
    settings.silence_ns = f->silence_ns;
    settings.cache_path = path_join(f->home, "cache");
    settings.temp_path = alloc_text(f->home, strlen(f->home));
    settings.file_bytes = FILE_BYTES_MAX;
    settings.spare_disk_bytes = 0;
    debuginfod_init(&f->debuginfod, &settings,
                    (struct debuginfod_client){.next = next,
                                               .found = found,
                                               .context = f,
                                               .source_found = source_found,
                                               .source_context = f});
    debuginfod_settings_fini(&settings);
}

// Ends it, and everything that was wanted is forgotten.
static void fetching_stop(struct fetching *f)
{
    debuginfod_stop(&f->debuginfod);
    debuginfod_fini(&f->debuginfod);
    for (size_t i = 0; i < FILES_MAX; i++) {
        free(TAKE(f->found[i]));
    }
    f->n_wanted = f->n_asked = f->n_dropped = f->n_found = f->n_sources = 0;
}

static void fetching_fini(struct fetching *f)
{
    fetching_stop(f);
    pthread_cond_destroy(&f->moved);
    pthread_mutex_destroy(&f->lock);
    text_fini(&f->file);
    directory_remove(f->home);
    free(f->home);
}

static void want(struct fetching *f, const struct build_id *id)
{
    pthread_mutex_lock(&f->lock);
    f->wanted[f->n_wanted++] = *id;
    pthread_mutex_unlock(&f->lock);
    debuginfod_wake(&f->debuginfod);
}

// One that no server has.
static struct build_id other_id(const struct fetching *f, uint8_t n)
{
    struct build_id id = f->id;
    id.at[0] = (uint8_t)(id.at[0] + 1 + n);
    return id;
}

// The report, once nothing is under way, and what was wanted is found or put off.
static struct debuginfod_report await_settled(struct fetching *f)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE_S;
    struct debuginfod_report report;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        debuginfod_report(&f->debuginfod, &report);
        if (f->n_asked == f->n_wanted &&
            f->n_found + report.deferred + f->n_dropped == f->n_wanted) {
            break;
        }
        if (pthread_cond_timedwait(&f->moved, &f->lock, &until) != 0) {
            fail_msg("%u wanted, %u asked, %u found, %u put off", f->n_wanted, f->n_asked,
                     f->n_found, (unsigned)report.deferred);
        }
    }
    pthread_mutex_unlock(&f->lock);
    return report;
}

// The same of sources: once none is wanted any more, and that many have come.
static struct debuginfod_report await_sources(struct fetching *f, uint32_t n_sources)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE_S;
    struct debuginfod_report report;
    pthread_mutex_lock(&f->lock);
    for (;;) {
        debuginfod_report(&f->debuginfod, &report);
        if (report.sources_wanted == 0 && f->n_sources == n_sources) {
            break;
        }
        if (pthread_cond_timedwait(&f->moved, &f->lock, &until) != 0) {
            fail_msg("%u sources are still wanted, %u came: %s", report.sources_wanted,
                     f->n_sources, report.failures[0].err.text);
        }
    }
    pthread_mutex_unlock(&f->lock);
    return report;
}

// Asks one server for one file that it does not give, and looks at why.
static void check_refusal(enum test_http_way way, enum debuginfod_state state, const char *why)
{
    struct fetching f;
    struct test_http_server server;
    fetching_init(&f);
    test_http_server_start(&server, way, file_bytes(&f));
    fetching_start(&f, server.url);
    want(&f, &f.id);
    struct debuginfod_report report = await_settled(&f);
    assert_int_equal(f.n_found, 0);
    assert_int_equal(report.servers[0].state, state);
    assert_int_equal(report.servers[0].asked, 1);
    assert_int_equal(report.servers[0].failed, 1);
    assert_int_equal(report.n_failures, 1);
    assert_string_equal(report.failures[0].url, server.url);
    if (strstr(report.failures[0].err.text, why) == NULL) {
        fail_msg("\"%s\" is not about \"%s\"", report.failures[0].err.text, why);
    }
    fetching_stop(&f);
    test_http_server_stop(&server);
    fetching_start(&f, "");
    fetching_fini(&f);
}

// ---- Files that come ---------------------------------------------------------------------------

static void test_a_file_comes_and_stays(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server server;
    fetching_init(&f);
    test_http_server_start(&server, SERVE_FILE, file_bytes(&f));
    fetching_start(&f, server.url);
    want(&f, &f.id);
    struct debuginfod_report report = await_settled(&f);
    assert_int_equal(f.n_found, 1);
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(f.found[0], FILE_BYTES_MAX, &bytes), 0);
    assert_int_equal(bytes.n, f.file.n);
    assert_memory_equal(bytes.at, f.file.at, bytes.n);
    assert_int_equal(report.fetched, 1);
    assert_int_equal(report.servers[0].state, DEBUGINFOD_UP);
    assert_int_equal(report.servers[0].found, 1);
    assert_int_equal(report.servers[0].bytes, f.file.n);
    assert_int_equal(report.n_failures, 0);
    // The next one has it from the cache, and asks nobody.
    fetching_stop(&f);
    fetching_start(&f, server.url);
    want(&f, &f.id);
    report = await_settled(&f);
    assert_int_equal(f.n_found, 1);
    assert_int_equal(report.cached, 1);
    assert_int_equal(report.servers[0].asked, 0);
    test_http_server_stop(&server);
    fetching_fini(&f);
    assert_int_equal(server.n_asked, 1);
    assert_int_equal(strncmp(server.first_path, "/buildid/", 9), 0);
    assert_string_equal(strrchr(server.first_path, '/'), "/debuginfo");
    assert_int_equal(strlen(server.first_path), strlen("/buildid//debuginfo") + 40);
}

static void test_a_file_without_a_length_comes_too(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server server;
    fetching_init(&f);
    test_http_server_start(&server, SERVE_CLOSED, file_bytes(&f));
    fetching_start(&f, server.url);
    want(&f, &f.id);
    await_settled(&f);
    assert_int_equal(f.n_found, 1);
    test_http_server_stop(&server);
    fetching_fini(&f);
}

static void test_the_second_server_has_it(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server first;
    struct test_http_server second;
    fetching_init(&f);
    test_http_server_start(&first, SERVE_MISSING, file_bytes(&f));
    test_http_server_start(&second, SERVE_FILE, file_bytes(&f));
    CLEANUP(text_fini) struct text urls = {0};
    text_addf(&urls, "%s %s", first.url, second.url);
    fetching_start(&f, text_get(&urls));
    want(&f, &f.id);
    struct debuginfod_report report = await_settled(&f);
    assert_int_equal(f.n_found, 1);
    assert_int_equal(report.servers[0].missing, 1);
    assert_int_equal(report.servers[1].found, 1);
    assert_int_equal(report.n_failures, 0); // a 404 is none
    test_http_server_stop(&first);
    test_http_server_stop(&second);
    fetching_fini(&f);
}

static void test_what_nobody_has_is_remembered(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server server;
    fetching_init(&f);
    test_http_server_start(&server, SERVE_MISSING, file_bytes(&f));
    fetching_start(&f, server.url);
    want(&f, &f.id);
    struct debuginfod_report report = await_settled(&f);
    assert_int_equal(report.missing, 1);
    fetching_stop(&f);
    fetching_start(&f, server.url);
    want(&f, &f.id);
    report = await_settled(&f);
    assert_int_equal(report.missing, 1);
    assert_int_equal(report.servers[0].asked, 0);
    test_http_server_stop(&server);
    fetching_fini(&f);
    assert_int_equal(server.n_asked, 1);
}

// ---- Servers that cost time --------------------------------------------------------------------

static void test_a_server_that_hangs_costs_one_time_out(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server hung;
    struct test_http_server honest;
    enum { N = 30 };
    fetching_init(&f);
    test_http_server_start(&hung, SERVE_NOTHING, file_bytes(&f));
    test_http_server_start(&honest, SERVE_FILE, file_bytes(&f));
    CLEANUP(text_fini) struct text urls = {0};
    text_addf(&urls, "%s %s", hung.url, honest.url);
    debuginfod_hex(&f.id, honest.only);
    uint64_t start_ns = clock_now_ns();
    fetching_start(&f, text_get(&urls));
    for (uint8_t i = 0; i < N; i++) {
        struct build_id id = other_id(&f, i);
        want(&f, i == N - 1 ? &f.id : &id);
    }
    struct debuginfod_report report = await_settled(&f);
    uint64_t took_ns = clock_now_ns() - start_ns;
    assert_int_equal(f.n_found, 1); // the honest one has only this
    assert_int_equal(report.servers[0].asked, 1);
    assert_int_equal(report.servers[0].state, DEBUGINFOD_DOWN);
    assert_true(report.servers[0].rests_ns > 500ull * NS_PER_S);
    assert_true(took_ns < (uint64_t)PATIENCE_S * NS_PER_S / 2); // 30 of them would take longer
    test_http_server_stop(&hung);
    test_http_server_stop(&honest);
    fetching_fini(&f);
    assert_int_equal(hung.n_asked, 1);
}

static void test_a_closed_port(void **state)
{
    (void)state;
    struct fetching f;
    char url[64];
    test_http_closed_url(url);
    fetching_init(&f);
    fetching_start(&f, url);
    for (uint8_t i = 0; i < 10; i++) {
        struct build_id id = other_id(&f, i);
        want(&f, &id);
    }
    struct debuginfod_report report = await_settled(&f);
    assert_int_equal(report.servers[0].asked, 1);
    assert_int_equal(report.servers[0].state, DEBUGINFOD_DOWN);
    assert_int_equal(report.deferred, 10);
    assert_int_equal(report.missing, 0); // nobody said that
    fetching_fini(&f);
}

static void test_silence(void **state)
{
    (void)state;
    check_refusal(SERVE_NOTHING, DEBUGINFOD_DOWN, "did not answer within 0.4 s");
    check_refusal(SERVE_DRIP, DEBUGINFOD_DOWN, "sent less than 16 KiB in 0.4 s");
    check_refusal(SERVE_BUSY, DEBUGINFOD_DOWN, "HTTP status 503");
}

static void test_the_end_does_not_wait(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server server;
    fetching_init(&f);
    test_http_server_start(&server, SERVE_NOTHING, file_bytes(&f));
    struct debuginfod_settings settings;
    debuginfod_settings_init(&settings);
    debuginfod_settings_add_urls(&settings, slice_of_text(server.url));
    settings.silence_ns = (uint64_t)SILENCE_MAX_S * NS_PER_S;
    settings.temp_path = alloc_text(f.home, strlen(f.home));
    debuginfod_init(&f.debuginfod, &settings,
                    (struct debuginfod_client){.next = next, .found = found, .context = &f});
    debuginfod_settings_fini(&settings);
    want(&f, &f.id);
    struct debuginfod_report report;
    do { // there is always one more moment of the thread until it waits for the server
        debuginfod_report(&f.debuginfod, &report);
    } while (report.n_transfers == 0);
    assert_string_equal(report.transfers[0].url, server.url);
    uint64_t start_ns = clock_now_ns();
    fetching_fini(&f);
    assert_true(clock_now_ns() - start_ns < 5ull * NS_PER_S);
    test_http_server_stop(&server);
}

// ---- Servers that lie --------------------------------------------------------------------------

static void test_useless_answers(void **state)
{
    (void)state;
    check_refusal(SERVE_PAGE, DEBUGINFOD_UP, "something else than an ELF file");
    check_refusal(SERVE_TRUNCATED, DEBUGINFOD_UP, "");
    check_refusal(SERVE_HALF, DEBUGINFOD_UP, "answered with a file that is cut short");
    check_refusal(SERVE_ENDLESS, DEBUGINFOD_UP, "too large");
    check_refusal(SERVE_LOOP, DEBUGINFOD_UP, "redirect");
    check_refusal(SERVE_AWAY, DEBUGINFOD_UP, "Protocol");
    check_refusal(SERVE_NOISE, DEBUGINFOD_UP, "HTTP/0.9");
    check_refusal(SERVE_BROKEN, DEBUGINFOD_UP, "HTTP status 500");
}

static void test_a_server_that_gives_wrong_files_is_left_alone(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server server;
    fetching_init(&f);
    test_http_server_start(&server, SERVE_FILE, file_bytes(&f));
    fetching_start(&f, server.url);
    for (uint8_t i = 0; i < 10; i++) {
        struct build_id id = other_id(&f, i);
        want(&f, &id);
    }
    struct debuginfod_report report = await_settled(&f);
    assert_int_equal(f.n_found, 0);
    assert_int_equal(report.servers[0].state, DEBUGINFOD_FAULTY);
    assert_true(report.servers[0].failed >= DEBUGINFOD_FAULTS);
    assert_true(report.servers[0].failed < DEBUGINFOD_FAULTS + LIMIT_DEBUGINFOD_TRANSFERS);
    assert_non_null(strstr(report.failures[0].err.text, "another build-id"));
    test_http_server_stop(&server);
    fetching_fini(&f);
}

static void test_a_file_without_symbols_is_refused(void **state)
{
    (void)state;
    struct fetching f;
    fetching_init(&f);
    CLEANUP(freep) char *with = path_of_code((void *)(uintptr_t)fixture_global);
    CLEANUP(freep) char *without = path_join(f.home, "stripped");
    CLEANUP(text_fini) struct text said = {0};
    char *const argv[] = {"strip", "-o", without, with, NULL};
    CLEANUP(text_fini) struct text stripped = {0};
    if (!command_output(argv, &said) || file_read(without, FILE_BYTES_MAX, &stripped) < 0) {
        skip();
    }
    struct test_http_server server;
    test_http_server_start(&server, SERVE_FILE,
                           (struct slice){.data = (const uint8_t *)stripped.at, .n = stripped.n});
    fetching_start(&f, server.url);
    want(&f, &f.id);
    struct debuginfod_report report = await_settled(&f);
    assert_int_equal(f.n_found, 0);
    assert_string_equal(report.failures[0].err.text, "answered with a file that has no symbols");
    test_http_server_stop(&server);
    fetching_fini(&f);
}

static void test_short_build_ids_are_not_asked_for(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server server;
    fetching_init(&f);
    test_http_server_start(&server, SERVE_MISSING, file_bytes(&f));
    fetching_start(&f, server.url);
    f.n_dropped = 1;
    struct build_id id = {.n = DEBUGINFOD_ID_MIN - 1};
    want(&f, &id);
    want(&f, &f.id);
    struct debuginfod_report report = await_settled(&f);
    assert_int_equal(report.deferred, 1);
    test_http_server_stop(&server);
    fetching_fini(&f);
    assert_int_equal(server.n_asked, 1);
    assert_int_equal(strlen(server.first_path), strlen("/buildid//debuginfo") + 40);
}

// ---- Sources -----------------------------------------------------------------------------------

static const char source_text[] = "int x;\n";

static char *source_in_cache(struct fetching *f, const char *source)
{
    CLEANUP(freep) char *cache = path_join(f->home, "cache");
    return debuginfod_cache_find_source(cache, &f->id, source);
}

static void test_a_source_comes_and_stays(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server server;
    static const char source[] = "/src/a b/%2e/\xc3\xbc?#+.c";
    fetching_init(&f);
    test_http_server_start(&server, SERVE_FILE, slice_of_text(source_text));
    fetching_start(&f, server.url);
    debuginfod_want_source(&f.debuginfod, &f.id, source);
    debuginfod_want_source(&f.debuginfod, &f.id, source);
    struct debuginfod_report report = await_sources(&f, 1);
    assert_int_equal(report.sources, 1);
    assert_int_equal(report.fetched, 0);
    assert_string_equal(f.source, source);
    assert_string_equal(debuginfod_cache_path(&f.debuginfod), report.cache_path);
    CLEANUP(freep) char *path = source_in_cache(&f, source);
    assert_non_null(path);
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(path, FILE_BYTES_MAX, &bytes), 0);
    assert_string_equal(text_get(&bytes), source_text);
    assert_null(source_in_cache(&f, "/src"));
    // The next one asks nobody, but says that it is there.
    fetching_stop(&f);
    fetching_start(&f, server.url);
    debuginfod_want_source(&f.debuginfod, &f.id, source);
    report = await_sources(&f, 1);
    assert_int_equal(report.sources, 0);
    test_http_server_stop(&server);
    fetching_fini(&f);
    assert_int_equal(server.n_asked, 1);
    const char *rest = strstr(server.first_path, "/source/");
    assert_non_null(rest);
    assert_string_equal(rest, "/source/src/a%20b/%252e/%C3%BC%3F%23%2B.c");
    assert_int_equal(rest - server.first_path, strlen("/buildid/") + 40);
}

static void test_a_source_that_nobody_has_is_remembered(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server server;
    fetching_init(&f);
    test_http_server_start(&server, SERVE_FILE, slice_of_text(source_text));
    snprintf(server.only, sizeof server.only, "/there.c");
    fetching_start(&f, server.url);
    for (int round = 0; round < 3; round++) {
        debuginfod_want_source(&f.debuginfod, &f.id, "/not.c");
        struct debuginfod_report report = await_sources(&f, 0);
        assert_int_equal(report.sources_missing, round + 1);
        assert_int_equal(report.servers[0].asked, 1);
        assert_int_equal(report.deferred, 0); // it is forgotten
    }
    // Another source of the same build is another thing.
    debuginfod_want_source(&f.debuginfod, &f.id, "/there.c");
    struct debuginfod_report report = await_sources(&f, 1);
    assert_int_equal(report.sources, 1);
    assert_string_equal(f.source, "/there.c");
    test_http_server_stop(&server);
    fetching_fini(&f);
    assert_int_equal(server.n_asked, 2);
}

// A server that does not give a source, and how often it is asked when somebody looks twice.
static void check_source_refused(enum test_http_way way, struct slice bytes, const char *why,
                                 uint64_t asked)
{
    struct fetching f;
    struct test_http_server server;
    fetching_init(&f);
    test_http_server_start(&server, way, bytes);
    fetching_start(&f, server.url);
    struct debuginfod_report report;
    for (int round = 0; round < 2; round++) {
        debuginfod_want_source(&f.debuginfod, &f.id, "/a.c");
        report = await_sources(&f, 0);
    }
    assert_int_equal(report.servers[0].asked, asked);
    assert_int_equal(report.sources_missing, 0);
    if (strstr(report.failures[0].err.text, why) == NULL) {
        fail_msg("\"%s\" is not about \"%s\"", report.failures[0].err.text, why);
    }
    assert_null(source_in_cache(&f, "/a.c"));
    test_http_server_stop(&server);
    fetching_fini(&f);
}

static void test_servers_that_give_no_sources(void **state)
{
    (void)state;
    struct slice text = slice_of_text(source_text);
    struct slice binary = {.data = (const uint8_t *)"a\0b", .n = 3};
    check_source_refused(SERVE_NOTHING, text, "did not answer within 0.4 s", 1);
    check_source_refused(SERVE_DRIP, text, "sent less than 16 KiB in 0.4 s", 1);
    check_source_refused(SERVE_BUSY, text, "HTTP status 503", 1);
    check_source_refused(SERVE_FILE, binary, "answered with a file that is not a text", 2);
    check_source_refused(SERVE_PAGE, text, "answered with a file that is a web page", 2);
    check_source_refused(SERVE_FILE, slice_of_text(" \n<!DOCTYPE HTML>"), "is a web page", 2);
    check_source_refused(SERVE_CLOSED, (struct slice){.data = text.data},
                         "answered with an empty file", 2);
    check_source_refused(SERVE_TRUNCATED, text, "", 2);
    check_source_refused(SERVE_ENDLESS, text, "too large", 2);
    check_source_refused(SERVE_LOOP, text, "redirect", 2);
    check_source_refused(SERVE_AWAY, text, "Protocol", 2);
    check_source_refused(SERVE_BROKEN, text, "HTTP status 500", 2);
}

static void test_sources_do_not_wait_for_debug_files(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server slow;
    fetching_init(&f);
    f.silence_ns = (uint64_t)PATIENCE_S * NS_PER_S; // nobody gives up while this is going on
    test_http_server_start(&slow, SERVE_FILE, slice_of_text(source_text));
    fetching_start(&f, slow.url);
    // Proven, so that it is asked for several things at a time; then all places for debug files are
    // taken by transfers that do not end.
    debuginfod_want_source(&f.debuginfod, &f.id, "/a.c");
    await_sources(&f, 1);
    atomic_store(&slow.way, SERVE_NOTHING);
    for (uint8_t i = 0; i < LIMIT_DEBUGINFOD_TRANSFERS; i++) {
        struct build_id id = other_id(&f, i);
        want(&f, &id);
    }
    struct debuginfod_report report;
    uint32_t n_hanging = LIMIT_DEBUGINFOD_TRANSFERS - 1;
    do { // there is always one more moment of the thread until both are under way
        debuginfod_report(&f.debuginfod, &report);
    } while ((report.n_transfers < n_hanging || atomic_load(&slow.n_asked) < 1 + n_hanging) &&
             report.servers[0].failed == 0);
    assert_int_equal(report.n_transfers, n_hanging);
    atomic_store(&slow.way, SERVE_FILE);
    debuginfod_want_source(&f.debuginfod, &f.id, "/b.c");
    report = await_sources(&f, 2);
    assert_int_equal(report.sources, 2);
    assert_int_equal(report.n_transfers, n_hanging); // as before
    test_http_server_stop(&slow);
    fetching_fini(&f);
}

static void test_what_is_no_source_is_not_asked_for(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server server;
    fetching_init(&f);
    test_http_server_start(&server, SERVE_NOTHING, slice_of_text(source_text));
    fetching_start(&f, server.url);
    char path[5001] = "/";
    memset(path + 1, 'x', sizeof path - 2);
    struct build_id none = {.n = DEBUGINFOD_ID_MIN - 1};
    debuginfod_want_source(&f.debuginfod, &f.id, path);
    debuginfod_want_source(&f.debuginfod, &f.id, "a.c");
    debuginfod_want_source(&f.debuginfod, &f.id, "");
    debuginfod_want_source(&f.debuginfod, &none, "/a.c");
    struct debuginfod_report report;
    debuginfod_report(&f.debuginfod, &report);
    assert_int_equal(report.sources_wanted, 0);
    for (int i = 0; i < 2 * LIMIT_SOURCES_WANTED; i++) { // more than anybody looks at
        char source[32];
        snprintf(source, sizeof source, "/%d.c", i);
        debuginfod_want_source(&f.debuginfod, &f.id, source);
    }
    debuginfod_report(&f.debuginfod, &report);
    assert_true(report.sources_wanted <= LIMIT_SOURCES_WANTED);
    fetching_fini(&f); // whatever is under way
    test_http_server_stop(&server);
    fetching_init(&f);
    fetching_start(&f, "");
    debuginfod_want_source(&f.debuginfod, &f.id, "/a.c");
    assert_null(debuginfod_cache_path(&f.debuginfod));
    fetching_fini(&f);
}

// ---- Our own -----------------------------------------------------------------------------------

static void test_a_full_disk_is_not_the_servers_fault(void **state)
{
    (void)state;
    struct fetching f;
    struct test_http_server server;
    fetching_init(&f);
    test_http_server_start(&server, SERVE_FILE, file_bytes(&f));
    fetching_start(&f, server.url);
    f.debuginfod.settings.spare_disk_bytes = UINT64_MAX; // before anything is wanted
    want(&f, &f.id);
    struct debuginfod_report report = await_settled(&f);
    assert_int_equal(f.n_found, 0);
    assert_int_equal(report.n_failures, 1);
    assert_null(report.failures[0].url);
    assert_non_null(strstr(report.failures[0].err.text, "disk space"));
    assert_int_equal(report.servers[0].failed, 0);
    test_http_server_stop(&server);
    fetching_fini(&f);
}

static void test_without_servers_it_is_off(void **state)
{
    (void)state;
    struct fetching f;
    fetching_init(&f);
    fetching_start(&f, "");
    want(&f, &f.id);
    struct debuginfod_report report;
    debuginfod_report(&f.debuginfod, &report);
    assert_false(report.on);
    assert_int_equal(report.n_servers, 0);
    fetching_fini(&f);
    assert_int_equal(f.n_asked, 0);
}

int main(void)
{
    unsetenv("http_proxy");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_comes_and_stays),
        cmocka_unit_test(test_a_file_without_a_length_comes_too),
        cmocka_unit_test(test_the_second_server_has_it),
        cmocka_unit_test(test_what_nobody_has_is_remembered),
        cmocka_unit_test(test_a_server_that_hangs_costs_one_time_out),
        cmocka_unit_test(test_a_closed_port),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_the_end_does_not_wait),
        cmocka_unit_test(test_useless_answers),
        cmocka_unit_test(test_a_server_that_gives_wrong_files_is_left_alone),
        cmocka_unit_test(test_a_file_without_symbols_is_refused),
        cmocka_unit_test(test_short_build_ids_are_not_asked_for),
        cmocka_unit_test(test_a_source_comes_and_stays),
        cmocka_unit_test(test_a_source_that_nobody_has_is_remembered),
        cmocka_unit_test(test_servers_that_give_no_sources),
        cmocka_unit_test(test_sources_do_not_wait_for_debug_files),
        cmocka_unit_test(test_what_is_no_source_is_not_asked_for),
        cmocka_unit_test(test_a_full_disk_is_not_the_servers_fault),
        cmocka_unit_test(test_without_servers_it_is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
