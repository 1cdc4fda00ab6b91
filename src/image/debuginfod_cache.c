#include "image/debuginfod_cache.h"

#include "base/file.h"
#include "base/map.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char part_prefix[] = ".part-";
static const char absent_prefix[] = "absent-";
static const char source_prefix[] = "source-";

// ---- Build-ids ---------------------------------------------------------------------------------

void debuginfod_hex(const struct build_id *id, char to[static DEBUGINFOD_HEX_BYTES])
{
    to[0] = 0;
    for (size_t i = 0; i < MIN(id->n, (size_t)BUILD_ID_MAX); i++) {
        snprintf(to + 2 * i, 3, "%02x", id->at[i]);
    }
}

bool debuginfod_is_hex(const char *name)
{
    size_t n = strlen(name);
    return n % 2 == 0 && n >= 2 * (size_t)DEBUGINFOD_ID_MIN && n < DEBUGINFOD_HEX_BYTES &&
           strspn(name, "0123456789abcdef") == n;
}

int debuginfod_check(int fd, const struct build_id *id, struct err *reterr)
{
    struct elf_facts facts;
    struct symtab *symtab = NULL;
    int r = elf_symbols_read(fd, &symtab, &facts, reterr);
    if (r < 0) {
        return r;
    }
    size_t n = symtab_count(symtab);
    symtab_free(symtab);
    if (facts.build_id.n != id->n || memcmp(facts.build_id.at, id->at, id->n) != 0) {
        return err_set(reterr, ESTALE, "has another build-id");
    }
    if (!facts.has_symtab || n == 0) {
        return err_set(reterr, ENODATA, "has no symbols");
    }
    return 0;
}

static bool looks_like_a_page(const char *text, size_t n)
{
    static const char *const starts[] = {"<!doctype html", "<html"};
    while (n > 0 && strchr(" \t\r\n", *text) != NULL) {
        text++;
        n--;
    }
    for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
        size_t length = strlen(starts[i]);
        if (n >= length && strncasecmp(text, starts[i], length) == 0) {
            return true;
        }
    }
    return false;
}

int debuginfod_check_source(int fd, struct err *reterr)
{
    char bytes[16384];
    for (off_t at = 0;;) {
        ssize_t n = pread(fd, bytes, sizeof bytes, at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int number = errno;
            return err_set(reterr, number, "cannot be read: %s", strerror(number));
        }
        if (n == 0) {
            return at > 0 ? 0 : err_set(reterr, ENODATA, "is empty");
        }
        if (memchr(bytes, 0, (size_t)n) != NULL) {
            return err_set(reterr, EILSEQ, "is not a text");
        }
        if (at == 0 && looks_like_a_page(bytes, (size_t)n)) {
            return err_set(reterr, EILSEQ, "is a web page");
        }
        at += n;
    }
}

// ---- Which files go ----------------------------------------------------------------------------

static int compare_used(const void *a, const void *b)
{
    const struct debuginfod_cached *x = a;
    const struct debuginfod_cached *y = b;
    if (x->used_unix_ns != y->used_unix_ns) {
        return x->used_unix_ns < y->used_unix_ns ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

uint64_t debuginfod_cache_choose(struct debuginfod_cached *files, size_t n, uint64_t limit_bytes,
                                 size_t limit_files, const char *kept)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        files[i].goes = false;
        bytes += files[i].bytes;
    }
    if (n > 0) {
        qsort(files, n, sizeof *files, compare_used);
    }
    size_t left = n;
    for (size_t i = 0; i < n && (bytes > limit_bytes || left > limit_files); i++) {
        if (kept != NULL && strcmp(files[i].name, kept) == 0) {
            continue;
        }
        files[i].goes = true;
        bytes -= files[i].bytes;
        left--;
    }
    return bytes;
}

bool debuginfod_is_fresh(uint64_t changed_unix_ns, uint64_t now_unix_ns, uint64_t age_s)
{
    return changed_unix_ns <= now_unix_ns && now_unix_ns - changed_unix_ns < age_s * NS_PER_S;
}

// ---- The directory -----------------------------------------------------------------------------

