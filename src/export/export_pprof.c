// pprof: what `go tool pprof` and its relatives read.
//
//     Profile ── Sample: locations, leaf first; samples, ns, waits, ns; labels: thread, tid, pid
//             ── Location: an address in a Mapping; a Line per function there, the innermost first
//             ── Function: a name
//             ── Mapping: a binary, with its build id
//             ── strings, by number; the first one is empty
//
// All of these are repeated fields of one message, and may come in any order: each is written when
// a sample needs it for the first time, so that nothing is kept but what has a number. Mappings
// come last: how far one reaches is known when all addresses are.
//
// Running and waiting are values of different samples. A wait has its reason as a label.
//
// https://github.com/google/pprof/blob/main/proto/profile.proto

#include "export/export_cells.h"
#include "export/proto.h"

#include <stdlib.h>

// Numbers of fields in profile.proto.
enum {
    PROFILE_SAMPLE_TYPE = 1,
    PROFILE_SAMPLE = 2,
    PROFILE_MAPPING = 3,
    PROFILE_LOCATION = 4,
    PROFILE_FUNCTION = 5,
    PROFILE_STRING = 6,
    PROFILE_TIME_NANOS = 9,
    PROFILE_DURATION_NANOS = 10,
    PROFILE_PERIOD_TYPE = 11,
    PROFILE_PERIOD = 12,
    PROFILE_COMMENT = 13,
    PROFILE_DEFAULT_SAMPLE_TYPE = 14,
    VALUE_TYPE_TYPE = 1,
    VALUE_TYPE_UNIT = 2,
    SAMPLE_LOCATION = 1,
    SAMPLE_VALUE = 2,
    SAMPLE_LABEL = 3,
    LABEL_KEY = 1,
    LABEL_STRING = 2,
    LABEL_NUMBER = 3,
    MAPPING_ID = 1,
    MAPPING_START = 2,
    MAPPING_LIMIT = 3,
    MAPPING_OFFSET = 4,
    MAPPING_FILE = 5,
    MAPPING_BUILD_ID = 6,
    MAPPING_HAS_FUNCTIONS = 7,
    MAPPING_HAS_INLINE_FRAMES = 10,
    LOCATION_ID = 1,
    LOCATION_MAPPING = 2,
    LOCATION_ADDRESS = 3,
    LOCATION_LINE = 4,
    LINE_FUNCTION = 1,
    FUNCTION_ID = 1,
    FUNCTION_NAME = 2,
    FUNCTION_SYSTEM_NAME = 3,
};

// Values of a sample.
enum { VALUE_SAMPLES, VALUE_CPU_NS, VALUE_WAITS, VALUE_OFF_CPU_NS, VALUE_COUNT };

// Ids: frames and functions have theirs, plus one. What stands for no stack has others.
#define SPECIAL_ID (UINT64_C(1) << 33)

// Strings that are needed more than once.
enum word {
    WORD_THREAD,
    WORD_TID,
    WORD_PID,
    WORD_REASON,
    WORD_CPU,
    WORD_OFF_CPU,
    WORD_NANOSECONDS,
    WORD_COUNT_UNIT,
    WORD_SAMPLES,
    WORD_CONTENTIONS,
    WORDS
};

// Addresses of a binary that are in some stack, as offsets: [first, end). None: 0, 0.
struct extent {
    uint64_t first;
    uint64_t end;
};

struct pprof {
    thread_id next_thread;
    bool next_waits;           // what of it comes next
    struct export_cells cells; // in hand
    bool waits;                // what they are
    size_t next_cell;
    thread_id thread; // whose they are
    uint64_t thread_name;
    uint64_t n_strings;
    uint64_t words[WORDS];
    uint64_t reasons[EVENT_REASON_COUNT];
    VEC(uint8_t) has_frame;    // by frame_id
    VEC(uint8_t) has_function; // by function_id
    bool has_special[2];
    VEC(struct extent) extents; // by image_id
    VEC(uint64_t) locations;    // of one sample
    struct text message;        // one that is being made, and those inside of it
    struct text inner;
    struct text innermost;
};

static struct text *out_of(struct export *export)
{
    return export_out_text(&export->out);
}

// ---- Strings -----------------------------------------------------------------------------------

static uint64_t add_string(struct export *export, const char *bytes, size_t n)
{
    struct pprof *p = export->state;
    proto_string(out_of(export), PROFILE_STRING, bytes, n);
    return p->n_strings++;
}

