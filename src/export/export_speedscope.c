// speedscope: one profile per thread and per what it did, running or waiting, as stacks with
// weights in nanoseconds. The weights of a thread add up to what `stax threads` says.
//
//     {"profiles": [{"type": "sampled", "samples": [[0, 1, 2], …], "weights": [1111111, …]}, …],
//      "shared": {"frames": [{"name": "main", "file": "/bin/program"}, …]}}
//
// Samples are lists of frames, by number, the outermost first; the innermost one of a wait is its
// reason. Frames get numbers as they are met, so their list comes last, where JSON does not care.
//
// https://www.speedscope.app/file-format-schema.json

#include "export/export_cells.h"
#include "rpc/json.h"

#include <stdio.h>
#include <stdlib.h>

struct frame {
    const char *name; // borrowed
    const char *file; // likewise; NULL: none
};

// Of the profile in hand.
enum stage { NO_PROFILE, IN_SAMPLES, IN_WEIGHTS };

struct speedscope {
    struct json json;
    thread_id next_thread;
    bool next_waits;           // which profile of it
    struct export_cells cells; // of the profile in hand
    bool waits;                // what it is about
    enum stage stage;
    size_t next_cell;
    VEC(struct frame) frames;
    VEC(uint32_t) of_function;              // number of its frame, plus one
    uint32_t of_reason[EVENT_REASON_COUNT]; // likewise
    uint32_t no_stack;                      // likewise
    uint32_t no_samples;
    VEC(uint32_t) path; // of one stack, innermost first
    char reasons[EVENT_REASON_COUNT][24];
    uint64_t n_profiles;
    uint64_t active; // the profile that is shown first: the one with most in it
    uint64_t active_ns;
};

// ---- Frames ------------------------------------------------------------------------------------

static uint32_t frame_of(struct speedscope *s, uint32_t *number, const char *name, const char *file)
{
    if (*number == 0) {
        vec_push(&s->frames, (struct frame){name, file});
        *number = (uint32_t)s->frames.n;
    }
    return *number - 1;
}

static uint32_t frame_of_function(struct export *export, function_id id)
{
    struct speedscope *s = export->state;
    const struct function *function = names_function(export->source->names, id);
    vec_grow_zeroed(&s->of_function, (size_t)id + 1);
    return frame_of(s, &s->of_function.at[id], function->name, function->binary_path);
}

static void put_frames(struct json *j, const struct speedscope *s, struct export_out *out)
{
    json_key(j, "shared");
    json_object_begin(j);
    json_key(j, "frames");
    json_array_begin(j);
    for (size_t i = 0; i < s->frames.n; i++) {
        const struct frame *frame = &s->frames.at[i];
        json_object_begin(j);
        json_string_field(j, "name", frame->name);
        if (frame->file != NULL && frame->file[0] != 0) {
            json_string_field(j, "file", frame->file);
        }
        json_object_end(j);
        export_out_drain(out);
    }
    json_array_end(j);
    json_object_end(j);
}

// ---- A profile ---------------------------------------------------------------------------------

static void put_sample(struct export *export, const struct export_cell *cell)
{
    struct speedscope *s = export->state;
    const struct calltree *tree = export->source->tree;
    vec_clear(&s->path);
    if (s->waits) {
        vec_push(&s->path,
                 frame_of(s, &s->of_reason[cell->reason], s->reasons[cell->reason], NULL));
    }
    if (cell->node == 0) {
        uint32_t *number = cell->n == 0 ? &s->no_samples : &s->no_stack;
        vec_push(&s->path, frame_of(s, number, export_empty_stack(cell), NULL));
    }
    for (node_id node = cell->node; node != 0; node = tree->nodes.at[node].caller) {
        vec_push(&s->path, frame_of_function(export, tree->nodes.at[node].function));
    }
    json_array_begin(&s->json);
    while (s->path.n > 0) {
        json_u64(&s->json, vec_pop(&s->path));
    }
    json_array_end(&s->json);
}

static uint64_t sum_cells(const struct export_cells *cells)
{
    uint64_t sum_ns = 0;
    for (size_t i = 0; i < cells->at.n; i++) {
        sum_ns += cells->at.at[i].ns;
    }
    return sum_ns;
}

