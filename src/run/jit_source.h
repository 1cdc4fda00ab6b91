#pragma once

// One file in which a JIT tells what it makes, read while it grows.
//
//     a jitdump    found by its mapping: the file is the one that was mapped, or it is refused
//     a perf map   /tmp/perf-PID.map inside of the target's root, PID as the target sees itself or
//     as
//                  we see it; looked for again and again, since it may begin at any time
//
// What it says becomes EVENT_CODE_LOADED and EVENT_CODE_MOVED. A jitdump has times. A perf map has
// none, but each look at it says what was not there at the look before. So:
//
//     an entry that was there before, at the same place     is no news (a map that is written anew)
//     one that lies where no other one has been             counts from the beginning: there is
//                                                           nothing it could be taken for
//     one that lies where something else was before         counts from the look before
//
// Files are the target's: only regular ones of the target's user, of ours or of root, that are not
// older than the process. Whoever writes them may lie; the harm is wrong names for its own code.
//
// Belongs to one thread, the reader's (run/jit_reader.h); reading may take for ever.

#include "base/text.h"
#include "event/event.h"
#include "image/image_root.h"
#include "image/jitdump.h"
#include "image/perf_map.h"
#include "run/code_ranges.h"

enum jit_source_kind { JIT_SOURCE_JITDUMP, JIT_SOURCE_PERF_MAP };

// "jitdump", "perf_map": the JSON value.
const char *jit_source_kind_name(enum jit_source_kind kind);

// What to look for. Pointers are borrowed.
struct jit_watch {
    enum jit_source_kind kind;
    uint32_t pid;
    struct image_root *root;
    struct slice path; // of a jitdump: as the target sees it
    uint64_t inode;    // of a jitdump; 0 when not known
    uint64_t since_ns; // of a perf map: when its entries begin, unless something speaks against it
};

enum { JIT_PATH_BYTES = 256 };

// How far it has been read, for people.
struct jit_report {
    enum jit_source_kind kind;
    uint32_t pid;
    char path[JIT_PATH_BYTES]; // cut when longer
    uint64_t codes;            // functions, and moves of them
    uint64_t bytes;            // read
    uint64_t bad;              // records or lines that make no sense
    uint64_t skipped;          // records that stax has no use for
    uint64_t backwards;        // records with a time before that of the one before
    struct err note;           // why it is not read, or not to its end; "" when all is well
};

struct jit_source {
    struct jit_watch watch; // its root is referenced; its path is below
    struct text path;       // where it is, or is looked for first
    uint32_t own_pid;       // as the target sees itself; 0 when not known
    uint32_t uid;           // of the target
    bool has_uid;
    uint64_t started_unix_ns; // of the process; 0 when not known
    int fd;                   // -1: not found yet
    bool over;                // nothing will be read any more
    uint64_t inode;
    uint64_t read_bytes;
    uint64_t looked_ns; // the look before
    uint64_t n_found;   // perf maps that were opened
    struct err note;
    struct jitdump dump;
    struct perf_map map;
    struct code_ranges known; // of a perf map; `what` is a hash of the name
    uint64_t n_known;         // entries that were no news
};

// Looks at the process, which may be gone.
void jit_source_init(struct jit_source *source, const struct jit_watch *watch);
void jit_source_fini(struct jit_source *source);

// Reads what is new, up to `limit_bytes` of it. True: there is more.
bool jit_source_look(struct jit_source *source, uint64_t now_ns, size_t limit_bytes,
                     event_sink_fn sink, void *context);

void jit_source_report(const struct jit_source *source, struct jit_report *ret);
