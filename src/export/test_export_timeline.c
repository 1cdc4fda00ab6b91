// Formats with a time axis, and the page, against the answers of query/: in whatever slices they
// were made.

#include "base/bytes.h"
#include "export/test_world.h"
#include "query/random_waits.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SEEDS = 8, WHOLE = 1 << 30 };

static struct view views[] = {
    {.has_tid = false},
    {.has_tid = true, .tid = 12},
    {.has_time_range = true, .start_ns = 200000, .end_ns = 700000},
    {.has_time_range = true, .start_ns = 900, .end_ns = 900},
    {.physical = true},
};

static struct threads_answer threads_of(const struct export_source *source)
{
    struct threads_answer threads;
    threads_make(&threads, source->tree, source->fold, source->store, source->reasons, 0);
    return threads;
}

// ---- Firefox -----------------------------------------------------------------------------------

// Milliseconds with up to six places, as nanoseconds.
static uint64_t ns_of(const json_t *ms)
{
    return (uint64_t)(json_number_value(ms) * 1e6 + 0.5);
}

static uint64_t sum(const json_t *array)
{
    uint64_t total = 0;
    for (size_t i = 0; i < json_array_size(array); i++) {
        total += (uint64_t)json_integer_value(json_array_get(array, i));
    }
    return total;
}

static void check_column(const json_t *table, const char *key, size_t n, size_t n_values)
{
    const json_t *column = json_object_get(table, key);
    assert_int_equal(json_array_size(column), n);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(column, i);
        assert_true(json_is_null(value) || json_integer_value(value) < (json_int_t)n_values);
    }
}

static size_t length_of(const json_t *table)
{
    return (size_t)json_integer_value(json_object_get(table, "length"));
}

static void check_shared(const json_t *shared)
{
    const json_t *stacks = json_object_get(shared, "stackTable");
    const json_t *frames = json_object_get(shared, "frameTable");
    const json_t *functions = json_object_get(shared, "funcTable");
    const json_t *symbols = json_object_get(shared, "nativeSymbols");
    size_t n_strings = json_array_size(json_object_get(shared, "stringArray"));
    check_column(stacks, "frame", length_of(stacks), length_of(frames));
    check_column(stacks, "prefix", length_of(stacks), length_of(stacks));
    check_column(frames, "func", length_of(frames), length_of(functions));
    check_column(frames, "nativeSymbol", length_of(frames), length_of(symbols));
    check_column(functions, "name", length_of(functions), n_strings);
    check_column(symbols, "name", length_of(symbols), n_strings);
}

struct stays {
    uint64_t runnable_ns;
    uint64_t ns[EVENT_REASON_COUNT];
};

static void add_stays(struct stays *stays, const json_t *markers, const json_t *strings)
{
    for (size_t i = 0; i < length_of(markers); i++) {
        uint64_t start_ns = ns_of(json_array_get(json_object_get(markers, "startTime"), i));
        uint64_t end_ns = ns_of(json_array_get(json_object_get(markers, "endTime"), i));
        json_int_t at = json_integer_value(json_array_get(json_object_get(markers, "name"), i));
        const char *name = json_string_value(json_array_get(strings, (size_t)at));
        if (strcmp(name, "runnable") == 0) {
            stays->runnable_ns += end_ns - start_ns;
            continue;
        }
        enum event_reason reason = 0;
        while (reason < EVENT_REASON_COUNT && strcmp(event_reason_name(reason), name) != 0) {
            reason++;
        }
        assert_true(reason < EVENT_REASON_COUNT);
        stays->ns[reason] += end_ns - start_ns;
    }
}

