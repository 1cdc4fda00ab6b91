#include "server/history.h"

#include "base/text.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char SUFFIX[] = ".stax";

enum { CREATE_TRIES = 1000 };

// "500M", "10G", "123": a number of units, or `when_absent`.
static uint64_t setting(const char *name, uint64_t when_absent)
{
    const char *text = getenv(name);
    if (text == NULL || !isdigit((unsigned char)text[0])) {
        return when_absent;
    }
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : *end == 'T' ? 40 : 0;
    bool whole = end[shift > 0] == 0;
    return errno == 0 && whole && value <= UINT64_MAX >> shift ? value << shift : when_absent;
}

static char *default_folder(void)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    struct text path = {0};
    if (state != NULL && state[0] == '/') {
        text_addf(&path, "%s/stax/runs", state);
    } else if (home != NULL && home[0] == '/') {
        text_addf(&path, "%s/.local/state/stax/runs", home);
    } else {
        return NULL;
    }
    return text_take(&path);
}

void history_init(struct history *history, const char *folder)
{
    *history = (struct history){
        .keep_runs = setting("STAX_KEEP_RUNS", HISTORY_RUNS),
        .keep_bytes = setting("STAX_KEEP_BYTES", HISTORY_BYTES),
    };
    if (folder == NULL) {
        history->folder = default_folder();
        if (history->folder == NULL) {
            err_set(&history->note, 0,
                    "runs are kept in memory only: neither XDG_STATE_HOME nor "
                    "HOME says where else");
        }
    } else if (folder[0] != 0) {
        history->folder = alloc_text(folder, strlen(folder));
    }
}

void history_fini(struct history *history)
{
    free(TAKE(history->folder));
}

// `17.stax`: 17. 0: not one of ours.
static uint32_t id_of(const char *name)
{
    char *end;
    if (name[0] < '1' || name[0] > '9') {
        return 0;
    }
    unsigned long id = strtoul(name, &end, 10);
    return id <= HISTORY_ID_MAX && strcmp(end, SUFFIX) == 0 ? (uint32_t)id : 0;
}

static int compare_entries(const void *a, const void *b)
{
    const struct history_entry *x = a;
    const struct history_entry *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

void history_scan(const struct history *history, struct history_list *ret)
{
    *ret = (struct history_list){0};
    DIR *folder = history->folder == NULL ? NULL : opendir(history->folder);
    if (folder == NULL) {
        return;
    }
    for (struct dirent *file; (file = readdir(folder)) != NULL;) {
        uint32_t id = id_of(file->d_name);
        struct stat st;
        if (id != 0 && fstatat(dirfd(folder), file->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode)) {
            vec_push(&ret->entries,
                     (struct history_entry){.id = id, .bytes = (uint64_t)st.st_blocks * 512});
        }
    }
    closedir(folder);
    if (ret->entries.n > 0) {
        qsort(ret->entries.at, ret->entries.n, sizeof *ret->entries.at, compare_entries);
    }
}

bool history_list_has(const struct history_list *list, uint32_t id)
{
    struct history_entry wanted = {.id = id};
    return list->entries.n > 0 && bsearch(&wanted, list->entries.at, list->entries.n, sizeof wanted,
                                          compare_entries) != NULL;
}

char *history_path(const struct history *history, uint32_t id)
{
    struct text path = {0};
    text_addf(&path, "%s/%u%s", history->folder, id, SUFFIX);
    return text_take(&path);
}

// With all folders above it. 0 or a negative errno.
static int make_folder(const char *path)
{
    CLEANUP(text_fini) struct text part = {0};
    for (const char *at = path; *at != 0; at++) {
        if (*at == '/' && part.n > 0 && mkdir(text_get(&part), 0700) < 0 && errno != EEXIST) {
            return -errno;
        }
        text_add_char(&part, *at);
    }
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

uint32_t history_create(struct history *history, uint32_t id, struct run_file *ret)
{
    if (history->folder == NULL) {
        return 0;
    }
    struct err error = {0};
    int r = make_folder(history->folder);
    if (r < 0) {
        err_set(&error, -r, "cannot make %s: %s", history->folder, strerror(-r));
    }
    for (int i = 0; r == 0 && i < CREATE_TRIES && id <= HISTORY_ID_MAX; i++, id++) {
        CLEANUP(freep) char *path = history_path(history, id);
        r = run_file_create(path, ret, &error);
        if (r == 0) {
            history->note.text[0] = 0;
            return id;
        }
        if (r == -EEXIST) {
            r = 0; // another server has recorded meanwhile
        }
    }
    err_set(&history->note, -r, "the run is kept in memory only: %s", error.text);
    return 0;
}

void history_remove(const char *path)
{
    static const char *const beside[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
        CLEANUP(text_fini) struct text name = {0};
        text_addf(&name, "%s%s", path, beside[i]);
        unlink(text_get(&name));
    }
}
