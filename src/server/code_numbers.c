#include "server/code_numbers.h"

#include <string.h>

void code_sent_fini(struct code_sent *sent)
{
    vec_fini(&sent->rows.list);
}

void put_code_numbers(struct json *j, const struct code_numbers *numbers)
{
    json_u64_field(j, "self_samples", numbers->self_samples);
    json_u64_field(j, "self_on_cpu_ns", numbers->self_on_cpu_ns);
    json_u64_field(j, "total_samples", numbers->total_samples);
    json_u64_field(j, "total_on_cpu_ns", numbers->total_on_cpu_ns);
    json_u64_field(j, "total_off_cpu_ns", numbers->total_off_ns);
}

static const struct {
    const char *name;
    size_t at;
} columns[] = {
    {"self_samples", offsetof(struct code_numbers, self_samples)},
    {"self_on_cpu_ns", offsetof(struct code_numbers, self_on_cpu_ns)},
    {"total_samples", offsetof(struct code_numbers, total_samples)},
    {"total_on_cpu_ns", offsetof(struct code_numbers, total_on_cpu_ns)},
    {"total_off_cpu_ns", offsetof(struct code_numbers, total_off_ns)},
};

static uint64_t number_at(const struct code_numbers *numbers, size_t at)
{
    uint64_t number;
    memcpy(&number, (const char *)numbers + at, sizeof number);
    return number;
}

static bool is_changed(const struct code_sent *sent, const struct code_rows *rows, size_t i)
{
    return memcmp(&sent->rows.list.at[i], &rows->list.at[i], sizeof rows->list.at[i]) != 0;
}

static void put_changed(struct json *j, const struct code_sent *sent, const struct code_rows *rows,
                        uint32_t first_row)
{
    json_key(j, "changed");
    json_object_begin(j);
    json_key(j, "row");
    json_array_begin(j);
    for (size_t i = 0; i < rows->list.n; i++) {
        if (is_changed(sent, rows, i)) {
            json_u64(j, first_row + i);
        }
    }
    json_array_end(j);
    for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
        json_key(j, columns[c].name);
        json_array_begin(j);
        for (size_t i = 0; i < rows->list.n; i++) {
            if (is_changed(sent, rows, i)) {
                json_u64(j, number_at(&rows->list.at[i], columns[c].at));
            }
        }
        json_array_end(j);
    }
    json_object_end(j);
}

bool put_code_changed(struct json *j, struct code_sent *sent, uint64_t key,
                      const struct code_rows *rows, uint32_t first_row)
{
    if (sent == NULL) {
        return false;
    }
    bool known = sent->key == key && sent->rows.list.n == rows->list.n;
    if (known) {
        put_changed(j, sent, rows, first_row);
    }
    sent->key = key;
    vec_clear(&sent->rows.list);
    for (size_t i = 0; i < rows->list.n; i++) {
        vec_push(&sent->rows.list, rows->list.at[i]);
    }
    return known;
}