static void check_firefox(const struct export_source *source, const char *text, size_t n)
{
    json_t *profile = json_loadb(text, n, 0, NULL);
    assert_non_null(profile);
    struct threads_answer answer = threads_of(source);
    const json_t *shared = json_object_get(profile, "shared");
    const json_t *threads = json_object_get(profile, "threads");
    check_shared(shared);
    assert_int_equal(json_array_size(threads), answer.entries.n);
    for (size_t i = 0; i < answer.entries.n; i++) {
        const struct threads_entry *entry = &answer.entries.at[i];
        const json_t *thread = json_array_get(threads, i);
        const json_t *samples = json_object_get(thread, "samples");
        const json_t *markers = json_object_get(thread, "markers");
        struct stays stays = {0};
        add_stays(&stays, markers, json_object_get(shared, "stringArray"));
        assert_int_equal(sum(json_object_get(samples, "weight")), entry->samples);
        if (entry->samples > 0) {
            uint64_t on_cpu_ns = sum(json_object_get(samples, "threadCPUDelta"));
            assert_int_equal(on_cpu_ns, entry->on_cpu_ns);
        }
        assert_int_equal(stays.runnable_ns, entry->runnable_ns);
        assert_memory_equal(stays.ns, entry->off_cpu.ns, sizeof stays.ns);
    }
    threads_fini(&answer);
    json_decref(profile);
}

// ---- Perfetto ----------------------------------------------------------------------------------

struct field {
    uint64_t number;
    uint64_t value;     // of a varint
    struct slice bytes; // of a message
};

static uint64_t read_varint(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = read_u8(r);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    fail();
    return 0;
}

static bool next_field(struct reader *r, struct field *ret)
{
    if (reader_left(r) == 0) {
        return false;
    }
    uint64_t key = read_varint(r);
    *ret = (struct field){.number = key >> 3};
    if ((key & 7) == 0) {
        ret->value = read_varint(r);
    } else {
        assert_int_equal(key & 7, 2);
        ret->bytes = read_slice(r, read_varint(r));
    }
    assert_false(r->bad);
    return true;
}

// The last field of that number, zeros without one.
static struct field find(struct slice message, uint64_t number)
{
    struct field found = {0};
    struct reader r = reader_of(message);
    for (struct field field; next_field(&r, &field);) {
        found = field.number == number ? field : found;
    }
    return found;
}

static void check_perfetto(const struct export_source *source, const char *text, size_t n)
{
    enum { PACKET = 1, TIMESTAMP = 8, EVENT = 11, SAMPLE = 66, EVENT_TYPE = 9, TYPE_BEGIN = 1 };
    uint64_t samples = 0;
    uint64_t off_ns = 0;
    uint64_t began_ns = 0;
    struct reader r = reader_of((struct slice){(const uint8_t *)text, n});
    for (struct field packet; next_field(&r, &packet);) {
        assert_int_equal(packet.number, PACKET);
        uint64_t time_ns = find(packet.bytes, TIMESTAMP).value;
        struct slice event = find(packet.bytes, EVENT).bytes;
        samples += find(packet.bytes, SAMPLE).number == SAMPLE;
        if (event.n > 0 && find(event, EVENT_TYPE).value == TYPE_BEGIN) {
            began_ns = time_ns;
        } else if (event.n > 0) { // stands right behind its beginning
            off_ns += time_ns - began_ns;
        }
    }
    struct threads_answer answer = threads_of(source);
    assert_int_equal(samples, source->fold->n_samples);
    assert_int_equal(off_ns, off_cpu_total(&answer.total_off_cpu) + answer.total_runnable_ns);
    threads_fini(&answer);
}

// ---- The page ----------------------------------------------------------------------------------

static void check_html(const struct export_source *source, const char *text, size_t n)
{
    (void)n;
    const char *begin = strstr(text, "<script type=\"application/json\" id=\"data\">");
    assert_non_null(begin);
    begin = strchr(begin, '>') + 1;
    const char *end = strchr(begin, '<'); // no name has one
    assert_non_null(end);
    assert_memory_equal(end, "</script>\n<script>", 18);
    json_t *data = json_loadb(begin, (size_t)(end - begin), 0, NULL);
    assert_non_null(data);
    struct threads_answer answer = threads_of(source);
    const json_t *totals = json_object_get(data, "totals");
    assert_int_equal(json_integer_value(json_object_get(totals, "on")), answer.total_on_cpu_ns);
    assert_int_equal(sum(json_object_get(totals, "off")), off_cpu_total(&answer.total_off_cpu));
    size_t n_names = json_array_size(json_object_get(data, "names"));
    const json_t *tree = json_object_get(data, "on");
    size_t n_nodes = json_array_size(json_object_get(tree, "parent"));
    assert_true(n_nodes >= 1);
    check_column(tree, "function", n_nodes, MAX(n_names, (size_t)1));
    threads_fini(&answer);
    json_decref(data);
}

