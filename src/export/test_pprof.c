// Protocol Buffers against the bytes of their documentation; and a profile, read back by a reader
// that shares nothing with the writer, against the answers of query/.

#include "export/export_cells.h"
#include "export/proto.h"
#include "export/test_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SEEDS = 12 };

// ---- Protocol Buffers --------------------------------------------------------------------------

static void assert_bytes(const struct text *text, const char *bytes, size_t n)
{
    assert_int_equal(text->n, n);
    assert_memory_equal(text->at, bytes, n);
}

static void values_are_as_documented(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text text = {0};
    proto_u64(&text, 1, 150);
    assert_bytes(&text, "\x08\x96\x01", 3);
    text_clear(&text);
    proto_string(&text, 2, "testing", 7);
    assert_bytes(&text, "\x12\x07testing", 9);
    CLEANUP(text_fini) struct text outer = {0};
    text_clear(&text);
    proto_u64(&text, 1, 150);
    proto_message(&outer, 3, &text);
    assert_bytes(&outer, "\x1a\x03\x08\x96\x01", 5);
    text_clear(&text);
    proto_packed(&text, 6, (const uint64_t[]){3, 270, 86942}, 3);
    assert_bytes(&text, "\x32\x06\x03\x8e\x02\x9e\xa7\x05", 8);
}

static void values_at_the_ends(void **state)
{
    (void)state;
    CLEANUP(text_fini) struct text text = {0};
    proto_u64(&text, 16, 0); // a key of two bytes
    assert_bytes(&text, "\x80\x01\x00", 3);
    text_clear(&text);
    proto_varint(&text, UINT64_MAX);
    assert_bytes(&text, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
    text_clear(&text);
    proto_fixed64(&text, 1, 0x0102030405060708);
    assert_bytes(&text, "\x09\x08\x07\x06\x05\x04\x03\x02\x01", 9);
    text_clear(&text);
    proto_double(&text, 1, 1.0);
    assert_bytes(&text, "\x09\x00\x00\x00\x00\x00\x00\xf0\x3f", 9);
    text_clear(&text);
    proto_packed(&text, 1, NULL, 0);
    assert_bytes(&text, "\x0a\x00", 2);
    text_clear(&text);
    proto_string(&text, 1, "a\xff\n", 3);
    assert_bytes(&text,
                 "\x0a\x09"
                 "a\\xff\\x0a",
                 11);
}

// ---- A reader ----------------------------------------------------------------------------------

struct field {
    uint32_t number;
    uint64_t value;     // of a varint
    struct slice bytes; // of the others
};

static uint64_t take_varint(struct reader *r)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        assert_true(shift < 64);
        uint8_t byte = read_u8(r);
        assert_false(r->bad);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
}

static bool next_field(struct reader *r, struct field *ret)
{
    if (reader_left(r) == 0) {
        return false;
    }
    uint64_t key = take_varint(r);
    *ret = (struct field){.number = (uint32_t)(key >> 3)};
    uint64_t value = take_varint(r);
    if ((key & 7) == 0) {
        ret->value = value;
    } else {
        assert_int_equal(key & 7, 2);
        ret->bytes = read_slice(r, value);
        assert_false(r->bad);
    }
    return true;
}

// The value of a field in a message; there is at most one.
static uint64_t number_in(struct slice message, uint32_t number)
{
    struct reader r = reader_of(message);
    uint64_t value = 0;
    for (struct field field; next_field(&r, &field);) {
        value = field.number == number ? field.value : value;
    }
    return value;
}

struct line {
    uint64_t location;
    uint64_t function;
};

struct sample {
    struct slice locations;
    uint64_t values[4];
    uint64_t tid;
    uint64_t thread; // string
    uint64_t reason; // string
};

struct profile {
    VEC(struct slice) strings;
    VEC(struct line) lines; // of a location: the innermost first
    VEC(struct slice) functions;
    VEC(struct slice) mappings;
    VEC(struct slice) locations;
    VEC(struct sample) samples;
    size_t n_values;
    struct slice whole;
};

static void read_location(struct profile *p, struct slice message)
{
    struct reader r = reader_of(message);
    vec_push(&p->locations, message);
    for (struct field field; next_field(&r, &field);) {
        if (field.number == 4) {
            vec_push(&p->lines, (struct line){number_in(message, 1), number_in(field.bytes, 1)});
        }
    }
}

static void read_sample(struct profile *p, struct slice message)
{
    struct sample sample = {0};
    struct reader r = reader_of(message);
    for (struct field field; next_field(&r, &field);) {
        if (field.number == 1) {
            sample.locations = field.bytes;
        } else if (field.number == 2) {
            struct reader values = reader_of(field.bytes);
            for (p->n_values = 0; reader_left(&values) > 0; p->n_values++) {
                assert_true(p->n_values < 4);
                sample.values[p->n_values] = take_varint(&values);
            }
        } else if (field.number == 3) {
            struct slice key = p->strings.at[number_in(field.bytes, 1)];
            if (slice_equal(key, slice_of_text("tid"))) {
                sample.tid = number_in(field.bytes, 3);
            } else if (slice_equal(key, slice_of_text("thread"))) {
                sample.thread = number_in(field.bytes, 2);
            } else if (slice_equal(key, slice_of_text("reason"))) {
                sample.reason = number_in(field.bytes, 2);
            }
        }
    }
    vec_push(&p->samples, sample);
}

