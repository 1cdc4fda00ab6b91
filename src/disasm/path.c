#include "disasm/path.h"

// Numbers below, in an instruction, are offsets in structures, or what a range of cases begins
// with; numbers above may be addresses of tables. Nothing is mapped in the first page.
enum { SMALL_NUMBER = 4096 };

// ---- Values ------------------------------------------------------------------------------------

static struct path_value number_value(uint64_t number)
{
    return (struct path_value){.number = number, .atom = ATOM_NONE, .base = REGISTER_NONE};
}

static struct path_value atom_value(uint16_t atom, uint8_t bytes)
{
    return (struct path_value){.atom = atom, .bytes = bytes, .base = REGISTER_NONE};
}

bool path_is_number(const struct path_value *value)
{
    return value->atom == ATOM_NONE && value->base == REGISTER_NONE;
}

// Nothing but a part of an atom.
static bool is_part(const struct path_value *v)
{
    return v->atom != ATOM_NONE && v->base == REGISTER_NONE && v->number == 0 && v->shift == 0;
}

static bool equal(const struct path_value *a, const struct path_value *b)
{
    return a->number == b->number && a->atom == b->atom && a->bytes == b->bytes &&
           a->is_signed == b->is_signed && a->shift == b->shift && a->base == b->base;
}

static uint64_t low_bytes(uint8_t bytes)
{
    return bytes >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes) - 1;
}

static uint16_t new_atom(struct path *p)
{
    if (p->n_atoms == PATH_ATOMS_MAX) { // path_go() gives up
        return PATH_ATOMS_MAX - 1;
    }
    p->atoms[p->n_atoms] = (struct path_atom){0};
    return (uint16_t)p->n_atoms++;
}

static struct path_value unknown_value(struct path *p, uint8_t bytes)
{
    return atom_value(new_atom(p), bytes);
}

static void bound(struct path *p, const struct path_value *value, uint8_t bytes, uint64_t min,
                  uint64_t max)
{
    struct path_atom *a = &p->atoms[value->atom];
    if (a->bound_bytes != bytes) {
        *a = (struct path_atom){a->address, a->load_bytes, bytes, 0, low_bytes(bytes)};
    }
    a->min = MAX(a->min, min);
    a->max = MIN(a->max, max);
}

// Of a register only the low half may have been compared, and still all of it be used: then the
// upper half was zero, or the program would be wrong.
bool path_bounds(const struct path *path, const struct path_value *value, uint64_t *ret_min,
                 uint64_t *ret_max)
{
    if (value->atom == ATOM_NONE) {
        return false;
    }
    const struct path_atom *a = &path->atoms[value->atom];
    uint64_t reach = value->is_signed ? low_bytes(value->bytes) / 2 : low_bytes(value->bytes);
    bool is_known = a->bound_bytes > 0 && a->max <= reach;
    *ret_min = is_known ? a->min : 0;
    *ret_max = is_known ? a->max : low_bytes(value->bytes);
    return is_known;
}

// The low bytes of a value, extended. A signed part of a part stays what it was: that its upper
// half is then cut to 4 bytes matters to no table.
static struct path_value part_value(struct path *p, struct path_value v, uint8_t bytes,
                                    bool is_signed)
{
    if (path_is_number(&v)) {
        uint64_t low = v.number & low_bytes(bytes);
        bool is_negative = is_signed && low > low_bytes(bytes) / 2;
        return number_value(is_negative ? low | ~low_bytes(bytes) : low);
    }
    if (bytes >= 8) {
        return v;
    }
    if (!is_part(&v)) {
        v = unknown_value(p, bytes);
    }
    if (v.bytes >= bytes) {
        v.bytes = bytes;
        v.is_signed = is_signed;
    }
    return v;
}

static struct path_value shifted(struct path *p, struct path_value v, uint8_t shift)
{
    if (shift == 0) {
        return v;
    }
    if (v.base != REGISTER_NONE || v.shift + shift > 4) {
        return unknown_value(p, 8);
    }
    v.number <<= shift;
    v.shift = v.atom == ATOM_NONE ? 0 : (uint8_t)(v.shift + shift);
    return v;
}

// Whether it is what a register was at the start, as a whole.
static bool is_start_of_register(const struct path_value *v)
{
    return is_part(v) && v->atom < STEP_REGISTERS && v->bytes == 8;
}

static struct path_value sum(struct path *p, struct path_value a, struct path_value b)
{
    if (path_is_number(&b)) {
        a.number += b.number;
        return a;
    }
    if (path_is_number(&a)) {
        b.number += a.number;
        return b;
    }
    if (is_start_of_register(&a) && b.base == REGISTER_NONE) {
        b.base = (uint8_t)a.atom;
        return b;
    }
    if (is_start_of_register(&b) && a.base == REGISTER_NONE) {
        a.base = (uint8_t)b.atom;
        return a;
    }
    return unknown_value(p, 8);
}

static struct path_value of_register(const struct path *p, uint8_t reg)
{
    return reg == REGISTER_NONE ? number_value(0) : p->registers[reg];
}

