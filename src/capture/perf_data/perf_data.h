#pragma once

// The frame of a perf.data file: its header, and what it says about itself. Pure.
//
//     file    104 bytes of header │ attrs: one entry per event, and lists of ids │ data │ features
//     pipe     16 bytes of header │ data, and among its records what else stands in the others
//
// `data` is records, one behind the other: those of the kernel (linux/perf_event.h) as they were in
// the rings, and some of perf's own, numbered from 64 on. Features are sections by number: a table
// of them stands behind the data, as soon as perf has ended well. Source of the format:
// tools/perf/Documentation/perf.data-file-format.txt in Linux.
//
// What nobody needs is not read. All numbers are of the byte order of the machine that recorded,
// and files of the other one are refused.

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "capture/perf_data/perf_attr.h"

#include <stdbool.h>

// perf's own records.
enum perf_user_record {
    PERF_USER_ATTR = 64,
    PERF_USER_TRACING_DATA = 66, // as many bytes as it says follow it
    PERF_USER_BUILD_ID = 67,
    PERF_USER_FINISHED_ROUND = 68,
    PERF_USER_AUXTRACE_INFO = 70,
    PERF_USER_AUXTRACE = 71,
    PERF_USER_THREAD_MAP = 73, // whom perf recorded; -1: whole CPUs
    PERF_USER_FEATURE = 80,
    PERF_USER_COMPRESSED = 81,
    PERF_USER_COMPRESSED2 = 83, // says how long it is without what fills it up to a word
};

enum perf_feature {
    PERF_FEATURE_TRACING_DATA = 1,
    PERF_FEATURE_BUILD_ID = 2,
    PERF_FEATURE_HOSTNAME = 3,
    PERF_FEATURE_OSRELEASE = 4,
    PERF_FEATURE_ARCH = 6,
    PERF_FEATURE_CMDLINE = 11,
    PERF_FEATURE_EVENT_DESC = 12,
    PERF_FEATURE_AUXTRACE = 18,
    PERF_FEATURE_SAMPLE_TIME = 21,
    PERF_FEATURE_COMPRESSED = 27,
    PERF_FEATURE_CLOCK_DATA = 29,
    PERF_FEATURE_LIMIT = 256,
};

enum { PERF_DATA_HEADER_BYTES = 104, PERF_DATA_PIPE_HEADER_BYTES = 16 };

struct perf_section {
    uint64_t off;
    uint64_t size_bytes;
};

struct perf_data_header {
    bool pipe;
    bool unfinished;     // perf did not end well, or has not ended: no features, data up to the end
    uint64_t attr_bytes; // of an entry: an attr, and the section of its ids
    struct perf_section attrs;
    struct perf_section data;
    uint64_t features[PERF_FEATURE_LIMIT / 64];
};

// `start` is the first PERF_DATA_HEADER_BYTES of the file, or all there is. 0, or -EINVAL: what it
// is instead, and what to do, to be put behind the file's name.
int perf_data_parse_header(struct slice start, struct perf_data_header *ret, struct err *reterr);

bool perf_data_has(const struct perf_data_header *header, unsigned feature);

// ---- Events
// --------------------------------------------------------------------------------------

struct perf_data_event {
    struct perf_event_attr attr;
    char *name; // "cycles:P"; never NULL
};

struct perf_data_events {
    VEC(struct perf_data_event) at; // at most LIMIT_PERF_EVENTS
    struct map by_id;               // at most LIMIT_PERF_IDS
};

void perf_data_events_fini(struct perf_data_events *events); // accepts a zeroed one

// Adds the event that `attr` describes, as it stands in the file, with its ids (words). False:
// makes no sense, or too many.
bool perf_data_events_add(struct perf_data_events *events, struct slice attr, struct slice ids);

// The index of the one that wrote this record; PERF_EVENT_NONE: none of them. Valid header.size
// bytes of it are there; in any alignment.
enum { PERF_EVENT_NONE = UINT32_MAX };
uint32_t perf_data_events_find(const struct perf_data_events *events,
                               const struct perf_event_header *record);

// Names of events, from PERF_FEATURE_EVENT_DESC.
void perf_data_events_name(struct perf_data_events *events, struct slice section);

// ---- Features
// ------------------------------------------------------------------------------------

struct perf_data_build_id {
    char *path; // "[kernel.kallsyms]", "/usr/bin/true"
    struct event_build_id id;
};

// What the features say; NULL, 0: not told.
struct perf_data_facts {
    char *hostname;
    char *osrelease;
    char *arch; // as `uname -m`
    char *cmdline;
    uint64_t first_ns; // of samples
    uint64_t last_ns;
    uint64_t wall_unix_ns;                    // the clock on the wall …
    uint64_t wall_ns;                         // … at this moment of the clock of the samples
    VEC(struct perf_data_build_id) build_ids; // at most LIMIT_IMAGES
    struct map build_id_by_path;              // by hash
};

void perf_data_facts_fini(struct perf_data_facts *facts); // accepts a zeroed one

// Takes in one feature's section. What makes no sense is left out.
void perf_data_facts_read(struct perf_data_facts *facts, unsigned feature, struct slice section);

// The body of a PERF_USER_BUILD_ID, which is one entry of the feature. `misc` is of its header.
void perf_data_facts_read_build_id(struct perf_data_facts *facts, uint16_t misc, struct slice body);

// The build-id of the file that was mapped by this name; NULL: not told.
const struct event_build_id *perf_data_facts_build_id(const struct perf_data_facts *facts,
                                                      struct slice path);
