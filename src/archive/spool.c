#include "archive/spool.h"

#include "archive/names_file.h"
#include "archive/spool_writer.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define PERIOD_NS ((uint64_t)NS_PER_S / 2)

enum {
    RETRY_PERIODS = 4, // after one that failed, and twice as many the next time,
    RETRY_PERIODS_MAX = 16,
    LATE_PERIODS = 4,      // a commit that takes so long is behind
    NAMES_PATIENCE_S = 60, // for symbols that are still being read
};

struct spool {
    struct run_file file;
    struct store *store;
    struct library *library;
    void (*put_facts)(void *context, struct facts *facts);
    void (*on_change)(void *context);
    void *context;
    uint64_t period_ns;
    struct row_reader reader;
    struct spool_writer writer;
    struct facts facts;
    uint64_t failing_since_unix_ns; // 0: not failing
    bool has_thread;
    pthread_t thread;
    _Atomic bool stop;
    pthread_mutex_t lock; // of what follows
    pthread_cond_t wake;
    bool finish;
    enum spool_state state;
    uint64_t committed_ns; // when
    struct spool_report report;
};

// ---- What others see ----------------------------------------------------------------------------

static void note(struct spool *spool, const char *text)
{
    pthread_mutex_lock(&spool->lock);
    bool is_new = strcmp(spool->report.note.text, text) != 0;
    if (is_new) {
        snprintf(spool->report.note.text, sizeof spool->report.note.text, "%s", text);
    }
    pthread_mutex_unlock(&spool->lock);
    if (is_new && spool->on_change != NULL) {
        spool->on_change(spool->context);
    }
}

static void set_state(struct spool *spool, enum spool_state state)
{
    pthread_mutex_lock(&spool->lock);
    spool->state = state;
    pthread_mutex_unlock(&spool->lock);
    if (state == SPOOL_DONE && spool->on_change != NULL) {
        spool->on_change(spool->context);
    }
}

enum spool_state spool_state(const struct spool *spool)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&spool->lock;
    pthread_mutex_lock(lock);
    enum spool_state state = spool->state;
    pthread_mutex_unlock(lock);
    return state;
}

void spool_report(struct spool *spool, struct spool_report *ret)
{
    pthread_mutex_lock(&spool->lock);
    *ret = spool->report;
    uint64_t since_ns = clock_now_ns() - spool->committed_ns;
    bool is_late = since_ns > LATE_PERIODS * spool->period_ns || ret->note.text[0] != 0;
    ret->behind_ns = is_late && spool->state == SPOOL_WRITING ? since_ns : 0;
    pthread_mutex_unlock(&spool->lock);
}

