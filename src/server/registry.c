#include "server/registry.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "rpc/json.h"
#include "server/output.h"
#include "server/run_facts.h"
#include "server/server.h"
#include "server/summary.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

// What holds a run's file. It is freed when the run is, by whoever looks at the run last.
struct backing {
    struct server *server;
    struct run *run;
    struct spool *spool;       // of a run that was recorded here; NULL: it has no file
    struct loaded_run *loaded; // of one that was read from its file
};

static void free_backing(void *context, struct run *run)
{
    struct backing *backing = context;
    spool_free(backing->spool);
    if (backing->loaded != NULL) {
        loaded_run_fini(backing->loaded);
        free(backing->loaded);
        run->store = NULL; // it was the loaded one's
    }
    free(backing);
}

static struct backing *add_backing(struct registry *registry, struct kept_run *kept)
{
    struct backing *backing = NEW(struct backing);
    backing->server = registry->server;
    backing->run = kept->run;
    kept->run->on_free = free_backing;
    kept->run->on_free_context = backing;
    kept->backing = backing;
    return backing;
}

// ---- The list ----------------------------------------------------------------------------------

void registry_init(struct registry *registry, struct server *server, const char *folder)
{
    *registry = (struct registry){.server = server,
                                  .next_id = 1,
                                  .limit_runs = LIMIT_RUNS,
                                  .limit_bytes = LIMIT_HISTORY_BYTES};
    history_init(&registry->history, folder);
}

static void free_kept(struct kept_run *kept)
{
    if (kept->has_file) {
        run_file_close(&kept->file);
    }
    facts_fini(&kept->facts);
    free(kept->replaced);
    free(kept->path);
    free(kept);
}

void registry_fini(struct registry *registry)
{
    registry_request_stop(registry);
    for (size_t i = 0; i < registry->runs.n; i++) {
        run_free(registry->runs.at[i]->run);
        free_kept(registry->runs.at[i]);
    }
    vec_fini(&registry->runs);
    history_fini(&registry->history);
}

static size_t index_of(const struct registry *registry, uint32_t id)
{
    size_t from = 0;
    size_t to = registry->runs.n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (registry->runs.at[middle]->id == id) {
            return middle;
        }
        if (registry->runs.at[middle]->id < id) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return SIZE_MAX;
}

// The run whose file has that number in our directory. NULL: none is known.
static struct kept_run *find_in_history(const struct registry *registry, uint32_t history_id)
{
    size_t index = index_of(registry, history_id);
    if (index != SIZE_MAX && registry->runs.at[index]->history_id == history_id) {
        return registry->runs.at[index];
    }
    for (size_t i = 0; i < registry->runs.n; i++) {
        if (registry->runs.at[i]->history_id == history_id) {
            return registry->runs.at[i];
        }
    }
    return NULL;
}

static struct kept_run *add_kept(struct registry *registry, uint32_t id)
{
    struct kept_run *kept = NEW(struct kept_run);
    kept->id = id;
    size_t at = registry->runs.n;
    while (at > 0 && registry->runs.at[at - 1]->id > id) {
        at--;
    }
    vec_insert_at(&registry->runs, at, kept);
    registry->next_id = MAX(registry->next_id, id + 1);
    return kept;
}

// The query thread may be looking at it: it gets the run, to free it when it is done.
static void put_on_shelf(struct registry *registry, struct kept_run *kept)
{
    if (kept->run != NULL) {
        kept->backing = NULL;
        subscriptions_on_shelved(&registry->server->subscriptions, kept->id);
        questions_forget(&registry->server->questions, TAKE(kept->run));
    }
}

static void forget(struct registry *registry, struct kept_run *kept)
{
    put_on_shelf(registry, kept);
    if (registry->selected == kept->id) {
        registry->selected = 0;
    }
    vec_remove_at(&registry->runs, index_of(registry, kept->id));
    free_kept(kept);
}

void registry_spool_report(const struct kept_run *kept, struct spool_report *ret)
{
    *ret = (struct spool_report){0};
    if (kept->backing != NULL && kept->backing->spool != NULL) {
        spool_report(kept->backing->spool, ret);
    }
}