static struct path_value of_part(struct path *p, const struct step_part *part)
{
    return part_value(p, of_register(p, part->reg), part->bytes, part->is_signed);
}

static struct path_value of_sum(struct path *p, const struct step_sum *s)
{
    struct path_value index = shifted(p, of_part(p, &s->index), s->shift);
    struct path_value value = sum(p, of_register(p, s->base), index);
    value.number += s->number;
    return value;
}

// ---- Memory ------------------------------------------------------------------------------------

static struct path_value load(struct path *p, const struct step_sum *at, uint8_t bytes,
                              uint8_t stack)
{
    struct path_value address = of_sum(p, at);
    for (size_t i = 0; i < p->n_cells; i++) {
        if (p->cells[i].bytes == bytes && equal(&p->cells[i].address, &address)) {
            return p->cells[i].value;
        }
    }
    struct path_value value = unknown_value(p, bytes);
    struct path_atom *a = &p->atoms[value.atom];
    a->address = address;
    a->load_bytes = bytes;
    if (p->n_cells < PATH_CELLS_MAX) {
        p->cells[p->n_cells++] = (struct path_cell){address, value, bytes, at->base == stack};
    }
    return value;
}

// Whether two stretches of memory have the same base and do not touch.
static bool are_apart(const struct path_value *a, uint8_t a_bytes, const struct path_value *b,
                      uint8_t b_bytes)
{
    struct path_value other = *b;
    other.number = a->number;
    return equal(a, &other) && b->number - a->number >= a_bytes && a->number - b->number >= b_bytes;
}

static void store(struct path *p, const struct step *step)
{
    struct path_value address = of_sum(p, &step->sum);
    uint8_t bytes = step->part.bytes;
    bool is_stack = step->sum.base == step->stack;
    size_t n = 0;
    for (size_t i = 0; i < p->n_cells; i++) {
        struct path_cell *c = &p->cells[i];
        if (c->is_stack != is_stack || are_apart(&c->address, c->bytes, &address, bytes)) {
            p->cells[n++] = *c;
        }
    }
    p->n_cells = n;
    if (n < PATH_CELLS_MAX && step->part.reg != REGISTER_NONE) {
        struct path_value value = of_part(p, &step->part);
        p->cells[p->n_cells++] = (struct path_cell){address, value, bytes, is_stack};
    }
}

static void forget_memory(struct path *p, enum step_memory what)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_cells; i++) {
        if (what == MEMORY_KEPT || (what == MEMORY_OF_STACK && !p->cells[i].is_stack)) {
            p->cells[n++] = p->cells[i];
        }
    }
    p->n_cells = n;
}

// ---- Steps -------------------------------------------------------------------------------------

static struct path_value masked(struct path *p, const struct step *step)
{
    struct path_value value = of_part(p, &step->part);
    uint64_t mask = step->number & low_bytes(step->part.bytes);
    if (mask == UINT8_MAX || mask == UINT16_MAX || mask == UINT32_MAX) { // as movzx
        return part_value(p, value, mask == UINT8_MAX ? 1 : mask == UINT16_MAX ? 2 : 4, false);
    }
    value = unknown_value(p, step->to_bytes);
    bound(p, &value, step->to_bytes, 0, mask);
    return value;
}

static struct path_value shifted_right(struct path *p, const struct step *step)
{
    struct path_value value = unknown_value(p, step->to_bytes);
    if (step->number < 8u * step->part.bytes) {
        bound(p, &value, step->to_bytes, 0, low_bytes(step->part.bytes) >> step->number);
    }
    return value;
}

// lea, add: what fits is a sum; a small number is none of an address, so the result can be
// compared.
static struct path_value address_value(struct path *p, const struct step *step)
{
    struct path_value value = of_sum(p, &step->sum);
    uint64_t number = step->sum.number;
    bool is_small = number != 0 && number + SMALL_NUMBER < 2 * (uint64_t)SMALL_NUMBER;
    if (path_is_number(&value) || is_part(&value)) {
        return part_value(p, value, step->to_bytes, false);
    }
    if (step->to_bytes < 8 || (is_small && value.shift == 0 && value.base == REGISTER_NONE)) {
        return unknown_value(p, step->to_bytes);
    }
    return value;
}

// Of the instructions that have one result that is known; before anything changes.
static struct path_value result_of(struct path *p, const struct step *step)
{
    switch (step->kind) {
    case STEP_ADDRESS:
        return address_value(p, step);
    case STEP_COPY:
        return of_part(p, &step->part);
    case STEP_LOAD:
        return part_value(p, load(p, &step->sum, step->part.bytes, step->stack), step->part.bytes,
                          step->part.is_signed);
    case STEP_MASK:
        return masked(p, step);
    case STEP_SHIFT:
        return shifted_right(p, step);
    case STEP_OTHER:
    case STEP_STORE:
    case STEP_COMPARE:
    case STEP_JUMP:
    case STEP_BRANCH:
        break;
    }
    return unknown_value(p, step->to_bytes);
}

