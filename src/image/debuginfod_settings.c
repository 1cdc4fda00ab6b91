#include "image/debuginfod_settings.h"

#include "base/file.h"

#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

enum { SHOWN_URL_BYTES = 100 };

static const uint64_t mib = 1 << 20;

void debuginfod_settings_init(struct debuginfod_settings *settings)
{
    *settings = (struct debuginfod_settings){
        .silence_ns = (uint64_t)SILENCE_DEFAULT_S * NS_PER_S,
        .file_bytes = LIMIT_DEBUGINFOD_FILE_BYTES,
        .cache_bytes = LIMIT_DEBUGINFOD_CACHE_MIB * mib,
        .temp_bytes = LIMIT_DEBUGINFOD_TEMP_MIB * mib,
        .spare_disk_bytes = LIMIT_DEBUGINFOD_SPARE_DISK_MIB * mib,
    };
}

void debuginfod_settings_fini(struct debuginfod_settings *settings)
{
    for (size_t i = 0; i < settings->urls.n; i++) {
        free(settings->urls.at[i].url);
        free(settings->urls.at[i].shown);
    }
    vec_fini(&settings->urls);
    free(settings->cache_path);
    free(settings->elfutils_path);
    free(settings->temp_path);
}

// ---- Servers -----------------------------------------------------------------------------------

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool starts_with(struct slice word, const char *start)
{
    size_t n = strlen(start);
    return word.n >= n && strncasecmp((const char *)word.data, start, n) == 0;
}

// The length of `http://` or `https://`, 0 for anything else.
static size_t scheme_length(struct slice word)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (starts_with(word, schemes[i])) {
            return strlen(schemes[i]);
        }
    }
    return 0;
}

// What may stand in a URL (RFC 3986, section 2), but for `?` and `#`: a path will follow.
static bool is_url_char(uint8_t c)
{
    return c > ' ' && c < 0x7f && strchr("\"<>\\^`{|}?#", c) == NULL;
}

static struct slice without_slashes_at_end(struct slice word)
{
    while (word.n > 0 && word.data[word.n - 1] == '/') {
        word.n--;
    }
    return word;
}

static bool is_server(struct slice word)
{
    size_t scheme = scheme_length(word);
    if (scheme == 0 || word.n > LIMIT_DEBUGINFOD_URL_BYTES ||
        without_slashes_at_end(word).n <= scheme || word.data[scheme] == '/') {
        return false;
    }
    for (size_t i = 0; i < word.n; i++) {
        if (!is_url_char(word.data[i])) {
            return false;
        }
    }
    return true;
}

// A name and a password stand before the last `@` of the host's part.
static char *shown_url(struct slice url)
{
    size_t scheme = scheme_length(url);
    size_t host = scheme;
    for (size_t i = scheme; i < url.n && url.data[i] != '/'; i++) {
        if (url.data[i] == '@') {
            host = i + 1;
        }
    }
    struct text shown = {0};
    text_add_bytes(&shown, url.data, scheme);
    text_add_bytes(&shown, url.data + host, url.n - host);
    return text_take(&shown);
}

static void leave_out(struct debuginfod_settings *settings, struct slice word, const char *why)
{
    CLEANUP(freep) char *shown = shown_url(word);
    CLEANUP(text_fini) struct text escaped = {0};
    text_add_escaped(&escaped, shown, MIN(strlen(shown), (size_t)SHOWN_URL_BYTES));
    err_set(&settings->note, 0, "debuginfod server %s is not asked: %s", text_get(&escaped), why);
}

static bool is_known(const struct debuginfod_settings *settings, struct slice url)
{
    for (size_t i = 0; i < settings->urls.n; i++) {
        if (slice_equal(slice_of_text(settings->urls.at[i].url), url)) {
            return true;
        }
    }
    return false;
}

static void add_url(struct debuginfod_settings *settings, struct slice word)
{
    if (!is_server(word)) {
        leave_out(settings, word, "it is not an http:// or https:// URL");
        return;
    }
    struct slice url = without_slashes_at_end(word);
    if (is_known(settings, url)) {
        return;
    }
    if (settings->urls.n == LIMIT_DEBUGINFOD_SERVERS) {
        leave_out(settings, word, "there are too many");
        return;
    }
    vec_push(&settings->urls,
             (struct debuginfod_url){.url = alloc_text((const char *)url.data, url.n),
                                     .shown = shown_url(url)});
}

