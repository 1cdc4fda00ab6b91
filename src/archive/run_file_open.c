// How a run file is opened: what is looked at before SQLite is, and what SQLite may do with it.
//
//     journal beside it?   owned?
//     no                   no       a single file
//     yes                  yes      SQLite's locks and its index of the journal (-shm), shared with
//                                   whoever is writing
//     yes                  no       left behind. The index of its journal is made in memory, since
//     we
//                                   may not be allowed to write beside the file, and a look at a
//                                   file should leave nothing behind
//     flagged, but none    no       somebody has copied the file alone: what was in the journal is
//                                   lost, the rest is sound

#include "archive/run_file.h"

#include "archive/schema.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

// How long SQLite waits for others: a commit takes no longer.
enum { BUSY_MS = 2000 };

// ---- The header: the first bytes of every SQLite database (sqlite.org/fileformat2.html)
// ----------

enum {
    HEADER_BYTES = 100,
    AT_READ_VERSION = 19, // 2: has a journal (-wal)
    AT_ENCODING = 56,     // 1: UTF-8
    AT_USER_VERSION = 60,
    AT_APPLICATION_ID = 68,
};

struct header {
    bool has_journal;
    uint32_t version;
};

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int parse_header(const uint8_t *bytes, size_t n, const char *path, struct header *ret,
                        struct err *reterr)
{
    static const char magic[] = "SQLite format 3"; // with its zero byte
    if (n == 0) {
        return err_set(reterr, EBADMSG, "%s is empty: not a run", path);
    }
    if (n < HEADER_BYTES || memcmp(bytes, magic, sizeof magic) != 0 ||
        big_endian(bytes + AT_APPLICATION_ID) != SCHEMA_APPLICATION_ID) {
        return err_set(reterr, EBADMSG, "%s is not a run file of stax", path);
    }
    if (big_endian(bytes + AT_ENCODING) != 1) {
        return err_set(reterr, EBADMSG, "%s is damaged: not of the right encoding", path);
    }
    *ret = (struct header){.has_journal = bytes[AT_READ_VERSION] == 2,
                           .version = big_endian(bytes + AT_USER_VERSION)};
    return 0;
}

static int read_header(int fd, const char *path, struct header *ret, struct err *reterr)
{
    uint8_t bytes[HEADER_BYTES];
    ssize_t n = pread(fd, bytes, sizeof bytes, 0);
    if (n < 0) {
        return err_set(reterr, errno, "cannot read %s: %s", path, strerror(errno));
    }
    return parse_header(bytes, (size_t)n, path, ret, reterr);
}

// ---- Descriptors and locks ----------------------------------------------------------------------

// A descriptor beside SQLite's own, that is to be closed by drop().
struct look {
    int fd;
    struct file_id id;
};

static struct file_id id_of(const struct stat *st)
{
    return (struct file_id){.device = st->st_dev, .inode = st->st_ino};
}

static void drop(struct look *look)
{
    if (look->fd >= 0) {
        flock(look->fd, LOCK_UN); // closing may have to wait
        in_use_close(look->id, take_fd(&look->fd));
    }
}

// Regular files only: a FIFO would make us wait, and a device may do anything.
static int look_at(const char *path, int flags, struct look *ret, struct err *reterr)
{
    int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        return err_set(reterr, errno, "cannot open %s: %s", path, strerror(errno));
    }
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd); // of no regular file: it has no locks of SQLite's
        return err_set(reterr, EBADMSG, "%s is not a regular file: not a run", path);
    }
    *ret = (struct look){.fd = fd, .id = id_of(&st)};
    return 0;
}

// -EBUSY. Where there are no such locks, we do without.
static int lock(int fd, int how)
{
    return flock(fd, how | LOCK_NB) < 0 && errno == EWOULDBLOCK ? -EBUSY : 0;
}

