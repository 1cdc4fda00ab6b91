// What formats are given, and what they write, against the answers of query/.

#include "export/export_cells.h"
#include "export/test_world.h"
#include "rpc/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEEDS = 12 };

static struct view views[] = {
    {.has_tid = false},
    {.has_tid = true, .tid = 12},
    {.has_time_range = true, .start_ns = 200000, .end_ns = 700000},
    {.has_time_range = true, .start_ns = 300000, .end_ns = UINT64_MAX},
    {.has_time_range = true, .start_ns = 900, .end_ns = 900},
    {.has_tid = false}, // excludes: make_view()
};

static struct view make_view(size_t number)
{
    struct view view = views[number];
    if (number == ARRAY_LEN(views) - 1) {
        vec_push(&view.exclude,
                 (struct view_symbol){.function_name = alloc_text("semi;colon", 10)});
    }
    return view;
}

// ---- Rows --------------------------------------------------------------------------------------

// A format that counts what it is given.
struct counts {
    uint64_t samples;
    uint64_t waits;
    uint64_t blocked_ns;
    uint64_t runnable_ns;
    uint64_t last_ns;
    uint64_t last_end_ns;
    unsigned more;
};

static struct counts counts;

static void count_begin(struct export *export)
{
    (void)export;
    counts = (struct counts){0};
}

static bool count_more(struct export *export, uint64_t max_rows)
{
    (void)export;
    (void)max_rows;
    return ++counts.more < 3;
}

static void count_sample(struct export *export, uint64_t time_ns, thread_id thread, stack_id stack)
{
    assert_int_equal(counts.more, 3);
    assert_int_equal(counts.waits + counts.runnable_ns, 0);
    assert_true(time_ns >= counts.last_ns);
    assert_true(time_ns >= export->window.start_ns);
    assert_true(export->source->fold->keep.threads.at[thread]);
    assert_true(stack < export->source->tree->of_stack.n);
    counts.last_ns = time_ns;
    counts.samples++;
}

static void count_interval(struct export *export, const struct interval *interval)
{
    uint64_t end_ns = interval->start_ns + interval->duration_ns;
    assert_true(interval->start_ns >= export->window.start_ns);
    assert_true(end_ns <= export->window.end_ns && end_ns >= counts.last_end_ns);
    counts.last_end_ns = end_ns;
    if ((interval->flags & INTERVAL_RUNNABLE) != 0) {
        counts.runnable_ns += interval->duration_ns;
    } else {
        counts.waits++;
        counts.blocked_ns += interval->duration_ns;
    }
}

static void count_end(struct export *export)
{
    text_add(export_out_text(&export->out), "end");
}

static const struct export_format counting = {
    .name = "counting",
    .begin = count_begin,
    .more = count_more,
    .sample = count_sample,
    .interval = count_interval,
    .end = count_end,
};

static void rows_are_those_of_the_fold(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        for (size_t i = 0; i < ARRAY_LEN(views); i++) {
            struct view view = make_view(i);
            struct world *w = world_new(seed, true, &view);
            struct total total;
            total_make(&total, &w->tree, &w->fold, w->store, &w->reasons);
            CLEANUP(text_fini) struct text out = world_export(w, &counting, false, 1 + seed * 7);
            assert_string_equal(text_get(&out), "end");
            assert_int_equal(counts.samples, w->fold.n_samples);
            assert_int_equal(counts.blocked_ns, off_cpu_total(&total.total_off_cpu));
            assert_int_equal(counts.runnable_ns, total.total_runnable_ns);
            world_free(w);
        }
    }
}

// ---- Folded ------------------------------------------------------------------------------------

// Written another way than in the code: byte by byte.
static void add_plain(struct text *to, const char *name)
{
    size_t length = strlen(name);
    size_t digits = length;
    while (digits > 0 && strchr("0123456789.", name[digits - 1]) != NULL) {
        digits--;
    }
    for (size_t i = 0; i < length;) {
        size_t n = utf8_length((const uint8_t *)name + i, length - i);
        bool number_next = i + 1 == digits && digits < length && name[i] == ' ';
        if (n == 0 || name[i] == ';' || number_next || (uint8_t)name[i] < 0x20 || name[i] == 0x7f) {
            text_addf(to, "\\x%02x", (uint8_t)name[i]);
            i++;
        } else {
            text_add_bytes(to, name + i, n);
            i += n;
        }
    }
}

struct folded_sums {
    uint64_t all;
    uint64_t self;
    uint64_t total;
};