bool registry_is_spooling(const struct kept_run *kept)
{
    return kept->backing != NULL && kept->backing->spool != NULL &&
           spool_state(kept->backing->spool) != SPOOL_DONE;
}

// All of it is in its file.
static bool is_filed(const struct kept_run *kept)
{
    struct spool_report report;
    registry_spool_report(kept, &report);
    return kept->path != NULL && !registry_is_spooling(kept) && report.note.text[0] == 0;
}

// ---- Room --------------------------------------------------------------------------------------

static bool may_leave_memory(const struct kept_run *kept)
{
    return kept->phase == KEPT_OVER && kept->run != NULL && kept->n_jobs == 0 &&
           !registry_is_spooling(kept);
}

// Of those in their files, the one asked about the longest time ago.
static struct kept_run *whom_to_shelve(const struct registry *registry, bool even_if_busy)
{
    struct kept_run *best = NULL;
    for (size_t i = 0; i < registry->runs.n; i++) {
        struct kept_run *kept = registry->runs.at[i];
        bool is_busy = questions_are_about(&registry->server->questions, kept->id);
        if (may_leave_memory(kept) && is_filed(kept) && (even_if_busy || !is_busy) &&
            (best == NULL || kept->last_used < best->last_used)) {
            best = kept;
        }
    }
    return best;
}

// Of the runs that may leave: one that is in its file, and that nobody waits for an answer about;
// else one whose askers are refused; else the oldest.
static struct kept_run *whom_to_drop(const struct registry *registry)
{
    struct kept_run *best = whom_to_shelve(registry, false);
    best = best != NULL ? best : whom_to_shelve(registry, true);
    for (size_t i = 0; i < registry->runs.n && best == NULL; i++) {
        best = may_leave_memory(registry->runs.at[i]) ? registry->runs.at[i] : NULL;
    }
    return best;
}

static bool is_too_much(const struct registry *registry)
{
    uint64_t bytes = 0;
    size_t n = 0;
    for (size_t i = 0; i < registry->runs.n; i++) {
        const struct run *run = registry->runs.at[i]->run;
        if (run != NULL && run->store != NULL) {
            bytes += store_memory(run->store).total_bytes;
            n++;
        }
    }
    return n >= registry->limit_runs || bytes > registry->limit_bytes;
}

// In memory, for one more run.
static void make_room(struct registry *registry)
{
    for (struct kept_run *kept; is_too_much(registry) && (kept = whom_to_drop(registry)) != NULL;) {
        if (is_filed(kept)) {
            put_on_shelf(registry, kept);
        } else {
            forget(registry, kept);
        }
    }
}

static bool may_be_removed(const struct kept_run *kept, const char *path)
{
    if (kept != NULL) {
        return kept->phase == KEPT_OVER && kept->n_jobs == 0 && !kept->loading &&
               !registry_is_spooling(kept);
    }
    return !run_file_is_owned(path);
}

// On the disk: the oldest files go.
static void trim_history(struct registry *registry)
{
    struct history_list list;
    history_scan(&registry->history, &list);
    uint64_t bytes = 0;
    for (size_t i = 0; i < list.entries.n; i++) {
        bytes += list.entries.at[i].bytes;
    }
    size_t n = list.entries.n;
    for (size_t i = 0; i < list.entries.n; i++) {
        const struct history_entry *entry = &list.entries.at[i];
        if (n <= registry->history.keep_runs && bytes <= registry->history.keep_bytes) {
            break;
        }
        CLEANUP(freep) char *path = history_path(&registry->history, entry->id);
        struct kept_run *kept = find_in_history(registry, entry->id);
        if (!may_be_removed(kept, path)) {
            continue;
        }
        history_remove(path);
        log_info("stax-server", "%s was removed from the history, which was full", path);
        n--;
        bytes -= entry->bytes;
        if (kept != NULL) {
            forget(registry, kept);
        }
    }
    vec_fini(&list.entries);
}

// ---- Starting ----------------------------------------------------------------------------------

static void on_change(void *context)
{
    loop_wake(&((struct server *)context)->loop);
}

