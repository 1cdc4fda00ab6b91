// Runs as files: RunControl.save_current, open_saved, select_run.

#include "base/limits.h"
#include "rpc/json.h"
#include "server/handlers.h"
#include "server/run_facts.h"
#include "server/server.h"
#include "server/summary.h"

#include <errno.h>
#include <string.h>

void handle_save_current(const struct call *call)
{
    const char *path = param_path(call, "path");
    struct run *run = path == NULL ? NULL : call_find_run(call, call->params);
    if (run == NULL) {
        return;
    }
    struct kept_run *kept = registry_find(&call->server->registry, run->id);
    struct filer_job *job = NEW(struct filer_job);
    job->kind = FILER_SAVE;
    job->run = run->id;
    job->path = alloc_text(path, strlen(path));
    job->library = run->library;
    job->store = run->store;
    job->names_from = registry_names(kept);
    job->connection = call->connection;
    job->ticket = call->ticket;
    if (kept->phase == KEPT_OVER) {
        facts_copy(&job->facts, &kept->facts);
        if (registry_is_loaded(kept) &&
            kept->note.text[0] != 0) { // what is lost does not come back
            run_facts_add_note(&job->facts, kept->note.text);
        }
    } else {
        run_facts_of_snapshot(&job->facts, run);
    }
    kept->n_jobs++;
    filer_ask(&call->server->saver, job);
}

void handle_saved(struct server *server, struct filer_job *job)
{
    struct kept_run *kept = registry_find(&server->registry, job->run);
    kept->n_jobs--;
    struct call call = {.server = server, .connection = job->connection, .ticket = job->ticket};
    if (job->result < 0) {
        call_refuse_errno(&call, job->result, &job->error);
        return;
    }
    CLEANUP(text_fini) struct text result = {0};
    struct json j;
    json_init(&j, &result);
    json_object_begin(&j);
    json_u64_field(&j, "run", job->run);
    json_string_field(&j, "path", job->path);
    json_u64_field(&j, "bytes", job->bytes);
    json_object_end(&j);
    call_answer(&call, &result);
}

void handle_open_saved(const struct call *call)
{
    const char *path = param_path(call, "path");
    struct err error = {0};
    if (path == NULL) {
        return;
    }
    struct registry *registry = &call->server->registry;
    struct kept_run *kept = registry_open(registry, path, &error);
    if (kept == NULL) {
        call_refuse(call, RPC_ERROR_NOT_FOUND, error.text);
        return;
    }
    if (kept->run == NULL) { // now, so that what is wrong with it is said now
        json_t *by_id = json_pack("{s:I}", "run", (json_int_t)kept->id);
        struct run *run = call_find_run(call, by_id);
        json_decref(by_id);
        if (run == NULL) {
            return;
        }
    }
    if (!json_is_false(json_object_get(call->params, "select"))) {
        registry->selected = kept->id;
    }
    CLEANUP(text_fini) struct text result = {0};
    struct json j;
    json_init(&j, &result);
    json_object_begin(&j);
    json_u64_field(&j, "id", kept->id);
    json_key(&j, "summary");
    summary_put(&j, kept);
    json_object_end(&j);
    call_answer(call, &result);
}

void handle_select_run(const struct call *call)
{
    struct registry *registry = &call->server->registry;
    struct kept_run *kept = NULL;
    if (json_object_get(call->params, "run") != NULL) {
        kept = call_find_kept(call, call->params);
        if (kept == NULL) {
            return;
        }
        registry->selected = kept->id;
    } else {
        registry->selected = 0;
        kept = registry_current(registry);
    }
    CLEANUP(text_fini) struct text result = {0};
    struct json j;
    json_init(&j, &result);
    json_object_begin(&j);
    if (kept != NULL) {
        json_key(&j, "summary");
        summary_put(&j, kept);
    }
    json_object_end(&j);
    call_answer(call, &result);
}
