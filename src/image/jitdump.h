#pragma once

// A jitdump: what a JIT writes down of the functions that it makes, while it makes them.
//
//     header | record | record | …          the file grows; each record says how long it is
//
// Format: Linux, tools/perf/Documentation/jitdump-specification.txt, version 1. Everything in it
// is the target's claim. The parser is fed with the bytes as they come, in pieces of any size; a
// record is reported once it is there as a whole. A record that contradicts itself is left out and
// counted; one that hides where the next one begins ends the file.
//
// Pure: no I/O.

#include "base/bytes.h"
#include "base/err.h"
#include "base/vec.h"

// A record that is longer than this is skipped.
enum { JITDUMP_RECORD_MAX_BYTES = 16 << 20 };

enum jitdump_kind { JITDUMP_LOADED, JITDUMP_MOVED };

// Pointers are borrowed until the receiver returns.
struct jitdump_record {
    enum jitdump_kind kind;
    uint64_t time_ns;   // CLOCK_MONOTONIC, if the JIT does what the format asks for
    uint64_t addr;      // where it is now
    uint64_t from_addr; // of one that moved: where it was
    uint64_t size_bytes;
    uint64_t index; // the JIT's number for this version of the function
    // Of one that was loaded:
    struct slice name;
    struct slice code;
    struct slice eh_frame; // may be empty; relative to the address that it has behind the code,
                           // see jitdump_eh_frame_addr()
};

typedef void (*jitdump_sink_fn)(void *context, const struct jitdump_record *record);

// All zero: nothing has been read yet.
struct jitdump {
    bool has_header;
    bool closed; // the JIT wrote that nothing follows, or nothing can be made of the rest
    uint32_t pid;
    uint64_t last_time_ns;
    uint64_t skip_bytes;   // still to come, of a record that is left out
    VEC(uint8_t) pending;  // the beginning of a record that is not complete yet
    VEC(uint8_t) eh_frame; // announced for the next function
    uint64_t n_loaded;
    uint64_t n_moved;
    uint64_t n_skipped;   // of a kind that nobody asks for, or too long
    uint64_t n_bad;       // contradict themselves
    uint64_t n_backwards; // earlier than the one before; used all the same
};

void jitdump_fini(struct jitdump *dump);

// Takes the next bytes of the file. 0, or -EBADMSG with the reason, once: nothing of the rest can
// be used (other byte order, machine, clock, version; a length that cannot be). Then it is
// `closed`.
int jitdump_feed(struct jitdump *dump, struct slice bytes, jitdump_sink_fn sink, void *context,
                 struct err *reterr);

// What has been fed ends inside of a record (or of the header).
bool jitdump_is_cut(const struct jitdump *dump);

// Where `eh_frame` of a function would be mapped: right behind its code, at a multiple of 8. That
// is what the places in it are relative to (perf puts it there when it makes an ELF file of it).
static inline uint64_t jitdump_eh_frame_addr(uint64_t addr, uint64_t size_bytes)
{
    return addr + ((size_bytes + 7) & ~UINT64_C(7));
}