// ---- Tests -------------------------------------------------------------------------------------

typedef void check_function(const struct export_source *source, const char *text, size_t n);

static void check_format(struct world *w, const struct export_format *format, check_function *check)
{
    struct text whole = world_export(w, format, false, WHOLE);
    struct text pieces = world_export(w, format, false, 1);
    assert_int_equal(whole.n, pieces.n);
    assert_memory_equal(text_get(&whole), text_get(&pieces), whole.n);
    struct text plain = {0};
    if (format->gzip) {
        plain = world_unpack(&whole);
    } else {
        text_add_bytes(&plain, text_get(&whole), whole.n);
    }
    check(&w->source, text_get(&plain), plain.n);
    text_fini(&plain);
    text_fini(&pieces);
    text_fini(&whole);
}

static void check_formats(struct world *w)
{
    check_format(w, &export_firefox, check_firefox);
    check_format(w, &export_perfetto, check_perfetto);
    check_format(w, &export_html, check_html);
}

static void test_says_what_the_answers_say(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        for (size_t i = 0; i < ARRAY_LEN(views); i++) {
            struct view view = views[i];
            struct world *w = world_new(seed, seed % 4 != 0, &view);
            check_formats(w);
            world_free(w);
        }
    }
}

// Threads that wait, are woken, or are ready to run at the moment of the export.
static void test_a_run_that_goes_on(void **state)
{
    (void)state;
    uint64_t open_runnable_ns = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct random_waits *random = random_waits_new(seed, true);
        random_waits_publish(random);
        for (size_t round = 0; round < 20; round++) {
            struct view everything = {0};
            struct calltree tree;
            struct fold fold;
            random_waits_go_on(random, 30);
            random_waits_refresh(random);
            calltree_init(&tree, &random->names);
            fold_init(&fold, &everything);
            calltree_refresh(&tree);
            while (!fold_advance(&fold, random->store, &random->names, WHOLE)) {
            }
            fold_settle(&fold, random->store, &random->names);
            calltree_refresh(&tree);
            for (thread_id thread = 0; thread < fold.threads.n; thread++) {
                open_runnable_ns += fold.threads.at[thread].open_runnable_ns;
            }
            struct world world = {.source = {
                                      .store = random->store,
                                      .names = &random->names,
                                      .tree = &tree,
                                      .fold = &fold,
                                      .reasons = &random->reasons,
                                      .label = "goes on",
                                  }};
            check_formats(&world);
            fold_fini(&fold);
            calltree_fini(&tree);
        }
        random_waits_free(random);
    }
    assert_true(open_runnable_ns > 0); // there was something to see
}

// An export that ends early leaves nothing behind (the sanitizer sees it).
static void test_may_end_anywhere(void **state)
{
    (void)state;
    static const struct export_format *const formats[] = {&export_firefox, &export_perfetto,
                                                          &export_html};
    struct world *w = world_new(1, true, NULL);
    FILE *file = tmpfile();
    assert_non_null(file);
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        for (unsigned steps = 0; steps < 200; steps += 7) {
            struct export export;
            export_init(&export, formats[i], &w->source, false, fileno(file));
            int more = 1;
            for (unsigned step = 0; more == 1 && step < steps; step++) {
                more = export_advance(&export, 100);
            }
            assert_true(more >= 0);
            export_fini(&export);
        }
    }
    fclose(file);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_what_the_answers_say),
        cmocka_unit_test(test_a_run_that_goes_on),
        cmocka_unit_test(test_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
