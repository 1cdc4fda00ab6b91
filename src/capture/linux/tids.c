#include "capture/linux/tids.h"

#include "base/alloc.h"

#include <stdlib.h>

void tids_fini(struct tids *tids)
{
    for (size_t i = 0; i < ARRAY_LEN(tids->pages); i++) {
        free(tids->pages[i]);
        tids->pages[i] = NULL;
    }
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

void tids_remove(struct tids *tids, uint32_t tid)
{
    if (tids_find(tids, tid) == 0) {
        return;
    }
    struct tids_page **page = &tids->pages[tid / TIDS_PAGE];
    (*page)->pids[tid % TIDS_PAGE] = 0;
    (*page)->n--;
    drop_page(page);
}

static void remove_process(struct tids_page *page, uint32_t pid)
{
    for (size_t i = 0; i < TIDS_PAGE; i++) {
        if (page->pids[i] == pid) {
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