static int create_file(struct registry *registry, struct kept_run *kept, const char *path,
                       struct err *reterr)
{
    if (path != NULL) {
        int r = output_create(path, &kept->file, &kept->replaced, reterr);
        if (r < 0) {
            return r;
        }
        kept->path = alloc_text(path, strlen(path));
        kept->has_file = true;
        return 0;
    }
    uint32_t id = history_create(&registry->history, kept->id, &kept->file);
    kept->note = registry->history.note;
    if (id != 0) {
        kept->id = id; // others may have recorded meanwhile
        registry->next_id = MAX(registry->next_id, id + 1);
        kept->path = history_path(&registry->history, id);
        kept->has_file = true;
        kept->history_id = id;
    }
    return 0;
}

// Behind all that there are. Where somebody has put a file with the last number: the first that
// nobody has.
static uint32_t choose_id(struct registry *registry, const struct history_list *list)
{
    if (list->entries.n > 0) {
        registry->next_id = MAX(registry->next_id, vec_last(&list->entries)->id + 1);
    }
    uint32_t id = registry->next_id;
    if (id > HISTORY_ID_MAX) {
        id = 1;
        while (history_list_has(list, id) || index_of(registry, id) != SIZE_MAX) {
            id++;
        }
    }
    return id;
}

static uint32_t free_id(struct registry *registry)
{
    struct history_list list;
    history_scan(&registry->history, &list);
    uint32_t id = choose_id(registry, &list);
    vec_fini(&list.entries);
    return id;
}

// Nobody has seen the number.
static void give_back_id(struct registry *registry, const struct kept_run *kept)
{
    if (kept->id + 1 == registry->next_id) {
        registry->next_id--;
    }
}

static void free_params(struct run_params *params)
{
    free(params->label);
    free(params->replay_path);
    free(params->tap_path);
}

int registry_start(struct registry *registry, struct registry_start start, struct err *reterr)
{
    ASSERT(start.is_import || registry->active == NULL);
    make_room(registry);
    struct kept_run *kept = add_kept(registry, free_id(registry));
    int r = create_file(registry, kept, start.file, reterr);
    if (r < 0) {
        free_params(&start.params);
        give_back_id(registry, kept);
        forget(registry, kept);
        return r;
    }
    const char *tap = start.is_import ? NULL : registry->server->tap_path;
    start.params.on_change = on_change;
    start.params.context = registry->server;
    start.params.tap_path = tap == NULL ? NULL : alloc_text(tap, strlen(tap));
    kept->is_import = start.is_import;
    kept->start_connection = start.connection;
    kept->start_ticket = start.ticket;
    kept->run = run_new(kept->id, start.params, &registry->server->library);
    if (!start.is_import) {
        registry->active = kept;
        registry->selected = 0;
    }
    return 0;
}

size_t registry_count_imports(const struct registry *registry)
{
    size_t n = 0;
    for (size_t i = 0; i < registry->runs.n; i++) {
        n += registry->runs.at[i]->is_import && registry->runs.at[i]->phase != KEPT_OVER;
    }
    return n;
}

// ---- Changes of what goes on -------------------------------------------------------------------

static void put_facts(void *context, struct facts *facts)
{
    struct backing *backing = context;
    run_facts_of(facts, backing->run);
}

static void on_spool_change(void *context)
{
    struct backing *backing = context;
    loop_wake(&backing->server->loop);
}

static void begin_spool(struct registry *registry, struct kept_run *kept)
{
    if (!kept->has_file) {
        return;
    }
    struct backing *backing = add_backing(registry, kept);
    struct spool_params params = {
        .file = kept->file,
        .store = kept->run->store,
        .library = kept->run->library,
        .put_facts = put_facts,
        .on_change = on_spool_change,
        .context = backing,
    };
    kept->has_file = false;
    backing->spool = spool_new(params);
    struct pager pager = spool_pager(backing->spool);
    store_set_pager(kept->run->store, &pager, LIMIT_RESIDENT_BYTES);
}