static uint64_t size_of(const char *path, const char *suffix)
{
    CLEANUP(text_fini) struct text name = {0};
    text_addf(&name, "%s%s", path, suffix);
    struct stat st;
    return stat(text_get(&name), &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void count_commit(struct spool *spool)
{
    uint64_t bytes = size_of(spool->file.path, "") + size_of(spool->file.path, "-wal");
    pthread_mutex_lock(&spool->lock);
    spool->report.commits++;
    spool->report.file_bytes = bytes;
    spool->report.rows = spool_writer_rows(&spool->writer);
    spool->committed_ns = clock_now_ns();
    pthread_mutex_unlock(&spool->lock);
}

static void count_cpu(struct spool *spool)
{
    uint64_t cpu_ns = clock_thread_cpu_ns();
    pthread_mutex_lock(&spool->lock);
    spool->report.cpu_ns = cpu_ns;
    pthread_mutex_unlock(&spool->lock);
}

// ---- Failure ------------------------------------------------------------------------------------

static void note_failure(struct spool *spool, const struct err *why)
{
    if (spool->failing_since_unix_ns == 0) {
        spool->failing_since_unix_ns = clock_unix_ns();
    }
    time_t since = (time_t)(spool->failing_since_unix_ns / NS_PER_S);
    struct tm tm;
    char when[16] = "";
    if (localtime_r(&since, &tm) != NULL) {
        strftime(when, sizeof when, "%H:%M:%S", &tm);
    }
    uint64_t mib = (spool_writer_bytes_to_come(&spool->writer) >> 20) + 1;
    struct err text;
    err_set(&text, EIO,
            "since %s the run is in memory only: %s (some %llu MiB are to be written; "
            "tried again every few seconds)",
            when, why->text, (unsigned long long)mib);
    note(spool, text.text);
}

static void note_success(struct spool *spool)
{
    spool->failing_since_unix_ns = 0;
    note(spool, "");
}

// Trying again helps against what goes away.
static bool is_final(int r)
{
    return r == -EBADMSG || r == -EROFS || r == -ENOENT || r == -EIO;
}

// ---- Writing ------------------------------------------------------------------------------------

static int check_file(const struct spool *spool, struct err *reterr)
{
    struct stat st;
    if (fstat(spool->file.lock_fd, &st) == 0 && st.st_nlink == 0) {
        return err_set(reterr, ENOENT, "%s has been removed", spool->file.path);
    }
    return 0;
}

static void release_rows(struct spool *spool)
{
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        store_written(spool->store, table, row_reader_rows(&spool->reader, table));
    }
    store_trim(spool->store);
}

static int write_rows(struct spool *spool)
{
    facts_clear(&spool->facts);
    if (spool->put_facts != NULL) {
        spool->put_facts(spool->context, &spool->facts);
    }
    struct err err = {0};
    int r = check_file(spool, &err);
    if (r == 0) {
        r = spool_writer_write(&spool->writer, &spool->facts, NULL, &err);
    }
    if (r < 0) {
        note_failure(spool, &err);
    } else {
        count_commit(spool);
        release_rows(spool);
        note_success(spool);
    }
    count_cpu(spool);
    return r;
}

// Not complete: broken off, or symbols that did not come in time. It can be made up for later.
static int write_names(struct spool *spool)
{
    struct err err = {0};
    struct names_file_counts counts;
    enum arch arch = arch_of_name(facts_text(&spool->facts, "architecture", ""));
    int r = names_file_write(&spool->file, spool->store, spool->library, arch,
                             (uint64_t)NAMES_PATIENCE_S * NS_PER_S, &spool->stop, &counts, &err);
    if (r < 0) {
        run_file_rollback(&spool->file);
        note_failure(spool, &err);
    } else {
        note_success(spool);
    }
    bool complete = r == 0 && names_file_is_complete(&spool->file);
    pthread_mutex_lock(&spool->lock);
    spool->report.names_complete = complete;
    pthread_mutex_unlock(&spool->lock);
    count_cpu(spool);
    return r;
}

static bool has_full_chunks(struct spool *spool)
{
    bool any = false;
    for (enum row_table table = 0; table < ROW_TABLES; table++) {
        any = any || row_reader_rows(&spool->reader, table) > 0;
    }
    return any;
}

// Nothing more is to be written. Somebody else may be reading: then its journal stays beside it,
// and the file is as good.
static void close_file(struct spool *spool)
{
    spool_writer_fini(&spool->writer);
    row_reader_pause(&spool->reader);
    run_file_settle(&spool->file, NULL);
    uint64_t bytes = size_of(spool->file.path, "");
    run_file_close(&spool->file);
    row_reader_go_on(&spool->reader);
    if (has_full_chunks(spool)) { // which may leave memory
        row_reader_open(&spool->reader, NULL);
    }
    pthread_mutex_lock(&spool->lock);
    spool->report.file_bytes = bytes;
    pthread_mutex_unlock(&spool->lock);
}

// ---- The thread ---------------------------------------------------------------------------------

// Until then, or until the run is over or the spool is to go. True: it is over.
static bool wait_until(struct spool *spool, uint64_t until_ns, bool knows_end)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                             .tv_nsec = (long)(until_ns % NS_PER_S)};
    pthread_mutex_lock(&spool->lock);
    int r = 0;
    while (r == 0 && !atomic_load(&spool->stop) && (knows_end || !spool->finish)) {
        r = pthread_cond_timedwait(&spool->wake, &spool->lock, &until);
    }
    bool finish = spool->finish;
    pthread_mutex_unlock(&spool->lock);
    return finish;
}

