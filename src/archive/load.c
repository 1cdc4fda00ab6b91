#include "archive/load.h"

#include "archive/load_dictionary.h"
#include "archive/load_rows.h"
#include "archive/loader.h"
#include "archive/names_file.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// ---- Help for all parts -------------------------------------------------------------------------

int loader_check_stop(const struct loader *loader, struct err *reterr)
{
    return loader->stop != NULL && atomic_load(loader->stop)
               ? err_set(reterr, ECANCELED, "broken off")
               : 0;
}

void loader_miss(struct loader *loader, const char *what, uint64_t n)
{
    if (n > 0) {
        text_addf(&loader->missing, "%s%llu %s", loader->missing.n > 0 ? ", " : "",
                  (unsigned long long)n, what);
    }
}

// ---- Facts --------------------------------------------------------------------------------------

static char *text_of(sqlite3_stmt *statement, int column)
{
    struct slice bytes = column_slice(statement, column);
    return alloc_text(bytes.n == 0 ? "" : (const char *)bytes.data, bytes.n);
}

// False: it is too much.
static bool add_fact(struct facts *facts, sqlite3_stmt *statement, size_t *bytes)
{
    bool is_number = sqlite3_column_type(statement, 1) == SQLITE_INTEGER;
    size_t n = column_slice(statement, 0).n + (is_number ? 0 : column_slice(statement, 1).n);
    if (n > LIMIT_FACTS_BYTES - *bytes) {
        return false;
    }
    *bytes += n;
    CLEANUP(freep) char *name = text_of(statement, 0);
    if (is_number) {
        facts_set_number(facts, name, (uint64_t)sqlite3_column_int64(statement, 1));
    } else {
        CLEANUP(freep) char *text = text_of(statement, 1);
        facts_set_text(facts, name, text);
    }
    return true;
}

static int read_facts(struct run_file *file, struct facts *ret, struct err *reterr)
{
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    int r = run_file_prepare(file, "SELECT name, value FROM meta ORDER BY name", &statement,
                             reterr);
    size_t bytes = 0;
    while (r == 0 && ret->list.n < LIMIT_FACTS) {
        r = run_file_step(file, statement, reterr);
        if (r <= 0) {
            break;
        }
        r = 0;
        if (!add_fact(ret, statement, &bytes)) {
            break;
        }
    }
    return r;
}

int archive_read_facts(const char *path, struct facts *ret, struct err *reterr)
{
    *ret = (struct facts){0};
    struct run_file file;
    int r = run_file_open(path, &file, reterr);
    if (r < 0) {
        return r;
    }
    r = read_facts(&file, ret, reterr);
    run_file_close(&file);
    if (r < 0) {
        facts_fini(ret);
    }
    return r;
}

// ---- The run ------------------------------------------------------------------------------------

struct run_row {
    struct restore_params params;
    uint64_t last_ns;
    uint64_t ended_ns;
};