static uint64_t ns_of(struct timespec time)
{
    return time.tv_sec < 0 ? 0 : (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static bool is_ours(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

// Makes the directories of a path that are missing. Nothing is made in a directory of somebody
// else: root's server, started by a user, would otherwise write where that user likes.
static int make_directories(const char *path, struct err *reterr)
{
    CLEANUP(freep) char *copy = alloc_text(path, strlen(path));
    for (char *slash = copy; slash != NULL;) {
        char *parent_end = slash;
        slash = strchr(slash + 1, '/');
        if (slash != NULL) {
            *slash = 0;
        }
        if (access(copy, F_OK) != 0) {
            *parent_end = 0;
            bool may = is_ours(copy[0] == 0 ? "/" : copy);
            *parent_end = '/';
            int number = !may ? EPERM : mkdir(copy, 0700) == 0 || errno == EEXIST ? 0 : errno;
            if (number != 0) {
                return err_set(reterr, number, "cannot make %s: %s", copy, strerror(number));
            }
        }
        if (slash != NULL) {
            *slash = '/';
        }
    }
    return 0;
}

static int open_directory(const char *path, struct err *reterr)
{
    int r = make_directories(path, reterr);
    if (r < 0) {
        return r;
    }
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        int number = errno;
        return err_set(reterr, number, "cannot open %s: %s", path, strerror(number));
    }
    if (st.st_uid != geteuid() || (st.st_mode & 022) != 0) {
        return err_set(reterr, EPERM, "%s is somebody else's, or others may write to it", path);
    }
    if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        int number = errno;
        return err_set(reterr, number, "cannot write to %s: %s", path, strerror(number));
    }
    return take_fd(&fd);
}

static int open_private(struct debuginfod_cache *cache, const char *temp_path, struct err *reterr)
{
    CLEANUP(text_fini) struct text path = {0};
    text_addf(&path, "%s/stax-debuginfod-XXXXXX", temp_path);
    if (mkdtemp(path.at) == NULL) {
        int number = errno;
        return err_set(reterr, number, "cannot make a directory in %s: %s", temp_path,
                       strerror(number));
    }
    cache->dir = open(path.at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cache->dir < 0) {
        int number = errno;
        rmdir(path.at);
        return err_set(reterr, number, "cannot open %s: %s", path.at, strerror(number));
    }
    cache->path = text_take(&path);
    cache->is_private = true;
    return 0;
}

// ---- Tidying up --------------------------------------------------------------------------------

struct tidy {
    uint64_t now_unix_ns;
    bool all; // whatever its age
    VEC(struct debuginfod_cached) files;
};

static DIR *open_entries(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL && fd >= 0) {
        close(fd);
    }
    return entries;
}

static bool has_expired(const struct tidy *tidy, const char *name, const struct stat *st)
{
    uint64_t changed_ns = ns_of(st->st_mtim);
    if (strncmp(name, absent_prefix, sizeof absent_prefix - 1) == 0) {
        return !debuginfod_is_fresh(changed_ns, tidy->now_unix_ns, DEBUGINFOD_ABSENT_S);
    }
    return strncmp(name, part_prefix, sizeof part_prefix - 1) == 0 &&
           !debuginfod_is_fresh(changed_ns, tidy->now_unix_ns, DEBUGINFOD_PART_S);
}

static void tidy_file(struct tidy *tidy, int dir, const char *hex, const char *name)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return;
    }
    if (tidy->all || has_expired(tidy, name, &st)) {
        unlinkat(dir, name, 0);
    } else if (strcmp(name, "debuginfo") == 0 ||
               strncmp(name, source_prefix, sizeof source_prefix - 1) == 0) {
        struct debuginfod_cached file = {.bytes = (uint64_t)st.st_blocks * 512,
                                         .used_unix_ns = ns_of(st.st_mtim)};
        size_t n = (size_t)snprintf(file.name, sizeof file.name, "%s/%s", hex, name);
        if (n >= sizeof file.name) {
            return; // none of ours
        }
        vec_push(&tidy->files, file);
    }
}

static void tidy_directory(struct tidy *tidy, int dir, const char *hex)
{
    DIR *entries = open_entries(dir, hex);
    if (entries == NULL) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        tidy_file(tidy, dirfd(entries), hex, entry->d_name);
    }
    closedir(entries);
    unlinkat(dir, hex, AT_REMOVEDIR); // when it is empty
}

// Removes a file, and the directory of that build-id when it is empty then.
static void remove_file(int dir, const char *name)
{
    char hex[DEBUGINFOD_HEX_BYTES];
    snprintf(hex, sizeof hex, "%.*s", (int)strcspn(name, "/"), name);
    unlinkat(dir, name, 0);
    unlinkat(dir, hex, AT_REMOVEDIR);
}

