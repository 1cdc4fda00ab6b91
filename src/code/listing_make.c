#include "code/code_fetch.h"
#include "code/code_names.h"
#include "code/listing_origins.h"
#include "code/listing_tables.h"
#include "code/listing_tools.h"

#include "base/limits.h"

#include <string.h>

// Part by part: bytes, then a sweep over them; then what is known of the lines of all parts; then
// how it reads. Text comes last, since it refers to what was found before.

struct maker {
    struct listing *listing;
    struct listing_tools *tools;
    const struct listing_run *run;
    struct code_names names;
};

// ---- Instructions ------------------------------------------------------------------------------

static void sweep(struct listing *listing, struct disasm *disasm, struct slice bytes, uint64_t addr)
{
    struct listing_part *part = vec_last(&listing->parts);
    part->first = (uint32_t)listing->lines.n;
    for (size_t at = 0; at < bytes.n;) {
        struct slice rest = {bytes.data + at, bytes.n - at};
        struct listing_line line = {
            .bytes_at = (uint32_t)(listing->bytes.n + at),
            .source = LISTING_NONE,
            .chain = LISTING_NONE,
        };
        disasm_next(disasm, rest, addr + at, &line.instruction);
        vec_push(&listing->lines, line);
        at += line.instruction.n_bytes;
    }
    part->n = (uint32_t)(listing->lines.n - part->first);
}

static void add_bytes(struct listing *listing, const struct text *bytes)
{
    size_t at = listing->bytes.n;
    vec_reserve(&listing->bytes, at + bytes->n);
    memcpy(listing->bytes.at + at, bytes->at, bytes->n);
    listing->bytes.n += bytes->n;
}

static void add_part(struct maker *m, struct disasm *disasm, const struct listing_range *range)
{
    struct listing *listing = m->listing;
    CLEANUP(fetched_code_fini) struct fetched_code code;
    code_fetch(m->run, &listing->wish, range, &code);
    vec_push(&listing->parts, (struct listing_part){.range = *range});
    if (code.note.text[0] != 0) {
        listing->code_note = code.note;
    }
    size_t room = LIMIT_LISTING_BYTES - MIN((size_t)LIMIT_LISTING_BYTES, listing->bytes.n);
    if (code.bytes.n > room) {
        err_set(&listing->code_note, 0, "its versions have more code than is shown of a function");
    } else if (code.bytes.n > 0) {
        listing->origin = code.origin;
        listing->path = listing->path != NULL ? listing->path : TAKE(code.path);
        sweep(listing, disasm, (struct slice){(const uint8_t *)code.bytes.at, code.bytes.n},
              range->addr);
        add_bytes(listing, &code.bytes);
    }
}

static void add_parts(struct maker *m)
{
    struct listing *listing = m->listing;
    struct disasm *disasm = listing_tools_disasm(m->tools, listing->wish.arch, listing->wish.syntax,
                                                 &listing->code_note);
    if (listing->wish.ranges.n == 0) {
        err_set(&listing->code_note, 0, "where its code lies is not known");
    }
    for (size_t i = 0; disasm != NULL && i < listing->wish.ranges.n; i++) {
        add_part(m, disasm, &listing->wish.ranges.at[i]);
    }
}

// ---- Text --------------------------------------------------------------------------------------

static const char *keep(struct listing *listing, struct text *text)
{
    vec_push(&listing->texts, text_take(text));
    return *vec_last(&listing->texts);
}

static bool leads_out(const struct listing_part *part, const struct instruction *instruction)
{
    return instruction->target != 0 &&
           (instruction->flow == FLOW_CALL || instruction->target < part->range.addr ||
            instruction->target >= part->range.end);
}

static void name_target(struct maker *m, const struct listing_part *part, struct listing_line *line)
{
    CLEANUP(text_fini) struct text name = {0};
    const struct instruction *instruction = &line->instruction;
    bool by_slot = instruction->is_indirect && instruction->reference != 0 &&
                   code_names_put_slot(&m->names, instruction->reference, &name);
    if (by_slot ||
        (leads_out(part, instruction) && code_names_put(&m->names, instruction->target, &name))) {
        line->target_name = keep(m->listing, &name);
    }
}

static void write_part(struct maker *m, struct disasm *disasm, const struct listing_part *part)
{
    m->names.range = part->range;
    for (uint32_t i = part->first; i < part->first + part->n; i++) {
        struct listing_line *line = &m->listing->lines.at[i];
        struct slice bytes = {m->listing->bytes.at + line->bytes_at, line->instruction.n_bytes};
        struct text text = {0};
        disasm_put_text(disasm, &line->instruction, bytes, code_names_put_reference, &m->names,
                        &text);
        line->text = keep(m->listing, &text);
        name_target(m, part, line);
    }
}

static void write_text(struct maker *m)
{
    struct listing *listing = m->listing;
    if (listing->lines.n == 0) {
        return;
    }
    struct err ignored = {0};
    struct disasm *disasm = listing_tools_disasm(m->tools, listing->wish.arch, listing->wish.syntax,
                                                 &ignored);
    code_names_init(&m->names, m->run, &listing->wish);
    for (size_t i = 0; i < listing->parts.n; i++) {
        write_part(m, disasm, &listing->parts.at[i]);
    }
    code_names_fini(&m->names);
}

// ---- All of it ---------------------------------------------------------------------------------

struct listing *listing_make(struct listing_tools *tools, const struct listing_run *run,
                             const struct listing_wish *wish)
{
    static _Atomic uint64_t serials;
    struct maker maker = {.listing = NEW(struct listing), .tools = tools, .run = run};
    struct listing *listing = maker.listing;
    listing->n_refs = 1;
    listing->serial = atomic_fetch_add(&serials, 1) + 1;
    listing_wish_copy(&listing->wish, wish);
    add_parts(&maker);
    listing_add_tables(listing, run);
    listing_add_origins(listing, tools, run);
    write_text(&maker);
    return listing;
}
