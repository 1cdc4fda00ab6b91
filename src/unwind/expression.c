#include "unwind/expression.h"

#include "unwind/dwarf_bytes.h"
#include "unwind/memory.h"

// DWARF 5 section 7.7.1. Those that push a constant or a register have many spellings, which
// op_read() makes one.
enum {
    OP_DEREF = 0x06,
    OP_CONST1U = 0x08,
    OP_CONST1S,
    OP_CONST2U,
    OP_CONST2S,
    OP_CONST4U,
    OP_CONST4S,
    OP_CONST8U,
    OP_CONST8S,
    OP_CONSTU,
    OP_CONSTS,
    OP_DUP,
    OP_DROP,
    OP_OVER,
    OP_PICK,
    OP_SWAP,
    OP_ROT,
    OP_ABS = 0x19,
    OP_AND,
    OP_DIV,
    OP_MINUS,
    OP_MOD,
    OP_MUL,
    OP_NEG,
    OP_NOT,
    OP_OR,
    OP_PLUS,
    OP_PLUS_UCONST,
    OP_SHL,
    OP_SHR,
    OP_SHRA,
    OP_XOR,
    OP_BRA,
    OP_EQ,
    OP_GE,
    OP_GT,
    OP_LE,
    OP_LT,
    OP_NE,
    OP_SKIP,
    OP_LIT0 = 0x30,
    OP_LIT31 = 0x4f,
    OP_BREG0 = 0x70,
    OP_BREG31 = 0x8f,
    OP_BREGX = 0x92,
    OP_DEREF_SIZE = 0x94,
    OP_NOP = 0x96,
};

struct op {
    uint8_t code; // OP_CONSTU and OP_BREGX stand for all of their kind
    uint64_t number;
    int64_t off; // of OP_BREGX
};

static bool read_constant(struct reader *from, uint8_t code, uint64_t *ret)
{
    switch (code) {
    case OP_CONST1U:
        *ret = read_u8(from);
        return true;
    case OP_CONST1S:
        *ret = (uint64_t)(int8_t)read_u8(from);
        return true;
    case OP_CONST2U:
        *ret = read_u16(from);
        return true;
    case OP_CONST2S:
        *ret = (uint64_t)(int16_t)read_u16(from);
        return true;
    case OP_CONST4U:
        *ret = read_u32(from);
        return true;
    case OP_CONST4S:
        *ret = (uint64_t)(int32_t)read_u32(from);
        return true;
    case OP_CONST8U:
    case OP_CONST8S:
        *ret = read_u64(from);
        return true;
    case OP_CONSTU:
        *ret = read_uleb(from);
        return true;
    case OP_CONSTS:
        *ret = (uint64_t)read_sleb(from);
        return true;
    default:
        *ret = (uint64_t)(code - OP_LIT0);
        return code >= OP_LIT0 && code <= OP_LIT31;
    }
}

// One operation with its operands. Which codes there are is for those to know who run them.
static bool op_read(struct reader *from, struct op *ret)
{
    uint8_t code = read_u8(from);
    *ret = (struct op){.code = code};
    if (read_constant(from, code, &ret->number)) {
        ret->code = OP_CONSTU;
    } else if ((code >= OP_BREG0 && code <= OP_BREG31) || code == OP_BREGX) {
        ret->code = OP_BREGX;
        ret->number = code == OP_BREGX ? read_uleb(from) : (uint64_t)(code - OP_BREG0);
        ret->off = read_sleb(from);
    } else if (code == OP_PLUS_UCONST) {
        ret->number = read_uleb(from);
    } else if (code == OP_PICK || code == OP_DEREF_SIZE) {
        ret->number = read_u8(from);
    } else if (code == OP_BRA || code == OP_SKIP) {
        ret->number = (uint64_t)(int16_t)read_u16(from);
    }
    return !from->bad;
}

// ---- The simple ones ---------------------------------------------------------------------------

struct term {
    bool constant; // only `off`
    struct expression_shape shape;
};

enum { TERMS = 4 };

static void term_add(struct term *term, uint64_t n)
{
    int64_t *to = term->shape.loaded ? &term->shape.add : &term->shape.off;
    *to = (int64_t)((uint64_t)*to + n);
}