// As flamegraph scripts do: the last space, then semicolons.
static struct folded_sums sum_folded(const struct text *folded, const char *function)
{
    struct folded_sums sums = {0};
    CLEANUP(freep) char *copy = alloc_text(text_get(folded), folded->n);
    char *rest = copy;
    for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != 0;) {
        char *space = strrchr(line, ' ');
        assert_non_null(space);
        char *end;
        uint64_t weight = strtoull(space + 1, &end, 10);
        assert_true(*end == 0 && weight > 0);
        *space = 0;
        char *frames = line;
        assert_non_null(strsep(&frames, ";")); // the thread
        assert_non_null(frames);
        bool is_in = false;
        bool is_leaf = false;
        for (char *frame; (frame = strsep(&frames, ";")) != NULL;) {
            bool is_reason = frames == NULL && frame[0] == '[' && strcmp(function, frame) != 0;
            char *suffix = strstr(frame, "_[");
            if (suffix != NULL && strlen(suffix) == 4) {
                *suffix = 0;
            }
            bool same = strcmp(frame, function) == 0;
            is_in |= same;
            is_leaf = same || (is_leaf && is_reason);
        }
        sums.all += weight;
        sums.total += is_in ? weight : 0;
        sums.self += is_leaf ? weight : 0;
    }
    return sums;
}

static struct top whole_top(struct world *w, enum answer_mode mode)
{
    struct top top = {0};
    top_make(&top, &w->tree, &w->fold, w->store, &w->reasons, &(struct top_params){.mode = mode});
    return top;
}

static void folded_is_top(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world *w = world_new(seed, true, NULL);
        struct top top = whole_top(w, MODE_ON_CPU);
        CLEANUP(text_fini) struct text folded = world_export(w, &export_folded, false, 1 + seed);
        assert_int_equal(sum_folded(&folded, EXPORT_NO_STACK).all, w->fold.n_samples);
        for (size_t i = 0; i < top.entries.n; i++) {
            CLEANUP(text_fini) struct text name = {0};
            add_plain(&name, top.entries.at[i].function->name);
            struct folded_sums sums = sum_folded(&folded, text_get(&name));
            assert_int_equal(sums.self, top.entries.at[i].self_samples);
            assert_int_equal(sums.total, top.entries.at[i].total_samples);
        }
        assert_true(top.entries.n > 12);
        top_fini(&top);
        world_free(w);
    }
}

static void folded_waits_are_top(void **state)
{
    (void)state;
    enum { MOST_LINES = 4 * WORLD_STACKS * 2 };
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world *w = world_new(seed, true, NULL);
        struct top top = whole_top(w, MODE_OFF_CPU);
        CLEANUP(text_fini) struct text folded = world_export(w, &export_folded, true, 1 + seed);
        for (size_t i = 0; i < top.entries.n; i++) {
            CLEANUP(text_fini) struct text name = {0};
            add_plain(&name, top.entries.at[i].function->name);
            struct folded_sums sums = sum_folded(&folded, text_get(&name));
            uint64_t total_ns = off_cpu_total(&top.entries.at[i].total_off_cpu);
            uint64_t self_ns = off_cpu_total(&top.entries.at[i].self_off_cpu);
            assert_in_range(sums.total * 1000 + MOST_LINES * 1000, total_ns,
                            total_ns + 2 * MOST_LINES * 1000);
            assert_in_range(sums.self * 1000 + MOST_LINES * 1000, self_ns,
                            self_ns + 2 * MOST_LINES * 1000);
        }
        // All of it: rounded once per thread.
        uint64_t all_ns = off_cpu_total(&top.total_off_cpu);
        uint64_t written_us = sum_folded(&folded, EXPORT_NO_STACK).all;
        assert_in_range(written_us * 1000, all_ns - MIN(all_ns, UINT64_C(1500)), all_ns + 1500);
        top_fini(&top);
        world_free(w);
    }
}

static void folded_marks_whose_code_it_is(void **state)
{
    (void)state;
    struct world *w = world_new(3, true, NULL);
    CLEANUP(text_fini) struct text running = world_export(w, &export_folded, false, 1000);
    CLEANUP(text_fini) struct text waiting = world_export(w, &export_folded, true, 1000);
    assert_non_null(strstr(text_get(&running), ";jitted_[j]"));
    assert_non_null(strstr(text_get(&waiting), ";pipe_read_[k];[ipc] "));
    assert_non_null(strstr(text_get(&running), "run\\x3bner-11;"));
    assert_non_null(strstr(text_get(&running), "bad\\xff\\x0aname-12;"));
    assert_non_null(strstr(text_get(&running), ";ends\\x2012"));
    assert_non_null(strstr(text_get(&running), w->long_name));
    assert_null(strstr(text_get(&running), "foreign"));
    world_free(w);
}

