#pragma once

// One export on its way into a file, on the query thread.
//
//     names settle ─► one moment of the run ─► src/export, slice by slice ─► PATH.part ─► PATH
//
// It has an analysis of its own: others refresh theirs between two slices, and then ids and names
// of functions are other ones. So an export is of the moment when it began to write, also of a run
// that goes on.
//
// The file is written beside its place under another name, and put there when it is whole. What is
// there is replaced if it is a regular file; devices, directories and links are left alone.

#include "export/export.h"
#include "rpc/schema.h"
#include "server/analysis.h"

// Symbols, and functions that are inlined, are waited for; then it goes on with those that are
// there.
enum { EXPORTER_PATIENCE_MS = 5000 };

enum exporter_outcome {
    EXPORTER_DONE = 0,
    EXPORTER_MORE = 1,  // to do: call again
    EXPORTER_WAITS = 2, // for names: call again a little later
};

struct exporter {
    const struct export_format *format;
    bool off_cpu;
    char *path;                // absolute; owned
    struct analysis *analysis; // NULL: has not begun
    struct kept_view *kept;
    bool physical;
    uint64_t patience_until_ns;
    struct export_source source;
    struct export export; // while `part_path` is there
    char *part_path;      // the file under its other name; NULL: there is none
    int fd;
    uint64_t bytes; // of the whole file
};

struct exporter *exporter_new(const struct export_format *format, bool off_cpu, const char *path);
void exporter_free(struct exporter *exporter); // accepts NULL

// Takes over `analysis`, which is new, and the view.
void exporter_begin(struct exporter *exporter, struct analysis *analysis, struct view *view);

// A negative errno with a line for people: the file is not there, or what was there before. It
// works on few rows of the file, or many of counting.
int exporter_advance(struct exporter *exporter, struct err *reterr);

// The answer, after EXPORTER_DONE.
void exporter_put_answer(const struct exporter *exporter, struct text *to);

// Gives back everything but the exporter itself; a file that is not whole is removed. Before its
// run is freed.
void exporter_end(struct exporter *exporter);

// What such an error is for a client.
enum rpc_error_kind exporter_error_kind(int negative_errno);
