// The parts of debuginfod that need no network: settings, who is asked next, the cache.

#include "image/debuginfod_cache.h"
#include "image/debuginfod_servers.h"
#include "image/test_support.h"

#include "base/file.h"
#include "base/map.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MS = NS_PER_MS };

// ---- Settings ----------------------------------------------------------------------------------

static void add(struct debuginfod_settings *settings, const char *list)
{
    debuginfod_settings_add_urls(settings, slice_of_text(list));
}

static void test_lists_of_servers(void **state)
{
    (void)state;
    struct debuginfod_settings settings;
    debuginfod_settings_init(&settings);
    add(&settings, "  https://a.example/ \n\thttp://b.example:8002/some/path//\r\n");
    add(&settings, "HTTPS://C.example https://a.example");
    assert_int_equal(settings.urls.n, 3);
    assert_string_equal(settings.urls.at[0].url, "https://a.example");
    assert_string_equal(settings.urls.at[1].url, "http://b.example:8002/some/path");
    assert_string_equal(settings.urls.at[2].url, "HTTPS://C.example");
    assert_string_equal(settings.note.text, "");
    add(&settings, "");
    add(&settings, " \n");
    assert_int_equal(settings.urls.n, 3);
    debuginfod_settings_fini(&settings);
}

static void test_what_is_no_server_is_left_out(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "localhost:8002", "ftp://a.example",  "file:///srv",  "http://",
        "http:///x",      "https://////",     "http",         "-o",
        "http://a/?q=",   "http://a/#x",      "http://a\x7f", "http://a\x01/",
        "http://\xc3",    "http://a/<script>"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct debuginfod_settings settings;
        debuginfod_settings_init(&settings);
        add(&settings, bad[i]);
        if (settings.urls.n != 0 || strstr(settings.note.text, "is not asked") == NULL) {
            fail_msg("%s: %zu servers, note \"%s\"", bad[i], settings.urls.n, settings.note.text);
        }
        add(&settings, "http://good.example");
        assert_int_equal(settings.urls.n, 1);
        debuginfod_settings_fini(&settings);
    }
}

static void test_there_may_be_too_many_servers(void **state)
{
    (void)state;
    struct debuginfod_settings settings;
    debuginfod_settings_init(&settings);
    for (int i = 0; i < LIMIT_DEBUGINFOD_SERVERS + 1; i++) {
        CLEANUP(text_fini) struct text url = {0};
        text_addf(&url, "http://host%d.example", i);
        assert_string_equal(settings.note.text, "");
        add(&settings, text_get(&url));
    }
    assert_int_equal(settings.urls.n, LIMIT_DEBUGINFOD_SERVERS);
    assert_non_null(strstr(settings.note.text, "too many"));
    CLEANUP(text_fini) struct text longest = {0};
    text_add(&longest, "http://");
    while (longest.n <= LIMIT_DEBUGINFOD_URL_BYTES) {
        text_add_char(&longest, 'a');
    }
    add(&settings, text_get(&longest));
    assert_non_null(strstr(settings.note.text, "is not an http"));
    while (longest.n <= LIMIT_DEBUGINFOD_URLS_BYTES) {
        text_add(&longest, " http://a");
    }
    add(&settings, text_get(&longest));
    assert_non_null(strstr(settings.note.text, "is longer than"));
    debuginfod_settings_fini(&settings);
}

static void test_passwords_are_not_shown(void **state)
{
    (void)state;
    struct debuginfod_settings settings;
    debuginfod_settings_init(&settings);
    add(&settings, "https://me:se@cret@host.example/a@b");
    assert_string_equal(settings.urls.at[0].url, "https://me:se@cret@host.example/a@b");
    assert_string_equal(settings.urls.at[0].shown, "https://host.example/a@b");
    add(&settings, "https://me:secret@host.example/?");
    assert_null(strstr(settings.note.text, "secret"));
    debuginfod_settings_fini(&settings);
}

