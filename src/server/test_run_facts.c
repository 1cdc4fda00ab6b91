// A run as facts: there and back; and facts that somebody has made up.

#include "server/run_facts.h"

#include "archive/test_support.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "rpc/message.h"
#include "server/summary.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct random_run random;
    struct library library;
};

static int set_up(void **state)
{
    struct fixture *f = NEW(struct fixture);
    random_run_init(&f->random, 5);
    random_run_go_on(&f->random, 5000);
    random_run_end(&f->random);
    library_init(&f->library, NULL, NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    library_fini(&f->library);
    store_free(f->random.store);
    free(f);
    return 0;
}

static struct run *make_run(struct fixture *f)
{
    return run_new_past(5, "python3 train.py", "script", &f->library, f->random.store);
}

static void free_run(struct run *run)
{
    run->store = NULL; // the fixture's
    run_free(run);
}

static void add_jit(struct run *run, const char *path, enum jit_source_kind kind)
{
    struct jit_report report = {
        .kind = kind, .pid = 7, .codes = 8, .bytes = 9, .bad = 1, .skipped = 2, .backwards = 3};
    snprintf(report.path, sizeof report.path, "%s", path);
    err_set(&report.note, 0, "%s is odd", path);
    vec_push(&run->jit.list, report);
}

// With something in every field that is kept.
static struct run *make_full_run(struct fixture *f)
{
    struct run *run = make_run(f);
    run->params.request.pid = 4711;
    run->params.request.frequency_hz = 900;
    run->stopped_unix_ns = 123456789;
    atomic_store(&run->stop_reason, RUN_STOP_RECORDER_ERROR);
    err_set(&run->error, EIO, "the ring broke");
    err_set(&run->capture_note, 0, "no tracefs");
    err_set(&run->late_note, 0, "too many threads");
    atomic_store(&run->has_late_note, true);
    for (enum capture_ability ability = 0; ability < CAPTURE_ABILITY_COUNT; ability++) {
        run->abilities.at[ability].available = ability % 2 == 0;
        err_set(&run->abilities.at[ability].reason, 0, "reason %d", (int)ability);
    }
    _Atomic uint64_t *vitals = (_Atomic uint64_t *)(void *)&run->vitals;
    for (size_t i = 0; i < sizeof run->vitals / sizeof *vitals; i++) {
        atomic_store(&vitals[i], 100 * NS_PER_MS + i);
    }
    add_jit(run, "/tmp/jit-7.dump", JIT_SOURCE_JITDUMP);
    add_jit(run, "/tmp/perf-7.map", JIT_SOURCE_PERF_MAP);
    err_set(&run->jit_note, 0, "inotify is full");
    struct pause pause = {.start_ns = run->started_ns + 1200 * (uint64_t)NS_PER_MS,
                          .end_ns = run->started_ns + 3400 * (uint64_t)NS_PER_MS,
                          .dropped = 812};
    assert_true(pauses_restore(&run->pauses, &pause));
    pause = (struct pause){.start_ns = run->started_ns + 5000 * (uint64_t)NS_PER_MS, .dropped = 3};
    assert_true(pauses_restore(&run->pauses, &pause));
    return run;
}

// Those that are the same whoever says them.
static const struct fact *find(const struct facts *facts, const char *name)
{
    for (size_t i = 0; i < facts->list.n; i++) {
        if (strcmp(facts->list.at[i].name, name) == 0) {
            return &facts->list.at[i];
        }
    }
    return NULL;
}

static void assert_same_facts(const struct facts *a, const struct facts *b)
{
    assert_int_equal(a->list.n, b->list.n);
    for (size_t i = 0; i < a->list.n; i++) {
        const struct fact *fact = &a->list.at[i];
        const struct fact *other = find(b, fact->name);
        if (other == NULL || !facts_equal(fact, other)) {
            fail_msg("the fact %s differs", fact->name);
        }
    }
}

static size_t n_notes(const struct facts *facts)
{
    size_t n = 0;
    for (size_t i = 0; i < facts->list.n; i++) {
        n += strncmp(facts->list.at[i].name, "note.", 5) == 0;
    }
    return n;
}

static bool has_note(const struct facts *facts, const char *part)
{
    for (size_t i = 0; i < facts->list.n; i++) {
        const struct fact *fact = &facts->list.at[i];
        if (strncmp(fact->name, "note.", 5) == 0 && strstr(fact->text, part) != NULL) {
            return true;
        }
    }
    return false;
}

// ---- There and back ----------------------------------------------------------------------------

static void test_there_and_back(void **state)
{
    struct fixture *f = *state;
    struct run *run = make_full_run(f);
    struct facts facts = {0};
    run_facts_of(&facts, run);
    struct run *copy = make_run(f);
    run_facts_apply(&facts, copy);
    struct facts again = {0};
    run_facts_of(&again, copy);
    assert_same_facts(&facts, &again);
    assert_string_equal(copy->error.text, "the ring broke");
    assert_int_equal(copy->jit.list.n, 2);
    assert_int_equal(copy->jit.list.at[0].kind, JIT_SOURCE_JITDUMP);
    assert_int_equal(copy->jit.list.at[1].kind, JIT_SOURCE_PERF_MAP);
    assert_string_equal(copy->jit.list.at[1].note.text, "/tmp/perf-7.map is odd");
    assert_int_equal(copy->vitals.unwind_walks, run->vitals.unwind_walks);
    assert_false(copy->abilities.at[1].available);
    assert_true(copy->abilities.at[0].available);
    assert_true(has_note(&facts, "the recording broke off: the ring broke"));
    assert_true(has_note(&facts, "too many threads"));
    assert_true(has_note(&facts, "no tracefs"));
    assert_true(has_note(&facts, "0.10 s of CPU time that was not recorded"));
    assert_true(has_note(&facts, "samples were not taken in from 1.2 s to 3.4 s: 812 of them"));
    assert_true(has_note(&facts, "samples were not taken in from 5.0 s on: 3 of them"));
    assert_int_equal(pauses_count(&copy->pauses), 2);
    // Asked once more into the same facts, as the spool does, nothing is there twice.
    size_t n = facts.list.n;
    run_facts_of(&facts, run);
    assert_int_equal(facts.list.n - n, n_notes(&facts) - n_notes(&again));
    facts_fini(&facts);
    facts_fini(&again);
    free_run(copy);
    free_run(run);
}

static void test_pauses(void **state)
{
    struct fixture *f = *state;
    struct run *run = make_run(f);
    struct facts facts = {0};
    atomic_store(&run->state, RUN_RECORDING);
    for (uint64_t i = 0; i < 2 * 6 - 1; i++) { // the last one goes on
        assert_true(pauses_set(&run->pauses, i % 2 == 0, run->started_ns + i * NS_PER_S));
    }
    assert_true(pauses_drop(&run->pauses, run->started_ns + 11 * (uint64_t)NS_PER_S));
    run_facts_of(&facts, run);
    assert_int_equal(facts_number(&facts, "paused", 0), 1);
    assert_int_equal(facts_number(&facts, "paused_samples", 0), 1);
    assert_true(has_note(&facts, "from 6.0 s to 7.0 s: 0 of them"));
    assert_false(has_note(&facts, "from 8.0 s"));
    assert_true(has_note(&facts, "paused 6 times: samples that were not taken in, in all: 1"));
    facts_fini(&facts);
    free_run(run);

    run = make_run(f);
    atomic_store(&run->state, RUN_RECORDING);
    assert_true(pauses_set(&run->pauses, true, run->started_ns + 500 * (uint64_t)NS_PER_MS));
    run_facts_of(&facts, run);
    assert_true(has_note(&facts, "samples were not taken in from 0.5 s on: 0 of them"));
    facts_fini(&facts);
    free_run(run);
}

// What nobody said is as it was.
static void test_nothing_known(void **state)
{
    struct fixture *f = *state;
    struct run *run = make_run(f);
    struct facts none = {0};
    run_facts_apply(&none, run);
    assert_int_equal(run->params.request.pid, 0);
    assert_int_equal(atomic_load(&run->stop_reason), RUN_STOP_NONE);
    assert_false(atomic_load(&run->has_late_note));
    assert_int_equal(run->jit.list.n, 0);
    free_run(run);
}

// Of another machine than this one, of one that is like it, and of one that nobody knows.
static void test_whose_instructions(void **state)
{
    struct fixture *f = *state;
    struct run *run = make_run(f);
    assert_int_equal(run->arch, ARCH_HERE);
    enum arch other = ARCH_IS_X86_64 ? ARCH_AARCH64 : ARCH_X86_64;
    run->arch = other;
    struct facts facts = {0};
    run_facts_of(&facts, run);
    assert_string_equal(facts_text(&facts, "architecture", ""), arch_name(other));
    free_run(run);

    run = make_run(f);
    run_facts_apply(&facts, run);
    assert_int_equal(run->arch, other);
    facts_set_text(&facts, "architecture", "riscv64");
    run_facts_apply(&facts, run);
    assert_int_equal(run->arch, ARCH_UNKNOWN);
    facts_fini(&facts);
    run->arch = (enum arch)ARCH_HERE;
    run_facts_of(&facts, run);
    assert_int_equal(arch_of_name(facts_text(&facts, "architecture", "")), ARCH_HERE);
    facts_fini(&facts);
    free_run(run);
}

static void test_a_snapshot_ends_now(void **state)
{
    struct fixture *f = *state;
    struct run *run = make_run(f);
    struct facts facts = {0};
    uint64_t before = clock_unix_ns();
    atomic_store(&run->state, RUN_RECORDING);
    run_facts_of_snapshot(&facts, run);
    assert_string_equal(facts_text(&facts, "state", ""), "stopped");
    assert_string_equal(facts_text(&facts, "stop_reason", ""), "snapshot");
    assert_in_range(facts_number(&facts, "stopped_at_unix_ns", 0), before, clock_unix_ns());
    facts_fini(&facts);
    // While it goes on it has no end.
    run_facts_of(&facts, run);
    assert_string_equal(facts_text(&facts, "state", ""), "recording");
    assert_string_equal(facts_text(&facts, "stop_reason", "none"), "none");
    facts_fini(&facts);
    // One that has ended just before keeps its own.
    atomic_store(&run->stop_reason, RUN_STOP_TARGET_EXITED);
    atomic_store(&run->state, RUN_STOPPED);
    run->stopped_unix_ns = 5;
    run_facts_of_snapshot(&facts, run);
    assert_string_equal(facts_text(&facts, "stop_reason", ""), "target_exited");
    assert_int_equal(facts_number(&facts, "stopped_at_unix_ns", 0), 5);
    facts_fini(&facts);
    free_run(run);
}

static void test_recovered(void **state)
{
    (void)state;
    struct facts facts = {0};
    facts_set_text(&facts, "state", "recording");
    facts_set_number(&facts, "started_at_unix_ns", 1000);
    facts_set_number(&facts, "duration_ns", 234);
    facts_set_text(&facts, "note.0", "was there");
    run_facts_recover(&facts);
    assert_string_equal(facts_text(&facts, "state", ""), "stopped");
    assert_string_equal(facts_text(&facts, "stop_reason", ""), "recorder_error");
    assert_int_equal(facts_number(&facts, "stopped_at_unix_ns", 0), 1234);
    assert_int_equal(facts_number(&facts, "recovered", 0), 1);
    assert_true(has_note(&facts, "was there"));
    assert_true(has_note(&facts, "recovered: "));
    assert_int_equal(n_notes(&facts), 2);
    facts_fini(&facts);
}

static void test_notes_have_a_bound(void **state)
{
    (void)state;
    struct facts facts = {0};
    for (int i = 0; i < 2 * RUN_FACTS_NOTES; i++) {
        run_facts_add_note(&facts, "again");
    }
    assert_int_equal(n_notes(&facts), RUN_FACTS_NOTES);
    facts_fini(&facts);
}

// ---- Made up -----------------------------------------------------------------------------------

// Whether a client can read what is said of it.
static json_t *summary_of(const struct facts *facts)
{
    CLEANUP(text_fini) struct text text = {0};
    struct json j;
    struct kept_run kept = {.id = 5, .phase = KEPT_OVER, .facts = *facts};
    json_init(&j, &text);
    json_object_begin(&j);
    json_u64_field(&j, "id", 5);
    json_key(&j, "summary");
    summary_put(&j, &kept);
    json_object_end(&j);
    json_error_t error;
    struct err why = {0};
    json_t *json = json_loadb(text_get(&text), text.n, 0, &error);
    if (json == NULL) {
        fail_msg("%s: %s", error.text, text_get(&text));
    }
    if (!rpc_check(rpc_method_find("RunControl.open_saved")->result, json, &why)) {
        fail_msg("%s: %s", why.text, text_get(&text));
    }
    return json;
}

static void check_made_up(struct fixture *f, const struct facts *facts)
{
    json_decref(summary_of(facts));
    struct run *run = make_run(f);
    run_facts_apply(facts, run);
    struct facts again = {0};
    run_facts_of(&again, run);
    json_decref(summary_of(&again));
    facts_fini(&again);
    free_run(run);
    struct facts recovered;
    facts_copy(&recovered, facts);
    run_facts_recover(&recovered);
    json_decref(summary_of(&recovered));
    facts_fini(&recovered);
}

static void test_huge_numbers(void **state)
{
    struct fixture *f = *state;
    static const uint64_t numbers[] = {
        0, 1, UINT32_MAX, INT64_MAX, (uint64_t)INT64_MIN, UINT64_MAX - 1, UINT64_MAX};
    struct run *run = make_full_run(f);
    struct facts facts = {0};
    run_facts_of(&facts, run);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        for (size_t k = 0; k < facts.list.n; k++) {
            facts.list.at[k].number = facts.list.at[k].is_number ? numbers[i] : 0;
        }
        check_made_up(f, &facts);
    }
    facts_fini(&facts);
    free_run(run);
}

