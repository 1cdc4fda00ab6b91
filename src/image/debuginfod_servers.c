#include "image/debuginfod_servers.h"

#include "base/clock.h"

const char *debuginfod_state_name(enum debuginfod_state state)
{
    switch (state) {
    case DEBUGINFOD_NEW:
        return "new";
    case DEBUGINFOD_UP:
        return "up";
    case DEBUGINFOD_DOWN:
        return "down";
    case DEBUGINFOD_FAULTY:
        return "faulty";
    }
    ASSERT(false);
}

void debuginfod_servers_init(struct debuginfod_servers *servers,
                             const struct debuginfod_settings *settings)
{
    *servers = (struct debuginfod_servers){.n = (uint32_t)settings->urls.n};
    for (uint32_t i = 0; i < servers->n; i++) {
        servers->at[i].url = &settings->urls.at[i];
    }
}

enum debuginfod_pick debuginfod_servers_pick(const struct debuginfod_servers *servers,
                                             uint32_t answered, uint64_t now_ns,
                                             uint32_t *ret_server, uint64_t *ret_due_ns)
{
    enum debuginfod_pick pick = PICK_NONE;
    *ret_due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < servers->n; i++) {
        const struct debuginfod_server *server = &servers->at[i];
        if ((answered >> i & 1) != 0) {
            continue;
        }
        if (now_ns < server->rests_until_ns) {
            *ret_due_ns = MIN(*ret_due_ns, server->rests_until_ns);
            pick = pick == PICK_NONE ? PICK_LATER : pick;
        } else if (server->state == DEBUGINFOD_UP || server->n_active == 0) {
            *ret_server = i;
            return PICK_SERVER;
        } else {
            pick = PICK_WAIT;
        }
    }
    return pick;
}

void debuginfod_servers_begin(struct debuginfod_servers *servers, uint32_t server)
{
    servers->at[server].n_active++;
    servers->at[server].asked++;
}

static void rest(struct debuginfod_server *server, enum debuginfod_state state, uint64_t seconds,
                 uint64_t now_ns)
{
    server->state = state;
    server->rests_until_ns = now_ns + seconds * NS_PER_S;
}

static void set_up(struct debuginfod_server *server)
{
    server->state = DEBUGINFOD_UP;
    server->rests_until_ns = 0;
}

void debuginfod_servers_end(struct debuginfod_servers *servers, uint32_t index, enum http_end end,
                            uint64_t bytes, uint64_t now_ns)
{
    struct debuginfod_server *server = &servers->at[index];
    ASSERT(server->n_active > 0);
    server->n_active--;
    server->bytes += bytes;
    switch (end) {
    case HTTP_FOUND:
        server->found++;
        server->n_faults = 0;
        set_up(server);
        return;
    case HTTP_MISSING:
        server->missing++;
        if (server->state != DEBUGINFOD_FAULTY) {
            set_up(server);
        }
        return;
    case HTTP_SILENT:
        server->failed++;
        rest(server, DEBUGINFOD_DOWN, DEBUGINFOD_DOWN_S, now_ns);
        return;
    case HTTP_USELESS:
        server->failed++;
        if (++server->n_faults >= DEBUGINFOD_FAULTS) {
            rest(server, DEBUGINFOD_FAULTY, DEBUGINFOD_FAULTY_S, now_ns);
        } else {
            set_up(server);
        }
        return;
    case HTTP_OURS:
        return;
    }
    ASSERT(false);
}
