#include "server/answer_code_parts.h"

static void put_match(struct json *j, const struct names *names, const struct found_function *found)
{
    const struct function *function = names_function(names, found->id);
    json_object_begin(j);
    put_function(j, "function_name", "binary", function);
    json_bool_field(j, "inlined", function->inlined);
    json_hex_field(j, "address", function->addr);
    json_u64_field(j, "self_samples", found->self_samples);
    json_u64_field(j, "total_samples", found->total_samples);
    json_object_end(j);
}

static void put_matches(struct json *j, const struct names *names,
                        const struct found_functions *found)
{
    json_u64_field(j, "n_matches", MAX(found->n_fit, (uint64_t)1));
    json_key(j, "matches");
    json_array_begin(j);
    for (size_t i = 1; i < found->fit.n; i++) {
        put_match(j, names, &found->fit.at[i]);
    }
    json_array_end(j);
}

void put_target_fields(struct json *j, const struct analysis *analysis,
                       const struct code_work *work)
{
    const struct function *function = code_work_function(work, analysis);
    const struct function_target *target = &work->params.target;
    put_function(j, "function_name", "binary", function);
    json_bool_field(j, "inlined", function->inlined);
    json_string_field(j, "language", symbol_lang_name(function->lang));
    json_bool_field(j, "is_main", function->is_main);
    json_hex_field(j, "base_address", function->addr);
    json_hex_field(j, "queried_address", target->name != NULL ? function->addr : target->address);
    put_matches(j, &analysis->names, &work->found);
}

static void put_note(struct json *j, const char *about, const struct err *note)
{
    if (note->text[0] != 0) {
        json_object_begin(j);
        json_string_field(j, "about", about);
        json_string_field(j, "text", note->text);
        json_object_end(j);
    }
}

void put_listing_fields(struct json *j, const struct analysis *analysis,
                        const struct code_work *work)
{
    const struct listing *listing = work->listing;
    if (work->inlined != FUNCTION_NONE) {
        json_key(j, "inlined_host");
        json_object_begin(j);
        json_string_field(j, "function_name",
                          names_function(&analysis->names, work->inlined)->name);
        json_u64_field(j, "samples", work->found.fit.at[0].self_samples);
        json_u64_field(j, "samples_here", work->host_samples);
        json_object_end(j);
    }
    json_u64_field(j, "listing", listing->serial);
    json_string_field(j, "origin", code_origin_name(listing->origin));
    json_string_field(j, "path", listing->path == NULL ? "" : listing->path);
    json_key(j, "notes");
    json_array_begin(j);
    put_note(j, "code", &listing->code_note);
    put_note(j, "lines", &listing->line_note);
    put_note(j, "sources", &listing->source_note);
    put_note(j, "inlined", &listing->inline_note);
    json_array_end(j);
}

void put_source_header(struct json *j, const struct listing *listing, uint32_t source)
{
    if (source == LISTING_NONE) {
        return;
    }
    const struct listing_source *line = &listing->sources.at[source];
    json_key(j, "source_header");
    json_object_begin(j);
    json_string_field(j, "file", line->file);
    json_u64_field(j, "line", line->line);
    if (line->text != NULL) {
        json_string_field(j, "text", line->text);
    }
    json_object_end(j);
}

void put_heat_fields(struct json *j, const struct function_heat *heat)
{
    json_u64_field(j, "self_samples", heat->self_samples);
    json_u64_field(j, "self_on_cpu_ns", heat->self_on_cpu_ns);
    json_u64_field(j, "function_samples", heat->total_samples);
    json_u64_field(j, "function_on_cpu_ns", heat->total_on_cpu_ns);
    json_u64_field(j, "function_off_cpu_ns", heat->total_off_ns);
}
