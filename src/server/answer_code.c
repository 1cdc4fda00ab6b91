#include "server/annotated_rows.h"
#include "server/answer_code_parts.h"
#include "server/answers.h"
#include "server/sent.h"

// The rows that an answer has.
struct page {
    size_t first;
    size_t n;
};

static void put_bytes(struct json *j, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * UINT8_MAX];
    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    json_text_field(j, "bytes", hex, 2 * n);
}

static void put_inlined(struct json *j, const struct listing *listing, uint32_t chain)
{
    json_key(j, "inlined");
    json_array_begin(j);
    for (uint32_t i = 0; chain != LISTING_NONE && i < listing->chains.at[chain].n; i++) {
        const struct listing_inlined *one =
            &listing->inlined.at[listing->chains.at[chain].first + i];
        json_object_begin(j);
        json_string_field(j, "function_name", one->function_name);
        if (one->call_file != NULL) {
            json_string_field(j, "call_file", one->call_file);
        }
        if (one->call_line != 0) {
            json_u64_field(j, "call_line", one->call_line);
        }
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_no_source(struct json *j)
{
    json_key(j, "source_header");
    json_object_begin(j);
    json_string_field(j, "file", "");
    json_u64_field(j, "line", 0);
    json_object_end(j);
}

// What the lines before this one have said; at first, nothing.
struct said {
    uint32_t source;
    uint32_t chain;
};

static void put_code(struct json *j, const struct listing *listing, const struct listing_line *line,
                     struct said *said)
{
    put_bytes(j, listing->bytes.at + line->bytes_at, line->instruction.n_bytes);
    json_string_field(j, "text", line->text);
    json_bool_field(j, "is_data", line->instruction.is_data);
    if (line->source != said->source && line->source == LISTING_NONE) {
        put_no_source(j);
    } else if (line->source != said->source) {
        put_source_header(j, listing, line->source);
    }
    if (line->chain != said->chain) {
        put_inlined(j, listing, line->chain);
    }
    *said = (struct said){.source = line->source, .chain = line->chain};
    if (line->target_name != NULL) {
        json_string_field(j, "target_name", line->target_name);
    }
    if (line->instruction.target != 0) {
        json_hex_field(j, "target_address", line->instruction.target);
    }
}

// Samples whose code is not to be had.
static void put_no_code(struct json *j)
{
    json_string_field(j, "bytes", "");
    json_string_field(j, "text", "");
    json_bool_field(j, "is_data", false);
}

static void put_lines(struct json *j, const struct listing *listing,
                      const struct annotated_rows *rows, const struct page *page)
{
    struct said said = {.source = LISTING_NONE, .chain = LISTING_NONE};
    json_key(j, "lines");
    json_array_begin(j);
    for (size_t row = page->first; row < page->first + page->n && !answer_is_full(j); row++) {
        uint32_t line = rows->rows.at[row].line;
        struct code_numbers numbers = annotated_rows_numbers(rows, row);
        json_object_begin(j);
        json_hex_field(j, "address", rows->rows.at[row].addr);
        if (line == LISTING_NONE) {
            put_no_code(j);
        } else {
            put_code(j, listing, &listing->lines.at[line], &said);
        }
        put_code_numbers(j, &numbers);
        json_object_end(j);
    }
    json_array_end(j);
}

static uint64_t samples_between(const struct annotated_rows *rows, uint32_t first, uint32_t end)
{
    uint64_t samples = 0;
    for (uint32_t row = first; row < end; row++) {
        samples += annotated_rows_numbers(rows, row).self_samples;
    }
    return samples;
}

static void put_versions(struct json *j, const struct store *store, const struct listing *listing,
                         const struct annotated_rows *rows)
{
    json_key(j, "versions");
    json_array_begin(j);
    for (size_t part = 0; part < listing->parts.n; part++) {
        const struct listing_range *range = &listing->parts.at[part].range;
        if (range->code == CODE_NONE) {
            continue;
        }
        uint32_t first = rows->first_of_part.at[part];
        uint32_t end = rows->first_of_part.at[part + 1];
        uint64_t loaded_ns = store_code(store, range->code)->loaded_ns;
        json_object_begin(j);
        json_hex_field(j, "address", range->addr);
        json_u64_field(j, "first_line", first);
        json_u64_field(j, "n_lines", end - first);
        json_u64_field(j, "loaded_ns",
                       loaded_ns > store->started_ns ? loaded_ns - store->started_ns : 0);
        json_u64_field(j, "self_samples", samples_between(rows, first, end));
        json_object_end(j);
    }
    json_array_end(j);
}

// The lines, or what has changed of them since the last answer.
static void put_rows(struct json *j, const struct code_work *work, struct sent *sent,
                     const struct annotated_rows *rows, const struct page *page)
{
    struct code_rows numbers = {0};
    if (sent != NULL) {
        for (size_t row = page->first; row < page->first + page->n; row++) {
            vec_push(&numbers.list, annotated_rows_numbers(rows, row));
        }
    }
    if (!put_code_changed(j, sent == NULL ? NULL : &sent->code, rows->key, &numbers,
                          (uint32_t)page->first)) {
        put_lines(j, work->listing, rows, page);
    }
    vec_fini(&numbers.list);
}

void answer_annotated(struct text *to, struct analysis *analysis, const struct question *question)
{
    struct json j;
    const struct code_work *work = question->code;
    struct annotated_rows rows;
    annotated_rows_make(&rows, work->listing, &work->heat);
    struct page page = {.first = MIN((size_t)work->params.first_line, rows.rows.n)};
    page.n = MIN((size_t)work->params.limit, rows.rows.n - page.first);
    json_init(&j, to);
    json_object_begin(&j);
    put_view_fields(&j, analysis, question->kept);
    put_target_fields(&j, analysis, work);
    put_listing_fields(&j, analysis, work);
    put_heat_fields(&j, &work->heat);
    put_versions(&j, analysis->run->store, work->listing, &rows);
    json_u64_field(&j, "n_lines", rows.rows.n);
    json_u64_field(&j, "first_line", page.first);
    json_u64_field(&j, "cut_self_samples", annotated_rows_cut_samples(&rows, page.first, page.n));
    put_rows(&j, work, question->sent, &rows, &page);
    json_object_end(&j);
    annotated_rows_fini(&rows);
}
