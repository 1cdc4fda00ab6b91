#include "image/kallsyms.h"

#include "base/file.h"

#include <errno.h>

enum { KALLSYMS_BYTES_MAX = 256 << 20 };

struct line {
    uint64_t addr;
    uint8_t type;
    struct slice name;
    struct slice module; // without brackets; empty: the kernel itself
};

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// The bytes up to a blank or the end; what follows the blank stays in `*text`.
static struct slice next_word(struct slice *text)
{
    size_t n = 0;
    while (n < text->n && text->data[n] != ' ' && text->data[n] != '\t') {
        n++;
    }
    struct slice word = {.data = text->data, .n = n};
    size_t skipped = MIN(n + 1, text->n);
    *text = (struct slice){.data = text->data + skipped, .n = text->n - skipped};
    return word;
}

static bool parse_addr(struct slice word, uint64_t *ret)
{
    if (word.n == 0 || word.n > 16) {
        return false;
    }
    uint64_t addr = 0;
    for (size_t i = 0; i < word.n; i++) {
        int digit = hex_digit(word.data[i]);
        if (digit < 0) {
            return false;
        }
        addr = addr << 4 | (uint64_t)digit;
    }
    *ret = addr;
    return true;
}

// `ffffffffc0a41000 t nft_do_chain<tab>[nf_tables]`
static bool parse_line(struct slice text, struct line *ret)
{
    struct slice type;
    if (memchr(text.data, 0, text.n) != NULL) { // would end a name in its middle
        return false;
    }
    if (!parse_addr(next_word(&text), &ret->addr) || (type = next_word(&text)).n != 1) {
        return false;
    }
    ret->type = type.data[0];
    ret->name = next_word(&text);
    ret->module = (struct slice){0};
    if (text.n > 2 && text.data[0] == '[' && text.data[text.n - 1] == ']') {
        ret->module = (struct slice){.data = text.data + 1, .n = text.n - 2};
    }
    return ret->name.n > 0;
}

// Code ends here, although no symbol with a size says so.
static bool ends_code(const struct line *line)
{
    return slice_equal(line->name, slice_of_text("_etext")) ||
           slice_equal(line->name, slice_of_text("_einittext"));
}

static void add_line(struct symtab_builder *builder, const struct line *line)
{
    if (line->module.n == 0 && ends_code(line)) {
        symtab_builder_add_wall(builder, line->addr);
        return;
    }
    bool is_weak = line->type == 'w' || line->type == 'W';
    enum symbol_binding binding = is_weak             ? SYMBOL_WEAK
                                  : line->type == 'T' ? SYMBOL_GLOBAL
                                                      : SYMBOL_LOCAL;
    symtab_builder_add(builder, line->addr, 0, line->name, line->module, binding);
}

static bool is_code(uint8_t type)
{
    return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

int kallsyms_parse(struct slice text, struct symtab **ret)
{
    struct symtab_builder *builder = symtab_builder_new();
    struct symtab_segment everything = {.size = UINT64_MAX, .executable = true};
    symtab_builder_add_segment(builder, &everything);
    bool hidden = true;
    while (text.n > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.n);
        size_t n = end == NULL ? text.n : (size_t)(end - text.data);
        struct line line;
        if (parse_line((struct slice){.data = text.data, .n = n}, &line) && is_code(line.type) &&
            line.addr != 0) {
            hidden = false;
            add_line(builder, &line);
        }
        n = MIN(n + 1, text.n);
        text = (struct slice){.data = text.data + n, .n = text.n - n};
    }
    if (hidden) {
        symtab_builder_free(builder);
        return KALLSYMS_E_HIDDEN;
    }
    *ret = symtab_builder_finish(builder);
    return KALLSYMS_OK;
}

int kallsyms_read(struct symtab **ret, struct err *reterr)
{
    CLEANUP(text_fini) struct text text = {0};
    int r = file_read("/proc/kallsyms", KALLSYMS_BYTES_MAX, &text);
    if (r < 0) {
        return err_set(reterr, -r, "cannot read /proc/kallsyms: %s", strerror(-r));
    }
    return kallsyms_parse((struct slice){.data = (const uint8_t *)text_get(&text), .n = text.n},
                          ret);
}
