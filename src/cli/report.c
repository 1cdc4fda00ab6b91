#include "cli/report.h"

#include "cli/format.h"
#include "cli/session.h"
#include "cli/waits.h"

#include <stdio.h>

static const char SEPARATOR[] = " · ";

enum { LABEL_COLUMNS = 60 };

// Unresolved leaves below this share are ordinary and not worth a line.
static const double NOTEWORTHY_PCT = 1.0;

void report_print(const struct text *text)
{
    fwrite(text_get(text), 1, text->n, stdout);
}

void report_put_lost(struct text *to, const json_t *holder)
{
    uint64_t samples = result_u64(holder, "lost_samples");
    uint64_t records = result_u64(holder, "lost_records");
    if (samples == 0 && records == 0) {
        text_add(to, "nothing lost");
        return;
    }
    format_things(to, samples, "sample lost", "samples lost");
    if (records > 0) {
        text_add(to, ", ");
        format_things(to, records, "record lost", "records lost");
    }
}

void report_put_key(struct text *to, const char *key)
{
    for (; *key != 0; key++) {
        text_add_char(to, *key == '_' ? ' ' : *key);
    }
}

void report_put_state(struct text *to, const json_t *run)
{
    const char *reason = result_text(run, "stop_reason");
    if (result_bool(run, "recovered")) {
        text_add(to, "recovered");
        return;
    }
    text_add(to, result_text(run, "state"));
    if (reason[0] != 0) {
        text_add(to, ": ");
        report_put_key(to, reason);
    }
}

// The reason that most of them have.
static void put_truncated(struct text *to, const json_t *truncated)
{
    const char *most = NULL;
    json_int_t most_n = 0;
    const char *reason;
    json_t *n;
    json_object_foreach((json_t *)(uintptr_t)truncated, reason, n)
    {
        if (json_integer_value(n) > most_n) {
            most = reason;
            most_n = json_integer_value(n);
        }
    }
    if (most != NULL) {
        text_add(to, ": ");
        report_put_key(to, most);
    }
}

static void put_health(struct text *to, const json_t *health)
{
    CLEANUP(text_fini) struct text line = {0};
    uint64_t throttled = result_u64(health, "throttled");
    double truncated = result_double(health, "truncated_pct");
    double unresolved = result_double(health, "unresolved_pct");
    if (result_u64(health, "lost_samples") > 0 || result_u64(health, "lost_records") > 0) {
        report_put_lost(&line, health);
    }
    if (throttled > 0) {
        text_add(&line, line.n > 0 ? SEPARATOR : "");
        text_add(&line, "throttled ");
        format_things(&line, throttled, "time", "times");
    }
    if (truncated > NOTEWORTHY_PCT) {
        text_addf(&line, "%s%.1f %% of stacks lack callers", line.n > 0 ? SEPARATOR : "",
                  truncated);
        put_truncated(&line, json_object_get(health, "truncated"));
    }
    if (unresolved > NOTEWORTHY_PCT) {
        text_addf(&line, "%s%.1f %% of samples without a name (stax diagnose says why)",
                  line.n > 0 ? SEPARATOR : "", unresolved);
    }
    uint64_t unpaired = result_u64(health, "unpaired_switches");
    if (unpaired > 0) {
        text_add(&line, line.n > 0 ? SEPARATOR : "");
        format_things(&line, unpaired, "switch", "switches");
        text_add(&line, " without its counterpart: times around it are uncertain");
    }
    if (line.n > 0) {
        text_addf(to, "note: %s\n", text_get(&line));
    }
}

// In front of every answer, so short; `stax list` has all of it.
static void put_short_label(struct text *to, const json_t *run)
{
    CLEANUP(text_fini) struct text label = {0};
    const char *whole = result_text(run, "label");
    text_add_escaped(&label, whole, strlen(whole));
    format_cut(&label, LABEL_COLUMNS);
    text_add(to, text_get(&label));
}