static uint64_t add_cstr(struct export *export, const char *text)
{
    return add_string(export, text, strlen(text));
}

static void add_words(struct export *export)
{
    static const char *const words[WORDS] = {
        [WORD_THREAD] = "thread",           [WORD_TID] = "tid",          [WORD_PID] = "pid",
        [WORD_REASON] = "reason",           [WORD_CPU] = "cpu",          [WORD_OFF_CPU] = "off_cpu",
        [WORD_NANOSECONDS] = "nanoseconds", [WORD_COUNT_UNIT] = "count", [WORD_SAMPLES] = "samples",
        [WORD_CONTENTIONS] = "contentions",
    };
    struct pprof *p = export->state;
    add_cstr(export, "");
    for (size_t i = 0; i < WORDS; i++) {
        p->words[i] = add_cstr(export, words[i]);
    }
    for (enum event_reason reason = 0; reason < EVENT_REASON_COUNT; reason++) {
        p->reasons[reason] = add_cstr(export, event_reason_name(reason));
    }
}

// ---- Functions and locations -------------------------------------------------------------------

static void put_function(struct export *export, uint64_t id, const char *name)
{
    struct pprof *p = export->state;
    uint64_t string = add_cstr(export, name);
    text_clear(&p->inner);
    proto_u64(&p->inner, FUNCTION_ID, id);
    proto_u64(&p->inner, FUNCTION_NAME, string);
    proto_u64(&p->inner, FUNCTION_SYSTEM_NAME, string);
    proto_message(out_of(export), PROFILE_FUNCTION, &p->inner);
}

// A line of the location in hand.
static void add_line(struct export *export, struct text *location, function_id function)
{
    struct pprof *p = export->state;
    uint64_t id = (uint64_t)function + 1;
    vec_grow_zeroed(&p->has_function, (size_t)function + 1);
    if (!p->has_function.at[function]) {
        p->has_function.at[function] = 1;
        put_function(export, id, names_function(export->source->names, function)->name);
    }
    text_clear(&p->innermost);
    proto_u64(&p->innermost, LINE_FUNCTION, id);
    proto_message(location, LOCATION_LINE, &p->innermost);
}

// Whether the offsets of its frames are addresses.
static bool has_addresses(const struct image_row *image)
{
    return image->kind != IMAGE_ROW_NAMED && image->kind != IMAGE_ROW_TRUNCATED;
}

static void add_place(struct pprof *p, const struct store *store, const struct frame_row *frame)
{
    const struct image_row *image = store_image(store, frame->image);
    if (!has_addresses(image)) {
        return;
    }
    proto_u64(&p->message, LOCATION_ADDRESS, frame->off + image->load_bias);
    if (frame->image == 0 || frame->off == UINT64_MAX) {
        return; // nobody's
    }
    proto_u64(&p->message, LOCATION_MAPPING, frame->image);
    vec_grow_zeroed(&p->extents, (size_t)frame->image + 1);
    struct extent *extent = &p->extents.at[frame->image];
    bool is_first = extent->end == 0;
    extent->first = is_first ? frame->off : MIN(extent->first, frame->off);
    extent->end = MAX(extent->end, frame->off + 1);
}

static uint64_t location_of(struct export *export, frame_id frame)
{
    struct pprof *p = export->state;
    const struct export_source *source = export->source;
    uint64_t id = (uint64_t)frame + 1;
    vec_grow_zeroed(&p->has_frame, (size_t)frame + 1);
    if (p->has_frame.at[frame]) {
        return id;
    }
    p->has_frame.at[frame] = 1;
    text_clear(&p->message);
    proto_u64(&p->message, LOCATION_ID, id);
    add_place(p, source->store, stacks_get_frame(&source->store->stacks, frame));
    struct inlined_list inlined = {0};
    if (!source->tree->physical) {
        inlined = names_inlined_at(source->names, frame);
    }
    for (uint32_t i = inlined.n; i-- > 0;) {
        add_line(export, &p->message, inlined.at[i]);
    }
    add_line(export, &p->message, names_of_frame(source->names, frame));
    proto_message(out_of(export), PROFILE_LOCATION, &p->message);
    return id;
}

