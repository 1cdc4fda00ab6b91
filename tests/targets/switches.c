// Known: as many tables of jumps as the compiler says, in every form that it has for them. It is
// never run: tests/e2e/test_cfg.py compiles it in many ways, and compares what is found in the
// binary with the assembler's input.

struct node {
    int kind;
    unsigned char tag;
    struct node *next;
};

extern int a(int), b(int), c(int), d(int), e(int);
extern void stop(void) __attribute__((noreturn));
extern int g;

// Enough cases for every compiler, none of which a formula could replace.
#define CASE(i, what)                                                                              \
    case i:                                                                                        \
        what;                                                                                      \
        break;
#define CASES(from)                                                                                \
    CASE(from, r += a(r))                                                                          \
    CASE(from + 1, r -= b(r))                                                                      \
    CASE(from + 2, g = 3; r ^= c(r))                                                               \
    CASE(from + 3, r = d(4))                                                                       \
    CASE(from + 4, r *= e(r))                                                                      \
    CASE(from + 6, g++)                                                                            \
    CASE(from + 7, r += g)                                                                         \
    CASE(from + 8, r = a(b(r)))                                                                    \
    CASE(from + 9, r -= c(9) + 1)                                                                  \
    CASE(from + 10, r = d(r) / 3)                                                                  \
    CASE(from + 11, r |= e(7))                                                                     \
    CASE(from + 12, r = -a(r))                                                                     \
    CASE(from + 13, g = b(2))                                                                      \
    CASE(from + 14, r = ~c(r))                                                                     \
    CASE(from + 15, r %= d(5))                                                                     \
    CASE(from + 16, r = e(r) << 2)                                                                 \
    CASE(from + 17, r += a(6) * b(1))                                                              \
    CASE(from + 18, g -= r)

int of_int(int n)
{
    int r = n;
    switch (n) {
        CASES(0)
    }
    return r;
}

int of_offset(int n)
{
    int r = n;
    switch (n) {
        CASES(100)
    default:
        r = 5;
    }
    return r;
}

int of_negative(long n)
{
    int r = 1;
    switch (n) {
        CASES(-9)
    default:
        return a(2);
    }
    return r;
}

int of_member(const struct node *node)
{
    int r = 1;
    switch (node->kind) {
        CASES(1)
    }
    return r;
}

int of_byte(const struct node *node)
{
    int r = 1;
    switch (node->tag) {
        CASES('a')
    default:
        stop();
    }
    return r;
}

int of_mask(unsigned n)
{
    int r = 1;
    switch (n & 31) {
        CASES(0)
        CASE(19, r += 4)
        CASE(20, r = a(3))
        CASE(21, r = b(4))
        CASE(22, r = c(5))
        CASE(23, r = d(6))
    }
    return r;
}

int in_loop(const char *text)
{
    int r = 0;
    for (; *text != 0; text++) {
        switch (*text) {
            CASES('h')
        default:
            r += 9;
        }
    }
    return r;
}

int in_list(const struct node *node)
{
    int r = 0;
    while (node) {
        int kind = node->kind;
        if (kind == 77) {
            node = node->next->next;
            continue;
        }
        switch (kind) {
            CASES(2)
        }
        node = node->next;
    }
    return r;
}

int nested(int n, int m)
{
    int r = n;
    switch (n) {
        CASES(0)
    case 19:
        switch (m) {
            CASES(40)
        default:
            stop();
        }
        break;
    case 20:
        for (int i = 0; i < m; i++) {
            switch (a(i)) {
                CASES(7)
            }
        }
    }
    return r;
}

int two_in_a_row(int n, unsigned long m)
{
    int r = n;
    switch (n) {
        CASES(3)
    }
    switch (m) {
        CASES(30)
    default:
        stop();
    }
    return r;
}

int computed_earlier(int n, int m, int *to)
{
    int r = m;
    unsigned short k = (unsigned short)(n * 3 + m);
    to[0] = a(m);
    to[1] = b(to[0]);
    if (to[1] > 5) {
        to[2] = c(n);
    }
    switch (k) {
        CASES(1000)
    }
    return r + to[0];
}

int main(void)
{
    return 0;
}
