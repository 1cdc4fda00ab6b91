#include "cli/annotated_text.h"

#include "base/vec.h"
#include "cli/format.h"
#include "cli/session.h"
#include "cli/target.h"

#include <stdlib.h>

// Instructions without samples that are shown before and behind those with some; fewer than
// ELIDED_MIN are never left out.
enum { CONTEXT = 3, ELIDED_MIN = 4 };

// From which share of the function's samples on a line stands out.
static const double HOT = 0.10;
static const double WARM = 0.02;

static const char BOLD[] = "\x1b[1m";
static const char DIM[] = "\x1b[2m";
static const char RED[] = "\x1b[1;31m";
static const char YELLOW[] = "\x1b[33m";
static const char PLAIN[] = "\x1b[0m";

// While lines are written.
struct writer {
    struct text *to;
    const json_t *answer;
    const struct annotated_look *look;
    double whole;            // what shares are of
    const json_t *source;    // of the line in hand: its header, or NULL
    const json_t *inlined;   // of the line in hand, or NULL
    bool source_is_put;      // both have been written since they changed
    bool chain_is_put;       // what was written last was inlined
    VEC(const char *) files; // that were written with their whole path; borrowed from the answer
};

// ---- One line ----------------------------------------------------------------------------------

static void end_line(struct writer *w, struct text *line, const char *colour)
{
    format_cut(line, w->look->width);
    bool coloured = w->look->colour && colour != NULL;
    text_addf(w->to, "%s%s%s\n", coloured ? colour : "", text_get(line), coloured ? PLAIN : "");
}

static void add_escaped(struct text *to, const json_t *object, const char *key)
{
    const char *value = result_text(object, key);
    text_add_escaped(to, value, strlen(value));
}

static uint64_t self_of(const struct writer *w, const json_t *line)
{
    return w->look->off_cpu ? 0 : result_u64(line, "self_samples");
}

// In what is called from there.
static uint64_t below_of(const struct writer *w, const json_t *line)
{
    if (w->look->off_cpu) {
        return result_u64(line, "total_off_cpu_ns");
    }
    uint64_t total = result_u64(line, "total_samples");
    uint64_t self = result_u64(line, "self_samples");
    return total > self ? total - self : 0;
}

static bool is_cold(const struct writer *w, const json_t *line)
{
    return self_of(w, line) == 0 && below_of(w, line) == 0;
}

static void put_share(struct text *to, int width, uint64_t part, double whole)
{
    CLEANUP(text_fini) struct text share = {0};
    if (part > 0) {
        format_percent(&share, (double)part, whole);
    }
    text_addf(to, "%*s", width, part > 0 ? text_get(&share) : ".");
}

static void put_numbers(struct writer *w, const json_t *line, struct text *to)
{
    CLEANUP(text_fini) struct text samples = {0};
    CLEANUP(text_fini) struct text ms = {0};
    bool off_cpu = w->look->off_cpu;
    uint64_t self = self_of(w, line);
    if (off_cpu ? below_of(w, line) > 0 : self > 0) {
        format_ms(&ms, result_u64(line, off_cpu ? "total_off_cpu_ns" : "self_on_cpu_ns"));
    }
    if (off_cpu) {
        put_share(to, 7, below_of(w, line), w->whole);
        text_addf(to, "  %10s", ms.n > 0 ? text_get(&ms) : ".");
        return;
    }
    if (self > 0) {
        format_count(&samples, self);
    }
    put_share(to, 6, self, w->whole);
    text_addf(to, "  %8s  %9s  ", samples.n > 0 ? text_get(&samples) : ".",
              ms.n > 0 ? text_get(&ms) : ".");
    put_share(to, 7, below_of(w, line), w->whole);
}

static const char *colour_of(const struct writer *w, const json_t *line)
{
    double heat = (double)(w->look->off_cpu ? below_of(w, line) : self_of(w, line));
    return w->whole > 0 && heat >= HOT * w->whole ? RED
           : heat > 0 && heat >= WARM * w->whole  ? YELLOW
                                                  : NULL;
}

static void put_instruction(struct writer *w, const json_t *line)
{
    CLEANUP(text_fini) struct text text = {0};
    const char *address = result_text(line, "address");
    put_numbers(w, line, &text);
    text_addf(&text, "  %-18s  ", strcmp(address, "0x0") == 0 ? "?" : address);
    if (result_text(line, "text")[0] != 0) {
        add_escaped(&text, line, "text");
    } else {
        text_add(&text, "(its code is not to be had)");
    }
    end_line(w, &text, colour_of(w, line));
}

// ---- Sources -----------------------------------------------------------------------------------

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL || slash[1] == 0 ? path : slash + 1;
}

// A file is written whole where it comes up first, then without its folder, unless another one has
// the same name.
static const char *short_name(struct writer *w, const char *file)
{
    bool known = false;
    bool alone = true;
    for (size_t i = 0; i < w->files.n; i++) {
        bool same = strcmp(w->files.at[i], file) == 0;
        known = known || same;
        alone = alone && (same || strcmp(last_part(w->files.at[i]), last_part(file)) != 0);
    }
    if (!known) {
        vec_push(&w->files, file);
    }
    return known && alone ? last_part(file) : file;
}