// A number where there should be a text, and the other way round; one by one and all at once.
static void test_wrong_kinds(void **state)
{
    struct fixture *f = *state;
    struct run *run = make_full_run(f);
    struct facts facts = {0};
    struct facts all_wrong = {0};
    run_facts_of(&facts, run);
    for (size_t i = 0; i < facts.list.n; i++) {
        const struct fact *fact = &facts.list.at[i];
        struct facts one_wrong;
        facts_copy(&one_wrong, &facts);
        if (fact->is_number) {
            facts_set_text(&one_wrong, fact->name, "-1");
            facts_set_text(&all_wrong, fact->name, "");
        } else {
            facts_set_number(&one_wrong, fact->name, UINT64_MAX);
            facts_set_number(&all_wrong, fact->name, 0);
        }
        check_made_up(f, &one_wrong);
        facts_fini(&one_wrong);
    }
    check_made_up(f, &all_wrong);
    facts_fini(&all_wrong);
    facts_fini(&facts);
    free_run(run);
}

static void test_texts_of_any_bytes(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"",          "\xff\xfe", "\x01\x02\x1b[2J\"\\",
                                        "recording", "note.0",   "%s%n"};
    struct run *run = make_full_run(f);
    struct facts facts = {0};
    run_facts_of(&facts, run);
    CLEANUP(freep) char *long_text = alloc_zeroed(LIMIT_FACT_BYTES + 10, 1);
    memset(long_text, 0xc3, LIMIT_FACT_BYTES + 9);
    for (size_t i = 0; i <= ARRAY_LEN(texts); i++) {
        const char *text = i < ARRAY_LEN(texts) ? texts[i] : long_text;
        for (size_t k = 0; k < facts.list.n; k++) {
            if (!facts.list.at[k].is_number) {
                CLEANUP(freep)
                char *name = alloc_text(facts.list.at[k].name, strlen(facts.list.at[k].name));
                facts_set_text(&facts, name, text);
            }
        }
        check_made_up(f, &facts);
    }
    facts_fini(&facts);
    free_run(run);
}