static void put_unsampled(struct text *to, const json_t *answer)
{
    uint64_t unsampled_ns = result_u64(json_object_get(answer, "health"), "unsampled_ns");
    double all_ns = (double)result_u64(answer, "total_on_cpu_ns");
    if ((double)unsampled_ns * 100 > NOTEWORTHY_PCT * all_ns) {
        text_add(to, "note: ");
        format_ms(to, unsampled_ns);
        text_add(to, " ms of that by threads too short-lived for a sample: no function has it\n");
    }
}

void report_put_head(struct text *to, const json_t *run, const json_t *answer)
{
    const json_t *health = json_object_get(answer, "health");
    text_addf(to, "run %llu%s", (unsigned long long)result_u64(run, "id"), SEPARATOR);
    report_put_state(to, run);
    text_add(to, SEPARATOR);
    put_short_label(to, run);
    text_add(to, SEPARATOR);
    format_things(to, result_u64(health, "samples"), "sample", "samples");
    text_add(to, SEPARATOR);
    format_ms(to, result_u64(answer, "total_on_cpu_ns"));
    text_addf(to, " ms on CPU (%s)\n", result_bool(health, "estimated") ? "estimated" : "exact");
    put_health(to, health);
    put_unsampled(to, answer);
}

bool report_put_unrecorded(struct text *to, const json_t *answer)
{
    // Exact on-CPU times come from switch records, and so do waits: no ones without the others.
    bool unrecorded = result_bool(json_object_get(answer, "health"), "estimated");
    text_add(to, unrecorded ? "waiting was not recorded (stax status says why)\n" : "");
    return unrecorded;
}

void report_put_waits(struct text *to, const json_t *answer)
{
    if (report_put_unrecorded(to, answer)) {
        return;
    }
    struct waits waits = waits_read(json_object_get(answer, "total_off_cpu"));
    double approximate = result_double(json_object_get(answer, "health"), "approximate_pct");
    text_add(to, "waits: ");
    format_ms(to, waits.total_ns);
    text_add(to, " ms blocked");
    const char *separator = ": ";
    for (bool more = waits.total_ns > 0; more;) { // the largest first
        size_t largest = 0;
        for (size_t i = 0; i < WAITS_REASONS; i++) {
            largest = waits.ns[i] > waits.ns[largest] ? i : largest;
        }
        more = waits.ns[largest] > 0;
        if (more) {
            text_addf(to, "%s%s ", separator, waits_shown(largest));
            format_ms(to, waits.ns[largest]);
            separator = ", ";
            waits.ns[largest] = 0;
        }
    }
    text_add(to, "\n");
    if (approximate > NOTEWORTHY_PCT) {
        text_addf(to,
                  "note: of %.0f %% of that the stack is not that of the wait itself, but the last "
                  "one known\n",
                  approximate);
    }
}

void report_put_summary(struct text *to, const json_t *run)
{
    uint64_t duration_ns = result_u64(run, "duration_ns");
    uint64_t samples = result_u64(run, "samples");
    const char *label = result_text(run, "label");
    text_addf(to, "run %llu ", (unsigned long long)result_u64(run, "id"));
    report_put_state(to, run);
    text_addf(to, "\n  target    pid %llu, ", (unsigned long long)result_u64(run, "target_pid"));
    text_add_escaped(to, label, strlen(label));
    text_add(to, "\n  duration  ");
    format_duration(to, duration_ns);
    text_add(to, "\n  samples   ");
    format_count(to, samples);
    text_addf(to, " (at most %llu/s per thread",
              (unsigned long long)result_u64(run, "frequency_hz"));
    if (duration_ns > 0) {
        text_add(to, ", ");
        format_count(to, (uint64_t)((double)samples * 1e9 / (double)duration_ns));
        text_add(to, "/s in all");
    }
    text_add(to, "), ");
    report_put_lost(to, run);
    text_add(to, "\n  threads   ");
    format_count(to, result_u64(run, "threads"));
    text_add(to, ", ");
    format_things(to, result_u64(run, "off_cpu_intervals"), "wait", "waits");
    text_add(to, "\n");
    size_t i;
    json_t *note;
    json_array_foreach(json_object_get(run, "notes"), i, note)
    {
        text_add(to, "  note      ");
        text_add_escaped(to, json_string_value(note), json_string_length(note));
        text_add(to, "\n");
    }
}