// All that is left. True: there is nothing more to do, or to be done.
static bool finish(struct spool *spool, bool *rows_done)
{
    int r = *rows_done ? 0 : write_rows(spool);
    *rows_done = r == 0;
    if (r == 0) {
        r = write_names(spool);
    }
    return r == 0 || is_final(r);
}

static void record(struct spool *spool)
{
    bool knows_end = false;
    bool rows_done = false;
    unsigned periods = 0; // the file shall say at once what it is
    while (!atomic_load(&spool->stop)) {
        bool failed = knows_end || write_rows(spool) < 0;
        periods = !failed       ? 1
                  : periods < 2 ? RETRY_PERIODS
                                : MIN(2 * periods, (unsigned)RETRY_PERIODS_MAX);
        bool knew_end = knows_end;
        knows_end = wait_until(spool, clock_now_ns() + periods * spool->period_ns, knew_end);
        if (knows_end && !atomic_load(&spool->stop) && finish(spool, &rows_done)) {
            return;
        }
    }
    if (!rows_done) {
        write_rows(spool);
    }
}

static void *run(void *context)
{
    struct spool *spool = context;
    struct err err = {0};
    int r = spool_writer_init(&spool->writer, &spool->file, spool->store, &spool->reader, &err);
    if (r == 0) {
        r = row_reader_open(&spool->reader, &err);
    }
    if (r < 0) {
        note_failure(spool, &err);
    } else {
        record(spool);
    }
    close_file(spool);
    set_state(spool, SPOOL_DONE);
    return NULL;
}

// ---- Life ---------------------------------------------------------------------------------------

static void init_wake(pthread_cond_t *wake)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct spool *spool_new(struct spool_params params)
{
    struct spool *spool = NEW(struct spool);
    spool->file = params.file;
    spool->store = params.store;
    spool->library = params.library;
    spool->put_facts = params.put_facts;
    spool->on_change = params.on_change;
    spool->context = params.context;
    spool->period_ns = params.period_ns != 0 ? params.period_ns : PERIOD_NS;
    spool->committed_ns = clock_now_ns();
    row_reader_init(&spool->reader, spool->file.path);
    pthread_mutex_init(&spool->lock, NULL);
    init_wake(&spool->wake);
    int number = thread_start(&spool->thread, run, spool);
    spool->has_thread = number == 0;
    if (number != 0) {
        err_set(&spool->report.note, number, "the run is in memory only: no thread to write it: %s",
                strerror(number));
        run_file_close(&spool->file);
        spool->state = SPOOL_DONE;
    }
    return spool;
}

void spool_finish(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    spool->finish = true;
    if (spool->state == SPOOL_WRITING) {
        spool->state = SPOOL_FINISHING;
    }
    pthread_cond_signal(&spool->wake);
    pthread_mutex_unlock(&spool->lock);
}

struct pager spool_pager(struct spool *spool)
{
    return (struct pager){.read_back = row_reader_read_back, .context = &spool->reader};
}

void spool_free(struct spool *spool)
{
    if (spool == NULL) {
        return;
    }
    pthread_mutex_lock(&spool->lock);
    atomic_store(&spool->stop, true);
    pthread_cond_signal(&spool->wake);
    pthread_mutex_unlock(&spool->lock);
    if (spool->has_thread) {
        pthread_join(spool->thread, NULL);
    }
    row_reader_fini(&spool->reader);
    facts_fini(&spool->facts);
    pthread_cond_destroy(&spool->wake);
    pthread_mutex_destroy(&spool->lock);
    free(spool);
}