static struct slice next_word(struct slice *list)
{
    size_t start = 0;
    while (start < list->n && is_space(list->data[start])) {
        start++;
    }
    size_t end = start;
    while (end < list->n && !is_space(list->data[end])) {
        end++;
    }
    struct slice word = {.data = list->data + start, .n = end - start};
    *list = (struct slice){.data = list->data + end, .n = list->n - end};
    return word;
}

void debuginfod_settings_add_urls(struct debuginfod_settings *settings, struct slice list)
{
    if (list.n > LIMIT_DEBUGINFOD_URLS_BYTES) {
        err_set(&settings->note, 0, "a list of debuginfod servers is longer than %d bytes",
                LIMIT_DEBUGINFOD_URLS_BYTES);
        return;
    }
    bool wants_signatures = false;
    for (struct slice word; list.n > 0 && (word = next_word(&list)).n > 0;) {
        if (starts_with(word, "ima:")) {
            wants_signatures = slice_equal(word, slice_of_text("ima:enforcing"));
        } else if (wants_signatures) {
            leave_out(settings, word, "signatures (ima:enforcing) cannot be checked");
        } else {
            add_url(settings, word);
        }
    }
}

// ---- The environment ---------------------------------------------------------------------------

bool debuginfod_settings_parse_seconds(const char *text, uint64_t *ret_ns)
{
    char *end;
    errno = 0;
    double seconds = strtod(text, &end);
    if (end == text || *end != 0 || errno != 0 || !isfinite(seconds) || seconds < 0) {
        return false;
    }
    if (seconds == 0 || seconds > SILENCE_MAX_S) {
        seconds = SILENCE_MAX_S;
    }
    *ret_ns = MAX((uint64_t)(seconds * NS_PER_S), (uint64_t)SILENCE_MIN_MS * NS_PER_MS);
    return true;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != 0 ? value : NULL;
}

static void read_files(struct debuginfod_settings *settings, const char *directory)
{
    CLEANUP(text_fini) struct text pattern = {0};
    text_addf(&pattern, "%s/*.urls", directory);
    glob_t found = {0};
    if (glob(text_get(&pattern), 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            CLEANUP(text_fini) struct text list = {0};
            int r = file_read(found.gl_pathv[i], LIMIT_DEBUGINFOD_URLS_BYTES, &list);
            if (r < 0) {
                err_set(&settings->note, 0, "cannot read %s: %s", found.gl_pathv[i], strerror(-r));
            } else {
                debuginfod_settings_add_urls(
                    settings, (struct slice){.data = (const uint8_t *)list.at, .n = list.n});
            }
        }
    }
    globfree(&found);
}

static void read_timeout(struct debuginfod_settings *settings)
{
    static const char *const names[] = {"STAX_DEBUGINFOD_TIMEOUT_S", "DEBUGINFOD_TIMEOUT"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = environment(names[i]);
        if (value == NULL) {
            continue;
        }
        if (debuginfod_settings_parse_seconds(value, &settings->silence_ns)) {
            return;
        }
        err_set(&settings->note, 0, "%s is not a number of seconds", names[i]);
    }
}

static char *joined(const char *directory, const char *rest)
{
    struct text path = {0};
    text_addf(&path, "%s/%s", directory, rest);
    return text_take(&path);
}

static void read_paths(struct debuginfod_settings *settings)
{
    const char *xdg = environment("XDG_CACHE_HOME");
    const char *home = environment("HOME");
    const char *elfutils = environment("DEBUGINFOD_CACHE_PATH");
    CLEANUP(freep)
    char *caches = xdg != NULL && xdg[0] == '/'     ? alloc_text(xdg, strlen(xdg))
                   : home != NULL && home[0] == '/' ? joined(home, ".cache")
                                                    : NULL;
    if (elfutils != NULL && elfutils[0] == '/') {
        settings->elfutils_path = alloc_text(elfutils, strlen(elfutils));
    } else if (caches != NULL) {
        settings->elfutils_path = joined(caches, "debuginfod_client");
    }
    if (caches != NULL) {
        settings->cache_path = joined(caches, "stax/debuginfod");
    }
    const char *temp = environment("TMPDIR");
    temp = temp != NULL && temp[0] == '/' ? temp : "/tmp";
    settings->temp_path = alloc_text(temp, strlen(temp));
}

void debuginfod_settings_read(struct debuginfod_settings *settings, const char *directory)
{
    const char *urls = getenv("DEBUGINFOD_URLS");
    if (urls != NULL) {
        debuginfod_settings_add_urls(settings, slice_of_text(urls));
    } else {
        read_files(settings, directory);
    }
    if (settings->urls.n > 0) {
        read_timeout(settings);
        read_paths(settings);
    }
}