bool run_file_is_owned(const char *path)
{
    CLEANUP(drop) struct look look = {.fd = -1};
    return look_at(path, O_RDONLY, &look, NULL) == 0 && lock(look.fd, LOCK_SH) < 0;
}

static bool has_journal_file(const char *path)
{
    CLEANUP(text_fini) struct text journal = {0};
    text_addf(&journal, "%s-wal", path);
    struct stat st;
    return stat(text_get(&journal), &st) == 0;
}

// ---- SQLite -------------------------------------------------------------------------------------

// A path may contain what means something in a URI, or be called ":memory:".
static char *uri_of(const char *path, const char *parameters)
{
    CLEANUP(text_fini) struct text uri = {0};
    text_add(&uri, "file:");
    if (path[0] != '/') {
        text_add(&uri, "./");
    }
    while (path[0] == '/' && path[1] == '/') {
        path++;
    }
    for (const char *at = path; *at != 0; at++) {
        if (strchr("%?#", *at) != NULL) {
            text_addf(&uri, "%%%02X", (unsigned char)*at);
        } else {
            text_add_char(&uri, *at);
        }
    }
    text_add(&uri, parameters);
    return text_take(&uri);
}

static int open_db(struct run_file *file, const char *parameters, struct err *reterr)
{
    CLEANUP(freep) char *uri = uri_of(file->path, parameters);
    int r = sqlite3_open_v2(uri, &file->db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    struct stat st;
    if (r != SQLITE_OK) {
        const char *why = file->db == NULL ? "out of memory" : sqlite3_errmsg(file->db);
        r = err_set(reterr, r == SQLITE_CANTOPEN ? EACCES : EIO, "cannot open %s: %s", file->path,
                    why);
    } else if (stat(file->path, &st) < 0 || st.st_ino != file->id.inode ||
               st.st_dev != file->id.device) {
        r = err_set(reterr, ESTALE, "%s has been replaced just now: try again", file->path);
    }
    if (r < 0) {
        sqlite3_close(TAKE(file->db));
        return r;
    }
    sqlite3_busy_timeout(file->db, BUSY_MS);
    return 0;
}

// What nobody needs here is off, and what there is has bounds.
static void restrain(sqlite3 *db)
{
    static const struct {
        int option;
        int value;
    } options[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
        {SQLITE_DBCONFIG_DQS_DML, 0},        {SQLITE_DBCONFIG_DQS_DDL, 0},
    };
    static const struct {
        int limit;
        int value;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, LIMIT_BLOB_BYTES},
        {SQLITE_LIMIT_SQL_LENGTH, 1 << 16},
        {SQLITE_LIMIT_COLUMN, 64},
        {SQLITE_LIMIT_EXPR_DEPTH, 64},
        {SQLITE_LIMIT_COMPOUND_SELECT, 8},
        {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        sqlite3_db_config(db, options[i].option, options[i].value, NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        sqlite3_limit(db, limits[i].limit, limits[i].value);
    }
}

static int check_schema(struct run_file *file, struct err *reterr)
{
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    // The first statement that needs the schema has SQLite read it, with bounds.
    int r = run_file_prepare(file, "SELECT count(*) FROM sqlite_schema", &statement, reterr);
    if (r == 0) {
        r = run_file_step(file, statement, reterr);
    }
    if (r < 0) {
        return r;
    }
    r = schema_check(file->db);
    if (r == SQLITE_OK) {
        return 0;
    }
    const char *why = r == SQLITE_MISMATCH ? "its tables are not those of a run"
                                           : sqlite3_errstr(r);
    return err_set(reterr, EBADMSG, "%s is damaged: %s", file->path, why);
}

// A newer one; the one table that every version has says of which program.
static int refuse_version(struct run_file *file, uint32_t version, struct err *reterr)
{
    CLEANUP(statementp) sqlite3_stmt *statement = NULL;
    CLEANUP(text_fini) struct text writer = {0};
    int r = run_file_prepare(file, "SELECT value FROM meta WHERE name = 'stax_version'", &statement,
                             NULL);
    if (r == 0 && run_file_step(file, statement, NULL) > 0) {
        struct slice text = column_slice(statement, 0);
        text_add_escaped(&writer, (const char *)text.data, MIN(text.n, (size_t)40));
    }
    return err_set(
        reterr, EPROTO,
        "%s was written by a newer stax (%s, format %u; this is %s, which knows up to %d)",
        file->path, writer.n > 0 ? text_get(&writer) : "of unknown version", version, STAX_VERSION,
        RUN_FILE_VERSION);
}

static int check(struct run_file *file, const struct header *header, struct err *reterr)
{
    if (header->version > RUN_FILE_VERSION) {
        return refuse_version(file, header->version, reterr);
    }
    if (header->version == 0) {
        return err_set(reterr, EBADMSG, "%s is damaged: of no version", file->path);
    }
    return check_schema(file, reterr);
}

// ---- Reading ------------------------------------------------------------------------------------

static int open_to_read(struct run_file *file, const struct header *header, const char *parameters,
                        const char *locking, struct err *reterr)
{
    int r = open_db(file, parameters, reterr);
    if (r < 0) {
        return r;
    }
    restrain(file->db);
    sqlite3_db_config(file->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    r = run_file_run(file, locking, reterr);
    if (r == 0) {
        r = run_file_run(file,
                         "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA query_only=ON;"
                         "PRAGMA temp_store=MEMORY",
                         reterr);
    }
    if (r == 0) {
        r = check(file, header, reterr);
    }
    if (r < 0) {
        sqlite3_close(TAKE(file->db));
    }
    return r;
}

// See above: which of the ways.
static int open_in_its_way(struct run_file *file, const struct header *header, struct look *look,
                           struct err *reterr)
{
    static const char shared[] = "PRAGMA locking_mode=NORMAL";
    if (!header->has_journal) {
        int r = open_to_read(file, header, "?mode=ro", shared, reterr);
        // Killed in the middle of settling, and we may not roll it back: as it is, then.
        return r == -EROFS || r == -EACCES
                   ? open_to_read(file, header, "?mode=ro&immutable=1", shared, reterr)
                   : r;
    }
    if (lock(look->fd, LOCK_SH) < 0) {
        return open_to_read(file, header, "?mode=ro", shared, reterr);
    }
    file->lock_fd = take_fd(&look->fd);
    if (!has_journal_file(file->path)) {
        return open_to_read(file, header, "?mode=ro&immutable=1", shared, reterr);
    }
    return open_to_read(file, header, "?mode=ro&vfs=unix-none", "PRAGMA locking_mode=EXCLUSIVE",
                        reterr);
}

int run_file_open(const char *path, struct run_file *ret, struct err *reterr)
{
    *ret = (struct run_file){.lock_fd = -1};
    CLEANUP(drop) struct look look = {.fd = -1};
    struct header header;
    int r = look_at(path, O_RDONLY, &look, reterr);
    if (r == 0) {
        r = read_header(look.fd, path, &header, reterr);
    }
    if (r < 0) {
        return r;
    }
    ret->path = alloc_text(path, strlen(path));
    ret->id = look.id;
    in_use_add(ret->id);
    r = open_in_its_way(ret, &header, &look, reterr);
    if (r < 0) {
        run_file_close(ret);
    }
    return r;
}

// ---- Writing ------------------------------------------------------------------------------------

// From here on `file` is to be closed. The lock is ours, the file still the one of that path.
static void own(struct run_file *file, struct look *look, const char *path)
{
    file->path = alloc_text(path, strlen(path));
    file->id = look->id;
    file->lock_fd = take_fd(&look->fd);
    file->is_owned = true;
    in_use_add(file->id);
}

static int open_to_write(struct run_file *file, struct err *reterr)
{
    int r = open_db(file, "?mode=rw", reterr);
    if (r < 0) {
        return r;
    }
    restrain(file->db);
    return run_file_run(file, "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY", reterr);
}

int run_file_adopt(const char *path, struct run_file *ret, struct err *reterr)
{
    *ret = (struct run_file){.lock_fd = -1};
    CLEANUP(drop) struct look look = {.fd = -1};
    struct header header;
    int r = look_at(path, O_RDWR, &look, reterr);
    if (r < 0) {
        return r;
    }
    if (lock(look.fd, LOCK_EX) < 0) {
        return err_set(reterr, EBUSY, "%s is being used by another program", path);
    }
    r = read_header(look.fd, path, &header, reterr);
    if (r < 0) {
        return r;
    }
    own(ret, &look, path);
    r = open_to_write(ret, reterr);
    if (r == 0) {
        r = check(ret, &header, reterr);
    }
    if (r < 0) {
        run_file_close(ret);
    }
    return r;
}

// The journal is flagged in the header when the tables are there already: so the file alone is
// sound from its first moment on.
static int make_tables(struct run_file *file, struct err *reterr)
{
    CLEANUP(text_fini) struct text sql = {0};
    text_addf(&sql,
              "PRAGMA page_size=4096; PRAGMA auto_vacuum=NONE; PRAGMA encoding='UTF-8';"
              "PRAGMA journal_size_limit=%d; BEGIN IMMEDIATE;"
              "PRAGMA application_id=%d; PRAGMA user_version=%d;",
              16 << 20, SCHEMA_APPLICATION_ID, RUN_FILE_VERSION);
    int r = run_file_run(file, text_get(&sql), reterr);
    if (r < 0) {
        return r;
    }
    int code = schema_make(file->db);
    if (code != SQLITE_OK) {
        return err_set(reterr, code == SQLITE_FULL ? ENOSPC : EIO, "cannot write to %s: %s",
                       file->path, sqlite3_errmsg(file->db));
    }
    return run_file_run(file,
                        "INSERT INTO meta VALUES('stax_version', '" STAX_VERSION "'); COMMIT;"
                        "PRAGMA journal_mode=WAL; SELECT value FROM meta", // opens the journal
                        reterr);
}

// A name is in a folder for good when the folder is on the disk.
static void sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(freep)
    char *folder = slash == NULL ? alloc_text(".", 1)
                                 : alloc_text(path, (size_t)(slash - path) + 1);
    CLEANUP(closep) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
    }
}

int run_file_create(const char *path, struct run_file *ret, struct err *reterr)
{
    *ret = (struct run_file){.lock_fd = -1};
    CLEANUP(drop)
    struct look look = {.fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (look.fd < 0) {
        return err_set(reterr, errno, "cannot create %s: %s", path, strerror(errno));
    }
    struct stat st;
    int r = fstat(look.fd, &st) < 0 ? -errno : 0;
    look.id = id_of(&st);
    if (r == 0) {
        r = lock(look.fd, LOCK_EX);
    }
    if (r < 0) {
        unlink(path);
        return err_set(reterr, -r, "cannot lock %s: %s", path, strerror(-r));
    }
    own(ret, &look, path);
    r = open_to_write(ret, reterr);
    if (r == 0) {
        r = make_tables(ret, reterr);
    }
    if (r < 0) {
        unlink(path);
        run_file_close(ret);
        return r;
    }
    sync_folder_of(path);
    return 0;
}

void run_file_close(struct run_file *file)
{
    run_file_rollback(file);
    ASSERT(sqlite3_close(TAKE(file->db)) == SQLITE_OK); // all statements are finalised
    if (file->path == NULL) {
        return;
    }
    in_use_remove(file->id);
    struct look look = {.fd = take_fd(&file->lock_fd), .id = file->id};
    drop(&look);
    free(TAKE(file->path));
}
