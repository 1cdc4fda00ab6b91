#include "archive/schema.h"

#include "archive/names_file.h"

#include <string.h>

// Lists of ids (1, 2, …) that name each other, as plain rows; and the tables that are big, as
// packed blocks of `n` rows from row `first` on (archive/codec.h).
static const char tables[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE run(id INTEGER PRIMARY KEY, started_ns INTEGER, started_unix_ns INTEGER,"
    " last_ns INTEGER, ended_ns INTEGER, weight_ns INTEGER, has_switches INTEGER,"
    " samples INTEGER, intervals INTEGER, wakeups INTEGER, counters INTEGER);"
    "CREATE TABLE accounts(name TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID;"
    "CREATE TABLE events(kind INTEGER PRIMARY KEY, n INTEGER);"
    "CREATE TABLE strings(id INTEGER PRIMARY KEY, bytes);"
    "CREATE TABLE images(id INTEGER PRIMARY KEY, kind TEXT, path INTEGER, build_id INTEGER,"
    " load_bias INTEGER, process INTEGER, since_ns INTEGER, until_ns INTEGER);"
    "CREATE TABLE processes(id INTEGER PRIMARY KEY, pid INTEGER, parent_pid INTEGER,"
    " started_ns INTEGER, ended_ns INTEGER, name INTEGER, main_image INTEGER);"
    "CREATE TABLE threads(id INTEGER PRIMARY KEY, pid INTEGER, tid INTEGER, process INTEGER,"
    " is_foreign INTEGER, started_ns INTEGER, ended_ns INTEGER, name INTEGER,"
    " off_since_ns INTEGER, off_stack INTEGER, off_reason INTEGER, off_flags INTEGER);"
    "CREATE TABLE codes(id INTEGER PRIMARY KEY, process INTEGER, addr INTEGER, size_bytes INTEGER,"
    " number INTEGER, loaded_ns INTEGER, ended_ns INTEGER, name INTEGER, code INTEGER);"
    "CREATE TABLE frames(first INTEGER PRIMARY KEY, n INTEGER, data BLOB);"
    "CREATE TABLE stacks(first INTEGER PRIMARY KEY, n INTEGER, data BLOB);"
    "CREATE TABLE samples(first INTEGER PRIMARY KEY, n INTEGER, data BLOB);"
    "CREATE TABLE intervals(first INTEGER PRIMARY KEY, n INTEGER, data BLOB);"
    "CREATE TABLE wakeups(first INTEGER PRIMARY KEY, n INTEGER, data BLOB);"
    "CREATE TABLE counters(first INTEGER PRIMARY KEY, n INTEGER, data BLOB);";

int schema_make(sqlite3 *db)
{
    int r = sqlite3_exec(db, tables, NULL, NULL, NULL);
    return r == SQLITE_OK ? sqlite3_exec(db, names_file_schema, NULL, NULL, NULL) : r;
}

// ---- Checking -----------------------------------------------------------------------------------

enum { N_COLUMNS = 4 };

static int open_list(sqlite3 *db, sqlite3_stmt **ret)
{
    // The indexes that SQLite makes for its own keys have no text.
    static const char sql[] = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name";
    return sqlite3_prepare_v2(db, sql, -1, ret, NULL);
}

static bool same_column(sqlite3_stmt *a, sqlite3_stmt *b, int column)
{
    const char *text_a = (const char *)sqlite3_column_text(a, column);
    const char *text_b = (const char *)sqlite3_column_text(b, column);
    return text_a == NULL || text_b == NULL ? text_a == text_b : strcmp(text_a, text_b) == 0;
}

static bool same_row(sqlite3_stmt *a, sqlite3_stmt *b)
{
    for (int i = 0; i < N_COLUMNS; i++) {
        if (!same_column(a, b, i)) {
            return false;
        }
    }
    return true;
}

static int compare(sqlite3_stmt *theirs, sqlite3_stmt *ours)
{
    for (;;) {
        int r_theirs = sqlite3_step(theirs);
        int r_ours = sqlite3_step(ours);
        if (r_theirs != SQLITE_ROW && r_theirs != SQLITE_DONE) {
            return r_theirs;
        }
        if (r_theirs != r_ours) {
            return SQLITE_MISMATCH;
        }
        if (r_theirs == SQLITE_DONE) {
            return SQLITE_OK;
        }
        if (!same_row(theirs, ours)) {
            return SQLITE_MISMATCH;
        }
    }
}

static int compare_schemas(sqlite3 *db, sqlite3 *model)
{
    sqlite3_stmt *theirs = NULL;
    sqlite3_stmt *ours = NULL;
    int r = open_list(db, &theirs);
    if (r == SQLITE_OK) {
        r = open_list(model, &ours);
    }
    if (r == SQLITE_OK) {
        r = compare(theirs, ours);
    }
    sqlite3_finalize(ours);
    sqlite3_finalize(theirs);
    return r;
}

int schema_check(sqlite3 *db)
{
    sqlite3 *model = NULL;
    int r = sqlite3_open_v2(":memory:", &model,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (r == SQLITE_OK) {
        r = schema_make(model);
    }
    if (r == SQLITE_OK) {
        r = compare_schemas(db, model);
    }
    sqlite3_close(model);
    return r;
}
