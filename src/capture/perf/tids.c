#include "capture/perf/tids.h"

#include "base/alloc.h"

#include <stdlib.h>

void tids_fini(struct tids *tids)
{
    for (size_t i = 0; i < ARRAY_LEN(tids->pages); i++) {
        free(tids->pages[i]);
        tids->pages[i] = NULL;
    }
    vec_fini(&tids->ended);
}

void tids_add(struct tids *tids, uint32_t tid, uint32_t pid)
{
    if (tid == 0 || tid >= TIDS_LIMIT || pid == 0 || pid >= TIDS_LIMIT) {
        return; // not a thread of any Linux
    }
    struct tids_page **page = &tids->pages[tid / TIDS_PAGE];
    if (*page == NULL) {
        *page = NEW(struct tids_page);
    }
    uint32_t *place = &(*page)->pids[tid % TIDS_PAGE];
    (*page)->n += *place == 0;
    *place = pid;
}

static void drop_page(struct tids_page **page)
{
    if ((*page)->n == 0) {
        free(*page);
        *page = NULL;
    }
}

void tids_end(struct tids *tids, uint32_t tid, uint64_t time_ns)
{
    if (tids_find(tids, tid) != 0) {
        tids->pages[tid / TIDS_PAGE]->pids[tid % TIDS_PAGE] |= TIDS_ENDED;
        vec_push(&tids->ended, (struct tids_ended){.time_ns = time_ns, .tid = tid});
    }
}

static void forget(struct tids *tids, uint32_t tid)
{
    if ((tids_entry(tids, tid) & TIDS_ENDED) != 0) { // else somebody has the number again
        struct tids_page **page = &tids->pages[tid / TIDS_PAGE];
        (*page)->pids[tid % TIDS_PAGE] = 0;
        (*page)->n--;
        drop_page(page);
    }
}

void tids_forget_ended(struct tids *tids, uint64_t now_ns)
{
    while (tids->n_forgotten < tids->ended.n) {
        const struct tids_ended *ended = &tids->ended.at[tids->n_forgotten];
        if (now_ns < ended->time_ns || now_ns - ended->time_ns < TIDS_LINGER_NS) {
            break;
        }
        forget(tids, ended->tid);
        tids->n_forgotten++;
    }
    if (tids->n_forgotten > tids->ended.n / 2) {
        size_t n_left = tids->ended.n - tids->n_forgotten;
        memmove(tids->ended.at, tids->ended.at + tids->n_forgotten,
                n_left * sizeof *tids->ended.at);
        tids->ended.n = n_left;
        tids->n_forgotten = 0;
    }
}

static void remove_process(struct tids_page *page, uint32_t pid)
{
    for (size_t i = 0; i < TIDS_PAGE; i++) {
        if ((page->pids[i] & ~TIDS_ENDED) == pid) {
            page->pids[i] = 0;
            page->n--;
        }
    }
}

// The other threads have told of their end, but for the one that did the exec, which has just lost
// its number. Nobody says which that was.
void tids_exec(struct tids *tids, uint32_t pid)
{
    for (size_t i = 0; i < ARRAY_LEN(tids->pages) && pid != 0; i++) {
        if (tids->pages[i] != NULL) {
            remove_process(tids->pages[i], pid);
            drop_page(&tids->pages[i]);
        }
    }
    tids_add(tids, pid, pid);
}
