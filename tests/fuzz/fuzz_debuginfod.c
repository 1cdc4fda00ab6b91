// Up to the first zero byte: a list of servers, and a number of seconds. What is behind drives the
// choice of servers: whoever rests is not asked, one that is not proven is asked one thing at a
// time, and everybody is asked in the end.

#include "image/debuginfod_servers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_urls(const struct debuginfod_settings *settings)
{
    ASSERT(settings->urls.n <= LIMIT_DEBUGINFOD_SERVERS);
    for (size_t i = 0; i < settings->urls.n; i++) {
        const char *url = settings->urls.at[i].url;
        size_t n = strlen(url);
        ASSERT(n > strlen("http://") && n <= LIMIT_DEBUGINFOD_URL_BYTES && url[n - 1] != '/');
        ASSERT(strstr(url, "://") != NULL && strpbrk(url, " \t\r\n\"?#") == NULL);
        ASSERT(strlen(settings->urls.at[i].shown) <= n);
    }
}

// One request at a time per byte: begin one, or end one of those that were begun.
static void drive(struct debuginfod_servers *servers, struct reader *bytes)
{
    uint64_t now_ns = 1;
    while (reader_left(bytes) >= 3) {
        uint32_t answered = read_u8(bytes);
        uint8_t what = read_u8(bytes);
        now_ns += (uint64_t)read_u8(bytes) * 60 * NS_PER_S;
        uint32_t server = 0;
        uint64_t due_ns = 0;
        switch (debuginfod_servers_pick(servers, answered, now_ns, &server, &due_ns)) {
        case PICK_SERVER:
            ASSERT(server < servers->n && (answered >> server & 1) == 0);
            ASSERT(servers->at[server].rests_until_ns <= now_ns);
            ASSERT(servers->at[server].state == DEBUGINFOD_UP || servers->at[server].n_active == 0);
            debuginfod_servers_begin(servers, server);
            break;
        case PICK_LATER:
            ASSERT(due_ns > now_ns && due_ns <= now_ns + (uint64_t)DEBUGINFOD_FAULTY_S * NS_PER_S);
            break;
        case PICK_WAIT:
        case PICK_NONE:
            break;
        }
        server = servers->n == 0 ? 0 : what / 5 % servers->n;
        if (servers->n > 0 && servers->at[server].n_active > 0) {
            debuginfod_servers_end(servers, server, (enum http_end)(what % 5), what, now_ns);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader bytes = reader_of((struct slice){.data = data, .n = size});
    struct slice list = read_text(&bytes);
    struct debuginfod_settings settings;
    debuginfod_settings_init(&settings);
    debuginfod_settings_add_urls(&settings, list);
    check_urls(&settings);
    char text[32] = "";
    memcpy(text, data, MIN(size, sizeof text - 1));
    if (debuginfod_settings_parse_seconds(text, &settings.silence_ns)) {
        ASSERT(settings.silence_ns >= (uint64_t)SILENCE_MIN_MS * NS_PER_MS &&
               settings.silence_ns <= (uint64_t)SILENCE_MAX_S * NS_PER_S);
    }
    struct debuginfod_servers servers;
    debuginfod_servers_init(&servers, &settings);
    drive(&servers, &bytes);
    debuginfod_settings_fini(&settings);
    return 0;
}