// Which kind of refusal a capture's errno is.
static enum rpc_error_kind kind_of(int number)
{
    switch (number) {
    case EACCES:
    case EPERM:
        return RPC_ERROR_PERMISSION;
    case ESRCH:
    case ENOENT:
        return RPC_ERROR_NOT_FOUND;
    case EINVAL:
        return RPC_ERROR_INVALID_PARAMS;
    default:
        return RPC_ERROR_CAPTURE_FAILED;
    }
}

// Its file goes, too. Its number is free again: nobody has seen it.
static void undo(struct registry *registry, struct kept_run *kept)
{
    if (kept->backing != NULL) { // now: the next one may get the same file
        spool_free(TAKE(kept->backing->spool));
    }
    if (kept->has_file) {
        run_file_close(&kept->file);
        kept->has_file = false;
    }
    if (kept->path != NULL) {
        output_take_back(kept->path, TAKE(kept->replaced));
    }
    give_back_id(registry, kept);
    forget(registry, kept);
}

static void fail(struct registry *registry, struct kept_run *kept)
{
    const struct run *run = kept->run;
    log_warning("run %u failed: %s", run->id, run->error.text);
    connections_refuse(&registry->server->connections, kept->start_connection, kept->start_ticket,
                       kind_of(run->error_number), run->error.text);
    undo(registry, kept);
}

static void answer_starter(struct registry *registry, struct kept_run *kept)
{
    if (kept->start_ticket == 0) {
        return;
    }
    CLEANUP(text_fini) struct text result = {0};
    struct json j;
    json_init(&j, &result);
    json_object_begin(&j);
    json_u64_field(&j, "id", kept->id);
    if (kept->is_import) {
        json_key(&j, "summary");
        summary_put(&j, kept);
    }
    json_object_end(&j);
    connections_answer(&registry->server->connections, kept->start_connection, kept->start_ticket,
                       &result);
    kept->start_ticket = 0;
}

static void begin(struct registry *registry, struct kept_run *kept)
{
    const struct run *run = kept->run;
    kept->phase = KEPT_GOING;
    begin_spool(registry, kept);
    log_info("stax-server", "run %u: recording pid %u (%s) at %u Hz", run->id,
             run->params.request.pid, run->params.label, run->params.request.frequency_hz);
    if (kept->note.text[0] != 0) {
        log_warning("run %u: %s", run->id, kept->note.text);
    }
    if (!kept->is_import) {
        answer_starter(registry, kept);
    }
}

static bool never_began(const struct kept_run *kept)
{
    return kept->run->params.request.launched && !atomic_load(&kept->run->began);
}

static void retire(struct registry *registry, struct kept_run *kept)
{
    run_retire(kept->run);
    if (never_began(kept)) {
        log_info("stax-server", "run %u: the program did not start; forgotten", kept->id);
        waiters_check(&registry->server->waiters);
        undo(registry, kept);
        return;
    }
    output_keep(TAKE(kept->replaced));
    run_facts_of(&kept->facts, kept->run);
    kept->phase = KEPT_OVER;
    if (kept->backing != NULL) {
        spool_finish(kept->backing->spool);
    }
    if (kept->is_import) {
        answer_starter(registry, kept);
        registry->selected = kept->id;
    }
    CLEANUP(text_fini) struct text line = {0};
    summary_put_line(&line, kept->run);
    log_info("stax-server", "%s", text_get(&line));
    trim_history(registry);
}

static void check(struct registry *registry, struct kept_run *kept)
{
    enum run_state state = run_state(kept->run);
    bool over = state == RUN_STOPPED || state == RUN_FAILED;
    if (over && kept == registry->active) {
        registry->active = NULL;
    }
    if (state == RUN_FAILED) {
        fail(registry, kept);
        return;
    }
    if (kept->phase == KEPT_ARMING && state != RUN_ARMING) {
        begin(registry, kept);
    }
    // One that is to be undone while it is being saved waits for that.
    if (state == RUN_STOPPED && !(never_began(kept) && kept->n_jobs > 0)) {
        retire(registry, kept);
    }
}