static void read_profile(struct profile *p, const struct text *bytes)
{
    *p = (struct profile){.whole = {(const uint8_t *)bytes->at, bytes->n}};
    struct reader r = reader_of(p->whole);
    for (struct field field; next_field(&r, &field);) {
        if (field.number == 6) {
            vec_push(&p->strings, field.bytes);
        } else if (field.number == 5) {
            vec_push(&p->functions, field.bytes);
        } else if (field.number == 4) {
            read_location(p, field.bytes);
        } else if (field.number == 3) {
            vec_push(&p->mappings, field.bytes);
        }
    }
    r = reader_of(p->whole);
    for (struct field field; next_field(&r, &field);) {
        if (field.number == 2) {
            read_sample(p, field.bytes);
        }
    }
}

static void profile_fini(struct profile *p)
{
    vec_fini(&p->strings);
    vec_fini(&p->lines);
    vec_fini(&p->functions);
    vec_fini(&p->mappings);
    vec_fini(&p->locations);
    vec_fini(&p->samples);
}

static struct slice string_of(const struct profile *p, uint64_t number)
{
    assert_true(number < p->strings.n);
    return p->strings.at[number];
}

static struct slice name_of_function(const struct profile *p, uint64_t id)
{
    for (size_t i = 0; i < p->functions.n; i++) {
        if (number_in(p->functions.at[i], 1) == id) {
            return string_of(p, number_in(p->functions.at[i], 2));
        }
    }
    fail();
    return (struct slice){0};
}

struct sums {
    uint64_t self[4];
    uint64_t total[4];
};

static bool location_has(const struct profile *p, uint64_t id, struct slice name, bool innermost)
{
    for (size_t i = 0; i < p->lines.n; i++) {
        if (p->lines.at[i].location == id) {
            if (slice_equal(name_of_function(p, p->lines.at[i].function), name)) {
                return true;
            }
            if (innermost) {
                return false;
            }
        }
    }
    return false;
}

static struct sums sum_function(const struct profile *p, struct slice name)
{
    struct sums sums = {0};
    for (size_t i = 0; i < p->samples.n; i++) {
        const struct sample *sample = &p->samples.at[i];
        struct reader r = reader_of(sample->locations);
        bool is_leaf = false;
        bool is_in = false;
        for (bool first = true; reader_left(&r) > 0; first = false) {
            uint64_t id = take_varint(&r);
            is_leaf |= first && location_has(p, id, name, true);
            is_in |= location_has(p, id, name, false);
        }
        for (size_t value = 0; value < 4; value++) {
            sums.self[value] += is_leaf ? sample->values[value] : 0;
            sums.total[value] += is_in ? sample->values[value] : 0;
        }
    }
    return sums;
}

// ---- Against the answers -----------------------------------------------------------------------

static void read_world(struct profile *p, struct text *unpacked, struct world *w, bool off_cpu,
                       uint64_t max_rows)
{
    CLEANUP(text_fini) struct text packed = world_export(w, &export_pprof, off_cpu, max_rows);
    *unpacked = world_unpack(&packed);
    read_profile(p, unpacked);
}

static void compare_entry(const struct profile *p, const struct top_entry *entry)
{
    enum { ROUNDED = 1000 };
    CLEANUP(text_fini) struct text name = {0};
    text_add_escaped(&name, entry->function->name, strlen(entry->function->name));
    struct sums sums = sum_function(p, (struct slice){(const uint8_t *)name.at, name.n});
    assert_int_equal(sums.self[0], entry->self_samples);
    assert_int_equal(sums.total[0], entry->total_samples);
    assert_int_equal(sums.self[2], entry->self_waits);
    assert_int_equal(sums.total[2], entry->total_waits);
    assert_int_equal(sums.self[3], off_cpu_total(&entry->self_off_cpu));
    assert_int_equal(sums.total[3], off_cpu_total(&entry->total_off_cpu));
    assert_in_range(sums.self[1] + ROUNDED, entry->self_on_cpu_ns,
                    entry->self_on_cpu_ns + 2 * ROUNDED);
    assert_in_range(sums.total[1] + ROUNDED, entry->total_on_cpu_ns,
                    entry->total_on_cpu_ns + 2 * ROUNDED);
}