static void open_profile(struct export *export, thread_id thread)
{
    struct speedscope *s = export->state;
    struct json *j = &s->json;
    uint64_t sum_ns = sum_cells(&s->cells);
    struct slice name = export_thread_name(export, thread);
    CLEANUP(text_fini) struct text title = {0};
    text_add_bytes(&title, name.data, name.n);
    text_addf(&title, " %u%s", store_thread(export->source->store, thread)->tid,
              s->waits ? " off-CPU" : "");
    json_object_begin(j);
    json_string_field(j, "type", "sampled");
    json_text_field(j, "name", title.at, title.n);
    json_string_field(j, "unit", "nanoseconds");
    json_u64_field(j, "startValue", 0);
    json_u64_field(j, "endValue", sum_ns);
    json_key(j, "samples");
    json_array_begin(j);
    if (s->waits == export->off_cpu && sum_ns > s->active_ns) {
        s->active = s->n_profiles;
        s->active_ns = sum_ns;
    }
    s->n_profiles++;
    s->stage = IN_SAMPLES;
    s->next_cell = 0;
}

// The next profile that has something in it, if the next candidate has. False: there are no more.
static bool next_profile(struct export *export)
{
    struct speedscope *s = export->state;
    thread_id thread = s->next_thread;
    if (thread >= export->source->fold->threads.n) {
        return false;
    }
    s->waits = s->next_waits;
    if (s->waits) {
        export_cells_waiting(&s->cells, export, thread);
    } else {
        export_cells_running(&s->cells, export, thread);
    }
    export_cells_merge(&s->cells);
    s->next_thread += s->waits;
    s->next_waits = !s->waits;
    if (s->cells.at.n > 0) {
        open_profile(export, thread);
    }
    return true;
}

static void end_of_cells(struct speedscope *s)
{
    json_array_end(&s->json);
    if (s->stage == IN_SAMPLES) {
        s->stage = IN_WEIGHTS;
        s->next_cell = 0;
        json_key(&s->json, "weights");
        json_array_begin(&s->json);
    } else {
        s->stage = NO_PROFILE;
        json_object_end(&s->json);
    }
}

// ---- The format --------------------------------------------------------------------------------

static void begin(struct export *export)
{
    struct speedscope *s = NEW(struct speedscope);
    export->state = s;
    for (enum event_reason reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        snprintf(s->reasons[reason], sizeof s->reasons[reason], "[%s]", event_reason_name(reason));
    }
    struct json *j = &s->json;
    json_init(j, export_out_text(&export->out));
    json_object_begin(j);
    json_string_field(j, "$schema", "https://www.speedscope.app/file-format-schema.json");
    json_string_field(j, "exporter", "stax " STAX_VERSION);
    json_string_field(j, "name", export->source->label);
    json_key(j, "profiles");
    json_array_begin(j);
}

static bool more(struct export *export, uint64_t max_rows)
{
    struct speedscope *s = export->state;
    for (uint64_t i = 0; i < max_rows; i++) {
        if (s->stage == NO_PROFILE) {
            if (!next_profile(export)) {
                return false;
            }
        } else if (s->next_cell == s->cells.at.n) {
            end_of_cells(s);
        } else if (s->stage == IN_SAMPLES) {
            put_sample(export, &s->cells.at.at[s->next_cell++]);
        } else {
            json_u64(&s->json, s->cells.at.at[s->next_cell++].ns);
        }
        export_out_drain(&export->out);
    }
    return true;
}

static void end(struct export *export)
{
    struct speedscope *s = export->state;
    json_array_end(&s->json);
    json_u64_field(&s->json, "activeProfileIndex", s->active);
    put_frames(&s->json, s, &export->out);
    json_object_end(&s->json);
    text_add_char(export_out_text(&export->out), '\n');
}

static void free_state(struct export *export)
{
    struct speedscope *s = export->state;
    if (s == NULL) {
        return;
    }
    export_cells_fini(&s->cells);
    vec_fini(&s->frames);
    vec_fini(&s->of_function);
    vec_fini(&s->path);
    free(TAKE(export->state));
}

const struct export_format export_speedscope = {
    .name = "speedscope",
    .summary = "a profile per thread for www.speedscope.app",
    .begin = begin,
    .more = more,
    .end = end,
    .free = free_state,
};
