#include "server/annotated_rows.h"

// Where a place of the heat has gone.
struct making {
    struct annotated_rows *to;
    const struct listing *listing;
    const struct function_heat *heat;
    uint32_t *line_of;  // by place: of the listing, or LISTING_NONE
    uint32_t *group_of; // by place: of `to->heat`
    bool *is_placed;    // by place: it has got a row of its own
};

void annotated_rows_fini(struct annotated_rows *rows)
{
    vec_fini(&rows->rows);
    vec_fini(&rows->heat);
    vec_fini(&rows->first_of_part);
}

static void add_row(struct making *m, uint32_t line, uint32_t heat, uint64_t addr)
{
    struct annotated_row row = {.line = line, .heat = heat, .addr = addr};
    if (line == LISTING_NONE) {
        m->to->key = hash_pair(m->to->key, hash_pair(m->to->rows.n, addr));
    }
    vec_push(&m->to->rows, row);
}

// By line of the listing: its group, plus one; 0: none of its places is hot.
static uint32_t *group_lines(struct making *m)
{
    uint32_t *group_of_line = NEW_ARRAY(uint32_t, m->listing->lines.n + 1);
    for (size_t place = 0; place < m->heat->places.n; place++) {
        const struct heat_place *at = &m->heat->places.at[place];
        uint32_t line = listing_line_at(m->listing, at->code, at->addr);
        uint32_t *group = line == LISTING_NONE ? NULL : &group_of_line[line];
        m->line_of[place] = line;
        if (group == NULL || *group == 0) {
            m->group_of[place] = (uint32_t)m->to->heat.n;
            vec_push(&m->to->heat, (struct heat_place){.addr = at->addr, .code = at->code});
        } else {
            m->group_of[place] = *group - 1;
        }
        if (group != NULL) {
            *group = m->group_of[place] + 1;
        }
    }
    return group_of_line;
}

// Places of the version that are in no line and lie before `addr`: the next ones from `*place` on.
static void add_strays(struct making *m, size_t *place, uint32_t code, uint64_t addr)
{
    const struct function_heat *heat = m->heat;
    for (; *place < heat->places.n && heat->places.at[*place].code == code &&
           heat->places.at[*place].addr < addr;
         (*place)++) {
        if (m->line_of[*place] == LISTING_NONE && !m->is_placed[*place]) {
            m->is_placed[*place] = true;
            add_row(m, LISTING_NONE, m->group_of[*place], heat->places.at[*place].addr);
        }
    }
}

static size_t first_place_of(const struct function_heat *heat, uint32_t code)
{
    size_t place = 0;
    while (place < heat->places.n && heat->places.at[place].code != code) {
        place++;
    }
    return place;
}

static void add_part(struct making *m, const struct listing_part *part,
                     const uint32_t *group_of_line)
{
    uint32_t code = part->range.code;
    size_t place = first_place_of(m->heat, code);
    vec_push(&m->to->first_of_part, (uint32_t)m->to->rows.n);
    for (uint32_t line = part->first; line < part->first + part->n; line++) {
        uint64_t addr = m->listing->lines.at[line].instruction.addr;
        uint32_t group = group_of_line[line];
        add_strays(m, &place, code, addr);
        add_row(m, line, group == 0 ? LISTING_NONE : group - 1, addr);
    }
    add_strays(m, &place, code, UINT64_MAX);
}

void annotated_rows_make(struct annotated_rows *ret, const struct listing *listing,
                         const struct function_heat *heat)
{
    *ret = (struct annotated_rows){.key = hash_u64(listing->serial + 1)};
    CLEANUP(freep) uint32_t *line_of = NEW_ARRAY(uint32_t, heat->places.n + 1);
    CLEANUP(freep) uint32_t *group_of = NEW_ARRAY(uint32_t, heat->places.n + 1);
    CLEANUP(freep) bool *is_placed = NEW_ARRAY(bool, heat->places.n + 1);
    struct making m = {.to = ret,
                       .listing = listing,
                       .heat = heat,
                       .line_of = line_of,
                       .group_of = group_of,
                       .is_placed = is_placed};
    CLEANUP(freep) uint32_t *group_of_line = group_lines(&m);
    function_heat_group(heat, group_of, ret->heat.at, ret->heat.n);
    for (size_t part = 0; part < listing->parts.n; part++) {
        add_part(&m, &listing->parts.at[part], group_of_line);
    }
    vec_push(&ret->first_of_part, (uint32_t)ret->rows.n);
    for (size_t place = 0; place < heat->places.n; place++) { // of versions that are not listed
        if (line_of[place] == LISTING_NONE && !is_placed[place]) {
            add_row(&m, LISTING_NONE, group_of[place], heat->places.at[place].addr);
        }
    }
}

struct code_numbers annotated_rows_numbers(const struct annotated_rows *rows, size_t row)
{
    uint32_t at = rows->rows.at[row].heat;
    if (at == LISTING_NONE) {
        return (struct code_numbers){0};
    }
    const struct heat_place *heat = &rows->heat.at[at];
    return (struct code_numbers){.self_samples = heat->self_samples,
                                 .self_on_cpu_ns = heat->self_on_cpu_ns,
                                 .total_samples = heat->total_samples,
                                 .total_on_cpu_ns = heat->total_on_cpu_ns,
                                 .total_off_ns = heat->total_off_ns};
}

uint64_t annotated_rows_cut_samples(const struct annotated_rows *rows, size_t first, size_t n)
{
    uint64_t samples = 0;
    for (size_t row = 0; row < rows->rows.n; row++) {
        bool is_cut = row < first || row - first >= n;
        samples += is_cut ? annotated_rows_numbers(rows, row).self_samples : 0;
    }
    return samples;
}
