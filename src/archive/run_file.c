#include "archive/run_file.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

// ---- Errors -------------------------------------------------------------------------------------

// SQLite keeps it only sometimes (not of a COMMIT that fails). Then it is the one that its last
// system call has left behind: whoever calls SQLite clears it before.
static int system_errno(sqlite3 *db, int otherwise)
{
    int left = errno;
    int number = sqlite3_system_errno(db);
    return number > 0 ? number : left > 0 ? left : otherwise;
}

static int io_errno(sqlite3 *db)
{
    switch (sqlite3_extended_errcode(db)) {
    case SQLITE_IOERR_SHORT_READ:
    case SQLITE_IOERR_CORRUPTFS:
    case SQLITE_IOERR_DATA:
        return EBADMSG;
    case SQLITE_IOERR_NOMEM:
        return ENOMEM;
    default:
        return system_errno(db, EIO);
    }
}

// A positive errno.
static int errno_of(sqlite3 *db, int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EBUSY;
    case SQLITE_NOMEM:
        return ENOMEM;
    case SQLITE_READONLY:
        return EROFS;
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_CANTOPEN:
        return system_errno(db, EACCES);
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return EACCES;
    case SQLITE_IOERR:
        return io_errno(db);
    case SQLITE_INTERRUPT: // it takes longer than a sound file does
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_ERROR: // it lacks a column, or the like
        return EBADMSG;
    default:
        return EIO;
    }
}

static int fail(struct run_file *file, int code, struct err *reterr)
{
    int number = errno_of(file->db, code);
    switch (number) {
    case EBADMSG:
        err_set(&file->unsound, number, "%s is damaged (%s)", file->path, sqlite3_errmsg(file->db));
        return err_set(reterr, number, "%s", file->unsound.text);
    case EBUSY:
        return err_set(reterr, number, "%s is being used by another program", file->path);
    case EROFS:
        return err_set(reterr, number, "%s cannot be written to", file->path);
    default:
        return err_set(reterr, number, "%s: %s", file->path, strerror(number));
    }
}

// ---- Bounded work -------------------------------------------------------------------------------

// No statement of ours does more in one step than look up or insert a row, or sort some names. A
// file that was made to keep us busy is damaged.
enum { WORK_OPS = 10000, WORK_CALLS = 1000 };

static int count_work(void *context)
{
    unsigned *calls = context;
    return ++*calls > WORK_CALLS;
}

static void work_begin(struct run_file *file, unsigned *calls)
{
    *calls = 0;
    sqlite3_progress_handler(file->db, WORK_OPS, count_work, calls);
}

static void work_end(struct run_file *file)
{
    sqlite3_progress_handler(file->db, 0, NULL, NULL);
}

// ---- Statements ---------------------------------------------------------------------------------

int run_file_run(struct run_file *file, const char *sql, struct err *reterr)
{
    errno = 0;
    int r = sqlite3_exec(file->db, sql, NULL, NULL, NULL);
    return r == SQLITE_OK ? 0 : fail(file, r, reterr);
}

int run_file_prepare(struct run_file *file, const char *sql, sqlite3_stmt **ret, struct err *reterr)
{
    unsigned calls;
    work_begin(file, &calls);
    errno = 0;
    int r = sqlite3_prepare_v3(file->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
    work_end(file);
    return r == SQLITE_OK ? 0 : fail(file, r, reterr);
}

void statementp(sqlite3_stmt **statement)
{
    sqlite3_finalize(TAKE(*statement));
}

int run_file_step(struct run_file *file, sqlite3_stmt *statement, struct err *reterr)
{
    unsigned calls;
    if (!file->is_owned) {
        work_begin(file, &calls);
    }
    errno = 0;
    int r = sqlite3_step(statement);
    work_end(file);
    if (r == SQLITE_ROW) {
        return 1;
    }
    int result = r == SQLITE_DONE ? 0 : fail(file, r, reterr);
    sqlite3_reset(statement);
    return result;
}

struct slice column_slice(sqlite3_stmt *statement, int column)
{
    const void *data = sqlite3_column_blob(statement, column);
    int n = sqlite3_column_bytes(statement, column);
    return data == NULL ? (struct slice){0} : (struct slice){.data = data, .n = (size_t)n};
}

// ---- Transactions -------------------------------------------------------------------------------

int run_file_begin(struct run_file *file, struct err *reterr)
{
    return run_file_run(file, "BEGIN IMMEDIATE", reterr);
}

int run_file_commit(struct run_file *file, struct err *reterr)
{
    return run_file_run(file, "COMMIT", reterr);
}

void run_file_rollback(struct run_file *file)
{
    if (file->db != NULL && !sqlite3_get_autocommit(file->db)) {
        sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
    }
}

int run_file_settle(struct run_file *file, struct err *reterr)
{
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    int r = run_file_prepare(file, "PRAGMA journal_mode=DELETE", &statement, reterr);
    if (r == 0) {
        r = run_file_step(file, statement, reterr);
    }
    if (r < 0) {
        return r;
    }
    const char *mode = r > 0 ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    return mode != NULL && strcmp(mode, "delete") == 0 ? 0 : fail(file, SQLITE_BUSY, reterr);
}
