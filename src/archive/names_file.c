#include "archive/names_file.h"

#include "archive/codec.h"
#include "base/limits.h"
#include "base/map.h"

#include <errno.h>

// Addresses are those of the binary itself. SQLite has signed integers: those of the kernel are
// negative. Names are texts, or blobs where they are not UTF-8.
const char names_file_schema[] =
    "CREATE TABLE names_state(id INTEGER PRIMARY KEY, complete INTEGER);"
    "CREATE TABLE image_names(image INTEGER PRIMARY KEY, state TEXT, build_id BLOB,"
    " symbols INTEGER, has_dwarf INTEGER, note, inline_note, line_note, code_note);"
    "CREATE TABLE segments(image INTEGER, number INTEGER, file_off INTEGER, size_bytes INTEGER,"
    " addr INTEGER, executable INTEGER, PRIMARY KEY(image, number)) WITHOUT ROWID;"
    "CREATE TABLE symbols(image INTEGER, addr INTEGER, size_bytes INTEGER, name, module,"
    " PRIMARY KEY(image, addr)) WITHOUT ROWID;"
    "CREATE TABLE slots(image INTEGER, addr INTEGER, name, PRIMARY KEY(image, addr)) WITHOUT ROWID;"
    "CREATE TABLE inlined_functions(image INTEGER, first INTEGER, n INTEGER, data BLOB,"
    " PRIMARY KEY(image, first));"
    "CREATE TABLE inlined_calls(image INTEGER, first INTEGER, n INTEGER, data BLOB,"
    " PRIMARY KEY(image, first));"
    "CREATE TABLE inlined(image INTEGER, first INTEGER, n INTEGER, data BLOB,"
    " PRIMARY KEY(image, first));"
    "CREATE TABLE source_files(id INTEGER PRIMARY KEY, path);"
    "CREATE TABLE lines(image INTEGER, addr INTEGER, file INTEGER, line INTEGER,"
    " column_number INTEGER, PRIMARY KEY(image, addr)) WITHOUT ROWID;"
    "CREATE TABLE code(image INTEGER, addr INTEGER, size_bytes INTEGER, data BLOB,"
    " PRIMARY KEY(image, addr));";

bool names_file_is_complete(struct run_file *file)
{
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    return run_file_prepare(file, "SELECT complete FROM names_state", &statement, NULL) == 0 &&
           run_file_step(file, statement, NULL) == 1 && sqlite3_column_int(statement, 0) == 1;
}

// ---- Opening -----------------------------------------------------------------------------------

static int check_run(struct run_file *file, const struct store *store, struct err *reterr)
{
    static const char sql[] = "SELECT started_ns, started_unix_ns FROM run WHERE id = 1";
    CLEANUP(statementp) sqlite3_stmt *row = NULL;
    int r = run_file_prepare(file, sql, &row, reterr);
    r = r < 0 ? r : run_file_step(file, row, reterr);
    if (r < 0) {
        return r;
    }
    bool is_same = r > 0 && (uint64_t)sqlite3_column_int64(row, 0) == store->started_ns &&
                   (uint64_t)sqlite3_column_int64(row, 1) == store->started_unix_ns;
    return is_same ? 0 : err_set(reterr, ESTALE, "%s is another run's by now", file->path);
}

int names_file_open(const char *path, const struct store *store, struct run_file *ret,
                    struct err *reterr)
{
    int r = run_file_open(path, ret, reterr);
    if (r < 0) {
        return r;
    }
    r = check_run(ret, store, reterr);
    if (r < 0) {
        run_file_close(ret);
    }
    return r;
}

// ---- Lines -------------------------------------------------------------------------------------

void names_lines_fini(struct names_lines *lines)
{
    for (size_t i = 0; i < lines->paths.n; i++) {
        free(lines->paths.at[i]);
    }
    vec_fini(&lines->paths);
    vec_fini(&lines->rows.list);
}

// The path of a source file, cut like any name. Neighbours often are of one file, and always of
// few.
static const char *path_of(struct names_lines *lines, struct map *by_id, sqlite3_stmt *statement)
{
    uint64_t id = (uint64_t)sqlite3_column_int64(statement, 1);
    struct slice path = column_slice(statement, 4);
    size_t n = path.n == 0 ? 0 : strnlen((const char *)path.data, path.n);
    if (n == 0) {
        return NULL;
    }
    uint32_t at = map_find(by_id, id);
    if (at == MAP_NONE) {
        at = (uint32_t)lines->paths.n;
        map_set(by_id, id, at);
        vec_push(&lines->paths,
                 alloc_text((const char *)path.data, MIN(n, (size_t)LIMIT_NAME_BYTES)));
    }
    return lines->paths.at[at];
}

