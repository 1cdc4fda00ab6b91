#include "cli/unmatched.h"

#include "base/log.h"
#include "cli/format.h"
#include "cli/scope.h"
#include "cli/session.h"

#include <poll.h>

enum { SHOWN_NEAR = 3, SHOWN_BYTES = 100 };   // names like it, and of each
enum { PATIENCE_MS = 5000, BETWEEN_MS = 50 }; // for names that are being read

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

// Symbols are read when somebody asks for the first time, and an answer does not wait for them.
static bool names_are_coming(struct client *client, const json_t *whole)
{
    json_t *params = json_object();
    json_t *run = json_object_get(whole, "run");
    if (run != NULL) {
        json_object_set(params, "run", run);
    }
    json_t *report = ask(client, "RunControl.diagnostics", params);
    const json_t *images = json_object_get(json_object_get(report, "run"), "images");
    bool coming = false;
    size_t i;
    const json_t *image;
    json_array_foreach(images, i, image)
    {
        coming = coming || strcmp(result_text(image, "state"), "loading") == 0;
    }
    json_decref(report);
    return coming;
}

// Whether a sample or a wait has the function; also when nobody knows.
static bool is_there(struct client *client, const json_t *whole, const json_t *symbol)
{
    json_t *part = json_copy((json_t *)(uintptr_t)whole);
    json_object_set_new(part, "focus_symbol", json_copy((json_t *)(uintptr_t)symbol));
    json_t *top = ask(client, "Profiler.top",
                      json_pack("{s:o s:s s:i}", "view", part, "mode", "wall", "limit", 1));
    bool is = top == NULL || result_u64(top, "n_functions") > 0;
    json_decref(top);
    return is;
}

// The same, once all names are there. Whoever asks first makes them come.
static bool comes(struct client *client, const json_t *whole, const json_t *symbol)
{
    for (int waited_ms = 0; !is_there(client, whole, symbol); waited_ms += BETWEEN_MS) {
        if (waited_ms >= PATIENCE_MS) {
            return false;
        }
        if (!names_are_coming(client, whole)) {
            return is_there(client, whole, symbol); // they may just have come
        }
        poll(NULL, 0, BETWEEN_MS);
    }
    return true;
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
    if (comes(client, whole, symbol)) {
        json_decref(whole);
        return;
    }
    json_t *near = ask(client, "Profiler.neighbors",
                       json_pack("{s:o s:s s:i}", "view", whole, "name",
                                 result_text(symbol, "function_name"), "max_nodes", 1));
    CLEANUP(text_fini) struct text line = {0};
    unmatched_put(&line, symbol, near);
    log_warning("%s", text_get(&line));
    json_decref(near);
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
