#include "image/http.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "image/curl_api.h"

#include <elf.h>
#include <errno.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/statvfs.h>

enum {
    IGNORED_BYTES_MAX = 64 << 10, // of the page that comes with a 404
    DISK_CHECK_EVERY = 16 << 20,  // bytes written
    WAIT_MS_MAX = 60 * 1000,      // of one call of libcurl
    CONNECT_SHARE = 5,
    CONNECT_OF = 2, // two fifths
};

_Static_assert(sizeof((struct http_get *)NULL)->curl_error >= CURL_ERROR_SIZE, "room for libcurl");

// ---- What comes --------------------------------------------------------------------------------

static long status_of(const struct http_get *get)
{
    long status = 0;
    curl.easy_getinfo(get->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static void conclude(struct http_get *get, enum http_end end)
{
    get->end = end;
    get->ended = true;
}

static bool refuse(struct http_get *get, enum http_end end, int number, const char *why)
{
    err_set(&get->err, number, "%s", why);
    conclude(get, end);
    return false;
}

static bool has_room(struct http_get *get, uint64_t more)
{
    struct statvfs disk;
    if (fstatvfs(get->fd, &disk) != 0) {
        return true; // writing will tell
    }
    uint64_t available = (uint64_t)disk.f_bavail * disk.f_frsize;
    get->checked_disk_bytes = get->bytes;
    return available >= more && available - more >= get->limits.spare_disk_bytes;
}

static uint64_t announced_bytes(const struct http_get *get)
{
    curl_off_t length = -1;
    curl.easy_getinfo(get->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return length > 0 ? (uint64_t)length : 0;
}

// Before the first byte is written. A page of some portal is refused before it fills the disk.
static bool check_start(struct http_get *get, const char *bytes, size_t n)
{
    get->total = announced_bytes(get);
    if (get->limits.elf_only && memcmp(bytes, ELFMAG, MIN(n, (size_t)SELFMAG)) != 0) {
        return refuse(get, HTTP_USELESS, ENOEXEC, "answered with something else than an ELF file");
    }
    if (!has_room(get, get->total)) {
        return refuse(get, HTTP_OURS, ENOSPC, "there is not enough free disk space for it");
    }
    return true;
}

static bool take(struct http_get *get, const char *bytes, size_t n)
{
    if (get->bytes == 0 && !check_start(get, bytes, n)) {
        return false;
    }
    if (MAX(get->total, get->bytes + n) > get->limits.bytes) {
        return refuse(get, HTTP_USELESS, EFBIG, "answered with a file that is too large");
    }
    if (get->bytes - get->checked_disk_bytes > DISK_CHECK_EVERY && !has_room(get, 0)) {
        return refuse(get, HTTP_OURS, ENOSPC, "there is not enough free disk space for it");
    }
    int r = fd_write_all(get->fd, bytes, n);
    if (r < 0) {
        return refuse(get, HTTP_OURS, -r, strerror(-r));
    }
    get->bytes += n;
    return true;
}

// libcurl's: anything but `n` ends the transfer.
static size_t on_bytes(char *bytes, size_t size, size_t n_items, void *context)
{
    struct http_get *get = context;
    size_t n = size * n_items;
    if (n == 0) {
        return 0;
    }
    if (status_of(get) == 200) {
        return take(get, bytes, n) ? n : 0;
    }
    get->ignored_bytes += n;
    return get->ignored_bytes > IGNORED_BYTES_MAX ? 0 : n;
}

// ---- How it ends -------------------------------------------------------------------------------

// Which failures are an answer, though a useless one; any other is silence.
static bool is_answer(CURLcode code)
{
    switch ((int)code) {
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_UNSUPPORTED_PROTOCOL: // also HTTP/0.9: no header at all
    case CURLE_URL_MALFORMAT:        // of a redirect
    case CURLE_PARTIAL_FILE:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WRITE_ERROR: // the page of an error was too long
        return true;
    default:
        return false;
    }
}

static void conclude_status(struct http_get *get, long status)
{
    err_set(&get->err, EPROTO, "answered with HTTP status %ld", status);
    bool not_now = status == 429 || (status >= 502 && status <= 504);
    conclude(get, not_now ? HTTP_SILENT : HTTP_USELESS);
}

static void conclude_code(struct http_get *get, CURLcode code)
{
    long status = status_of(get);
    if (get->ended) {
        return; // by us: libcurl only knows that we did not want more
    }
    if (status == 404 || status == 410) {
        err_set(&get->err, ENOENT, "does not have it");
        conclude(get, HTTP_MISSING);
    } else if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && status >= 400)) {
        const char *why = get->curl_error[0] != 0 ? get->curl_error : curl.easy_strerror(code);
        refuse(get, is_answer(code) ? HTTP_USELESS : HTTP_SILENT, EIO, why);
    } else if (status != 200) {
        conclude_status(get, status);
    } else if (get->bytes == 0) {
        refuse(get, HTTP_USELESS, ENODATA, "answered with an empty file");
    } else {
        conclude(get, HTTP_FOUND);
    }
}

// ---- Silence -----------------------------------------------------------------------------------

// When it is over unless something comes. While it connects libcurl keeps the time.
static uint64_t deadline_of(const struct http_get *get)
{
    uint64_t end_ns = get->started_ns + get->limits.total_ns;
    curl_off_t connected_us = 0;
    curl.easy_getinfo(get->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    if (get->mark_ns != 0) {
        return MIN(end_ns, get->mark_ns + get->limits.silence_ns);
    }
    if (connected_us > 0) {
        return MIN(end_ns,
                   get->started_ns + (uint64_t)connected_us * 1000 + get->limits.silence_ns);
    }
    return MIN(end_ns, get->started_ns + 2 * get->limits.silence_ns);
}

static void check_silence(struct http_get *get, uint64_t now_ns)
{
    bool moved = get->bytes > 0 &&
                 (get->mark_ns == 0 || get->bytes - get->mark_bytes >= HTTP_PROGRESS_BYTES);
    if (moved) {
        get->mark_ns = now_ns;
        get->mark_bytes = get->bytes;
    }
    if (now_ns < deadline_of(get)) {
        return;
    }
    double seconds = (double)get->limits.silence_ns / NS_PER_S;
    bool is_long = now_ns - get->started_ns >= get->limits.total_ns;
    if (is_long) {
        err_set(&get->err, ETIMEDOUT, "has not sent all of it in %.0f s",
                (double)get->limits.total_ns / NS_PER_S);
    } else if (get->mark_ns == 0) {
        err_set(&get->err, ETIMEDOUT, "did not answer within %g s", seconds);
    } else {
        err_set(&get->err, ETIMEDOUT, "sent less than %d KiB in %g s", HTTP_PROGRESS_BYTES >> 10,
                seconds);
    }
    conclude(get, HTTP_SILENT);
}

// ---- One transfer ------------------------------------------------------------------------------

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)context;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

#define SET(get, option, value)                                                                    \
    ASSERT(curl.easy_setopt((get)->easy, CURLOPT_##option, (value)) == CURLE_OK)

static void set_up(struct http_get *get, uint64_t connect_ns)
{
    bool is_https = strncasecmp(get->url, "https", 5) == 0;
    SET(get, URL, get->url);
    SET(get, PRIVATE, get);
    SET(get, USERAGENT, "stax/" STAX_VERSION);
    SET(get, PROTOCOLS_STR, "http,https");
    SET(get, REDIR_PROTOCOLS_STR, is_https ? "https" : "http,https");
    SET(get, FOLLOWLOCATION, 1L);
    SET(get, MAXREDIRS, (long)LIMIT_DEBUGINFOD_REDIRECTS);
    SET(get, CONNECTTIMEOUT_MS, (long)MAX(connect_ns / NS_PER_MS, (uint64_t)1));
    SET(get, NOSIGNAL, 1L);   // of threads, signals are nobody's
    SET(get, QUICK_EXIT, 1L); // a name that is being looked up is left behind, not waited for
    SET(get, OPENSOCKETFUNCTION, open_socket);
    SET(get, ERRORBUFFER, get->curl_error);
    SET(get, WRITEFUNCTION, on_bytes);
    SET(get, WRITEDATA, get);
}

struct http_get *http_start(struct http *http, const char *url, int fd,
                            const struct http_limits *limits, void *context)
{
    struct http_get *get = NEW(struct http_get);
    get->context = context;
    get->limits = *limits;
    get->fd = fd;
    get->url = alloc_text(url, strlen(url));
    get->started_ns = clock_now_ns();
    get->easy = curl.easy_init();
    ASSERT(get->easy != NULL);
    set_up(get, limits->silence_ns / CONNECT_SHARE * CONNECT_OF);
    ASSERT(curl.multi_add_handle(http->multi, get->easy) == CURLM_OK);
    vec_push(&http->active, get);
    return get;
}

static bool forget(struct http *http, const struct http_get *get)
{
    for (size_t i = 0; i < http->active.n; i++) {
        if (http->active.at[i] == get) {
            vec_remove_at(&http->active, i);
            return true;
        }
    }
    return false;
}

void http_free_get(struct http *http, struct http_get *get)
{
    if (get == NULL) {
        return;
    }
    forget(http, get);
    curl.multi_remove_handle(http->multi, get->easy);
    curl.easy_cleanup(get->easy);
    free(get->url);
    free(get);
}

// ---- All of them -------------------------------------------------------------------------------

int http_init(struct http *http, struct err *reterr)
{
    *http = (struct http){0};
    int r = curl_api_load(reterr);
    if (r < 0) {
        return r;
    }
    http->multi = curl.multi_init();
    return http->multi != NULL ? 0 : err_set(reterr, ENOTSUP, "libcurl has no event loop for us");
}

void http_fini(struct http *http)
{
    while (http->active.n > 0) {
        http_free_get(http, vec_last(&http->active)[0]);
    }
    vec_fini(&http->active);
    curl.multi_cleanup(http->multi);
}

static void take_messages(struct http *http)
{
    int left;
    for (CURLMsg *message; (message = curl.multi_info_read(http->multi, &left)) != NULL;) {
        if (message->msg == CURLMSG_DONE) {
            char *private = NULL;
            curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
            conclude_code((struct http_get *)(void *)private, message->data.result);
        }
    }
}

struct http_get *http_step(struct http *http)
{
    int n_running;
    curl.multi_perform(http->multi, &n_running);
    take_messages(http);
    uint64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < http->active.n; i++) {
        struct http_get *get = http->active.at[i];
        if (!get->ended) {
            check_silence(get, now_ns);
        }
        if (get->ended) {
            forget(http, get);
            curl.multi_remove_handle(http->multi, get->easy);
            return get;
        }
    }
    return NULL;
}

void http_wait(struct http *http, uint64_t until_ns)
{
    for (size_t i = 0; i < http->active.n; i++) {
        until_ns = MIN(until_ns, deadline_of(http->active.at[i]));
    }
    uint64_t now_ns = clock_now_ns();
    uint64_t ms = until_ns <= now_ns ? 0 : (until_ns - now_ns) / NS_PER_MS + 1;
    curl.multi_poll(http->multi, NULL, 0, (int)MIN(ms, (uint64_t)WAIT_MS_MAX), NULL);
}

void http_wake(struct http *http)
{
    curl.multi_wakeup(http->multi);
}