// A run that is over, and all of it in its file by now: whoever looks at its code may look there.
static void tell_names(struct kept_run *kept)
{
    bool may_come = kept->run != NULL && kept->path != NULL && kept->backing != NULL &&
                    kept->backing->spool != NULL && run_names_path(kept->run) == NULL;
    if (kept->phase == KEPT_OVER && may_come && !registry_is_spooling(kept)) {
        struct spool_report report;
        registry_spool_report(kept, &report);
        if (report.names_complete) {
            run_set_names_path(kept->run, kept->path);
        }
    }
}

void registry_check(struct registry *registry)
{
    for (size_t i = 0; i < registry->runs.n; i++) {
        tell_names(registry->runs.at[i]);
    }
    for (size_t i = registry->runs.n; i-- > 0;) {
        // The history may have been trimmed meanwhile.
        if (i < registry->runs.n && registry->runs.at[i]->phase != KEPT_OVER) {
            check(registry, registry->runs.at[i]);
        }
    }
}

bool registry_is_quiet(const struct registry *registry)
{
    for (size_t i = 0; i < registry->runs.n; i++) {
        const struct kept_run *kept = registry->runs.at[i];
        if (kept->phase != KEPT_OVER || registry_is_spooling(kept)) {
            return false;
        }
    }
    return true;
}

void registry_request_stop(struct registry *registry)
{
    for (size_t i = 0; i < registry->runs.n; i++) {
        if (registry->runs.at[i]->phase != KEPT_OVER) {
            run_request_stop(registry->runs.at[i]->run);
        }
    }
}

// ---- Runs of earlier servers, and of others ----------------------------------------------------

static bool is_recording(const struct facts *facts)
{
    return strcmp(facts_text(facts, "state", ""), "recording") == 0;
}

// Left behind by a server that died: what lies beside it is taken in. Where that may not be done,
// it is read as it is.
static bool belongs_to_nobody(const char *path)
{
    struct run_file file;
    struct err ignored = {0};
    int r = run_file_adopt(path, &file, &ignored);
    if (r == 0) {
        run_file_settle(&file, &ignored);
        run_file_close(&file);
    }
    return r != -EBUSY || !run_file_is_owned(path); // others may be reading it
}

static struct file_stamp stamp_of(const char *path)
{
    struct stat st = {0};
    stat(path, &st);
    return (struct file_stamp){
        .device = st.st_dev,
        .inode = st.st_ino,
        .bytes = (uint64_t)st.st_size,
        .changed_ns = (uint64_t)st.st_ctim.tv_sec * NS_PER_S + (uint64_t)st.st_ctim.tv_nsec,
    };
}

static bool same_file(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           a->changed_ns == b->changed_ns;
}

// What `list` says of it. False: it belongs to another server, which is not done with it; or it has
// gone.
static bool read_facts(struct kept_run *kept)
{
    if (run_file_is_owned(kept->path)) {
        return false;
    }
    kept->stamp = stamp_of(kept->path);
    int r = archive_read_facts(kept->path, &kept->facts, &kept->note);
    if (r == -ENOENT) {
        return false;
    }
    if (r < 0) {
        kept->is_unreadable = true;
        facts_set_text(&kept->facts, "label", kept->path);
        facts_set_text(&kept->facts, "state", "stopped");
        facts_set_text(&kept->facts, "stop_reason", run_stop_reason_name(RUN_STOP_RECORDER_ERROR));
        return true;
    }
    if (is_recording(&kept->facts)) {
        if (!belongs_to_nobody(kept->path)) {
            return false;
        }
        run_facts_recover(&kept->facts);
    }
    return true;
}

static void add_from_history(struct registry *registry, const struct history_list *list,
                             uint32_t history_id)
{
    bool is_taken = index_of(registry, history_id) != SIZE_MAX;
    uint32_t id = is_taken ? choose_id(registry, list) : history_id;
    struct kept_run *kept = add_kept(registry, id);
    kept->phase = KEPT_OVER;
    kept->history_id = history_id;
    kept->path = history_path(&registry->history, history_id);
    if (!read_facts(kept)) {
        if (is_taken) {
            give_back_id(registry, kept);
        }
        forget(registry, kept);
    }
}