// Only a sum of something and a constant stays simple.
static bool add_terms(struct term *terms, size_t *n, bool minus)
{
    if (*n < 2) {
        return false;
    }
    struct term *left = &terms[*n - 2];
    struct term *right = &terms[*n - 1];
    if (left->constant && !right->constant && !minus) {
        struct term swapped = *left;
        *left = *right;
        *right = swapped;
    }
    if (!right->constant) {
        return false;
    }
    uint64_t by = (uint64_t)right->shape.off;
    term_add(left, minus ? 0 - by : by);
    (*n)--;
    return true;
}

static bool simple_op(const struct op *op, struct term *terms, size_t *n)
{
    switch (op->code) {
    case OP_CONSTU:
        if (*n < TERMS) {
            terms[(*n)++] = (struct term){.constant = true, .shape.off = (int64_t)op->number};
            return true;
        }
        return false;
    case OP_BREGX:
        if (*n < TERMS) {
            terms[(*n)++] = (struct term){.shape = {.reg = op->number, .off = op->off}};
            return true;
        }
        return false;
    case OP_PLUS_UCONST:
        if (*n > 0) {
            term_add(&terms[*n - 1], op->number);
        }
        return *n > 0;
    case OP_PLUS:
    case OP_MINUS:
        return add_terms(terms, n, op->code == OP_MINUS);
    case OP_DEREF:
        if (*n == 0 || terms[*n - 1].constant || terms[*n - 1].shape.loaded) {
            return false;
        }
        terms[*n - 1].shape.loaded = true;
        return true;
    case OP_DROP:
        *n -= *n > 0;
        return true;
    case OP_NOP:
        return true;
    default:
        return false;
    }
}

bool expression_simplify(struct slice code, bool from_cfa, struct expression_shape *ret)
{
    struct term terms[TERMS] = {{.shape.of_cfa = true}};
    size_t n = from_cfa ? 1 : 0;
    struct reader from = reader_of(code);
    while (reader_left(&from) > 0) {
        struct op op;
        if (!op_read(&from, &op) || !simple_op(&op, terms, &n)) {
            return false;
        }
    }
    if (n == 0 || terms[n - 1].constant) {
        return false;
    }
    *ret = terms[n - 1].shape;
    return true;
}

// ---- The machine -------------------------------------------------------------------------------

enum { MACHINE_DEPTH = 64 };

struct machine {
    const struct expression_input *input;
    struct reader code;
    uint64_t stack[MACHINE_DEPTH];
    size_t n;
    enum unwind_end why;
};

static bool machine_fail(struct machine *m, enum unwind_end why)
{
    m->why = why;
    return false;
}

static bool push(struct machine *m, uint64_t value)
{
    if (m->n == MACHINE_DEPTH) {
        return machine_fail(m, UNWIND_BAD_CFI);
    }
    m->stack[m->n++] = value;
    return true;
}

// The `depth`-th number from the top is there.
static bool has(struct machine *m, uint64_t depth)
{
    return depth < m->n || machine_fail(m, UNWIND_BAD_CFI);
}

static bool push_register(struct machine *m, const struct op *op)
{
    uint64_t value;
    if (!regs_get(m->input->regs, op->number, &value)) {
        return machine_fail(m, UNWIND_UNREADABLE);
    }
    return push(m, value + (uint64_t)op->off);
}

static bool load_top(struct machine *m, uint64_t n_bytes)
{
    if (n_bytes == 0 || n_bytes > 8) {
        return machine_fail(m, UNWIND_BAD_CFI);
    }
    return has(m, 0) && memory_load(m->input->memory, m->stack[m->n - 1], (size_t)n_bytes,
                                    &m->stack[m->n - 1], &m->why);
}

static bool jump(struct machine *m, const struct op *op)
{
    uint64_t to = m->code.at + op->number;
    if (to > m->code.bytes.n) {
        return machine_fail(m, UNWIND_BAD_CFI);
    }
    m->code.at = (size_t)to;
    return true;
}

static uint64_t divide(int64_t a, int64_t b)
{
    return b == -1 ? 0 - (uint64_t)a : (uint64_t)(a / b);
}

static uint64_t shift_arithmetic(int64_t a, uint64_t by)
{
    return (uint64_t)(a >> MIN(by, (uint64_t)63));
}

