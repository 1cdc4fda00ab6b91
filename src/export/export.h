#pragma once

// A run as other tools read it: one file per format below, and this one, which drives them.
//
//     folded       one line per stack and its weight: flamegraph scripts
//     speedscope   https://www.speedscope.app/file-format-schema.json
//     pprof        profile.proto, gzipped: `go tool pprof`
//     firefox      the processed profile format of profiler.firefox.com
//     perfetto     a trace of samples and thread states: ui.perfetto.dev
//     html         a page that stands on its own
//
// Exporting ten million samples takes a while, and the query thread has other questions: so it goes
// in slices. First comes what a fold knows (begin, and more where that is a lot), then, for formats
// that have a time axis, the rows of the view in order of time (samples, then waits, each sorted),
// then the end.
//
//     begin ─► more, more, … ─► sample, sample, … ─► interval, interval, … ─► rest, … ─► end
//
// What is exported is what `stax top` and `stax flame` show of the same view, with the same names;
// totals are the same to the nanosecond, or the sample, where the format can say so.

#include "base/err.h"
#include "base/text.h"
#include "query/answers.h"
#include "query/reasons.h"

// Bytes on their way to a file. After an error it takes everything and writes nothing.
struct export_out {
    int fd; // borrowed
    struct text pending;
    uint64_t written; // bytes, before compression
    int error;        // negative errno; 0
    void *gzip;       // a z_stream when packed; NULL
};

enum { EXPORT_OUT_BYTES = 64 << 10 }; // pending that are worth writing

// `gzip`: everything is packed on the way.
void export_out_init(struct export_out *out, int fd, bool gzip);
struct text *export_out_text(struct export_out *out); // append to it; then
void export_out_drain(struct export_out *out);        // writes it when it has become long
int export_out_finish(struct export_out *out);        // writes the rest: 0, or the error
void export_out_fini(struct export_out *out);

// What there is to export. All of it belongs to the query thread, has caught up and is settled. It
// does not change while the export goes on, but by the store's growing: so nobody refreshes these
// names, and ids, functions and names of functions that a format remembers stay valid.
struct export_source {
    const struct store *store;
    const struct names *names;
    const struct calltree *tree; // physical or with inlined functions, as the view says
    const struct fold *fold;     // of the view
    struct reasons *reasons;
    const char *label;
    uint32_t pid;
    uint32_t frequency_hz;
    uint64_t started_unix_ns;
};

enum export_phase {
    EXPORT_BEGIN,
    EXPORT_MORE,
    EXPORT_SAMPLES,
    EXPORT_INTERVALS,
    EXPORT_OPEN, // waits that are not over
    EXPORT_REST,
    EXPORT_END,
    EXPORT_DONE
};

struct export
{
    const struct export_format *format;
    const struct export_source *source;
    bool off_cpu; // formats with one weight per stack: blocked time, not time on a CPU
    struct export_out out;
    struct view_window window; // what the rows are clipped to, on the store's clock
    uint64_t next_sample;      // rows
    uint64_t next_interval;
    uint64_t next_open;
    VEC(struct fold_open) open; // waits that are not over, as of begin, by thread
    uint64_t end_sample;        // as of begin: the rows that the fold has counted
    uint64_t end_interval;
    enum export_phase phase;
    void *state; // of the format
};

struct export_format {
    const char *name;
    const char *summary; // for --help: what reads it
    bool gzip;
    void (*begin)(struct export *export);
    // Works on about `max_rows` of what the fold knows. False: that is all. NULL: begin did it.
    bool (*more)(struct export *export, uint64_t max_rows);
    // Rows that the view keeps, in slices; NULL: the fold is enough. Samples come first. Times are
    // on the store's clock. Stays off the CPU (also INTERVAL_RUNNABLE ones) are clipped to the
    // window; waits that are not over come last, with INTERVAL_ENDED_BY_RUN, up to its end. So
    // samples, and the times of waits, add up to what the fold has counted.
    void (*sample)(struct export *export, uint64_t time_ns, thread_id thread, stack_id stack);
    void (*interval)(struct export *export, const struct interval *interval);
    // As more(), for what can only be written when all rows were seen.
    bool (*rest)(struct export *export, uint64_t max_rows);
    void (*end)(struct export *export);
    void (*free)(struct export *export); // of state, which may be NULL; may be NULL itself
};

extern const struct export_format export_folded, export_speedscope, export_pprof, export_firefox,
    export_perfetto, export_html;

// All of them, NULL at the end, in the order of the list above.
extern const struct export_format *const export_formats[];

// By name, or NULL.
const struct export_format *export_format_find(const char *name);

// `fd` is borrowed, `source` too, until export_fini().
void export_init(struct export *export, const struct export_format *format,
                 const struct export_source *source, bool off_cpu, int fd);
void export_fini(struct export *export);

// Works for up to `max_rows` rows. 1: there is more to do; 0: all is written; a negative errno,
// after which it is not called again.
int export_advance(struct export *export, uint64_t max_rows);