static void test_signatures_that_are_asked_for_are_not_ignored(void **state)
{
    (void)state;
    struct debuginfod_settings settings;
    debuginfod_settings_init(&settings);
    add(&settings, "http://a ima:enforcing http://b http://c ima:ignore http://d");
    assert_int_equal(settings.urls.n, 2);
    assert_string_equal(settings.urls.at[1].url, "http://d");
    assert_non_null(strstr(settings.note.text, "http://c is not asked: signatures"));
    debuginfod_settings_fini(&settings);
}

static void test_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } cases[] = {
        {"5", 5000ull * MS},
        {"0.25", 250ull * MS},
        {"0", SILENCE_MAX_S * 1000ull * MS},
        {"1e-9", 50ull * MS},
        {"90", 90000ull * MS},
        {"1e300", SILENCE_MAX_S * 1000ull * MS},
        {"301", SILENCE_MAX_S * 1000ull * MS},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t ns = 0;
        assert_true(debuginfod_settings_parse_seconds(cases[i].text, &ns));
        assert_int_equal(ns, cases[i].ns);
    }
    static const char *const bad[] = {"", "x", "5s", "-1", "nan", "inf", "5 5"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint64_t ns = 7;
        assert_false(debuginfod_settings_parse_seconds(bad[i], &ns));
        assert_int_equal(ns, 7);
    }
}

// Every variable that counts; NULL: not set.
static void set_environment(const char *urls, const char *xdg, const char *home,
                            const char *elfutils, const char *ours_s, const char *theirs_s)
{
    const char *const names[] = {
        "DEBUGINFOD_URLS",           "XDG_CACHE_HOME",    "HOME", "DEBUGINFOD_CACHE_PATH",
        "STAX_DEBUGINFOD_TIMEOUT_S", "DEBUGINFOD_TIMEOUT"};
    const char *const values[] = {urls, xdg, home, elfutils, ours_s, theirs_s};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(values[i] == NULL ? unsetenv(names[i]) : setenv(names[i], values[i], 1),
                         0);
    }
}

static void test_the_environment(void **state)
{
    (void)state;
    CLEANUP(freep) char *etc = directory_new();
    CLEANUP(freep) char *first = path_join(etc, "a.urls");
    CLEANUP(freep) char *second = path_join(etc, "b.urls");
    CLEANUP(freep) char *other = path_join(etc, "c.txt");
    file_write(first, "http://a http://b\n", 18);
    file_write(second, "http://c", 8);
    file_write(other, "http://d", 8);
    struct debuginfod_settings settings;

    debuginfod_settings_init(&settings);
    set_environment(NULL, NULL, "/homes/me", NULL, NULL, "7");
    debuginfod_settings_read(&settings, etc);
    assert_int_equal(settings.urls.n, 3);
    assert_string_equal(settings.urls.at[2].url, "http://c");
    assert_string_equal(settings.cache_path, "/homes/me/.cache/stax/debuginfod");
    assert_string_equal(settings.elfutils_path, "/homes/me/.cache/debuginfod_client");
    assert_int_equal(settings.silence_ns, 7000ull * MS);
    debuginfod_settings_fini(&settings);

    debuginfod_settings_init(&settings);
    set_environment("http://e", "/caches", "/homes/me", "/elfutils", "2", "7");
    debuginfod_settings_read(&settings, etc);
    assert_int_equal(settings.urls.n, 1);
    assert_string_equal(settings.cache_path, "/caches/stax/debuginfod");
    assert_string_equal(settings.elfutils_path, "/elfutils");
    assert_int_equal(settings.silence_ns, 2000ull * MS);
    debuginfod_settings_fini(&settings);

    debuginfod_settings_init(&settings);
    set_environment("http://e", "not/absolute", NULL, NULL, "soon", NULL);
    debuginfod_settings_read(&settings, etc);
    assert_null(settings.cache_path);
    assert_null(settings.elfutils_path);
    assert_int_equal(settings.silence_ns, SILENCE_DEFAULT_S * 1000ull * MS);
    assert_non_null(strstr(settings.note.text, "STAX_DEBUGINFOD_TIMEOUT_S"));
    debuginfod_settings_fini(&settings);

    debuginfod_settings_init(&settings);
    set_environment("", NULL, "/homes/me", NULL, NULL, NULL);
    debuginfod_settings_read(&settings, etc);
    assert_int_equal(settings.urls.n, 0); // set but empty: off
    debuginfod_settings_fini(&settings);
    directory_remove(etc);

    debuginfod_settings_init(&settings);
    set_environment(NULL, NULL, "/homes/me", NULL, NULL, NULL);
    debuginfod_settings_read(&settings, etc);
    assert_int_equal(settings.urls.n, 0);
    debuginfod_settings_fini(&settings);
}