// Of what has no stack.
static uint64_t special_location(struct export *export, const struct export_cell *cell)
{
    struct pprof *p = export->state;
    size_t which = cell->n == 0;
    uint64_t id = SPECIAL_ID + which;
    if (!p->has_special[which]) {
        p->has_special[which] = true;
        put_function(export, id, export_empty_stack(cell));
        text_clear(&p->innermost);
        proto_u64(&p->innermost, LINE_FUNCTION, id);
        text_clear(&p->message);
        proto_u64(&p->message, LOCATION_ID, id);
        proto_message(&p->message, LOCATION_LINE, &p->innermost);
        proto_message(out_of(export), PROFILE_LOCATION, &p->message);
    }
    return id;
}

static void find_locations(struct export *export, const struct export_cell *cell)
{
    struct pprof *p = export->state;
    const struct stacks *stacks = &export->source->store->stacks;
    vec_clear(&p->locations);
    if (cell->stack == STACK_ROOT) {
        vec_push(&p->locations, special_location(export, cell));
    }
    for (stack_id stack = cell->stack; stack != STACK_ROOT;) {
        const struct stack_row *row = stacks_get(stacks, stack);
        vec_push(&p->locations, location_of(export, row->frame));
        stack = row->caller;
        export_out_drain(&export->out);
    }
}

// ---- Samples -----------------------------------------------------------------------------------

static size_t n_values(const struct export *export)
{
    bool waits = export->source->store->has_switches || export->off_cpu;
    return waits ? VALUE_COUNT : VALUE_WAITS;
}

static void add_label(struct pprof *p, enum word key, uint32_t field, uint64_t value)
{
    text_clear(&p->inner);
    proto_u64(&p->inner, LABEL_KEY, p->words[key]);
    proto_u64(&p->inner, field, value);
    proto_message(&p->message, SAMPLE_LABEL, &p->inner);
}

static void put_sample(struct export *export, const struct export_cell *cell)
{
    struct pprof *p = export->state;
    const struct thread_row *row = store_thread(export->source->store, p->thread);
    uint64_t values[VALUE_COUNT] = {0};
    values[p->waits ? VALUE_WAITS : VALUE_SAMPLES] = cell->n;
    values[p->waits ? VALUE_OFF_CPU_NS : VALUE_CPU_NS] = cell->ns;
    find_locations(export, cell);
    text_clear(&p->message);
    proto_packed(&p->message, SAMPLE_LOCATION, p->locations.at, p->locations.n);
    proto_packed(&p->message, SAMPLE_VALUE, values, n_values(export));
    add_label(p, WORD_THREAD, LABEL_STRING, p->thread_name);
    add_label(p, WORD_TID, LABEL_NUMBER, row->tid);
    add_label(p, WORD_PID, LABEL_NUMBER, row->pid);
    if (p->waits) {
        add_label(p, WORD_REASON, LABEL_STRING, p->reasons[cell->reason]);
    }
    proto_message(out_of(export), PROFILE_SAMPLE, &p->message);
}

static bool next_cells(struct export *export)
{
    struct pprof *p = export->state;
    if (p->next_thread >= export->source->fold->threads.n) {
        return false;
    }
    p->thread = p->next_thread;
    p->waits = p->next_waits;
    if (p->waits) {
        export_cells_waiting(&p->cells, export, p->thread);
    } else {
        export_cells_running(&p->cells, export, p->thread);
        p->thread_name = 0;
    }
    p->next_thread += p->waits;
    p->next_waits = !p->waits && n_values(export) == VALUE_COUNT;
    p->next_thread += !p->waits && !p->next_waits;
    p->next_cell = 0;
    if (p->cells.at.n > 0 && p->thread_name == 0) {
        struct slice name = export_thread_name(export, p->thread);
        p->thread_name = add_string(export, (const char *)name.data, name.n);
    }
    return true;
}

// ---- The whole ---------------------------------------------------------------------------------

static void put_value_type(struct export *export, uint32_t field, enum word type, enum word unit)
{
    struct pprof *p = export->state;
    text_clear(&p->message);
    proto_u64(&p->message, VALUE_TYPE_TYPE, p->words[type]);
    proto_u64(&p->message, VALUE_TYPE_UNIT, p->words[unit]);
    proto_message(out_of(export), field, &p->message);
}

