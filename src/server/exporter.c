#include "server/exporter.h"

#include "base/clock.h"
#include "base/file.h"
#include "rpc/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    COUNT_ROWS = 256 << 10, // of one slice: about a millisecond of counting,
    WRITE_ROWS = 512,       // or some of writing stacks
};

struct exporter *exporter_new(const struct export_format *format, bool off_cpu, const char *path)
{
    struct exporter *exporter = NEW(struct exporter);
    exporter->format = format;
    exporter->off_cpu = off_cpu;
    exporter->path = alloc_text(path, strlen(path));
    exporter->fd = -1;
    return exporter;
}

void exporter_begin(struct exporter *exporter, struct analysis *analysis, struct view *view)
{
    exporter->analysis = analysis;
    exporter->physical = view->physical;
    exporter->kept = analysis_borrow(analysis, view);
    exporter->patience_until_ns = clock_now_ns() + (uint64_t)EXPORTER_PATIENCE_MS * NS_PER_MS;
}

void exporter_end(struct exporter *exporter)
{
    if (exporter->part_path != NULL) {
        export_fini(&exporter->export);
        unlink(exporter->part_path);
        free(TAKE(exporter->part_path));
    }
    closep(&exporter->fd);
    if (exporter->kept != NULL) {
        analysis_release(exporter->analysis, TAKE(exporter->kept));
    }
    analysis_free(TAKE(exporter->analysis));
}

void exporter_free(struct exporter *exporter)
{
    if (exporter != NULL) {
        exporter_end(exporter);
        free(exporter->path);
        free(exporter);
    }
}

// ---- The file ----------------------------------------------------------------------------------

struct trouble {
    int number; // errno
    enum rpc_error_kind kind;
    const char *next_step;
};

static const struct trouble *trouble_of(int number)
{
    static const char make[] = "make the directory first";
    static const char rights[] = "choose a place where stax-server may write";
    static const char room[] = "make room, or choose another place";
    static const char other[] = "choose another path";
    static const struct trouble troubles[] = {
        {ENOENT, RPC_ERROR_NOT_FOUND, make},
        {ENOTDIR, RPC_ERROR_NOT_FOUND, make},
        {EACCES, RPC_ERROR_PERMISSION, rights},
        {EPERM, RPC_ERROR_PERMISSION, rights},
        {EROFS, RPC_ERROR_PERMISSION, rights},
        {ENOSPC, RPC_ERROR_TOO_LARGE, room},
        {EDQUOT, RPC_ERROR_TOO_LARGE, room},
        {EFBIG, RPC_ERROR_TOO_LARGE, room},
        {EEXIST, RPC_ERROR_INVALID_PARAMS, other},
        {EISDIR, RPC_ERROR_INVALID_PARAMS, other},
        {ENAMETOOLONG, RPC_ERROR_INVALID_PARAMS, other},
        {ELOOP, RPC_ERROR_INVALID_PARAMS, other},
    };
    static const struct trouble unknown = {0, RPC_ERROR_INTERNAL, "choose another place"};
    for (size_t i = 0; i < ARRAY_LEN(troubles); i++) {
        if (troubles[i].number == number) {
            return &troubles[i];
        }
    }
    return &unknown;
}

enum rpc_error_kind exporter_error_kind(int negative_errno)
{
    return trouble_of(-negative_errno)->kind;
}

static int fail(const struct exporter *exporter, int number, struct err *reterr)
{
    return err_set(reterr, number, "cannot write %s: %s; %s", exporter->path, strerror(number),
                   trouble_of(number)->next_step);
}

// What is there now may be replaced, or there is nothing.
static int check_place(const struct exporter *exporter, struct err *reterr)
{
    struct stat st;
    if (lstat(exporter->path, &st) < 0) {
        return errno == ENOENT ? 0 : fail(exporter, errno, reterr);
    }
    if (!S_ISREG(st.st_mode)) {
        return err_set(reterr, EEXIST,
                       "cannot write %s: it is there, and no regular file; choose another path",
                       exporter->path);
    }
    return 0;
}