// What is known of a file on the shelf holds no longer: another server has removed it, or it was
// being copied when we looked.
static bool is_stale(const struct kept_run *kept, const struct history_list *list)
{
    if (kept->history_id == 0 || kept->run != NULL || kept->loading) {
        return false;
    }
    if (!history_list_has(list, kept->history_id)) {
        return true;
    }
    struct file_stamp now = kept->is_unreadable ? stamp_of(kept->path) : kept->stamp;
    return !same_file(&now, &kept->stamp);
}

void registry_look(struct registry *registry)
{
    struct history_list list;
    CLEANUP(map_fini) struct map known = {0};
    history_scan(&registry->history, &list);
    for (size_t i = registry->runs.n; i-- > 0;) {
        struct kept_run *kept = registry->runs.at[i];
        if (is_stale(kept, &list)) {
            forget(registry, kept);
        } else if (kept->history_id != 0) {
            map_set(&known, hash_u64(kept->history_id), kept->id);
        }
    }
    for (size_t i = 0; i < list.entries.n; i++) {
        uint32_t history_id = list.entries.at[i].id;
        if (map_find(&known, hash_u64(history_id)) == MAP_NONE) {
            add_from_history(registry, &list, history_id);
        }
    }
    vec_fini(&list.entries);
}

static struct kept_run *find_file(struct registry *registry, const char *path)
{
    for (size_t i = 0; i < registry->runs.n; i++) {
        struct kept_run *kept = registry->runs.at[i];
        if (kept->path != NULL && strcmp(kept->path, path) == 0) {
            return kept;
        }
    }
    return NULL;
}

// What is known under that path is no longer what lies there. One of our own is: it does not change
// but by our hand.
static bool is_outdated(const struct kept_run *known, const struct file_stamp *now)
{
    bool is_busy = known->phase != KEPT_OVER || known->n_jobs > 0 || known->loading;
    return !is_busy && known->history_id == 0 && !same_file(&known->stamp, now);
}

// Files that were opened are known until there are too many of them.
static void trim_opened(struct registry *registry)
{
    size_t n = 0;
    struct kept_run *oldest = NULL;
    for (size_t i = 0; i < registry->runs.n; i++) {
        struct kept_run *kept = registry->runs.at[i];
        n += kept->is_opened;
        bool may_go = kept->is_opened && kept->n_jobs == 0 && !kept->loading &&
                      kept->id != registry->selected;
        if (may_go && (oldest == NULL || kept->last_used < oldest->last_used)) {
            oldest = kept;
        }
    }
    if (n >= LIMIT_OPENED && oldest != NULL) {
        forget(registry, oldest);
    }
}

struct kept_run *registry_open(struct registry *registry, const char *path, struct err *reterr)
{
    registry_look(registry);
    struct file_stamp now = stamp_of(path);
    struct kept_run *known = find_file(registry, path);
    if (known != NULL && !is_outdated(known, &now)) {
        return known;
    }
    if (known != NULL) {
        forget(registry, known);
    }
    struct facts facts = {0};
    int r = archive_read_facts(path, &facts, reterr);
    if (r == 0 && run_file_is_owned(path)) {
        r = err_set(reterr, EBUSY, "%s is being written at this moment; ask the server that does",
                    path);
    }
    if (r < 0) {
        facts_fini(&facts);
        return NULL;
    }
    trim_opened(registry);
    struct kept_run *kept = add_kept(registry, free_id(registry));
    kept->phase = KEPT_OVER;
    kept->last_used = ++registry->uses;
    kept->path = alloc_text(path, strlen(path));
    kept->is_opened = true;
    kept->stamp = now;
    kept->facts = facts;
    if (is_recording(&facts)) {
        run_facts_recover(&kept->facts);
    }
    return kept;
}

// ---- From the shelf ----------------------------------------------------------------------------

void registry_load(struct registry *registry, struct kept_run *kept)
{
    ASSERT(kept->run == NULL && kept->path != NULL);
    if (kept->loading) {
        return;
    }
    kept->loading = true;
    struct filer_job *job = NEW(struct filer_job);
    job->kind = FILER_LOAD;
    job->run = kept->id;
    job->path = alloc_text(kept->path, strlen(kept->path));
    job->library = &registry->server->library;
    filer_ask(&registry->server->loader, job);
}

