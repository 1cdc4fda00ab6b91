#include "server/fetches.h"

static void put_servers(struct json *j, const struct debuginfod_report *report)
{
    json_key(j, "servers");
    json_array_begin(j);
    for (uint32_t i = 0; i < report->n_servers; i++) {
        const struct debuginfod_server_report *server = &report->servers[i];
        json_object_begin(j);
        json_string_field(j, "url", server->url);
        json_string_field(j, "state", debuginfod_state_name(server->state));
        json_u64_field(j, "rests_ns", server->rests_ns);
        json_u64_field(j, "asked", server->asked);
        json_u64_field(j, "found", server->found);
        json_u64_field(j, "missing", server->missing);
        json_u64_field(j, "failed", server->failed);
        json_u64_field(j, "bytes", server->bytes);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_transfers(struct json *j, const struct debuginfod_report *report)
{
    uint64_t now_ns = clock_now_ns();
    json_key(j, "transfers");
    json_array_begin(j);
    for (uint32_t i = 0; i < report->n_transfers; i++) {
        const struct debuginfod_transfer *transfer = &report->transfers[i];
        json_object_begin(j);
        json_string_field(j, "build_id", transfer->build_id);
        json_string_field(j, "url", transfer->url);
        json_u64_field(j, "bytes", transfer->bytes);
        json_u64_field(j, "total_bytes", transfer->total_bytes);
        json_u64_field(j, "elapsed_ns", now_ns - MIN(now_ns, transfer->since_ns));
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_failures(struct json *j, const struct debuginfod_report *report)
{
    json_key(j, "failures");
    json_array_begin(j);
    for (uint32_t i = 0; i < report->n_failures; i++) {
        const struct debuginfod_failure *failure = &report->failures[i];
        json_object_begin(j);
        json_string_field(j, "build_id", failure->build_id);
        json_string_field(j, "url", failure->url != NULL ? failure->url : "");
        json_string_field(j, "reason", failure->err.text);
        json_u64_field(j, "at_unix_ns", failure->unix_ns);
        json_object_end(j);
    }
    json_array_end(j);
}

void fetches_put(struct json *j, struct debuginfod *debuginfod)
{
    struct debuginfod_report report;
    debuginfod_report(debuginfod, &report);
    json_key(j, "debuginfod");
    json_object_begin(j);
    json_bool_field(j, "on", report.on);
    json_string_field(j, "note", report.note.text);
    json_string_field(j, "cache", report.cache_path != NULL ? report.cache_path : "");
    json_u64_field(j, "fetched", report.fetched);
    json_u64_field(j, "cached", report.cached);
    json_u64_field(j, "missing", report.missing);
    json_u64_field(j, "deferred", report.deferred);
    json_u64_field(j, "sources", report.sources);
    json_u64_field(j, "sources_missing", report.sources_missing);
    json_u64_field(j, "sources_wanted", report.sources_wanted);
    put_servers(j, &report);
    put_transfers(j, &report);
    put_failures(j, &report);
    json_object_end(j);
}
