#pragma once

// A run file: one SQLite database. This is the database, opened with care; what is in it is for
// spool.h (rows), names_file.h (names) and load.h. docs/run-file.md says what it looks like inside.
//
//     application_id  "stax"        any other database is refused
//     user_version    1             a newer one is refused, with the version that wrote it
//
// Somebody else may have made the file. So when it is opened for reading its tables must be ours to
// the letter (no views, no triggers, nothing that computes), nothing in it is trusted, and a
// look-up never waits for longer than a damaged file deserves.
//
// Who records into a file, or owns it otherwise, holds its lock (flock): it goes away with the
// process, however that ends. A file without an owner that says that it is being recorded was left
// behind by one that died.
//
// A handle belongs to one thread at a time. SQLite's own locks are per process: never open the file
// by other means than these functions while a handle is open (archive/in_use.h).

#include "archive/in_use.h"
#include "base/bytes.h"
#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>

enum { RUN_FILE_VERSION = 1 };

struct run_file {
    sqlite3 *db;
    char *path;
    int lock_fd;   // -1: none. Who only reads what was left behind shares a lock with others
                   // who do, so that nobody goes on writing to it meanwhile
    bool is_owned; // the lock is for us alone
    struct file_id id;
    struct err unsound; // reading: what is damaged; "" as far as known nothing is
};

// A new file, owned. -EEXIST when there is one already. 0, or a negative errno with a line for
// people that names the path.
int run_file_create(const char *path, struct run_file *ret, struct err *reterr);

// One that exists, to read it. Never writes to it, not even to clean up behind one that died: then
// what is in its journal (-wal) is read, too, if it lies beside it.
// -ENOENT; -EACCES; -EBADMSG not a run file, or damaged beyond reading; -EPROTO of a newer version.
int run_file_open(const char *path, struct run_file *ret, struct err *reterr);

// One that exists, to go on writing to it, owned. -EBUSY: somebody owns it.
int run_file_adopt(const char *path, struct run_file *ret, struct err *reterr);

// Whether somebody owns it. Does not wait.
bool run_file_is_owned(const char *path);

// Gives up the lock. Accepts a zeroed one with lock_fd -1, and a closed one.
void run_file_close(struct run_file *file);

// From a journal beside it to a single file: what it is when nobody writes to it any more.
int run_file_settle(struct run_file *file, struct err *reterr);

// All or nothing, on the disk when run_file_commit() has returned.
int run_file_begin(struct run_file *file, struct err *reterr);
int run_file_commit(struct run_file *file, struct err *reterr);
void run_file_rollback(struct run_file *file);

int run_file_run(struct run_file *file, const char *sql, struct err *reterr);

// A statement to be stepped through, finalised by the caller (CLEANUP(statementp)).
int run_file_prepare(struct run_file *file, const char *sql, sqlite3_stmt **ret,
                     struct err *reterr);
void statementp(sqlite3_stmt **statement);

// The next row: 1; none left: 0; else a negative errno (-ENOSPC, -EIO, -EROFS, -EBADMSG, …) and
// why.
int run_file_step(struct run_file *file, sqlite3_stmt *statement, struct err *reterr);

struct slice column_slice(sqlite3_stmt *statement, int column); // until the next step