// Removes what has expired and what is too much.
static void tidy_up(struct debuginfod_cache *cache, bool all, const char *kept)
{
    struct tidy tidy = {.now_unix_ns = clock_unix_ns(), .all = all};
    DIR *entries = open_entries(cache->dir, ".");
    if (entries == NULL) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        if (debuginfod_is_hex(entry->d_name)) {
            tidy_directory(&tidy, cache->dir, entry->d_name);
        }
    }
    closedir(entries);
    debuginfod_cache_choose(tidy.files.at, tidy.files.n, cache->limit_bytes,
                            LIMIT_DEBUGINFOD_CACHE_FILES, kept);
    for (size_t i = 0; i < tidy.files.n; i++) {
        if (tidy.files.at[i].goes) {
            remove_file(cache->dir, tidy.files.at[i].name);
        }
    }
    vec_fini(&tidy.files);
}

int debuginfod_cache_open(struct debuginfod_cache *cache,
                          const struct debuginfod_settings *settings, struct err *reterr)
{
    *cache = (struct debuginfod_cache){
        .dir = -1, .elfutils_path = settings->elfutils_path, .limit_bytes = settings->cache_bytes};
    if (settings->cache_path == NULL) {
        err_set(&cache->note, 0, "there is no home directory to keep debug files in");
    } else {
        cache->dir = open_directory(settings->cache_path, &cache->note);
    }
    if (cache->dir >= 0) {
        cache->path = alloc_text(settings->cache_path, strlen(settings->cache_path));
    } else {
        int r = open_private(cache, settings->temp_path, reterr);
        if (r < 0) {
            return r;
        }
        cache->limit_bytes = settings->temp_bytes;
    }
    tidy_up(cache, false, NULL);
    return 0;
}

void debuginfod_cache_close(struct debuginfod_cache *cache)
{
    if (cache->dir >= 0 && cache->is_private) {
        tidy_up(cache, true, NULL);
        rmdir(cache->path);
    }
    closep(&cache->dir);
    free(TAKE(cache->path));
}

// ---- Finding -----------------------------------------------------------------------------------

static void name_in(char to[static DEBUGINFOD_NAME_BYTES], const struct build_id *id,
                    const char *rest)
{
    char hex[DEBUGINFOD_HEX_BYTES];
    debuginfod_hex(id, hex);
    snprintf(to, DEBUGINFOD_NAME_BYTES, "%s/%s", hex, rest);
}

// Sources may have any path, so a hash stands for it.
static void file_name(char to[static DEBUGINFOD_NAME_BYTES], const struct build_id *id,
                      const char *source)
{
    char rest[40] = "debuginfo";
    if (source != NULL) {
        snprintf(rest, sizeof rest, "%s%016llx", source_prefix,
                 (unsigned long long)hash_bytes(source, strlen(source)));
    }
    name_in(to, id, rest);
}

static char *path_in(const char *directory, const char *name)
{
    struct text path = {0};
    text_addf(&path, "%s/%s", directory, name);
    return text_take(&path);
}

// Not blocking, since something else than a file may stand there.
static bool is_right(int dir, const char *name, const struct build_id *id, int flags)
{
    CLEANUP(closep)
    int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
    return fd >= 0 && debuginfod_check(fd, id, NULL) == 0;
}

char *debuginfod_cache_find(struct debuginfod_cache *cache, const struct build_id *id)
{
    char name[DEBUGINFOD_NAME_BYTES];
    file_name(name, id, NULL);
    if (faccessat(cache->dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        if (is_right(cache->dir, name, id, O_NOFOLLOW)) {
            utimensat(cache->dir, name, NULL, AT_SYMLINK_NOFOLLOW); // used now
            return path_in(cache->path, name);
        }
        unlinkat(cache->dir, name, 0);
    }
    if (cache->elfutils_path == NULL) {
        return NULL;
    }
    CLEANUP(freep) char *path = path_in(cache->elfutils_path, name);
    struct stat st;
    bool is_file = stat(path, &st) == 0 && S_ISREG(st.st_mode);
    return is_file && is_right(AT_FDCWD, path, id, 0) ? TAKE(path) : NULL;
}

// Says when it was used, so that it stays; not at each use, since files that change are read anew.
static void mark_used(int dir, const char *name, const struct stat *st)
{
    if (!debuginfod_is_fresh(ns_of(st->st_mtim), clock_unix_ns(), DEBUGINFOD_USED_S)) {
        utimensat(dir, name, NULL, AT_SYMLINK_NOFOLLOW);
    }
}

char *debuginfod_cache_find_source(const char *cache_path, const struct build_id *id,
                                   const char *source)
{
    char name[DEBUGINFOD_NAME_BYTES];
    file_name(name, id, source);
    CLEANUP(freep) char *path = path_in(cache_path, name);
    struct stat st;
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return NULL;
    }
    mark_used(AT_FDCWD, path, &st);
    return TAKE(path);
}