static uint64_t number(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

static int read_run(struct loader *loader, struct run_row *ret, struct err *reterr)
{
    static const char sql[] = "SELECT started_ns, started_unix_ns, last_ns, ended_ns, weight_ns,"
                              " has_switches, samples, intervals, wakeups, counters"
                              " FROM run WHERE id = 1";
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    int r = run_file_prepare(loader->file, sql, &statement, reterr);
    if (r == 0) {
        r = run_file_step(loader->file, statement, reterr);
        if (r == 0) {
            return err_set(reterr, EBADMSG, "%s has no run in it", loader->file->path);
        }
    }
    if (r < 0) {
        return r;
    }
    *ret = (struct run_row){
        .params = {.started_ns = number(statement, 0),
                   .started_unix_ns = number(statement, 1),
                   .weight_ns = number(statement, 4),
                   .has_switches = number(statement, 5) != 0},
        .last_ns = number(statement, 2),
        .ended_ns = number(statement, 3),
    };
    for (int i = 0; i < ROW_TABLES; i++) {
        loader->said[i] = MIN(number(statement, 6 + i), (uint64_t)COLUMN_MAX_ROWS);
    }
    return 0;
}

// What of the accounts is damaged is not there.
static void read_accounts(struct loader *loader)
{
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    if (run_file_prepare(loader->file, "SELECT n FROM accounts WHERE name = ?", &statement, NULL) <
        0) {
        return;
    }
    for (enum account i = 0; i < ACCOUNT_COUNT; i++) {
        sqlite3_bind_text(statement, 1, account_name(i), -1, SQLITE_STATIC);
        if (run_file_step(loader->file, statement, NULL) > 0) {
            store_restore_account(loader->run->store, i, number(statement, 0));
            sqlite3_reset(statement);
        }
    }
}

static void read_events(struct loader *loader)
{
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    if (run_file_prepare(loader->file, "SELECT n FROM events WHERE kind = ?", &statement, NULL) <
        0) {
        return;
    }
    for (uint32_t i = 0; i < STORE_EVENT_KINDS; i++) {
        sqlite3_bind_int64(statement, 1, i);
        if (run_file_step(loader->file, statement, NULL) > 0) {
            store_restore_event_count(loader->run->store, i, number(statement, 0));
            sqlite3_reset(statement);
        }
    }
}

// ---- All of it ----------------------------------------------------------------------------------

static int read_names(struct loader *loader, struct err *reterr)
{
    struct loaded_run *run = loader->run;
    if (run->library == NULL) {
        return 0;
    }
    struct err note = {0};
    struct err why = {0};
    int r = names_file_read(loader->file, run->store, run->library, &note, &why);
    const char *missing = r < 0 ? why.text : note.text;
    if (missing[0] != 0) {
        text_addf(&loader->missing, "%s%s", loader->missing.n > 0 ? ", " : "", missing);
    }
    return is_damage(r) ? 0 : r < 0 ? err_set(reterr, -r, "%s", why.text) : 0;
}

static int load_store(struct loader *loader, uint64_t budget_bytes, struct err *reterr)
{
    struct loaded_run *run = loader->run;
    struct run_row row;
    int r = read_run(loader, &row, reterr);
    if (r < 0) {
        return r;
    }
    run->was_recording = row.ended_ns == 0;
    run->store = store_restore_new(&row.params);
    struct pager pager = {.read_back = row_reader_read_back, .context = &run->reader};
    store_set_pager(run->store, &pager, budget_bytes);
    r = load_dictionaries(loader, reterr);
    if (r == 0) {
        r = load_rows(loader, reterr);
    }
    if (r == 0) {
        r = read_names(loader, reterr);
    }
    if (r < 0) {
        return r;
    }
    read_accounts(loader);
    read_events(loader);
    store_restore_end(run->store, row.ended_ns != 0 ? row.ended_ns : row.last_ns);
    return 0;
}

static void make_note(struct loader *loader)
{
    struct loaded_run *run = loader->run;
    if (loader->missing.n > 0) {
        err_set(&run->note, EBADMSG, "the file is damaged; missing: %s",
                text_get(&loader->missing));
    }
}

// Names of the kernel that runs now say nothing about addresses of one before, or elsewhere.
static bool is_of_another_boot(const struct facts *facts)
{
    CLEANUP(text_fini) struct text now = {0};
    const char *then = facts_text(facts, "boot_id", NULL);
    return then != NULL && machine_boot_id(&now) == 0 && strcmp(then, text_get(&now)) != 0;
}

// A library of its own if the names are in the file.
static void choose_library(struct loader *loader)
{
    if (names_file_is_complete(loader->file)) {
        loader->run->library = NEW(struct library);
        library_init_saved(loader->run->library);
    } else {
        loader->root = image_root_open_directory("/");
        loader->is_of_another_boot = is_of_another_boot(&loader->run->facts);
    }
}

int archive_load(const char *path, struct library *files, uint64_t budget_bytes,
                 const _Atomic bool *stop, struct loaded_run *ret, struct err *reterr)
{
    *ret = (struct loaded_run){0};
    row_reader_init(&ret->reader, path);
    struct loader loader = {.run = ret, .file = &ret->file, .files = files, .stop = stop};
    int r = run_file_open(path, &ret->file, reterr);
    if (r == 0) {
        r = row_reader_open(&ret->reader, reterr);
    }
    if (r == 0) {
        r = read_facts(loader.file, &ret->facts, reterr);
    }
    if (r == 0) {
        choose_library(&loader);
        r = load_store(&loader, budget_bytes, reterr);
    }
    if (r == 0) {
        make_note(&loader);
    } else {
        loaded_run_fini(ret);
    }
    image_root_unref(loader.root);
    text_fini(&loader.missing);
    return r;
}

void loaded_run_fini(struct loaded_run *run)
{
    store_free(TAKE(run->store));
    facts_fini(&run->facts);
    row_reader_fini(&run->reader);
    run_file_close(&run->file);
    if (run->library != NULL) {
        library_fini(run->library);
        free(TAKE(run->library));
    }
}