static void on_unreadable(struct registry *registry, struct kept_run *kept, const struct err *why)
{
    if (kept->history_id == 0) {
        forget(registry, kept); // a file that cannot be opened is no run
        return;
    }
    kept->note = *why;
    kept->is_unreadable = true;
    kept->stamp = stamp_of(kept->path);
}

// They are those of the rows that were loaded, whatever there was when we first looked.
static void take_facts(struct kept_run *kept, struct facts *facts)
{
    facts_fini(&kept->facts);
    kept->facts = *facts;
    *facts = (struct facts){0};
    if (is_recording(&kept->facts)) {
        run_facts_recover(&kept->facts);
    }
}

struct kept_run *registry_on_loaded(struct registry *registry, struct filer_job *job)
{
    size_t index = index_of(registry, job->run);
    ASSERT(index != SIZE_MAX); // it is not forgotten while it is loading
    struct kept_run *kept = registry->runs.at[index];
    kept->loading = false;
    if (job->loaded == NULL) {
        on_unreadable(registry, kept, &job->error);
        return NULL;
    }
    make_room(registry);
    struct loaded_run *loaded = TAKE(job->loaded);
    kept->note = loaded->note;
    kept->is_unreadable = false;
    take_facts(kept, &loaded->facts);
    kept->run = run_new_past(kept->id, facts_text(&kept->facts, "label", kept->path),
                             facts_text(&kept->facts, "backend", ""),
                             loaded->library != NULL ? loaded->library : &registry->server->library,
                             loaded->store);
    run_facts_apply(&kept->facts, kept->run);
    run_set_names_path(kept->run, kept->path);
    add_backing(registry, kept)->loaded = loaded;
    return kept;
}

// ---- Finding -----------------------------------------------------------------------------------

static struct kept_run *use(struct registry *registry, struct kept_run *kept)
{
    kept->last_used = ++registry->uses;
    return kept;
}

struct kept_run *registry_find(struct registry *registry, uint32_t id)
{
    if (index_of(registry, id) == SIZE_MAX) {
        registry_look(registry);
    }
    size_t index = index_of(registry, id);
    if (index == SIZE_MAX || registry->runs.at[index]->phase == KEPT_ARMING) {
        return NULL;
    }
    return use(registry, registry->runs.at[index]);
}

bool registry_is_arming(const struct registry *registry, uint32_t id)
{
    size_t index = index_of(registry, id);
    return index != SIZE_MAX && registry->runs.at[index]->phase == KEPT_ARMING;
}

static struct kept_run *newest(struct registry *registry)
{
    for (size_t i = registry->runs.n; i-- > 0;) {
        struct kept_run *kept = registry->runs.at[i];
        if (kept->phase != KEPT_ARMING && !kept->is_opened) {
            return use(registry, kept);
        }
    }
    return NULL;
}

struct kept_run *registry_current(struct registry *registry)
{
    if (registry->selected != 0) {
        struct kept_run *selected = registry_find(registry, registry->selected);
        if (selected != NULL) {
            return selected;
        }
    }
    if (registry->active != NULL && registry->active->phase == KEPT_GOING) {
        return use(registry, registry->active);
    }
    if (newest(registry) == NULL) {
        registry_look(registry);
    }
    return newest(registry);
}

bool registry_is_loaded(const struct kept_run *kept)
{
    return kept->backing != NULL && kept->backing->loaded != NULL;
}

struct run_file *registry_names(const struct kept_run *kept)
{
    bool has_names = registry_is_loaded(kept) && kept->backing->loaded->library != NULL;
    return has_names ? &kept->backing->loaded->file : NULL;
}

void registry_facts(const struct kept_run *kept, struct facts *ret)
{
    struct spool_report report;
    registry_spool_report(kept, &report);
    if (kept->phase == KEPT_OVER) {
        facts_copy(ret, &kept->facts);
    } else {
        *ret = (struct facts){0};
        run_facts_of(ret, kept->run);
    }
    if (kept->note.text[0] != 0) {
        run_facts_add_note(ret, kept->note.text);
    }
    if (report.note.text[0] != 0) {
        run_facts_add_note(ret, report.note.text);
    }
}