static void absent_name(char to[static DEBUGINFOD_NAME_BYTES], const struct build_id *id,
                        const char *source, const char *url)
{
    char rest[40];
    uint64_t hash = hash_bytes(url, strlen(url));
    if (source != NULL) {
        hash = hash_pair(hash, hash_bytes(source, strlen(source)));
    }
    snprintf(rest, sizeof rest, "%s%016llx", absent_prefix, (unsigned long long)hash);
    name_in(to, id, rest);
}

bool debuginfod_cache_is_absent(const struct debuginfod_cache *cache, const struct build_id *id,
                                const char *source, const char *url)
{
    char name[DEBUGINFOD_NAME_BYTES];
    struct stat st;
    absent_name(name, id, source, url);
    return fstatat(cache->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           debuginfod_is_fresh(ns_of(st.st_mtim), clock_unix_ns(), DEBUGINFOD_ABSENT_S);
}

// Opens a file of ours for writing, in the directory of that build-id. Another server that tidies
// up may remove the directory once while it is empty.
static int create(struct debuginfod_cache *cache, const struct build_id *id, const char *name,
                  int flags)
{
    char hex[DEBUGINFOD_HEX_BYTES];
    debuginfod_hex(id, hex);
    int fd = -1;
    for (int tries = 0; tries < 2 && fd < 0; tries++) {
        if (mkdirat(cache->dir, hex, 0700) != 0 && errno != EEXIST) {
            return -errno;
        }
        fd = openat(cache->dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    }
    return fd < 0 ? -errno : fd;
}

void debuginfod_cache_set_absent(struct debuginfod_cache *cache, const struct build_id *id,
                                 const char *source, const char *url)
{
    char name[DEBUGINFOD_NAME_BYTES];
    absent_name(name, id, source, url);
    CLEANUP(closep) int fd = create(cache, id, name, 0);
    if (fd >= 0) {
        futimens(fd, NULL);
    }
}

// ---- Storing -----------------------------------------------------------------------------------

int debuginfod_cache_begin(struct debuginfod_cache *cache, const struct build_id *id,
                           struct debuginfod_part *ret, struct err *reterr)
{
    char rest[48];
    snprintf(rest, sizeof rest, "%s%ld-%llu", part_prefix, (long)getpid(),
             (unsigned long long)cache->n_parts++);
    name_in(ret->name, id, rest);
    unlinkat(cache->dir, ret->name, 0); // of an earlier process with our pid
    ret->fd = create(cache, id, ret->name, O_EXCL);
    if (ret->fd < 0) {
        int r = ret->fd;
        ret->fd = -1;
        return err_set(reterr, -r, "cannot write to %s: %s", cache->path, strerror(-r));
    }
    return 0;
}

char *debuginfod_cache_finish(struct debuginfod_cache *cache, const struct build_id *id,
                              const char *source, struct debuginfod_part *part, struct err *reterr)
{
    char name[DEBUGINFOD_NAME_BYTES];
    file_name(name, id, source);
    if (renameat(cache->dir, part->name, cache->dir, name) != 0) {
        int number = errno;
        err_set(reterr, number, "cannot write to %s: %s", cache->path, strerror(number));
        debuginfod_cache_drop(cache, part);
        return NULL;
    }
    closep(&part->fd);
    tidy_up(cache, false, name);
    return path_in(cache->path, name);
}

void debuginfod_cache_drop(struct debuginfod_cache *cache, struct debuginfod_part *part)
{
    if (part->fd < 0) {
        return;
    }
    remove_file(cache->dir, part->name);
    closep(&part->fd);
}