// Those that make one number of two.
static bool binary(struct machine *m, uint8_t code)
{
    if (!has(m, 1)) {
        return false;
    }
    uint64_t b = m->stack[--m->n];
    uint64_t *top = &m->stack[m->n - 1];
    uint64_t a = *top;
    switch (code) {
    case OP_AND:
        *top = a & b;
        return true;
    case OP_OR:
        *top = a | b;
        return true;
    case OP_XOR:
        *top = a ^ b;
        return true;
    case OP_PLUS:
        *top = a + b;
        return true;
    case OP_MINUS:
        *top = a - b;
        return true;
    case OP_MUL:
        *top = a * b;
        return true;
    case OP_SHL:
        *top = b < 64 ? a << b : 0;
        return true;
    case OP_SHR:
        *top = b < 64 ? a >> b : 0;
        return true;
    case OP_SHRA:
        *top = shift_arithmetic((int64_t)a, b);
        return true;
    case OP_EQ:
        *top = a == b;
        return true;
    case OP_NE:
        *top = a != b;
        return true;
    case OP_GE:
        *top = (int64_t)a >= (int64_t)b;
        return true;
    case OP_GT:
        *top = (int64_t)a > (int64_t)b;
        return true;
    case OP_LE:
        *top = (int64_t)a <= (int64_t)b;
        return true;
    case OP_LT:
        *top = (int64_t)a < (int64_t)b;
        return true;
    case OP_DIV:
        *top = b == 0 ? 0 : divide((int64_t)a, (int64_t)b);
        return b != 0 || machine_fail(m, UNWIND_BAD_CFI);
    case OP_MOD:
        *top = b == 0 ? 0 : a % b;
        return b != 0 || machine_fail(m, UNWIND_BAD_CFI);
    default:
        return machine_fail(m, UNWIND_BAD_CFI);
    }
}

// Those that need one number and change it.
static bool unary(struct machine *m, const struct op *op)
{
    if (!has(m, 0)) {
        return false;
    }
    uint64_t *top = &m->stack[m->n - 1];
    switch (op->code) {
    case OP_PLUS_UCONST:
        *top += op->number;
        return true;
    case OP_NEG:
        *top = 0 - *top;
        return true;
    case OP_NOT:
        *top = ~*top;
        return true;
    case OP_ABS:
        *top = (int64_t)*top < 0 ? 0 - *top : *top;
        return true;
    case OP_DROP:
        m->n--;
        return true;
    default:
        ASSERT(op->code == OP_BRA);
        m->n--;
        return *top == 0 || jump(m, op);
    }
}

static bool rotate(struct machine *m, size_t n)
{
    if (!has(m, n - 1)) {
        return false;
    }
    uint64_t *bottom = &m->stack[m->n - n];
    uint64_t top = bottom[n - 1];
    memmove(bottom + 1, bottom, (n - 1) * sizeof *bottom);
    bottom[0] = top;
    return true;
}

static bool machine_step(struct machine *m, const struct op *op)
{
    switch (op->code) {
    case OP_CONSTU:
        return push(m, op->number);
    case OP_BREGX:
        return push_register(m, op);
    case OP_DEREF:
        return load_top(m, 8);
    case OP_DEREF_SIZE:
        return load_top(m, op->number);
    case OP_DUP:
        return has(m, 0) && push(m, m->stack[m->n - 1]);
    case OP_OVER:
        return has(m, 1) && push(m, m->stack[m->n - 2]);
    case OP_PICK:
        return has(m, op->number) && push(m, m->stack[m->n - 1 - op->number]);
    case OP_SWAP:
        return rotate(m, 2);
    case OP_ROT:
        return rotate(m, 3);
    case OP_NOP:
        return true;
    case OP_SKIP:
        return jump(m, op);
    case OP_PLUS_UCONST:
    case OP_NEG:
    case OP_NOT:
    case OP_ABS:
    case OP_DROP:
    case OP_BRA:
        return unary(m, op);
    default:
        return binary(m, op->code);
    }
}

bool expression_run(struct slice code, const struct expression_input *input, uint32_t *budget,
                    uint64_t *ret, enum unwind_end *ret_why)
{
    struct machine m = {.input = input, .code = reader_of(code), .why = UNWIND_BAD_CFI};
    bool ok = !input->from_cfa || push(&m, input->cfa);
    while (ok && reader_left(&m.code) > 0) {
        struct op op;
        ok = *budget > 0 && op_read(&m.code, &op) && machine_step(&m, &op);
        *budget -= *budget > 0;
    }
    ok = ok && has(&m, 0);
    *ret = ok ? m.stack[m.n - 1] : 0;
    *ret_why = m.why;
    return ok;
}