// ---- speedscope --------------------------------------------------------------------------------

// Per function: as self and, once per stack, as total; by the frames' names.
struct speedscope_sums {
    uint64_t all_ns;
    uint64_t self_ns;
    uint64_t total_ns;
};

static void sum_profile(struct speedscope_sums *sums, const json_t *profile, const json_t *frames,
                        const char *function)
{
    const json_t *weights = json_object_get(profile, "weights");
    uint64_t sum_ns = 0;
    size_t i;
    json_t *sample;
    assert_int_equal(json_array_size(weights),
                     json_array_size(json_object_get(profile, "samples")));
    json_array_foreach(json_object_get(profile, "samples"), i, sample)
    {
        uint64_t ns = (uint64_t)json_integer_value(json_array_get(weights, i));
        bool is_in = false;
        bool is_leaf = false;
        size_t depth;
        json_t *number;
        json_array_foreach(sample, depth, number)
        {
            size_t at = (size_t)json_integer_value(number);
            assert_true(at < json_array_size(frames));
            const json_t *name = json_object_get(json_array_get(frames, at), "name");
            is_leaf = strcmp(json_string_value(name), function) == 0;
            is_in |= is_leaf;
        }
        assert_true(depth > 0);
        sums->self_ns += is_leaf ? ns : 0;
        sums->total_ns += is_in ? ns : 0;
        sum_ns += ns;
    }
    sums->all_ns += sum_ns;
    assert_int_equal(json_integer_value(json_object_get(profile, "endValue")), sum_ns);
}

static struct speedscope_sums sum_speedscope(const json_t *file, const char *ends, bool has_end,
                                             const char *function)
{
    const json_t *frames = json_object_get(json_object_get(file, "shared"), "frames");
    struct speedscope_sums sums = {0};
    size_t i;
    json_t *profile;
    json_array_foreach(json_object_get(file, "profiles"), i, profile)
    {
        const char *name = json_string_value(json_object_get(profile, "name"));
        size_t n = strlen(ends);
        bool ended = strlen(name) >= n && strcmp(name + strlen(name) - n, ends) == 0;
        if (ended == has_end) {
            sum_profile(&sums, profile, frames, function);
        }
    }
    return sums;
}

static json_t *export_speedscope_json(struct world *w, bool off_cpu, uint64_t max_rows)
{
    CLEANUP(text_fini) struct text bytes = world_export(w, &export_speedscope, off_cpu, max_rows);
    json_error_t error;
    json_t *file = json_loadb(bytes.at, bytes.n, 0, &error);
    assert_non_null(file);
    return file;
}

// As a name is in JSON: bytes that are not UTF-8 have become visible.
static void add_valid(struct text *to, const char *name)
{
    for (size_t i = 0; name[i] != 0;) {
        size_t n = utf8_length((const uint8_t *)name + i, strlen(name + i));
        if (n == 0) {
            text_addf(to, "\\x%02x", (uint8_t)name[i++]);
        } else {
            text_add_bytes(to, name + i, n);
            i += n;
        }
    }
}

static void speedscope_is_top_and_threads(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world *w = world_new(seed, seed % 2 == 0, NULL);
        json_t *file = export_speedscope_json(w, false, 1 + seed);
        struct top top = whole_top(w, MODE_ON_CPU);
        struct speedscope_sums all = sum_speedscope(file, " off-CPU", false, "");
        assert_in_range(all.all_ns, top.total_on_cpu_ns - 2, top.total_on_cpu_ns + 2);
        all = sum_speedscope(file, " off-CPU", true, "");
        assert_int_equal(all.all_ns, off_cpu_total(&top.total_off_cpu));
        for (size_t i = 0; i < top.entries.n; i++) {
            CLEANUP(text_fini) struct text name = {0};
            add_valid(&name, top.entries.at[i].function->name);
            struct speedscope_sums sums = sum_speedscope(file, " off-CPU", false, text_get(&name));
            enum { ROUNDED = 4 * WORLD_STACKS };
            assert_in_range(sums.self_ns + ROUNDED, top.entries.at[i].self_on_cpu_ns,
                            top.entries.at[i].self_on_cpu_ns + 2 * ROUNDED);
            assert_in_range(sums.total_ns + ROUNDED, top.entries.at[i].total_on_cpu_ns,
                            top.entries.at[i].total_on_cpu_ns + 2 * ROUNDED);
        }
        struct threads_answer threads = {0};
        threads_make(&threads, &w->tree, &w->fold, w->store, &w->reasons, 0);
        for (size_t i = 0; i < threads.entries.n; i++) {
            char ends[32];
            snprintf(ends, sizeof ends, " %u", threads.entries.at[i].tid);
            all = sum_speedscope(file, ends, true, "");
            assert_int_equal(all.all_ns, threads.entries.at[i].on_cpu_ns);
        }
        threads_fini(&threads);
        top_fini(&top);
        json_decref(file);
        world_free(w);
    }
}

