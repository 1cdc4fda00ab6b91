#pragma once

// Debug files and sources on disk, by build-id, and what servers do not have.
//
//     <cache>/<build-id>/debuginfo           a file that came whole and was right
//     <cache>/<build-id>/source-<path>       likewise a source (a hash of its path) of that build
//     <cache>/<build-id>/absent-<server>     this server (a hash of its URL, and of the path of a
//                                            source) did not have it when this empty file was last
//                                            changed; for 24 h
//     <cache>/<build-id>/.part-<pid>-<n>     being written; renamed when it is whole and right
//
// The cache is a directory that belongs to us and that nobody else may write to; another one, or
// none, is replaced by a private directory that ends with us. Several servers may use one cache.
// It is bounded: what was used longest ago goes first (debuginfod_cache_choose). What stands in it
// is checked like what comes from a server; the cache of elfutils' client is read, too.
//
// All functions block on the disk: for the thread of debuginfod.c, unless said otherwise. A
// `source` is the path of a source file, NULL stands for the debug file itself.

#include "image/debuginfod_settings.h"
#include "image/elf_symbols.h"

enum {
    DEBUGINFOD_ABSENT_S = 24 * 3600,
    DEBUGINFOD_PART_S = 24 * 3600, // one that is older was left behind
    DEBUGINFOD_ID_MIN = 8,         // bytes of a build-id: shorter ones are not asked for
    DEBUGINFOD_HEX_BYTES = 2 * BUILD_ID_MAX + 1,
    DEBUGINFOD_NAME_BYTES = 120, // of a path in the cache
    DEBUGINFOD_USED_S = 3600,    // how exactly it is known when a source was last used
};

// The build-id as it stands in URLs and paths.
void debuginfod_hex(const struct build_id *id, char to[static DEBUGINFOD_HEX_BYTES]);

// Whether a name is one that debuginfod_hex() makes of a build-id that is asked for.
bool debuginfod_is_hex(const char *name);

// Whether this is a debug file of that build, with symbols. 0, or a negative errno and what it is
// instead, to be put behind its name.
int debuginfod_check(int fd, const struct build_id *id, struct err *reterr);

// Likewise whether it can be a source: a text, and no page that asks people to log in. That it is
// the right one, only its server can know.
int debuginfod_check_source(int fd, struct err *reterr);

// ---- Which files go (pure) ----------------------------------------------------------------------

struct debuginfod_cached {
    char name[DEBUGINFOD_NAME_BYTES];
    uint64_t bytes;
    uint64_t used_unix_ns;
    bool goes;
};

// Marks those that go, so that the rest has at most `limit_bytes` and `limit_files`: those used
// longest ago, but never `kept` (NULL: none). Reorders them. Returns the bytes of the rest.
uint64_t debuginfod_cache_choose(struct debuginfod_cached *files, size_t n, uint64_t limit_bytes,
                                 size_t limit_files, const char *kept);

// Whether a file that was changed then still counts after `age_s`. One from the future does not.
bool debuginfod_is_fresh(uint64_t changed_unix_ns, uint64_t now_unix_ns, uint64_t age_s);

// ---- The directory ------------------------------------------------------------------------------

struct debuginfod_cache {
    int dir;
    char *path;
    bool is_private;           // made by us, and removed at the end
    const char *elfutils_path; // of the settings; NULL: none
    uint64_t limit_bytes;
    uint64_t n_parts;
    struct err note; // why it is private
};

// 0 or a negative errno.
int debuginfod_cache_open(struct debuginfod_cache *cache,
                          const struct debuginfod_settings *settings, struct err *reterr);
void debuginfod_cache_close(struct debuginfod_cache *cache);

// The path of a file that is there and right, on the heap; NULL when there is none.
char *debuginfod_cache_find(struct debuginfod_cache *cache, const struct build_id *id);

// Likewise of a source, in the cache of this path. Any thread, at any time: what is found may go at
// any moment.
char *debuginfod_cache_find_source(const char *cache_path, const struct build_id *id,
                                   const char *source);

bool debuginfod_cache_is_absent(const struct debuginfod_cache *cache, const struct build_id *id,
                                const char *source, const char *url);
void debuginfod_cache_set_absent(struct debuginfod_cache *cache, const struct build_id *id,
                                 const char *source, const char *url);

// A file on its way into the cache.
struct debuginfod_part {
    int fd; // for reading and writing; -1: none
    char name[DEBUGINFOD_NAME_BYTES];
};

int debuginfod_cache_begin(struct debuginfod_cache *cache, const struct build_id *id,
                           struct debuginfod_part *ret, struct err *reterr);

// It is whole and right: from now on it is found. Returns its path on the heap, or NULL and why.
char *debuginfod_cache_finish(struct debuginfod_cache *cache, const struct build_id *id,
                              const char *source, struct debuginfod_part *part, struct err *reterr);
void debuginfod_cache_drop(struct debuginfod_cache *cache, struct debuginfod_part *part);