int names_file_lines(struct run_file *file, image_id image, uint64_t addr, uint64_t end,
                     struct names_lines *ret, struct err *reterr)
{
    static const char sql[] =
        "SELECT addr, file, line, column_number, path FROM lines LEFT JOIN source_files ON"
        " id = file WHERE image = ?1 AND addr >= ?2 AND addr < ?3 ORDER BY addr LIMIT ?4";
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    int r = run_file_prepare(file, sql, &statement, reterr);
    if (r < 0) {
        return r;
    }
    sqlite3_bind_int64(statement, 1, image);
    sqlite3_bind_int64(statement, 2, (int64_t)addr);
    sqlite3_bind_int64(statement, 3, (int64_t)end);
    sqlite3_bind_int64(statement, 4, LIMIT_SAVED_FUNCTION_BYTES);
    CLEANUP(map_fini) struct map by_id = {0};
    while ((r = run_file_step(file, statement, reterr)) > 0) {
        struct line_row row = {.addr = (uint64_t)sqlite3_column_int64(statement, 0),
                               .file = path_of(ret, &by_id, statement)};
        row.line = row.file == NULL ? 0 : (uint32_t)sqlite3_column_int64(statement, 2);
        row.column = row.file == NULL ? 0 : (uint32_t)sqlite3_column_int64(statement, 3);
        vec_push(&ret->rows.list, row);
    }
    return r;
}

// ---- Code --------------------------------------------------------------------------------------

// Appends [addr, end) out of the piece that the statement stands at. 1: it is not in there.
static int take_code(sqlite3_stmt *statement, uint64_t addr, uint64_t end, struct text *to)
{
    uint64_t start = (uint64_t)sqlite3_column_int64(statement, 0);
    uint64_t n = (uint64_t)sqlite3_column_int64(statement, 1);
    if (addr < start || n > LIMIT_SAVED_FUNCTION_BYTES || end - start > n) {
        return 1;
    }
    CLEANUP(text_fini) struct text bytes = {0};
    int r = codec_parse_bytes(column_slice(statement, 2), LIMIT_SAVED_FUNCTION_BYTES, &bytes);
    if (r < 0 || bytes.n != n) {
        return r < 0 ? r : -EBADMSG;
    }
    text_add_bytes(to, bytes.at + (addr - start), end - addr);
    return 0;
}

void names_file_note(sqlite3_stmt *row, int column, struct err *ret)
{
    struct slice note = column_slice(row, column);
    note.n = note.n == 0 ? 0 : strnlen((const char *)note.data, note.n);
    CLEANUP(text_fini) struct text escaped = {0};
    text_add_escaped(&escaped, (const char *)note.data, MIN(note.n, (size_t)ERR_TEXT_BYTES));
    err_set(ret, 0, "%s", text_get(&escaped));
}

void names_file_notes(struct run_file *file, image_id image, struct err *ret_lines,
                      struct err *ret_code)
{
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    struct err ignored = {0};
    *ret_lines = (struct err){0};
    *ret_code = (struct err){0};
    if (run_file_prepare(file, "SELECT line_note, code_note FROM image_names WHERE image = ?",
                         &statement, &ignored) < 0) {
        return;
    }
    sqlite3_bind_int64(statement, 1, image);
    if (run_file_step(file, statement, &ignored) > 0) {
        names_file_note(statement, 0, ret_lines);
        names_file_note(statement, 1, ret_code);
    }
}

int names_file_code(struct run_file *file, image_id image, uint64_t addr, uint64_t end,
                    struct text *to, struct err *reterr)
{
    // Functions may be nested: the piece that begins last may end too early.
    static const char sql[] = "SELECT addr, size_bytes, data FROM code WHERE image = ?1 AND"
                              " addr <= ?2 ORDER BY addr DESC LIMIT ?3";
    if (addr >= end) {
        return err_set(reterr, ENODATA, "there is no code in an empty range");
    }
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    int r = run_file_prepare(file, sql, &statement, reterr);
    if (r < 0) {
        return r;
    }
    sqlite3_bind_int64(statement, 1, image);
    sqlite3_bind_int64(statement, 2, (int64_t)addr);
    sqlite3_bind_int64(statement, 3, SYMTAB_NESTING_MAX);
    while ((r = run_file_step(file, statement, reterr)) > 0) {
        r = take_code(statement, addr, end, to);
        if (r <= 0) {
            return r == 0 ? 0 : err_set(reterr, -r, "code in %s is damaged", file->path);
        }
    }
    return r < 0 ? r : err_set(reterr, ENODATA, "the code was not saved");
}