// ---- Who is asked ------------------------------------------------------------------------------

struct asked {
    struct debuginfod_settings settings;
    struct debuginfod_servers servers;
    uint64_t due_ns;
};

static void asked_init(struct asked *asked, const char *urls)
{
    debuginfod_settings_init(&asked->settings);
    add(&asked->settings, urls);
    debuginfod_servers_init(&asked->servers, &asked->settings);
}

static enum debuginfod_pick pick(struct asked *asked, uint32_t answered, uint64_t now_ns,
                                 uint32_t *server)
{
    return debuginfod_servers_pick(&asked->servers, answered, now_ns, server, &asked->due_ns);
}

// Asks whoever is next, which is `expected`, and has it end so.
static void ask(struct asked *asked, uint32_t answered, uint64_t now_ns, uint32_t expected,
                enum http_end end)
{
    uint32_t server = UINT32_MAX;
    assert_int_equal(pick(asked, answered, now_ns, &server), PICK_SERVER);
    assert_int_equal(server, expected);
    debuginfod_servers_begin(&asked->servers, server);
    debuginfod_servers_end(&asked->servers, server, end, 10, now_ns);
}

static void test_one_that_hangs_is_tried_once(void **state)
{
    (void)state;
    struct asked a;
    uint32_t server;
    asked_init(&a, "http://a http://b");
    uint64_t now_ns = 1000;
    assert_int_equal(pick(&a, 0, now_ns, &server), PICK_SERVER);
    assert_int_equal(server, 0);
    debuginfod_servers_begin(&a.servers, 0);
    // Meanwhile others are asked of the other one, and then wait.
    assert_int_equal(pick(&a, 0, now_ns, &server), PICK_SERVER);
    assert_int_equal(server, 1);
    assert_int_equal(pick(&a, 2, now_ns, &server), PICK_WAIT);
    debuginfod_servers_end(&a.servers, 0, HTTP_SILENT, 0, now_ns);
    assert_int_equal(a.servers.at[0].state, DEBUGINFOD_DOWN);
    assert_int_equal(pick(&a, 2, now_ns, &server), PICK_LATER);
    assert_int_equal(a.due_ns, now_ns + (uint64_t)DEBUGINFOD_DOWN_S * NS_PER_S);
    assert_int_equal(pick(&a, 2, a.due_ns - 1, &server), PICK_LATER);
    // Then one try, and not two.
    assert_int_equal(pick(&a, 2, a.due_ns, &server), PICK_SERVER);
    debuginfod_servers_begin(&a.servers, 0);
    now_ns += (uint64_t)DEBUGINFOD_DOWN_S * NS_PER_S;
    assert_int_equal(pick(&a, 2, now_ns, &server), PICK_WAIT);
    debuginfod_servers_end(&a.servers, 0, HTTP_MISSING, 0, now_ns);
    // It is back: any number at a time.
    debuginfod_servers_begin(&a.servers, 0);
    assert_int_equal(pick(&a, 2, now_ns, &server), PICK_SERVER);
    assert_int_equal(server, 0);
    assert_int_equal(pick(&a, 3, now_ns, &server), PICK_NONE);
    debuginfod_settings_fini(&a.settings);
}