static void begin(struct export *export)
{
    const struct export_source *source = export->source;
    const struct store *store = source->store;
    struct pprof *p = NEW(struct pprof);
    export->state = p;
    add_words(export);
    put_value_type(export, PROFILE_SAMPLE_TYPE, WORD_SAMPLES, WORD_COUNT_UNIT);
    put_value_type(export, PROFILE_SAMPLE_TYPE, WORD_CPU, WORD_NANOSECONDS);
    if (n_values(export) == VALUE_COUNT) {
        put_value_type(export, PROFILE_SAMPLE_TYPE, WORD_CONTENTIONS, WORD_COUNT_UNIT);
        put_value_type(export, PROFILE_SAMPLE_TYPE, WORD_OFF_CPU, WORD_NANOSECONDS);
    }
    put_value_type(export, PROFILE_PERIOD_TYPE, WORD_CPU, WORD_NANOSECONDS);
    struct text *to = out_of(export);
    uint64_t since_ns = export->window.start_ns - store->started_ns;
    proto_u64(to, PROFILE_PERIOD, store->samples.weight_ns);
    proto_u64(to, PROFILE_TIME_NANOS, source->started_unix_ns + since_ns);
    proto_u64(to, PROFILE_DURATION_NANOS, export->window.end_ns - export->window.start_ns);
    proto_u64(to, PROFILE_DEFAULT_SAMPLE_TYPE, p->words[export->off_cpu ? WORD_OFF_CPU : WORD_CPU]);
    proto_u64(to, PROFILE_COMMENT, add_cstr(export, source->label));
}

static bool more(struct export *export, uint64_t max_rows)
{
    struct pprof *p = export->state;
    for (uint64_t i = 0; i < max_rows; i++) {
        if (p->next_cell < p->cells.at.n) {
            put_sample(export, &p->cells.at.at[p->next_cell++]);
        } else if (!next_cells(export)) {
            return false;
        }
        export_out_drain(&export->out);
    }
    return true;
}

static uint64_t add_build_id(struct export *export, struct slice build_id)
{
    CLEANUP(text_fini) struct text hex = {0};
    for (size_t i = 0; i < build_id.n; i++) {
        text_addf(&hex, "%02x", build_id.data[i]);
    }
    return hex.n == 0 ? 0 : add_string(export, hex.at, hex.n);
}

// From the page of the first address in some stack to behind that of the last one.
static void put_mapping(struct export *export, image_id id)
{
    enum { PAGE = 4096 };
    struct pprof *p = export->state;
    const struct store *store = export->source->store;
    const struct image_row *image = store_image(store, id);
    struct extent extent = p->extents.at[id];
    uint64_t offset = extent.first / PAGE * PAGE;
    uint64_t length = extent.end - offset;
    length += (PAGE - length % PAGE) % PAGE;
    struct slice path = strings_get(&store->strings, image->path);
    uint64_t file = add_string(export, (const char *)path.data, path.n);
    uint64_t build_id = add_build_id(export, strings_get(&store->strings, image->build_id));
    text_clear(&p->message);
    proto_u64(&p->message, MAPPING_ID, id);
    proto_u64(&p->message, MAPPING_START, offset + image->load_bias);
    proto_u64(&p->message, MAPPING_LIMIT, offset + image->load_bias + length);
    proto_u64(&p->message, MAPPING_OFFSET, image->kind == IMAGE_ROW_FILE ? offset : 0);
    proto_u64(&p->message, MAPPING_FILE, file);
    proto_u64(&p->message, MAPPING_BUILD_ID, build_id);
    proto_u64(&p->message, MAPPING_HAS_FUNCTIONS, 1);
    proto_u64(&p->message, MAPPING_HAS_INLINE_FRAMES, !export->source->tree->physical);
    proto_message(out_of(export), PROFILE_MAPPING, &p->message);
    export_out_drain(&export->out);
}

// The first one is taken for the program itself.
static void end(struct export *export)
{
    const struct pprof *p = export->state;
    const struct names *names = export->source->names;
    for (int others = 0; others < 2; others++) {
        for (image_id id = 1; id < p->extents.n; id++) {
            bool is_main = id < names->images.n && names->images.at[id].is_main;
            if (p->extents.at[id].end > 0 && is_main == (others == 0)) {
                put_mapping(export, id);
            }
        }
    }
}

static void free_state(struct export *export)
{
    struct pprof *p = export->state;
    if (p == NULL) {
        return;
    }
    export_cells_fini(&p->cells);
    vec_fini(&p->has_frame);
    vec_fini(&p->has_function);
    vec_fini(&p->extents);
    vec_fini(&p->locations);
    text_fini(&p->message);
    text_fini(&p->inner);
    text_fini(&p->innermost);
    free(TAKE(export->state));
}

const struct export_format export_pprof = {
    .name = "pprof",
    .summary = "profile.proto, gzipped: `go tool pprof`",
    .gzip = true,
    .begin = begin,
    .more = more,
    .end = end,
    .free = free_state,
};
