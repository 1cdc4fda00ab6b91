#include "server/run_facts.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/machine.h"
#include "base/text.h"

#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

// A child that merely ran /bin/true is not worth a sentence.
enum { CHILDREN_CPU_WORTH_SAYING_NS = 20 * NS_PER_MS };

enum { NAME_BYTES = 96, JIT_REPORTS_MAX = LIMIT_JIT_SOURCES };

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

uint64_t run_duration_ns(const struct run *run)
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

// ---- Notes -------------------------------------------------------------------------------------

void run_facts_add_note(struct facts *facts, const char *note)
{
    char name[NAME_BYTES];
    for (int i = 0; i < RUN_FACTS_NOTES; i++) {
        snprintf(name, sizeof name, "note.%d", i);
        if (facts_text(facts, name, NULL) == NULL) {
            facts_set_text(facts, name, note);
            return;
        }
    }
}

static void note_ability(struct facts *facts, const struct run *run, enum capture_ability ability,
                         const char *what)
{
    const struct capture_ability_state *state = &run->abilities.at[ability];
    if (!state->available && state->reason.text[0] != 0) {
        char line[ERR_TEXT_BYTES + 64];
        snprintf(line, sizeof line, "%s: %s", what, state->reason.text);
        run_facts_add_note(facts, line);
    }
}

static void put_notes(struct facts *facts, const struct run *run)
{
    const struct store *store = run->store;
    char line[ERR_TEXT_BYTES + 64];
    if (run_state(run) == RUN_STOPPED &&
        atomic_load(&run->stop_reason) == RUN_STOP_RECORDER_ERROR) {
        snprintf(line, sizeof line, "the recording broke off: %s", run->error.text);
        run_facts_add_note(facts, line);
    }
    if (atomic_load_explicit(&run->has_late_note, memory_order_acquire)) {
        run_facts_add_note(facts, run->late_note.text);
    }
    if (run->capture_note.text[0] != 0) {
        run_facts_add_note(facts, run->capture_note.text);
    }
    uint64_t children_ns = load(&run->vitals.unrecorded_cpu_ns);
    if (children_ns >= CHILDREN_CPU_WORTH_SAYING_NS) {
        snprintf(line, sizeof line,
                 "child processes used %.2f s of CPU time that was not recorded; "
                 "record them too with --follow",
                 (double)children_ns / NS_PER_S);
        run_facts_add_note(facts, line);
    }
    note_ability(facts, run, CAPTURE_KERNEL_STACKS, "time inside the kernel is not seen");
    note_ability(facts, run, CAPTURE_OFF_CPU, "when threads wait is not seen");
    if (store_account(store, ACCOUNT_THROTTLES) > 0) {
        snprintf(line, sizeof line,
                 "the kernel suspended sampling %llu times; a lower -F avoids that",
                 (unsigned long long)store_account(store, ACCOUNT_THROTTLES));
        run_facts_add_note(facts, line);
    }
    if (store_account(store, ACCOUNT_SAMPLES_DROPPED) > 0) {
        run_facts_add_note(facts, "the run is full: later samples were counted and dropped");
    }
}

// ---- Pauses ------------------------------------------------------------------------------------

enum { PAUSES_TOLD = 4 }; // each in a sentence of its own

static const char *pause_name(char name[NAME_BYTES], uint32_t i, const char *member)
{
    snprintf(name, NAME_BYTES, "pause.%u.%s", i, member);
    return name;
}

static uint64_t since_start(const struct run *run, uint64_t time_ns)
{
    return time_ns - MIN(time_ns, run->started_ns);
}

// Times count from the start of the run; an end of 0: it was never resumed.
static void put_pauses(struct facts *facts, const struct run *run)
{
    char name[NAME_BYTES];
    uint32_t n = pauses_count(&run->pauses);
    for (uint32_t i = 0; i < n; i++) {
        struct pause pause = pauses_get(&run->pauses, i);
        uint64_t end_ns = pause.end_ns == 0 ? 0 : since_start(run, pause.end_ns);
        facts_set_number(facts, pause_name(name, i, "start_ns"), since_start(run, pause.start_ns));
        facts_set_number(facts, pause_name(name, i, "end_ns"), end_ns);
        facts_set_number(facts, pause_name(name, i, "samples"), pause.dropped);
    }
    facts_set_number(facts, "paused", pauses_are_on(&run->pauses));
    facts_set_number(facts, "paused_samples", pauses_dropped(&run->pauses));
}

