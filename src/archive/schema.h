#pragma once

// The tables of a run file, as SQL. docs/run-file.md says what stands in them.

#include "base/err.h"

#include <sqlite3.h>

// "stax" in the database's header.
#define SCHEMA_APPLICATION_ID 0x73746178

// Makes them, in a database without any. 0 or a code of SQLite.
int schema_make(sqlite3 *db);

// Whether the database has exactly these tables, to the letter, and nothing else. 0; a code of
// SQLite; SQLITE_MISMATCH: it has others. Sets no error on `db` then.
int schema_check(sqlite3 *db);