// In the same directory, so that it can be renamed; hidden there. Whoever finds one knows that it
// is of a server that was killed.
static char *make_part_path(const char *path, unsigned attempt)
{
    const char *slash = strrchr(path, '/');
    struct text part = {0};
    text_add_bytes(&part, path, slash == NULL ? 0 : (size_t)(slash - path) + 1);
    text_addf(&part, ".stax-export-%d-%u.part", (int)getpid(), attempt);
    return text_take(&part);
}

static int open_part(struct exporter *exporter, struct err *reterr)
{
    enum { ATTEMPTS = 100 }; // others of this server, and of one that had its pid
    for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
        CLEANUP(freep) char *part = make_part_path(exporter->path, attempt);
        exporter->fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (exporter->fd >= 0) {
            exporter->part_path = TAKE(part);
            return 0;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return fail(exporter, errno, reterr);
}

static int put_in_place(struct exporter *exporter, struct err *reterr)
{
    struct stat st;
    int r = check_place(exporter, reterr);
    if (r < 0) {
        return r;
    }
    if (fstat(exporter->fd, &st) < 0 || close(take_fd(&exporter->fd)) < 0 ||
        rename(exporter->part_path, exporter->path) < 0) {
        return fail(exporter, errno, reterr);
    }
    exporter->bytes = (uint64_t)st.st_size;
    export_fini(&exporter->export);
    free(TAKE(exporter->part_path));
    return 0;
}

// ---- One slice ---------------------------------------------------------------------------------

// From here on the analysis is not advanced any more.
static int start_writing(struct exporter *exporter, struct err *reterr)
{
    struct analysis *analysis = exporter->analysis;
    const struct run *run = analysis->run;
    int r = check_place(exporter, reterr);
    if (r < 0 || (r = open_part(exporter, reterr)) < 0) {
        return r;
    }
    exporter->source = (struct export_source){
        .store = run->store,
        .names = &analysis->names,
        .tree = analysis->tree,
        .fold = &exporter->kept->fold,
        .reasons = &analysis->reasons,
        .label = run->params.label,
        .pid = run->params.request.pid,
        .frequency_hz = run->params.request.frequency_hz,
        .started_unix_ns = run->started_unix_ns,
    };
    export_init(&exporter->export, exporter->format, &exporter->source, exporter->off_cpu,
                exporter->fd);
    return EXPORTER_MORE;
}

static int count(struct exporter *exporter, struct err *reterr)
{
    struct analysis *analysis = exporter->analysis;
    if (!analysis_advance(analysis, exporter->kept, exporter->physical, COUNT_ROWS)) {
        return EXPORTER_MORE;
    }
    bool settled = analysis_names_are_settled(analysis) &&
                   (exporter->physical || analysis_inlined_are_settled(analysis));
    if (!settled && clock_now_ns() < exporter->patience_until_ns) {
        return EXPORTER_WAITS;
    }
    return start_writing(exporter, reterr);
}

int exporter_advance(struct exporter *exporter, struct err *reterr)
{
    if (exporter->part_path == NULL) {
        return count(exporter, reterr);
    }
    int r = export_advance(&exporter->export, WRITE_ROWS);
    if (r < 0) {
        return fail(exporter, -r, reterr);
    }
    return r == 0 ? put_in_place(exporter, reterr) : EXPORTER_MORE;
}

void exporter_put_answer(const struct exporter *exporter, struct text *to)
{
    const struct fold *fold = &exporter->kept->fold;
    uint64_t waits = 0;
    struct fold_walk walk = {0};
    while (fold_next_place(fold, &walk)) {
        waits += walk.cell.n;
    }
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_string_field(&j, "path", exporter->path);
    json_u64_field(&j, "bytes", exporter->bytes);
    json_u64_field(&j, "samples", fold->n_samples);
    json_u64_field(&j, "intervals", waits);
    json_object_end(&j);
}
