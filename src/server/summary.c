#include "server/summary.h"

#include "base/clock.h"

#include <stdio.h>

// A child that merely ran /bin/true is not worth a sentence.
enum { CHILDREN_CPU_WORTH_SAYING_NS = 20 * NS_PER_MS };

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

uint64_t summary_duration_ns(const struct run *run)
{
    bool live = run_state(run) == RUN_RECORDING && run->params.replay_path == NULL;
    uint64_t end_ns = live ? clock_now_ns() : store_end_ns(run->store);
    return end_ns - MIN(end_ns, run->started_ns);
}

// Those of the recorded processes.
static uint64_t n_threads(const struct store *store)
{
    uint64_t n = 0;
    uint32_t n_rows = atomic_load_explicit(&store->threads.n, memory_order_acquire);
    for (thread_id id = 0; id < n_rows; id++) {
        n += !store_thread(store, id)->foreign;
    }
    return n;
}

static void put_ability_note(struct json *j, const struct run *run, enum capture_ability ability,
                             const char *what)
{
    const struct capture_ability_state *state = &run->abilities.at[ability];
    if (!state->available && state->reason.text[0] != 0) {
        char line[ERR_TEXT_BYTES + 64];
        snprintf(line, sizeof line, "%s: %s", what, state->reason.text);
        json_cstr(j, line);
    }
}

static void put_notes(struct json *j, const struct run *run)
{
    const struct store *store = run->store;
    char line[ERR_TEXT_BYTES + 64];
    json_array_begin(j);
    if (atomic_load(&run->stop_reason) == RUN_STOP_RECORDER_ERROR &&
        run_state(run) == RUN_STOPPED) {
        snprintf(line, sizeof line, "the recording broke off: %s", run->error.text);
        json_cstr(j, line);
    }
    if (atomic_load_explicit(&run->has_late_note, memory_order_acquire)) {
        json_cstr(j, run->late_note.text);
    }
    if (run->capture_note.text[0] != 0) {
        json_cstr(j, run->capture_note.text);
    }
    uint64_t children_ns = load(&run->vitals.unrecorded_cpu_ns);
    if (children_ns >= CHILDREN_CPU_WORTH_SAYING_NS) {
        snprintf(line, sizeof line,
                 "child processes used %.2f s of CPU time that was not recorded; "
                 "record them too with --follow",
                 (double)children_ns / NS_PER_S);
        json_cstr(j, line);
    }
    put_ability_note(j, run, CAPTURE_KERNEL_STACKS, "time inside the kernel is not seen");
    put_ability_note(j, run, CAPTURE_OFF_CPU, "when threads wait is not seen");
    if (store_account(store, ACCOUNT_THROTTLES) > 0) {
        snprintf(line, sizeof line,
                 "the kernel suspended sampling %llu times; a lower -F avoids that",
                 (unsigned long long)store_account(store, ACCOUNT_THROTTLES));
        json_cstr(j, line);
    }
    if (store_account(store, ACCOUNT_SAMPLES_DROPPED) > 0) {
        json_cstr(j, "the run is full: later samples were counted and dropped");
    }
    json_array_end(j);
}

void summary_put(struct json *j, const struct run *run)
{
    const struct store *store = run->store;
    bool stopped = run_state(run) == RUN_STOPPED;
    json_object_begin(j);
    json_u64_field(j, "id", run->id);
    json_string_field(j, "state", stopped ? "stopped" : "recording");
    if (stopped) {
        json_string_field(
            j, "stop_reason",
            run_stop_reason_name((enum run_stop_reason)atomic_load(&run->stop_reason)));
    }
    json_string_field(j, "label", run->params.label);
    json_u64_field(j, "target_pid", run->params.request.pid);
    json_u64_field(j, "started_at_unix_ns", run->started_unix_ns);
    if (stopped) {
        json_u64_field(j, "stopped_at_unix_ns", run->stopped_unix_ns);
    }
    json_u64_field(j, "duration_ns", summary_duration_ns(run));
    json_u64_field(j, "samples", load(&store->samples.n));
    json_u64_field(j, "off_cpu_intervals", load(&store->intervals.n_waits));
    json_u64_field(j, "frequency_hz", run->params.request.frequency_hz);
    json_u64_field(j, "threads", n_threads(store));
    json_u64_field(j, "lost_samples", store_account(store, ACCOUNT_SAMPLES_LOST));
    json_u64_field(j, "lost_records", store_account(store, ACCOUNT_RECORDS_LOST));
    json_u64_field(j, "unrecorded_children_cpu_ns", load(&run->vitals.unrecorded_cpu_ns));
    json_bool_field(j, "estimated", !store->has_switches);
    json_key(j, "notes");
    put_notes(j, run);
    json_object_end(j);
}

void summary_put_line(struct text *to, const struct run *run)
{
    const struct store *store = run->store;
    text_addf(to, "run %u: stopped (%s) after %.2f s, %llu samples, %llu lost", run->id,
              run_stop_reason_name((enum run_stop_reason)atomic_load(&run->stop_reason)),
              (double)summary_duration_ns(run) / NS_PER_S,
              (unsigned long long)load(&store->samples.n),
              (unsigned long long)(store_account(store, ACCOUNT_SAMPLES_LOST) +
                                   store_account(store, ACCOUNT_RECORDS_LOST)));
}
