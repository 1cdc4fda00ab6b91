#include "server/summary.h"

#include "base/clock.h"
#include "server/run_facts.h"

#include <stdio.h>

static void put_number(struct json *j, const struct facts *facts, const char *name)
{
    json_u64_field(j, name, facts_number(facts, name, 0));
}

static void put_text(struct json *j, const struct facts *facts, const char *name)
{
    json_string_field(j, name, facts_text(facts, name, ""));
}

static void put_notes(struct json *j, const struct facts *facts)
{
    char name[32];
    const char *note;
    json_key(j, "notes");
    json_array_begin(j);
    for (int i = 0; i < RUN_FACTS_NOTES; i++) {
        snprintf(name, sizeof name, "note.%d", i);
        note = facts_text(facts, name, NULL);
        if (note == NULL) {
            break;
        }
        json_cstr(j, note);
    }
    json_array_end(j);
}

// A word of the protocol, whatever a file says.
static const char *stop_reason_of(const struct facts *facts)
{
    const char *reason = facts_text(facts, "stop_reason", "");
    enum run_stop_reason known = run_stop_reason_of(reason);
    return run_stop_reason_name(known == RUN_STOP_NONE ? RUN_STOP_RECORDER_ERROR : known);
}

void summary_put(struct json *j, const struct kept_run *kept)
{
    struct facts facts;
    registry_facts(kept, &facts);
    bool stopped = kept->phase == KEPT_OVER;
    json_object_begin(j);
    json_u64_field(j, "id", kept->id);
    json_string_field(j, "state", stopped ? "stopped" : "recording");
    if (stopped) {
        json_string_field(j, "stop_reason", stop_reason_of(&facts));
    }
    put_text(j, &facts, "label");
    put_number(j, &facts, "target_pid");
    put_number(j, &facts, "started_at_unix_ns");
    if (stopped) {
        put_number(j, &facts, "stopped_at_unix_ns");
    }
    put_number(j, &facts, "duration_ns");
    put_number(j, &facts, "samples");
    put_number(j, &facts, "off_cpu_intervals");
    put_number(j, &facts, "frequency_hz");
    put_number(j, &facts, "threads");
    put_number(j, &facts, "lost_samples");
    put_number(j, &facts, "lost_records");
    json_u64_field(j, "unrecorded_children_cpu_ns",
                   facts_number(&facts, "vital.unrecorded_cpu_ns", 0));
    json_bool_field(j, "estimated", facts_number(&facts, "estimated", 0) != 0);
    json_bool_field(j, "paused", !stopped && facts_number(&facts, "paused", 0) != 0);
    put_number(j, &facts, "paused_samples");
    json_bool_field(j, "recovered", facts_number(&facts, "recovered", 0) != 0);
    put_text(j, &facts, "host");
    json_string_field(j, "file", kept->path == NULL ? "" : kept->path);
    json_bool_field(j, "in_history", kept->history_id != 0);
    put_notes(j, &facts);
    json_object_end(j);
    facts_fini(&facts);
}

void summary_put_line(struct text *to, const struct run *run)
{
    const struct store *store = run->store;
    text_addf(to, "run %u: stopped (%s) after %.2f s, %llu samples, %llu lost", run->id,
              run_stop_reason_name((enum run_stop_reason)atomic_load(&run->stop_reason)),
              (double)run_duration_ns(run) / NS_PER_S,
              (unsigned long long)atomic_load(&store->samples.n),
              (unsigned long long)(store_account(store, ACCOUNT_SAMPLES_LOST) +
                                   store_account(store, ACCOUNT_RECORDS_LOST)));
}