static void apply_pauses(const struct facts *facts, struct run *run)
{
    char name[NAME_BYTES];
    for (uint32_t i = 0; i < LIMIT_PAUSES; i++) {
        uint64_t start_ns = facts_number(facts, pause_name(name, i, "start_ns"), UINT64_MAX);
        uint64_t end_ns = facts_number(facts, pause_name(name, i, "end_ns"), 0);
        struct pause pause = {
            .start_ns = run->started_ns + start_ns,
            .end_ns = end_ns == 0 ? 0 : run->started_ns + end_ns,
            .dropped = facts_number(facts, pause_name(name, i, "samples"), 0),
        };
        if (start_ns == UINT64_MAX || !pauses_restore(&run->pauses, &pause)) {
            return;
        }
    }
}

// The same whether the run goes on, is over, or was saved in between.
static void note_pause(struct facts *facts, const struct run *run, const struct pause *pause)
{
    char until[64] = "on";
    char line[ERR_TEXT_BYTES];
    if (pause->end_ns != 0) {
        snprintf(until, sizeof until, "to %.1f s",
                 (double)since_start(run, pause->end_ns) / NS_PER_S);
    }
    snprintf(line, sizeof line, "samples were not taken in from %.1f s %s: %llu of them",
             (double)since_start(run, pause->start_ns) / NS_PER_S, until,
             (unsigned long long)pause->dropped);
    run_facts_add_note(facts, line);
}

static void note_pauses(struct facts *facts, const struct run *run)
{
    uint32_t n = pauses_count(&run->pauses);
    for (uint32_t i = 0; i < MIN(n, (uint32_t)PAUSES_TOLD); i++) {
        struct pause pause = pauses_get(&run->pauses, i);
        note_pause(facts, run, &pause);
    }
    if (n > PAUSES_TOLD) {
        char line[ERR_TEXT_BYTES];
        snprintf(line, sizeof line,
                 "the run was paused %u times: samples that were not taken in, in all: %llu", n,
                 (unsigned long long)pauses_dropped(&run->pauses));
        run_facts_add_note(facts, line);
    }
}

// ---- How it was recorded -----------------------------------------------------------------------

#define VITAL(member)                                                                              \
    {                                                                                              \
        "vital." #member, offsetof(struct run_vitals, member)                                      \
    }

static const struct {
    const char *name;
    size_t at; // of an _Atomic uint64_t
} vitals[] = {
    VITAL(drains),
    VITAL(cpu_ns),
    VITAL(rings),
    VITAL(ring_bytes),
    VITAL(unrecorded_cpu_ns),
    VITAL(edges_missed),
    VITAL(unwind_walks),
    VITAL(unwind_complete),
    VITAL(unwind_joined),
    VITAL(unwind_fp_steps),
    VITAL(unwind_missed),
    VITAL(unwind_waited_ns),
};

static _Atomic uint64_t *vital_of(struct run *run, size_t i)
{
    return (_Atomic uint64_t *)(void *)((char *)&run->vitals + vitals[i].at);
}

// `ability.off_cpu` 0 or 1, and `ability.off_cpu.reason` when 0.
static void put_abilities(struct facts *facts, const struct run *run)
{
    for (enum capture_ability ability = 0; ability < CAPTURE_ABILITY_COUNT; ability++) {
        const struct capture_ability_state *state = &run->abilities.at[ability];
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "ability.%s", capture_ability_name(ability));
        facts_set_number(facts, name, state->available);
        snprintf(name, sizeof name, "ability.%s.reason", capture_ability_name(ability));
        facts_set_text(facts, name, state->reason.text);
    }
}

