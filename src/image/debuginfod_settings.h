#pragma once

// Which debuginfod servers to ask, and where to keep what they answer: from the environment, once.
//
//     DEBUGINFOD_URLS             servers, separated by white space; set but empty: none
//     /etc/debuginfod/*.urls      likewise, when DEBUGINFOD_URLS is not set at all
//     STAX_DEBUGINFOD_TIMEOUT_S   how long a server may be silent: seconds, 5 unless said
//     DEBUGINFOD_TIMEOUT          likewise, when the former is not set: what users of other clients
//                                 of these servers have set for a server that is slow
//     XDG_CACHE_HOME, HOME        the cache: $XDG_CACHE_HOME/stax/debuginfod,
//     ~/.cache/stax/debuginfod DEBUGINFOD_CACHE_PATH       the cache of elfutils' client, which is
//     read, never written; else
//                                 debuginfod_client beside `stax`
//     TMPDIR                      where a private directory is made when there is no cache
//
// Without servers nothing is asked and nothing is read. Meaning of the variables and of the files:
// debuginfod-client-config(7) of elfutils.

#include "base/clock.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/vec.h"

#include <stdbool.h>

struct debuginfod_url {
    char *url;   // http(s)://…, without a slash at its end; may hold a password
    char *shown; // for people: without what stands before the @
};

struct debuginfod_settings {
    VEC(struct debuginfod_url) urls; // at most LIMIT_DEBUGINFOD_SERVERS, none twice
    struct err note;                 // the last one that was left out, and why; "" for none
    uint64_t silence_ns;             // how long a server may be silent
    char *cache_path;                // NULL: there is no home
    char *elfutils_path;             // NULL: there is none
    char *temp_path;                 // a directory for temporary files
    uint64_t file_bytes;             // limits, which only tests change
    uint64_t cache_bytes;
    uint64_t temp_bytes;
    uint64_t spare_disk_bytes;
};

void debuginfod_settings_init(struct debuginfod_settings *settings); // no servers
void debuginfod_settings_fini(struct debuginfod_settings *settings);

// Reads the environment, and the files of `directory` when that names no servers.
void debuginfod_settings_read(struct debuginfod_settings *settings, const char *directory);

// Adds the servers of a list. What is not a server is left out and noted. After the word
// `ima:enforcing`, up to another `ima:…`, signatures of files are asked for, which are not checked
// here: such servers are left out, too.
void debuginfod_settings_add_urls(struct debuginfod_settings *settings, struct slice list);

// Seconds as people write them ("5", "0.5"), within SILENCE_MIN_NS and SILENCE_MAX_NS; 0 stands for
// the longest. False: not a number, and *ret is untouched.
enum { SILENCE_DEFAULT_S = 5, SILENCE_MAX_S = 300, SILENCE_MIN_MS = 50 };
bool debuginfod_settings_parse_seconds(const char *text, uint64_t *ret_ns);