// "(inlined from outer at x.c:7 > inner at x.c:12)": the outermost first, and where it is called.
static void put_inlined(struct writer *w, struct text *to)
{
    size_t n = json_array_size(w->inlined);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(w->inlined, i);
        text_add(to, i == 0 ? "(inlined from " : " > ");
        add_escaped(to, one, "function_name");
        const char *file = last_part(result_text(one, "call_file"));
        uint64_t line = result_u64(one, "call_line");
        if (file[0] != 0 && line > 0) {
            text_add(to, " at ");
            text_add_escaped(to, file, strlen(file));
            text_addf(to, ":%llu", (unsigned long long)line);
        }
    }
    text_add(to, n > 0 ? ")" : "");
}

// What of the source the next instructions are of. Without lines, only what is inlined.
static void put_source(struct writer *w)
{
    CLEANUP(text_fini) struct text text = {0};
    bool has_chain = json_array_size(w->inlined) > 0;
    if (w->source_is_put || (w->source == NULL && !has_chain && !w->chain_is_put)) {
        return;
    }
    w->source_is_put = true;
    w->chain_is_put = has_chain;
    const char *file = result_text(w->source, "file");
    if (file[0] != 0) {
        const char *name = short_name(w, file);
        text_add_escaped(&text, name, strlen(name));
        text_addf(&text, ":%llu  ", (unsigned long long)result_u64(w->source, "line"));
        const char *line = result_text(w->source, "text");
        text_add_escaped(&text, line, strlen(line));
        text_add(&text, line[0] != 0 && has_chain ? "  " : "");
    } else if (w->source != NULL) {
        text_add(&text, "(no line is known)  ");
    } else if (!has_chain) {
        text_add(&text, "(not inlined)");
    }
    put_inlined(w, &text);
    while (text.n > 0 && text.at[text.n - 1] == ' ') {
        text.at[--text.n] = 0;
    }
    end_line(w, &text, BOLD);
}

// Headers say where something begins; they hold until the next one.
static void take_source(struct writer *w, const json_t *line)
{
    const json_t *source = json_object_get(line, "source_header");
    const json_t *inlined = json_object_get(line, "inlined");
    w->source = source != NULL ? source : w->source;
    w->inlined = inlined != NULL ? inlined : w->inlined;
    w->source_is_put = w->source_is_put && source == NULL && inlined == NULL;
}

// ---- All lines ---------------------------------------------------------------------------------

// The version of a JIT's function that begins at this line, counted from 1; 0: none does.
static size_t version_at(const struct writer *w, uint64_t number)
{
    size_t i;
    const json_t *version;
    json_array_foreach(json_object_get(w->answer, "versions"), i, version)
    {
        if (result_u64(version, "first_line") == number && result_u64(version, "n_lines") > 0) {
            return i + 1;
        }
    }
    return 0;
}

static void put_version(struct writer *w, size_t number)
{
    CLEANUP(text_fini) struct text text = {0};
    const json_t *versions = json_object_get(w->answer, "versions");
    const json_t *version = json_array_get(versions, number - 1);
    text_addf(&text, "version %zu of %zu, at %s, made after ", number, json_array_size(versions),
              result_text(version, "address"));
    format_duration(&text, result_u64(version, "loaded_ns"));
    text_add(&text, ": ");
    format_things(&text, result_u64(version, "self_samples"), "sample", "samples");
    end_line(w, &text, BOLD);
}

// By line, whether it is shown.
static bool *choose(const struct writer *w, const json_t *lines)
{
    size_t n = json_array_size(lines);
    bool *shown = NEW_ARRAY(bool, n + 1);
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (!is_cold(w, json_array_get(lines, i))) {
            size_t from = i > CONTEXT ? i - CONTEXT : 0;
            memset(shown + from, true, MIN(n, i + CONTEXT + 1) - from);
            any = true;
        }
    }
    if (w->look->all || !any) {
        memset(shown, true, n);
    }
    for (size_t i = 0, start; i < n; i++) { // short gaps are no gain
        start = i;
        while (i < n && !shown[i]) {
            i++;
        }
        if (i - start < ELIDED_MIN) {
            memset(shown + start, true, i - start);
        }
    }
    return shown;
}

static void put_elided(struct writer *w, size_t *n_elided)
{
    CLEANUP(text_fini) struct text text = {0};
    size_t n = *n_elided;
    if (n == 0) {
        return;
    }
    *n_elided = 0;
    w->source_is_put = false; // again, to know where one is
    text_add(&text, "… ");
    format_things(&text, n, "instruction", "instructions");
    text_add(&text, w->look->off_cpu ? " without waits" : " without samples");
    end_line(w, &text, DIM);
}