static void apply_abilities(const struct facts *facts, struct run *run)
{
    for (enum capture_ability ability = 0; ability < CAPTURE_ABILITY_COUNT; ability++) {
        struct capture_ability_state *state = &run->abilities.at[ability];
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "ability.%s", capture_ability_name(ability));
        state->available = facts_number(facts, name, 0) != 0;
        snprintf(name, sizeof name, "ability.%s.reason", capture_ability_name(ability));
        err_set(&state->reason, 0, "%s", facts_text(facts, name, ""));
    }
}

#define JIT_NUMBERS(use) use(pid) use(codes) use(bytes) use(bad) use(skipped) use(backwards)

static const char *jit_name(char name[NAME_BYTES], size_t i, const char *member)
{
    snprintf(name, NAME_BYTES, "jit.%zu.%s", i, member);
    return name;
}

static void put_jit(struct facts *facts, struct run *run)
{
    char name[NAME_BYTES];
    pthread_mutex_lock(&run->jit_lock);
    for (size_t i = 0; i < run->jit.list.n && i < JIT_REPORTS_MAX; i++) {
        const struct jit_report *report = &run->jit.list.at[i];
        facts_set_text(facts, jit_name(name, i, "path"), report->path);
        facts_set_number(facts, jit_name(name, i, "kind"), (uint64_t)report->kind);
#define PUT(member) facts_set_number(facts, jit_name(name, i, #member), report->member);
        JIT_NUMBERS(PUT)
#undef PUT
        facts_set_text(facts, jit_name(name, i, "note"), report->note.text);
    }
    facts_set_text(facts, "jit_note", run->jit_note.text);
    pthread_mutex_unlock(&run->jit_lock);
}