static void test_as_many_as_there_may_be(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"note", "jit", "other"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct facts facts = {0};
        for (int k = 0; k < LIMIT_FACTS + 10; k++) {
            char name[32];
            snprintf(name, sizeof name, "%s.%d%s", names[i], k, i == 1 ? ".path" : "");
            facts_set_text(&facts, name, "/some/where");
        }
        assert_int_equal(facts.list.n, LIMIT_FACTS);
        check_made_up(f, &facts);
        json_t *json = summary_of(&facts);
        size_t n = json_array_size(json_object_get(json_object_get(json, "summary"), "notes"));
        assert_int_equal(n, i == 0 ? RUN_FACTS_NOTES : 0);
        json_decref(json);
        struct run *run = make_run(f);
        run_facts_apply(&facts, run);
        assert_int_equal(run->jit.list.n, i == 1 ? LIMIT_JIT_SOURCES : 0);
        free_run(run);
        facts_fini(&facts);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_there_and_back),
        TEST(test_pauses),
        TEST(test_nothing_known),
        TEST(test_whose_instructions),
        TEST(test_a_snapshot_ends_now),
        TEST(test_recovered),
        TEST(test_notes_have_a_bound),
        TEST(test_huge_numbers),
        TEST(test_wrong_kinds),
        TEST(test_texts_of_any_bytes),
        TEST(test_as_many_as_there_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