static void test_useless_answers_in_a_row_make_it_faulty(void **state)
{
    (void)state;
    struct asked a;
    uint32_t server;
    asked_init(&a, "http://a");
    ask(&a, 0, 5, 0, HTTP_USELESS);
    ask(&a, 0, 5, 0, HTTP_USELESS);
    ask(&a, 0, 5, 0, HTTP_FOUND);
    ask(&a, 0, 5, 0, HTTP_USELESS);
    ask(&a, 0, 5, 0, HTTP_USELESS);
    assert_int_equal(a.servers.at[0].state, DEBUGINFOD_UP);
    ask(&a, 0, 5, 0, HTTP_USELESS);
    assert_int_equal(a.servers.at[0].state, DEBUGINFOD_FAULTY);
    assert_int_equal(pick(&a, 0, 5, &server), PICK_LATER);
    assert_int_equal(a.due_ns, 5 + (uint64_t)DEBUGINFOD_FAULTY_S * NS_PER_S);
    uint64_t later_ns = a.due_ns;
    ask(&a, 0, later_ns, 0, HTTP_USELESS); // one more is enough now
    assert_int_equal(pick(&a, 0, later_ns, &server), PICK_LATER);
    later_ns = a.due_ns;
    ask(&a, 0, later_ns, 0, HTTP_FOUND);
    assert_int_equal(a.servers.at[0].state, DEBUGINFOD_UP);
    assert_int_equal(a.servers.at[0].asked, 8);
    assert_int_equal(a.servers.at[0].found, 2);
    assert_int_equal(a.servers.at[0].failed, 6);
    assert_int_equal(a.servers.at[0].bytes, 80);
    debuginfod_settings_fini(&a.settings);
}

static void test_our_own_failures_are_nobodys(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "http://a");
    for (int i = 0; i < 5; i++) {
        ask(&a, 0, 5, 0, HTTP_OURS);
    }
    assert_int_equal(a.servers.at[0].state, DEBUGINFOD_NEW);
    assert_int_equal(a.servers.at[0].failed, 0);
    debuginfod_settings_fini(&a.settings);
}

// ---- Which files go ----------------------------------------------------------------------------

static void test_what_was_used_longest_ago_goes_first(void **state)
{
    (void)state;
    struct debuginfod_cached files[] = {
        {.name = "cc", .bytes = 30, .used_unix_ns = 300},
        {.name = "aa", .bytes = 10, .used_unix_ns = 100},
        {.name = "dd", .bytes = 40, .used_unix_ns = 400},
        {.name = "bb", .bytes = 20, .used_unix_ns = 200},
    };
    size_t n = ARRAY_LEN(files);
    assert_int_equal(debuginfod_cache_choose(files, n, 100, n, NULL), 100);
    assert_false(files[0].goes);
    assert_int_equal(debuginfod_cache_choose(files, n, 99, n, NULL), 90);
    assert_string_equal(files[0].name, "aa");
    assert_true(files[0].goes);
    assert_false(files[1].goes);
    assert_int_equal(debuginfod_cache_choose(files, n, 70, n, NULL), 70);
    assert_int_equal(debuginfod_cache_choose(files, n, 69, n, NULL), 40);
    assert_int_equal(debuginfod_cache_choose(files, n, 100, 1, NULL), 40);
    // What has just come stays, even when it alone is too much.
    assert_int_equal(debuginfod_cache_choose(files, n, 0, n, "aa"), 10);
    assert_false(files[0].goes);
    assert_true(files[3].goes);
    assert_int_equal(debuginfod_cache_choose(NULL, 0, 0, 0, NULL), 0);
}

static void test_nothing_from_the_future_is_fresh(void **state)
{
    (void)state;
    assert_true(debuginfod_is_fresh(100, 100, 1));
    assert_true(debuginfod_is_fresh(100, 99 + (uint64_t)NS_PER_S, 1));
    assert_false(debuginfod_is_fresh(100, 100 + (uint64_t)NS_PER_S, 1));
    assert_false(debuginfod_is_fresh(101, 100, 1));
}

static void test_only_build_ids_are_names(void **state)
{
    (void)state;
    assert_true(debuginfod_is_hex("0123456789abcdef"));
    assert_true(debuginfod_is_hex("0123456789abcdef0123456789abcdef01234567"));
    static const char *const bad[] = {"",
                                      ".",
                                      "..",
                                      "00",
                                      "0123456789abcdeF",
                                      "0123456789abcdef0",
                                      "0123456789abcdef0123456789abcdef0123456789",
                                      "0123456789abcd/f"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(debuginfod_is_hex(bad[i]));
    }
}