static void a_profile_is_top(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world *w = world_new(seed, true, NULL);
        struct profile p;
        CLEANUP(text_fini) struct text bytes = {0};
        read_world(&p, &bytes, w, false, 1 + seed);
        assert_int_equal(p.n_values, 4);
        for (int mode = 0; mode < 2; mode++) {
            struct top top = {0};
            top_make(&top, &w->tree, &w->fold, w->store, &w->reasons,
                     &(struct top_params){.mode = mode == 0 ? MODE_ON_CPU : MODE_OFF_CPU});
            for (size_t i = 0; i < top.entries.n; i++) {
                compare_entry(&p, &top.entries.at[i]);
            }
            top_fini(&top);
        }
        profile_fini(&p);
        world_free(w);
    }
}

static void a_profile_is_threads(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct world *w = world_new(seed, true, NULL);
        struct profile p;
        CLEANUP(text_fini) struct text bytes = {0};
        read_world(&p, &bytes, w, true, 1 + seed);
        struct threads_answer threads = {0};
        threads_make(&threads, &w->tree, &w->fold, w->store, &w->reasons, 0);
        for (size_t t = 0; t < threads.entries.n; t++) {
            const struct threads_entry *entry = &threads.entries.at[t];
            uint64_t sums[4] = {0};
            struct off_cpu by_reason = {0};
            for (size_t i = 0; i < p.samples.n; i++) {
                const struct sample *sample = &p.samples.at[i];
                for (size_t value = 0; sample->tid == entry->tid && value < 4; value++) {
                    sums[value] += sample->values[value];
                }
                for (enum event_reason reason = 0; reason < EVENT_REASON_COUNT; reason++) {
                    struct slice name = slice_of_text(event_reason_name(reason));
                    if (sample->tid == entry->tid && sample->reason != 0 &&
                        slice_equal(string_of(&p, sample->reason), name)) {
                        by_reason.ns[reason] += sample->values[3];
                    }
                }
            }
            assert_int_equal(sums[0], entry->samples);
            assert_int_equal(sums[1], entry->on_cpu_ns);
            assert_int_equal(sums[3], off_cpu_total(&entry->off_cpu));
            assert_memory_equal(&by_reason, &entry->off_cpu, sizeof by_reason);
        }
        threads_fini(&threads);
        profile_fini(&p);
        world_free(w);
    }
}

// Everything that is named is there, once; addresses lie within their mapping.
static void a_profile_is_consistent(void **state)
{
    (void)state;
    struct world *w = world_new(5, true, NULL);
    struct profile p;
    CLEANUP(text_fini) struct text bytes = {0};
    read_world(&p, &bytes, w, false, 17);
    assert_int_equal(p.strings.at[0].n, 0);
    for (size_t i = 0; i < p.strings.n; i++) {
        for (size_t at = 0; at < p.strings.at[i].n;) {
            size_t n = utf8_length(p.strings.at[i].data + at, p.strings.at[i].n - at);
            assert_true(n > 0 && p.strings.at[i].data[at] >= 0x20);
            at += n;
        }
    }
    size_t placed = 0;
    for (size_t i = 0; i < p.locations.n; i++) {
        uint64_t mapping = number_in(p.locations.at[i], 2);
        uint64_t addr = number_in(p.locations.at[i], 3);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(number_in(p.locations.at[i], 1), number_in(p.locations.at[k], 1));
        }
        for (size_t k = 0; k < p.mappings.n; k++) {
            if (number_in(p.mappings.at[k], 1) == mapping) {
                assert_true(number_in(p.mappings.at[k], 2) <= addr);
                assert_true(number_in(p.mappings.at[k], 3) > addr);
                placed++;
            }
        }
        placed += mapping == 0;
    }
    assert_int_equal(placed, p.locations.n);
    struct slice program = string_of(&p, number_in(p.mappings.at[0], 5));
    assert_true(slice_equal(program, slice_of_text("/bin/pro\"gram")));
    struct slice build_id = string_of(&p, number_in(p.mappings.at[0], 6));
    assert_true(slice_equal(build_id, slice_of_text("1234ff")));
    profile_fini(&p);
    world_free(w);
}

static void without_switches_there_are_no_waits(void **state)
{
    (void)state;
    struct world *w = world_new(5, false, NULL);
    struct profile p;
    CLEANUP(text_fini) struct text bytes = {0};
    read_world(&p, &bytes, w, false, 17);
    assert_int_equal(p.n_values, 2);
    uint64_t samples = 0;
    uint64_t ns = 0;
    for (size_t i = 0; i < p.samples.n; i++) {
        samples += p.samples.at[i].values[0];
        ns += p.samples.at[i].values[1];
    }
    assert_int_equal(samples, w->fold.n_samples);
    assert_int_equal(ns, samples * w->store->samples.weight_ns);
    profile_fini(&p);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_as_documented),
        cmocka_unit_test(values_at_the_ends),
        cmocka_unit_test(a_profile_is_top),
        cmocka_unit_test(a_profile_is_threads),
        cmocka_unit_test(a_profile_is_consistent),
        cmocka_unit_test(without_switches_there_are_no_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
