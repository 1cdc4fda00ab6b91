#include "cli/unmatched.h"

#include "base/log.h"
#include "cli/format.h"
#include "cli/scope.h"
#include "cli/session.h"
#include "cli/target.h"

enum { SHOWN_NEAR = 3, SHOWN_BYTES = 100 }; // names like it, and of each

static void put_near(struct text *to, const json_t *function)
{
    CLEANUP(text_fini) struct text name = {0};
    scope_put_function(&name, result_text(function, "function_name"),
                       result_text(function, "binary"));
    CLEANUP(text_fini) struct text shown = {0};
    text_add_escaped(&shown, text_get(&name), name.n);
    format_cut(&shown, SHOWN_BYTES);
    text_addf(to, "'%s'", text_get(&shown));
}

void unmatched_put(struct text *to, const json_t *symbol, const json_t *near)
{
    const char *name = result_text(symbol, "function_name");
    const char *binary = result_text(symbol, "binary");
    text_add(to, "no sample has '");
    text_add_escaped(to, name, strlen(name));
    text_add(to, "'");
    if (binary[0] != 0) {
        text_add(to, " of ");
        text_add_escaped(to, binary, strlen(binary));
    }
    text_add(to, " on its stack");
    if (near == NULL) {
        text_add(to, binary[0] == 0 && strchr(name, '@') != NULL
                         ? "; a binary is written behind ' @ '"
                         : "; `stax top` shows whole names");
        return;
    }
    const json_t *others = json_object_get(near, "matches");
    text_add(to, "; there is ");
    put_near(to, near);
    for (size_t i = 0; i < json_array_size(others) && i + 1 < SHOWN_NEAR; i++) {
        text_add(to, ", ");
        put_near(to, json_array_get(others, i));
    }
}

// A reference to the answer, or NULL, whatever the reason: this is about a hint.
static json_t *ask(struct client *client, const char *method, json_t *params)
{
    json_t *answer = NULL;
    struct rpc_error error = {0};
    client_call(client, method, params, &answer, &error);
    json_decref(params);
    return answer;
}

static void check(struct client *client, const json_t *view, const json_t *symbol)
{
    json_t *whole = json_object();
    json_t *run = json_object_get(view, "run");
    json_t *physical = json_object_get(view, "inline");
    if (run != NULL) {
        json_object_set(whole, "run", run);
    }
    if (physical != NULL) {
        json_object_set(whole, "inline", physical);
    }
    json_t *part = json_copy(whole);
    json_object_set_new(part, "focus_symbol", json_copy((json_t *)(uintptr_t)symbol));
    json_t *top = ask(client, "Profiler.top",
                      json_pack("{s:o s:s s:i}", "view", part, "mode", "wall", "limit", 1));
    if (top == NULL || result_u64(top, "n_functions") > 0) {
        json_decref(whole);
        json_decref(top);
        return;
    }
    json_t *near = ask(client, "Profiler.neighbors",
                       json_pack("{s:o s:s s:i}", "view", whole, "name",
                                 result_text(symbol, "function_name"), "max_nodes", 1));
    CLEANUP(text_fini) struct text line = {0};
    unmatched_put(&line, symbol, near);
    log_warning("%s", text_get(&line));
    json_decref(near);
    json_decref(top);
}

void unmatched_print(struct client *client, const json_t *view)
{
    static const char *const lists[] = {"only_symbols", "exclude_symbols"};
    size_t i;
    const json_t *symbol;
    for (size_t list = 0; list < ARRAY_LEN(lists); list++) {
        json_array_foreach(json_object_get(view, lists[list]), i, symbol)
        {
            check(client, view, symbol);
        }
    }
    symbol = json_object_get(view, "focus_symbol");
    if (symbol != NULL) {
        check(client, view, symbol);
    }
}