// ---- The cache ---------------------------------------------------------------------------------

struct caching {
    char *home;
    char *file; // with a build-id and symbols
    struct build_id id;
    struct debuginfod_settings settings;
    struct debuginfod_cache cache;
};

static void caching_open(struct caching *c)
{
    struct err err = {0};
    if (debuginfod_cache_open(&c->cache, &c->settings, &err) != 0) {
        fail_msg("%s", err.text);
    }
}

static void caching_init(struct caching *c)
{
    *c = (struct caching){.home = directory_new(),
                          .file = path_of_code((void *)(uintptr_t)fixture_global)};
    struct elf_facts facts;
    struct symtab *symtab;
    CLEANUP(closep) int fd = open(c->file, O_RDONLY | O_CLOEXEC);
    assert_int_equal(elf_symbols_read(fd, &symtab, &facts, NULL), 0);
    symtab_free(symtab);
    c->id = facts.build_id;
    debuginfod_settings_init(&c->settings);
    c->settings.cache_path = path_join(c->home, "new/stax/debuginfod");
    c->settings.elfutils_path = path_join(c->home, "elfutils");
    c->settings.temp_path = alloc_text(c->home, strlen(c->home));
}

static void caching_fini(struct caching *c)
{
    debuginfod_cache_close(&c->cache);
    debuginfod_settings_fini(&c->settings);
    directory_remove(c->home);
    free(c->home);
    free(c->file);
}

static char *path_of(const struct caching *c, const char *directory, const char *name)
{
    char hex[DEBUGINFOD_HEX_BYTES];
    debuginfod_hex(&c->id, hex);
    CLEANUP(freep) char *inner = path_join(directory, hex);
    mkdir(inner, 0700);
    return path_join(inner, name);
}

static char *store(struct caching *c)
{
    struct debuginfod_part part;
    struct err err = {0};
    assert_int_equal(debuginfod_cache_begin(&c->cache, &c->id, &part, &err), 0);
    CLEANUP(text_fini) struct text bytes = {0};
    assert_int_equal(file_read(c->file, 64 << 20, &bytes), 0);
    assert_int_equal(fd_write_all(part.fd, bytes.at, bytes.n), 0);
    char *path = debuginfod_cache_finish(&c->cache, &c->id, NULL, &part, &err);
    assert_int_equal(part.fd, -1);
    return path;
}

static void test_what_is_stored_is_found(void **state)
{
    (void)state;
    struct caching c;
    caching_init(&c);
    caching_open(&c);
    assert_false(c.cache.is_private);
    assert_null(debuginfod_cache_find(&c.cache, &c.id));
    CLEANUP(freep) char *stored = store(&c);
    CLEANUP(freep) char *found = debuginfod_cache_find(&c.cache, &c.id);
    assert_non_null(found);
    assert_string_equal(stored, found);
    // Also by the next server.
    debuginfod_cache_close(&c.cache);
    caching_open(&c);
    CLEANUP(freep) char *again = debuginfod_cache_find(&c.cache, &c.id);
    assert_string_equal(found, again);
    caching_fini(&c);
}

static void test_a_cache_is_not_believed(void **state)
{
    (void)state;
    struct caching c;
    caching_init(&c);
    caching_open(&c);
    CLEANUP(freep) char *path = path_of(&c, c.settings.cache_path, "debuginfo");
    file_write(path, "not an ELF file", 15);
    assert_null(debuginfod_cache_find(&c.cache, &c.id));
    assert_int_not_equal(access(path, F_OK), 0); // and makes place for the right one
    assert_int_equal(symlink(c.file, path), 0);
    assert_null(debuginfod_cache_find(&c.cache, &c.id));
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(debuginfod_cache_find(&c.cache, &c.id)); // and does not hang
    struct build_id other = c.id;
    other.at[0] ^= 1;
    CLEANUP(freep) char *right = path_of(&c, c.settings.cache_path, "debuginfo");
    file_copy(c.file, right);
    c.id = other;
    CLEANUP(freep) char *wrong = path_of(&c, c.settings.cache_path, "debuginfo");
    assert_int_equal(rename(right, wrong), 0);
    assert_null(debuginfod_cache_find(&c.cache, &other)); // the build-id of another
    caching_fini(&c);
}