static void apply_jit(const struct facts *facts, struct run *run)
{
    char name[NAME_BYTES];
    for (size_t i = 0; i < JIT_REPORTS_MAX; i++) {
        const char *path = facts_text(facts, jit_name(name, i, "path"), NULL);
        if (path == NULL) {
            break;
        }
        struct jit_report report = {0};
        bool is_dump = facts_number(facts, jit_name(name, i, "kind"), 0) == JIT_SOURCE_JITDUMP;
        report.kind = is_dump ? JIT_SOURCE_JITDUMP : JIT_SOURCE_PERF_MAP;
        snprintf(report.path, sizeof report.path, "%s", path);
#define APPLY(member)                                                                              \
    report.member = (__typeof__(report.member))facts_number(facts, jit_name(name, i, #member), 0);
        JIT_NUMBERS(APPLY)
#undef APPLY
        err_set(&report.note, 0, "%s", facts_text(facts, jit_name(name, i, "note"), ""));
        vec_push(&run->jit.list, report);
    }
    err_set(&run->jit_note, 0, "%s", facts_text(facts, "jit_note", ""));
}

// Which machine this is, and since when: addresses of its kernel's functions mean nothing after the
// next boot (archive/load.h). An imported run may be of another kind of machine.
static void put_machine(struct facts *facts, const struct run *run)
{
    CLEANUP(text_fini) struct text boot = {0};
    struct utsname machine;
    if (machine_boot_id(&boot) == 0) {
        facts_set_text(facts, "boot_id", text_get(&boot));
    }
    if (uname(&machine) == 0) {
        facts_set_text(facts, "host", machine.nodename);
        facts_set_text(facts, "kernel", machine.release);
        facts_set_text(facts, "architecture",
                       run->arch == (enum arch)ARCH_HERE ? machine.machine : arch_name(run->arch));
    }
    facts_set_text(facts, "stax_version", STAX_VERSION);
}

// ---- All of it ---------------------------------------------------------------------------------

static void put_counts(struct facts *facts, const struct run *run)
{
    const struct store *store = run->store;
    facts_set_number(facts, "duration_ns", run_duration_ns(run));
    facts_set_number(facts, "samples", load(&store->samples.n));
    facts_set_number(facts, "off_cpu_intervals", load(&store->intervals.n_waits));
    facts_set_number(facts, "threads", n_threads(store));
    facts_set_number(facts, "lost_samples", store_account(store, ACCOUNT_SAMPLES_LOST));
    facts_set_number(facts, "lost_records", store_account(store, ACCOUNT_RECORDS_LOST));
    facts_set_number(facts, "estimated", !store->has_switches);
}

static void put_end(struct facts *facts, const struct run *run)
{
    bool stopped = run_state(run) == RUN_STOPPED;
    facts_set_text(facts, "state", stopped ? "stopped" : "recording");
    if (stopped) {
        enum run_stop_reason reason = (enum run_stop_reason)atomic_load(&run->stop_reason);
        facts_set_text(facts, "stop_reason", run_stop_reason_name(reason));
        facts_set_text(facts, "error", run->error.text);
        facts_set_number(facts, "stopped_at_unix_ns", run->stopped_unix_ns);
    }
}

void run_facts_of(struct facts *facts, struct run *run)
{
    bool late = atomic_load_explicit(&run->has_late_note, memory_order_acquire);
    put_end(facts, run); // first: what follows is then at least as new
    facts_set_text(facts, "label", run->params.label);
    facts_set_number(facts, "target_pid", run->params.request.pid);
    facts_set_number(facts, "frequency_hz", run->params.request.frequency_hz);
    facts_set_number(facts, "started_at_unix_ns", run->started_unix_ns);
    facts_set_text(facts, "backend", run->backend_name);
    facts_set_text(facts, "capture_note", run->capture_note.text);
    facts_set_text(facts, "late_note", late ? run->late_note.text : "");
    put_counts(facts, run);
    put_abilities(facts, run);
    for (size_t i = 0; i < ARRAY_LEN(vitals); i++) {
        facts_set_number(facts, vitals[i].name, load(vital_of(run, i)));
    }
    put_jit(facts, run);
    put_machine(facts, run);
    put_pauses(facts, run);
    put_notes(facts, run);
    note_pauses(facts, run);
}

void run_facts_of_snapshot(struct facts *facts, struct run *run)
{
    run_facts_of(facts, run);
    if (strcmp(facts_text(facts, "state", ""), "recording") == 0) {
        facts_set_text(facts, "state", "stopped");
        facts_set_text(facts, "stop_reason", run_stop_reason_name(RUN_STOP_SNAPSHOT));
        facts_set_number(facts, "stopped_at_unix_ns", clock_unix_ns());
    }
}

void run_facts_recover(struct facts *facts)
{
    uint64_t started_ns = facts_number(facts, "started_at_unix_ns", 0);
    facts_set_text(facts, "state", "stopped");
    facts_set_text(facts, "stop_reason", run_stop_reason_name(RUN_STOP_RECORDER_ERROR));
    facts_set_number(facts, "stopped_at_unix_ns",
                     started_ns + facts_number(facts, "duration_ns", 0));
    facts_set_number(facts, "recovered", 1);
    run_facts_add_note(facts, "recovered: the server that recorded it died; what it had seen until "
                              "a second before is here");
}

void run_facts_apply(const struct facts *facts, struct run *run)
{
    const char *reason = facts_text(facts, "stop_reason", "none");
    const char *late_note = facts_text(facts, "late_note", "");
    atomic_store(&run->stop_reason, (int)run_stop_reason_of(reason));
    run->params.request.pid = (uint32_t)facts_number(facts, "target_pid", 0);
    run->params.request.frequency_hz = (uint32_t)facts_number(facts, "frequency_hz", 0);
    run->stopped_unix_ns = facts_number(facts, "stopped_at_unix_ns", 0);
    const char *machine = facts_text(facts, "architecture", NULL);
    run->arch = machine == NULL ? run->arch : arch_of_name(machine);
    err_set(&run->error, 0, "%s", facts_text(facts, "error", ""));
    err_set(&run->capture_note, 0, "%s", facts_text(facts, "capture_note", ""));
    err_set(&run->late_note, 0, "%s", late_note);
    atomic_store(&run->has_late_note, late_note[0] != 0);
    apply_abilities(facts, run);
    for (size_t i = 0; i < ARRAY_LEN(vitals); i++) {
        atomic_store(vital_of(run, i), facts_number(facts, vitals[i].name, 0));
    }
    apply_jit(facts, run);
    apply_pauses(facts, run);
}
