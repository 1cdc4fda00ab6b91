#include "server/report.h"

#include "rpc/json.h"

#include <stdio.h>

enum { UNEXPLAINED_WAITS = 20, TRUNCATIONS = 20 }; // that are listed

static void put_hex_text(struct json *j, const char *key, struct slice bytes)
{
    char hex[2 * 64 + 1] = "";
    for (size_t i = 0; i < MIN(bytes.n, (size_t)64); i++) {
        snprintf(hex + 2 * i, 3, "%02x", bytes.data[i]);
    }
    json_string_field(j, key, hex);
}

static void put_images(struct json *j, const struct analysis *analysis)
{
    struct image_reports reports = {0};
    image_reports_make(&reports, analysis->tree, &analysis->everything.fold, analysis->run->store);
    json_key(j, "images");
    json_array_begin(j);
    for (size_t i = 0; i < reports.images.n; i++) {
        const struct image_report *report = &reports.images.at[i];
        json_object_begin(j);
        json_text_field(j, "path", report->path.data, report->path.n);
        put_hex_text(j, "build_id", report->build_id);
        json_string_field(j, "state", report->state);
        json_string_field(j, "note", report->note);
        json_string_field(j, "inline_note", report->inline_note);
        json_u64_field(j, "symbols", report->symbols);
        json_u64_field(j, "leaf_samples", report->leaf_samples);
        json_u64_field(j, "unresolved_samples", report->unresolved_samples);
        json_object_end(j);
    }
    json_array_end(j);
    image_reports_fini(&reports);
}

static void put_capture(struct json *j, const struct run *run)
{
    json_key(j, "capture");
    json_object_begin(j);
    json_string_field(j, "backend", run->backend_name);
    json_u64_field(j, "rings", atomic_load(&run->vitals.rings));
    json_u64_field(j, "ring_bytes", atomic_load(&run->vitals.ring_bytes));
    json_u64_field(j, "cpu_ns", atomic_load(&run->vitals.cpu_ns));
    json_u64_field(j, "drains", atomic_load(&run->vitals.drains));
    json_u64_field(j, "unwound_stacks", atomic_load(&run->vitals.unwind_walks));
    json_u64_field(j, "whole_stacks", atomic_load(&run->vitals.unwind_complete));
    json_u64_field(j, "joined_stacks", atomic_load(&run->vitals.unwind_joined));
    json_u64_field(j, "frame_pointer_steps", atomic_load(&run->vitals.unwind_fp_steps));
    json_u64_field(j, "unwind_waited_ns", atomic_load(&run->vitals.unwind_waited_ns));
    bool late = atomic_load_explicit(&run->has_late_note, memory_order_acquire);
    json_string_field(j, "note", late ? run->late_note.text : run->capture_note.text);
    json_object_end(j);
}

static void put_unexplained_waits(struct json *j, struct analysis *analysis)
{
    struct unexplained unexplained = {0};
    unexplained_make(&unexplained, analysis->tree, &analysis->everything.fold, &analysis->reasons,
                     UNEXPLAINED_WAITS);
    json_key(j, "unexplained_waits");
    json_array_begin(j);
    for (size_t i = 0; i < unexplained.waits.n; i++) {
        const struct unexplained_wait *wait = &unexplained.waits.at[i];
        json_object_begin(j);
        json_string_field(j, "function_name", wait->function_name);
        json_u64_field(j, "off_cpu_ns", wait->off_ns);
        json_u64_field(j, "intervals", wait->waits);
        json_object_end(j);
    }
    json_array_end(j);
    unexplained_fini(&unexplained);
}

static void put_jit(struct json *j, struct run *run)
{
    pthread_mutex_lock(&run->jit_lock);
    json_key(j, "jit");
    json_array_begin(j);
    for (size_t i = 0; i < run->jit.list.n; i++) {
        const struct jit_report *report = &run->jit.list.at[i];
        json_object_begin(j);
        json_u64_field(j, "pid", report->pid);
        json_string_field(j, "kind", jit_source_kind_name(report->kind));
        json_string_field(j, "path", report->path);
        json_u64_field(j, "codes", report->codes);
        json_u64_field(j, "bytes", report->bytes);
        json_u64_field(j, "bad", report->bad);
        json_u64_field(j, "skipped", report->skipped);
        json_u64_field(j, "backwards", report->backwards);
        json_string_field(j, "note", report->note.text);
        json_object_end(j);
    }
    json_array_end(j);
    json_string_field(j, "jit_note", run->jit_note.text);
    pthread_mutex_unlock(&run->jit_lock);
}

static void put_truncations(struct json *j, const struct analysis *analysis)
{
    struct truncations truncations = {0};
    truncations_make(&truncations, analysis->tree, &analysis->everything.fold, analysis->run->store,
                     TRUNCATIONS);
    json_key(j, "truncations");
    json_array_begin(j);
    for (size_t i = 0; i < truncations.places.n; i++) {
        const struct truncation_report *report = &truncations.places.at[i];
        json_object_begin(j);
        json_string_field(j, "reason", truncation_name(report->truncation));
        json_text_field(j, "path", report->path.data, report->path.n);
        json_u64_field(j, "samples", report->samples);
        json_u64_field(j, "intervals", report->waits);
        json_object_end(j);
    }
    json_array_end(j);
    json_key(j, "truncated_threads");
    json_array_begin(j);
    for (size_t i = 0; i < truncations.threads.n; i++) {
        const struct truncated_thread *thread = &truncations.threads.at[i];
        json_object_begin(j);
        json_u64_field(j, "tid", thread->tid);
        json_text_field(j, "name", thread->name.data, thread->name.n);
        json_u64_field(j, "samples", thread->samples);
        json_u64_field(j, "truncated_samples", thread->truncated_samples);
        json_object_end(j);
    }
    json_array_end(j);
    truncations_fini(&truncations);
}

void report_put(struct text *to, struct analysis *analysis)
{
    const struct run *run = analysis->run;
    const struct store *store = run->store;
    struct json j;
    json_init(&j, to);
    j.comma = true; // the server's part stands before
    json_key(&j, "run");
    json_object_begin(&j);
    json_u64_field(&j, "id", run->id);
    json_key(&j, "events");
    json_object_begin(&j);
    for (enum event_kind kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        json_u64_field(&j, event_kind_name(kind), atomic_load(&store->events[kind]));
    }
    json_object_end(&j);
    json_key(&j, "accounts");
    json_object_begin(&j);
    for (enum account account = 0; account < ACCOUNT_COUNT; account++) {
        json_u64_field(&j, account_name(account), store_account(store, account));
    }
    json_object_end(&j);
    struct store_memory memory = store_memory(store);
    json_key(&j, "memory");
    json_object_begin(&j);
    json_u64_field(&j, "total_bytes", memory.total_bytes);
    json_u64_field(&j, "rows_bytes", memory.rows_bytes);
    json_u64_field(&j, "stacks_bytes", memory.stacks_bytes);
    json_object_end(&j);
    put_unexplained_waits(&j, analysis);
    put_truncations(&j, analysis);
    json_u64_field(&j, "stacks", atomic_load(&store->stacks.n_nodes));
    json_u64_field(&j, "frames", atomic_load(&store->stacks.n_frames));
    put_capture(&j, run);
    put_images(&j, analysis);
    put_jit(&j, analysis->run);
    json_object_end(&j);
    json_object_end(&j);
}