static void compare(struct path *p, const struct step *step)
{
    uint8_t bytes = step->part.bytes;
    struct path_value left = step->part.reg == REGISTER_NONE
                                 ? load(p, &step->sum, bytes, step->stack)
                                 : of_part(p, &step->part);
    struct step_part other = {step->other, bytes, false};
    p->compared = left;
    p->compared_with = step->other == REGISTER_NONE ? number_value(step->number & low_bytes(bytes))
                                                    : of_part(p, &other);
}

static void change(struct path *p, const struct step *step, const struct path_value *result)
{
    for (uint8_t reg = 0; reg < STEP_REGISTERS; reg++) {
        if ((step->changes >> reg & 1) == 0) {
            continue;
        }
        bool is_whole = reg == step->to && step->to_bytes >= 4;
        p->registers[reg] = is_whole ? *result : unknown_value(p, 8);
    }
}

// The low bytes of a register change, the others stay: what is known of the low ones is all.
static struct path_value widened(struct path *p, struct path_value result, uint8_t bytes)
{
    uint64_t min, max;
    bool is_bounded = path_bounds(p, &result, &min, &max);
    struct path_value value = unknown_value(p, 8);
    if (is_bounded && max <= low_bytes(bytes)) {
        bound(p, &value, bytes, min, max);
    }
    return value;
}

static void go_step(struct path *p, const struct step *step)
{
    bool is_partial = step->to != REGISTER_NONE && step->to_bytes < 4;
    struct path_value result = {0};
    if (step->to != REGISTER_NONE) {
        result = result_of(p, step);
    }
    if (step->kind == STEP_COMPARE) {
        compare(p, step);
        p->is_compared = true;
    } else if (step->changes_flags) {
        p->is_compared = false;
    }
    if (step->kind == STEP_JUMP) {
        p->target = step->part.reg != REGISTER_NONE ? of_part(p, &step->part)
                                                    : load(p, &step->sum, 8, step->stack);
    }
    if (step->kind == STEP_STORE) {
        store(p, step);
    }
    forget_memory(p, step->changes_memory);
    change(p, step, &result);
    if (is_partial) {
        p->registers[step->to] = widened(p, result, step->to_bytes);
    }
}

static enum step_condition negated(enum step_condition condition)
{
    switch (condition) {
    case CONDITION_ABOVE:
        return CONDITION_BELOW_EQUAL;
    case CONDITION_ABOVE_EQUAL:
        return CONDITION_BELOW;
    case CONDITION_BELOW:
        return CONDITION_ABOVE_EQUAL;
    case CONDITION_BELOW_EQUAL:
        return CONDITION_ABOVE;
    case CONDITION_OTHER:
        break;
    }
    return CONDITION_OTHER;
}

// What a branch says about what was compared, when it is gone over to `next`.
static void learn(struct path *p, const struct step *step, const struct instruction *branch,
                  uint64_t next)
{
    bool is_taken = next == branch->target;
    if (!p->is_compared || is_taken == (next == branch->addr + branch->n_bytes)) {
        return;
    }
    if (!is_part(&p->compared) || !path_is_number(&p->compared_with)) {
        return;
    }
    uint64_t number = p->compared_with.number;
    uint8_t bytes = p->compared.bytes;
    switch (is_taken ? step->condition : negated(step->condition)) {
    case CONDITION_ABOVE:
        bound(p, &p->compared, bytes, number == UINT64_MAX ? number : number + 1, UINT64_MAX);
        break;
    case CONDITION_ABOVE_EQUAL:
        bound(p, &p->compared, bytes, number, UINT64_MAX);
        break;
    case CONDITION_BELOW:
        bound(p, &p->compared, bytes, 0, number == 0 ? 0 : number - 1);
        break;
    case CONDITION_BELOW_EQUAL:
        bound(p, &p->compared, bytes, 0, number);
        break;
    case CONDITION_OTHER:
        break;
    }
}

struct step path_step(struct path *path, size_t instruction)
{
    path->n_steps++;
    const struct instruction *i = &path->instructions[instruction];
    if (i->is_data) {
        return step_unknown();
    }
    size_t at = (size_t)(i->addr - path->instructions[0].addr);
    return step_of(path->arch, (struct slice){path->bytes.data + at, i->n_bytes}, i->addr);
}

bool path_go(struct path *path, const struct path_run *runs, size_t n)
{
    size_t n_gone = 0;
    path->n_atoms = STEP_REGISTERS;
    path->n_cells = 0;
    path->is_compared = false;
    path->target = number_value(0);
    for (uint16_t i = 0; i < STEP_REGISTERS; i++) {
        path->atoms[i] = (struct path_atom){0};
        path->registers[i] = atom_value(i, 8);
    }
    for (size_t r = 0; r < n; r++) {
        for (size_t i = runs[r].first; i <= runs[r].last; i++) {
            if (++n_gone > PATH_INSTRUCTIONS_MAX ||
                path->n_atoms + STEP_REGISTERS > PATH_ATOMS_MAX) {
                return false;
            }
            struct step step = path_step(path, i);
            go_step(path, &step);
            if (i == runs[r].last && r + 1 < n && step.kind == STEP_BRANCH) {
                learn(path, &step, &path->instructions[i],
                      path->instructions[runs[r + 1].first].addr);
            }
        }
    }
    return true;
}