static void test_the_cache_of_elfutils_is_read(void **state)
{
    (void)state;
    struct caching c;
    caching_init(&c);
    caching_open(&c);
    assert_int_equal(mkdir(c.settings.elfutils_path, 0700), 0);
    CLEANUP(freep) char *path = path_of(&c, c.settings.elfutils_path, "debuginfo");
    file_write(path, "", 0); // how it remembers what is not there
    assert_null(debuginfod_cache_find(&c.cache, &c.id));
    assert_int_equal(access(path, F_OK), 0); // and it is not ours to change
    file_copy(c.file, path);
    CLEANUP(freep) char *found = debuginfod_cache_find(&c.cache, &c.id);
    assert_non_null(found);
    assert_string_equal(found, path);
    caching_fini(&c);
}

static void set_age(const char *path, long seconds)
{
    struct timespec when = {.tv_sec = (time_t)(clock_unix_ns() / NS_PER_S) - seconds};
    struct timespec times[] = {when, when};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_absent_is_remembered_for_a_day_and_by_server(void **state)
{
    (void)state;
    struct caching c;
    caching_init(&c);
    caching_open(&c);
    assert_false(debuginfod_cache_is_absent(&c.cache, &c.id, NULL, "http://a"));
    debuginfod_cache_set_absent(&c.cache, &c.id, NULL, "http://a");
    assert_true(debuginfod_cache_is_absent(&c.cache, &c.id, NULL, "http://a"));
    assert_false(debuginfod_cache_is_absent(&c.cache, &c.id, NULL, "http://b"));
    CLEANUP(text_fini) struct text name = {0};
    text_addf(&name, "absent-%016llx", (unsigned long long)hash_bytes("http://a", 8));
    CLEANUP(freep) char *path = path_of(&c, c.settings.cache_path, text_get(&name));
    set_age(path, DEBUGINFOD_ABSENT_S + 10);
    assert_false(debuginfod_cache_is_absent(&c.cache, &c.id, NULL, "http://a"));
    set_age(path, -1000);
    assert_false(debuginfod_cache_is_absent(&c.cache, &c.id, NULL, "http://a"));
    // Once more, and it is as new.
    debuginfod_cache_set_absent(&c.cache, &c.id, NULL, "http://a");
    assert_true(debuginfod_cache_is_absent(&c.cache, &c.id, NULL, "http://a"));
    // The next server removes what has expired, and the directory with it.
    set_age(path, DEBUGINFOD_ABSENT_S + 10);
    debuginfod_cache_close(&c.cache);
    caching_open(&c);
    assert_int_not_equal(access(path, F_OK), 0);
    caching_fini(&c);
}

static void test_what_was_left_behind_is_removed(void **state)
{
    (void)state;
    struct caching c;
    caching_init(&c);
    caching_open(&c);
    CLEANUP(freep) char *old = path_of(&c, c.settings.cache_path, ".part-1-1");
    CLEANUP(freep) char *young = path_of(&c, c.settings.cache_path, ".part-1-2");
    CLEANUP(freep) char *foreign = path_join(c.settings.cache_path, "README");
    file_write(old, "x", 1);
    file_write(young, "x", 1);
    file_write(foreign, "x", 1);
    set_age(old, DEBUGINFOD_PART_S + 10);
    debuginfod_cache_close(&c.cache);
    caching_open(&c);
    assert_int_not_equal(access(old, F_OK), 0);
    assert_int_equal(access(young, F_OK), 0); // somebody may be writing it
    assert_int_equal(access(foreign, F_OK), 0);
    struct debuginfod_part part;
    assert_int_equal(debuginfod_cache_begin(&c.cache, &c.id, &part, NULL), 0);
    debuginfod_cache_drop(&c.cache, &part);
    debuginfod_cache_drop(&c.cache, &part); // once is enough
    caching_fini(&c);
}

static void test_a_full_cache_forgets(void **state)
{
    (void)state;
    struct caching c;
    caching_init(&c);
    c.settings.cache_bytes = 1;
    caching_open(&c);
    struct build_id first = c.id;
    CLEANUP(freep) char *path = store(&c);
    assert_int_equal(access(path, F_OK), 0); // the newest stays
    c.id.at[0] ^= 1;
    CLEANUP(freep) char *second = store(&c);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(access(second, F_OK), 0);
    assert_null(debuginfod_cache_find(&c.cache, &first));
    caching_fini(&c);
}

static void test_without_a_home_there_is_a_private_directory(void **state)
{
    (void)state;
    struct caching c;
    caching_init(&c);
    free(TAKE(c.settings.cache_path));
    caching_open(&c);
    assert_true(c.cache.is_private);
    assert_non_null(strstr(c.cache.note.text, "home"));
    CLEANUP(freep) char *path = store(&c);
    struct stat st;
    assert_int_equal(stat(c.cache.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    debuginfod_cache_close(&c.cache);
    assert_int_not_equal(access(path, F_OK), 0);
    caching_fini(&c); // fails when something were left
}

static void test_a_cache_that_others_may_write_to_is_not_used(void **state)
{
    (void)state;
    struct caching c;
    caching_init(&c);
    caching_open(&c);
    debuginfod_cache_close(&c.cache);
    assert_int_equal(chmod(c.settings.cache_path, 0777), 0);
    caching_open(&c);
    assert_true(c.cache.is_private);
    assert_non_null(strstr(c.cache.note.text, "others may write"));
    debuginfod_cache_close(&c.cache);
    // Nor is a file in the way.
    assert_int_equal(rmdir(c.settings.cache_path), 0);
    file_write(c.settings.cache_path, "", 0);
    caching_open(&c);
    assert_true(c.cache.is_private);
    caching_fini(&c);
}

static void test_nothing_is_made_in_the_home_of_somebody_else(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip(); // only root can give a directory away
    }
    struct caching c;
    caching_init(&c);
    CLEANUP(freep) char *theirs = path_join(c.home, "new");
    assert_int_equal(mkdir(theirs, 0755), 0);
    assert_int_equal(chown(theirs, 65534, 65534), 0);
    caching_open(&c);
    assert_true(c.cache.is_private);
    CLEANUP(freep) char *made = path_join(theirs, "stax");
    assert_int_not_equal(access(made, F_OK), 0);
    caching_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_of_servers),
        cmocka_unit_test(test_what_is_no_server_is_left_out),
        cmocka_unit_test(test_there_may_be_too_many_servers),
        cmocka_unit_test(test_passwords_are_not_shown),
        cmocka_unit_test(test_signatures_that_are_asked_for_are_not_ignored),
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_the_environment),
        cmocka_unit_test(test_one_that_hangs_is_tried_once),
        cmocka_unit_test(test_useless_answers_in_a_row_make_it_faulty),
        cmocka_unit_test(test_our_own_failures_are_nobodys),
        cmocka_unit_test(test_what_was_used_longest_ago_goes_first),
        cmocka_unit_test(test_nothing_from_the_future_is_fresh),
        cmocka_unit_test(test_only_build_ids_are_names),
        cmocka_unit_test(test_what_is_stored_is_found),
        cmocka_unit_test(test_a_cache_is_not_believed),
        cmocka_unit_test(test_the_cache_of_elfutils_is_read),
        cmocka_unit_test(test_absent_is_remembered_for_a_day_and_by_server),
        cmocka_unit_test(test_what_was_left_behind_is_removed),
        cmocka_unit_test(test_a_full_cache_forgets),
        cmocka_unit_test(test_without_a_home_there_is_a_private_directory),
        cmocka_unit_test(test_a_cache_that_others_may_write_to_is_not_used),
        cmocka_unit_test(test_nothing_is_made_in_the_home_of_somebody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