static void put_lines(struct writer *w)
{
    const json_t *lines = json_object_get(w->answer, "lines");
    CLEANUP(freep) bool *shown = choose(w, lines);
    uint64_t first = result_u64(w->answer, "first_line");
    size_t n_elided = 0;
    size_t i;
    const json_t *line;
    json_array_foreach(lines, i, line)
    {
        size_t version = version_at(w, first + i);
        if (version != 0) {
            put_elided(w, &n_elided);
            put_version(w, version);
        }
        take_source(w, line);
        if (!shown[i]) {
            n_elided++;
            continue;
        }
        put_elided(w, &n_elided);
        put_source(w);
        put_instruction(w, line);
    }
    put_elided(w, &n_elided);
}

// ---- Head --------------------------------------------------------------------------------------

static void put_function(struct text *to, const json_t *answer)
{
    const char *language = result_text(answer, "language");
    const json_t *host = json_object_get(answer, "inlined_host");
    target_put_function(to, answer);
    text_addf(to, " at %s", result_text(answer, "base_address"));
    text_addf(to, "%s%s\n", language[0] != 0 ? ", " : "", language);
    if (host != NULL) {
        text_add(to, "note: ");
        add_escaped(to, host, "function_name");
        text_add(to, " has no code of its own: ");
        format_count(to, result_u64(host, "samples_here"));
        text_add(to, " of its ");
        format_things(to, result_u64(host, "samples"), "sample is", "samples are");
        text_add(to, " in this one, where it was inlined\n");
    }
}

static void put_sums(struct text *to, const json_t *answer)
{
    double whole_ns = (double)result_u64(answer, "total_on_cpu_ns");
    format_things(to, result_u64(answer, "self_samples"), "sample", "samples");
    text_add(to, " in it, ");
    format_ms(to, result_u64(answer, "self_on_cpu_ns"));
    text_add(to, " ms (");
    format_percent(to, (double)result_u64(answer, "self_on_cpu_ns"), whole_ns);
    text_add(to, " % of the view); ");
    format_count(to, result_u64(answer, "function_samples"));
    text_add(to, " with what it calls, ");
    format_ms(to, result_u64(answer, "function_on_cpu_ns"));
    text_add(to, " ms (");
    format_percent(to, (double)result_u64(answer, "function_on_cpu_ns"), whole_ns);
    text_add(to, " %)");
    if (result_u64(answer, "function_off_cpu_ns") > 0) {
        text_add(to, "; waits ");
        format_ms(to, result_u64(answer, "function_off_cpu_ns"));
        text_add(to, " ms");
    }
    text_add(to, "\n");
}

static void put_origin(struct text *to, const json_t *answer)
{
    static const struct {
        const char *origin;
        const char *words;
    } origins[] = {
        {"file", "code from "},
        {"vdso", "code from the vdso"},
        {"jit", "code from the JIT"},
        {"kernel", "code from the running kernel"},
        {"run_file", "code from the run"},
        {"missing", "no code"},
    };
    const char *path = result_text(answer, "path");
    for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
        if (strcmp(result_text(answer, "origin"), origins[i].origin) == 0) {
            text_add(to, origins[i].words);
            text_add(to, i > 0 && path[0] != 0 ? ": " : "");
        }
    }
    text_add_escaped(to, path, strlen(path));
    text_add(to, "\n");
    size_t i;
    const json_t *note;
    json_array_foreach(json_object_get(answer, "notes"), i, note)
    {
        text_add(to, "note: ");
        add_escaped(to, note, "text");
        text_add(to, "\n");
    }
}

static void put_titles(struct writer *w)
{
    CLEANUP(text_fini) struct text text = {0};
    text_add(&text, w->look->off_cpu ? " wait %     wait ms  address             instruction"
                                     : "self %   samples         ms  below %  address             "
                                       "instruction");
    end_line(w, &text, BOLD);
}

// Lines that the answer does not have.
static void put_rest(struct writer *w)
{
    uint64_t n = result_u64(w->answer, "n_lines");
    uint64_t n_here = json_array_size(json_object_get(w->answer, "lines"));
    if (n > n_here) {
        format_things(w->to, n - n_here, "more instruction", "more instructions");
        text_add(w->to, ", with ");
        format_things(w->to, result_u64(w->answer, "cut_self_samples"), "sample", "samples");
        text_add(w->to, ", are not shown (--json pages through them)\n");
    }
}

void annotated_put_head(struct text *to, const json_t *answer)
{
    put_function(to, answer);
    put_sums(to, answer);
    put_origin(to, answer);
}

void annotated_put(struct text *to, const json_t *answer, const struct annotated_look *look)
{
    const char *whole = look->off_cpu ? "function_off_cpu_ns" : "function_samples";
    struct writer w = {
        .to = to, .answer = answer, .look = look, .whole = (double)result_u64(answer, whole)};
    annotated_put_head(to, answer);
    if (w.whole <= 0) {
        text_add(to, look->off_cpu ? "no waits in it\n" : "no samples in it\n");
    }
    if (json_array_size(json_object_get(answer, "lines")) > 0) {
        put_titles(&w);
        put_lines(&w);
        put_rest(&w);
    }
    vec_fini(&w.files);
}
