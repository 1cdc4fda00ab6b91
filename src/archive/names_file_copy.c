#include "archive/names_file.h"

#include "base/limits.h"

#include <errno.h>

// From one file to another, row by row as they are: who reads them checks what is in them, and that
// they fit together. Of rows with the same key, which only a damaged file has, the first one stays.
//
// The state comes last. Whoever finds that all is there, finds all of it.

struct names_table {
    const char *read;
    const char *write;
    uint64_t limit; // rows; a sound file has no more
};

static const struct names_table tables[] = {
    {"SELECT * FROM image_names", "INSERT OR IGNORE INTO image_names VALUES(?,?,?,?,?,?,?,?,?)",
     LIMIT_IMAGES},
    {"SELECT * FROM segments", "INSERT OR IGNORE INTO segments VALUES(?,?,?,?,?,?)",
     (uint64_t)LIMIT_IMAGES *SYMTAB_SEGMENTS_MAX},
    {"SELECT * FROM symbols", "INSERT OR IGNORE INTO symbols VALUES(?,?,?,?,?)",
     LIMIT_SAVED_SYMBOLS},
    {"SELECT * FROM slots", "INSERT OR IGNORE INTO slots VALUES(?,?,?)", LIMIT_SAVED_SYMBOLS},
    {"SELECT * FROM inlined_functions", "INSERT OR IGNORE INTO inlined_functions VALUES(?,?,?,?)",
     LIMIT_SAVED_LINES},
    {"SELECT * FROM inlined_calls", "INSERT OR IGNORE INTO inlined_calls VALUES(?,?,?,?)",
     LIMIT_SAVED_LINES},
    {"SELECT * FROM inlined", "INSERT OR IGNORE INTO inlined VALUES(?,?,?,?)", LIMIT_SAVED_LINES},
    {"SELECT * FROM source_files", "INSERT OR IGNORE INTO source_files VALUES(?,?)", LIMIT_STRINGS},
    {"SELECT * FROM lines", "INSERT OR IGNORE INTO lines VALUES(?,?,?,?,?)", LIMIT_SAVED_LINES},
    {"SELECT * FROM code", "INSERT OR IGNORE INTO code VALUES(?,?,?,?)", LIMIT_SAVED_SYMBOLS},
    {"SELECT * FROM names_state", "INSERT OR REPLACE INTO names_state VALUES(?,?)", 1},
};

enum { ROWS_BETWEEN_LOOKS = 4096 };

static int copy_row(struct run_file *to, sqlite3_stmt *row, sqlite3_stmt *insert,
                    struct err *reterr)
{
    for (int i = 0; i < sqlite3_column_count(row); i++) {
        sqlite3_bind_value(insert, i + 1, sqlite3_column_value(row, i));
    }
    int r = run_file_step(to, insert, reterr);
    sqlite3_reset(insert);
    return r;
}

// What is damaged ends the table.
static int copy_table(struct run_file *from, struct run_file *to, const struct names_table *table,
                      const _Atomic bool *stop, struct err *reterr)
{
    CLEANUP(statementp) sqlite3_stmt *row = NULL;
    CLEANUP(statementp) sqlite3_stmt *insert = NULL;
    struct err damage = {0};
    int r = run_file_prepare(to, table->write, &insert, reterr);
    if (r < 0) {
        return r;
    }
    int got = run_file_prepare(from, table->read, &row, &damage);
    for (uint64_t n = 0; got == 0 && r == 0 && n < table->limit; n++) {
        if (n % ROWS_BETWEEN_LOOKS == 0 && stop != NULL && atomic_load(stop)) {
            return err_set(reterr, ECANCELED, "broken off");
        }
        got = run_file_step(from, row, &damage);
        if (got <= 0) {
            break;
        }
        got = 0;
        r = copy_row(to, row, insert, reterr);
    }
    bool is_damage = got == -EBADMSG || got == -EIO;
    return r < 0 || got >= 0 || is_damage ? r : err_set(reterr, -got, "%s", damage.text);
}

int names_file_copy(struct run_file *from, struct run_file *to, const _Atomic bool *stop,
                    struct err *reterr)
{
    int r = run_file_begin(to, reterr);
    for (size_t i = 0; i < ARRAY_LEN(tables) && r == 0; i++) {
        r = copy_table(from, to, &tables[i], stop, reterr);
    }
    r = r < 0 ? r : run_file_commit(to, reterr);
    if (r < 0) {
        run_file_rollback(to);
    }
    return r;
}