static void speedscope_shows_what_was_asked_for(void **state)
{
    (void)state;
    struct world *w = world_new(1, true, NULL);
    for (int off_cpu = 0; off_cpu < 2; off_cpu++) {
        json_t *file = export_speedscope_json(w, off_cpu, 50);
        json_int_t active = json_integer_value(json_object_get(file, "activeProfileIndex"));
        const json_t *profile = json_array_get(json_object_get(file, "profiles"), (size_t)active);
        const char *name = json_string_value(json_object_get(profile, "name"));
        assert_int_equal(strstr(name, "off-CPU") != NULL, off_cpu);
        json_decref(file);
    }
    world_free(w);
}

// ---- Out ---------------------------------------------------------------------------------------

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; export_formats[i] != NULL; i++) {
        struct world *w = world_new(2, true, NULL);
        int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        struct export export;
        export_init(&export, export_formats[i], &w->source, false, fd);
        int r;
        while ((r = export_advance(&export, 100)) == 1) {
        }
        assert_int_equal(r, -ENOSPC);
        export_fini(&export);
        close(fd);
        world_free(w);
    }
}

static void one_that_is_broken_off_leaves_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; export_formats[i] != NULL; i++) {
        for (int steps = 0; steps < 5; steps++) {
            struct world *w = world_new(2, true, NULL);
            int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
            struct export export;
            export_init(&export, export_formats[i], &w->source, false, fd);
            for (int step = 0; step < steps; step++) {
                assert_int_equal(export_advance(&export, 3), 1);
            }
            export_fini(&export); // leaks are found by the sanitizer
            close(fd);
            world_free(w);
        }
    }
}

static void packed_bytes_are_those_that_went_in(void **state)
{
    (void)state;
    int fd = memfd_create("out", MFD_CLOEXEC);
    struct export_out out;
    export_out_init(&out, fd, true);
    CLEANUP(text_fini) struct text all = {0};
    for (uint32_t i = 0; i < 50000; i++) {
        text_addf(&all, "%u ", i * 2654435761u);
        text_addf(export_out_text(&out), "%u ", i * 2654435761u);
        export_out_drain(&out);
    }
    assert_int_equal(export_out_finish(&out), 0);
    assert_int_equal(out.written, all.n);
    export_out_fini(&out);
    CLEANUP(text_fini) struct text packed = {0};
    char part[4096];
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;) {
        text_add_bytes(&packed, part, (size_t)n);
    }
    close(fd);
    assert_true(packed.n < all.n);
    CLEANUP(text_fini) struct text back = world_unpack(&packed);
    assert_string_equal(text_get(&back), text_get(&all));
}

static void the_protocol_knows_the_formats(void **state)
{
    (void)state;
    size_t i = 0;
    for (; export_formats[i] != NULL; i++) {
        assert_non_null(rpc_export_formats[i]);
        assert_string_equal(export_formats[i]->name, rpc_export_formats[i]);
        assert_ptr_equal(export_format_find(rpc_export_formats[i]), export_formats[i]);
    }
    assert_null(rpc_export_formats[i]);
    assert_null(export_format_find("no such format"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_those_of_the_fold),
        cmocka_unit_test(folded_is_top),
        cmocka_unit_test(folded_waits_are_top),
        cmocka_unit_test(folded_marks_whose_code_it_is),
        cmocka_unit_test(speedscope_is_top_and_threads),
        cmocka_unit_test(speedscope_shows_what_was_asked_for),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(one_that_is_broken_off_leaves_nothing),
        cmocka_unit_test(packed_bytes_are_those_that_went_in),
        cmocka_unit_test(the_protocol_knows_the_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
