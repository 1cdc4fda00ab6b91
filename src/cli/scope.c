#include "cli/scope.h"

#include "base/clock.h"
#include "base/limits.h"

#include <errno.h>
#include <string.h>

_Static_assert(SCOPE_SECONDS_MAX == LIMIT_TIME_LIMIT_S, "as long as a run may be");
_Static_assert((int)OPTION_TEXTS_MAX >= (int)LIMIT_EXCLUDED_SYMBOLS,
               "as many functions as a view may have");

const char scope_heading[] =
    "which part of which run (see \"Which part of a run\" in docs/usage.md); a FUNCTION is the whole\n"
    "name as answers show it, or 'NAME @ BINARY' for that of one binary:";

// ---- Functions ---------------------------------------------------------------------------------

// The next `@`s in a row with a space on each side, from `*at` on: how many, and `*at` is where.
// 0: there are none.
static size_t find_ats(const char *text, size_t *at)
{
    size_t length = strlen(text);
    for (size_t i = MAX(*at, (size_t)1); i < length; i++) {
        size_t n = text[i - 1] == ' ' ? strspn(text + i, "@") : 0;
        if (n > 0 && text[i + n] == ' ') {
            *at = i;
            return n;
        }
    }
    return 0;
}

void scope_put_function(struct text *to, const char *name, const char *binary)
{
    CLEANUP(text_fini) struct text whole = {0};
    size_t split = binary == NULL ? SIZE_MAX : strlen(name) + 1;
    text_addf(&whole, binary == NULL ? "%s" : "%s @ %s", name, binary);
    size_t done = 0;
    size_t at = 0;
    for (size_t n; (n = find_ats(text_get(&whole), &at)) > 0; at += n) {
        text_add_bytes(to, whole.at + done, at - done);
        text_add(to, at == split ? "" : "@");
        done = at;
    }
    text_add(to, text_get(&whole) + done);
}

// The text without the `@`s that were added. How many single ones it has; `*ret_split` is where the
// last of them is now.
static size_t unescape(const char *text, struct text *to, size_t *ret_split)
{
    size_t n_splits = 0;
    size_t done = 0;
    size_t at = 0;
    for (size_t n; (n = find_ats(text, &at)) > 0; at += n) {
        text_add_bytes(to, text + done, at - done);
        n_splits += n == 1;
        *ret_split = n == 1 ? to->n : *ret_split;
        done = n == 1 ? at : at + 1;
    }
    text_add(to, text + done);
    return n_splits;
}

// Takes over no texts. NULL: not valid UTF-8.
static json_t *make_symbol(const char *name, size_t n_name, const char *binary)
{
    json_t *function_name = json_stringn(name, n_name);
    json_t *of = binary == NULL ? NULL : json_string(binary);
    bool is_text = function_name != NULL && (binary == NULL || of != NULL);
    json_t *symbol = is_text ? json_pack("{s:O s:O*}", "function_name", function_name, "binary", of)
                             : NULL;
    json_decref(function_name);
    json_decref(of);
    return symbol;
}

json_t *scope_read_function(const char *text, struct err *reterr)
{
    CLEANUP(text_fini) struct text whole = {0};
    size_t split = 0;
    size_t n_splits = unescape(text, &whole, &split);
    if (n_splits > 1) {
        err_set(reterr, EINVAL, "'%.60s' has more than one ' @ ': one in a name is written ' @@ '",
                text);
        return NULL;
    }
    bool has_binary = n_splits == 1;
    size_t n_name = has_binary ? split - 1 : whole.n;
    const char *binary = has_binary ? whole.at + split + 2 : NULL;
    if (n_name == 0 || (has_binary && binary[0] == 0)) {
        err_set(reterr, EINVAL, "'%.60s' is no function: NAME, or NAME @ BINARY", text);
        return NULL;
    }
    json_t *symbol = make_symbol(text_get(&whole), n_name, binary);
    if (symbol == NULL) {
        err_set(reterr, EINVAL, "a name has to be valid UTF-8, as `stax top --json` shows it");
    }
    return symbol;
}

// ---- The view ----------------------------------------------------------------------------------

static int put_functions(json_t *view, const char *field, const struct option_texts *functions,
                         struct err *reterr)
{
    for (size_t i = 0; i < functions->n; i++) {
        json_t *symbol = scope_read_function(functions->at[i], reterr);
        if (symbol == NULL) {
            return -EINVAL;
        }
        json_t *symbols = json_object_get(view, field);
        if (symbols == NULL) {
            symbols = json_array();
            json_object_set_new(view, field, symbols);
        }
        json_array_append_new(symbols, symbol);
    }
    return 0;
}

static json_int_t nanoseconds(double seconds)
{
    return (json_int_t)(seconds * NS_PER_S + 0.5);
}

static int put_times(json_t *view, const struct scope *scope, struct err *reterr)
{
    bool has_end = scope->to_s >= 0;
    json_int_t start_ns = nanoseconds(scope->from_s);
    json_int_t end_ns = has_end ? nanoseconds(scope->to_s) : INT64_MAX;
    if (end_ns <= start_ns) {
        return err_set(reterr, EINVAL, "nothing is between --from %.15g and --to %.15g",
                       scope->from_s, scope->to_s);
    }
    if (has_end || start_ns > 0) {
        json_object_set_new(view, "time_range",
                            json_pack("{s:I s:I}", "start_ns", start_ns, "end_ns", end_ns));
    }
    return 0;
}

int scope_put_view(json_t *view, const struct scope *scope, struct err *reterr)
{
    if (scope->tid > 0) {
        json_object_set_new(view, "tid", json_integer(scope->tid));
    }
    if (scope->no_inline) {
        json_object_set_new(view, "inline", json_false());
    }
    int r = put_times(view, scope, reterr);
    r = r < 0 ? r : put_functions(view, "only_symbols", &scope->only, reterr);
    r = r < 0 ? r : put_functions(view, "exclude_symbols", &scope->exclude, reterr);
    if (r == 0 && scope->focus != NULL) {
        json_t *focus = scope_read_function(scope->focus, reterr);
        if (focus == NULL) {
            return -EINVAL;
        }
        json_object_set_new(view, "focus_symbol", focus);
    }
    return r;
}
