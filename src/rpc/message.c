#include "rpc/message.h"

#include "base/limits.h"
#include "rpc/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// ---- Bytes to a value --------------------------------------------------------------------------

// jansson recurses per level, up to its own 2048; we stop far earlier, before it allocates
// anything.
static bool is_too_deep(struct slice bytes)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < bytes.n; i++) {
        uint8_t c = bytes.data[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > LIMIT_JSON_DEPTH) {
                return true;
            }
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

json_t *rpc_json_parse(struct slice bytes, struct err *reterr)
{
    if (is_too_deep(bytes)) {
        err_set(reterr, EINVAL, "JSON nested deeper than %d levels", LIMIT_JSON_DEPTH);
        return NULL;
    }
    json_error_t error;
    json_t *value = json_loadb((const char *)bytes.data, bytes.n,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL) {
        err_set(reterr, EINVAL, "not JSON: %.100s (byte %d)", error.text, error.position);
    }
    return value;
}

// ---- Checking against a type -------------------------------------------------------------------

// Where in a message a value stands: a chain on the stack, written out only when it is wrong.
struct place {
    const struct place *outer; // NULL: the message itself
    const char *name;          // of the field; NULL: an element of an array
    size_t index;
    struct err *reterr;
};

enum { SHOWN_NAME_BYTES = 64 };

static void add_place(struct text *to, const struct place *place)
{
    if (place->outer == NULL) {
        return;
    }
    add_place(to, place->outer);
    if (place->name == NULL) {
        text_addf(to, "[%zu]", place->index);
    } else {
        text_add(to, to->n > 0 ? "." : "");
        text_add_escaped(to, place->name, MIN(strlen(place->name), (size_t)SHOWN_NAME_BYTES));
    }
}

PRINTF_LIKE(2, 3)
static bool wrong(const struct place *place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char what[160];
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    CLEANUP(text_fini) struct text where = {0};
    add_place(&where, place);
    err_set(place->reterr, EINVAL, "%s %s", where.n > 0 ? text_get(&where) : "params", what);
    return false;
}

static bool check_object(const struct rpc_type *type, const json_t *value,
                         const struct place *place);

static bool check_range(const struct rpc_field *field, const json_t *value,
                        const struct place *place)
{
    bool is_right = field->kind == RPC_INTEGER ? json_is_integer(value) : json_is_number(value);
    const char *what = field->kind == RPC_INTEGER ? "an integer" : "a number";
    double number = json_number_value(value);
    if (is_right && number >= field->min && (field->max == 0 || number <= field->max)) {
        return true;
    }
    if (field->max == 0) {
        return wrong(place, "must be %s of at least %.15g", what, field->min);
    }
    return wrong(place, "must be %s from %.15g to %.15g", what, field->min, field->max);
}

static bool check_string(const struct rpc_field *field, const json_t *value,
                         const struct place *place)
{
    if (!json_is_string(value)) {
        return wrong(place, "must be a string");
    }
    if (field->values == NULL) {
        bool fits = field->max == 0 || (double)json_string_length(value) <= field->max;
        return fits || wrong(place, "must be at most %.15g bytes long", field->max);
    }
    CLEANUP(text_fini) struct text allowed = {0};
    for (const char *const *one = field->values; *one != NULL; one++) {
        if (strcmp(*one, json_string_value(value)) == 0) {
            return true;
        }
        text_addf(&allowed, "%s\"%s\"", one == field->values ? "" : ", ", *one);
    }
    return wrong(place, "must be one of %s", text_get(&allowed));
}

static bool check_map(const json_t *value, const struct place *place)
{
    if (!json_is_object(value)) {
        return wrong(place, "must be an object");
    }
    const char *key;
    json_t *one;
    json_object_foreach((json_t *)(uintptr_t)value, key, one)
    {
        struct place inner = {.outer = place, .name = key, .reterr = place->reterr};
        if (!json_is_integer(one) || json_integer_value(one) < 0) {
            return wrong(&inner, "must be an integer of at least 0");
        }
    }
    return true;
}

static bool check_field(const struct rpc_field *field, const json_t *value,
                        const struct place *place);

static bool check_array(const struct rpc_field *field, const json_t *value,
                        const struct place *place)
{
    if (!json_is_array(value)) {
        return wrong(place, "must be an array");
    }
    size_t n = json_array_size(value);
    if (field->max > 0 && (double)n > field->max) {
        return wrong(place, "must have at most %.15g elements", field->max);
    }
    struct rpc_field element = {
        .name = field->name, .kind = field->element, .type = field->type, .values = field->values};
    for (size_t i = 0; i < n; i++) {
        struct place inner = {.outer = place, .index = i, .reterr = place->reterr};
        if (!check_field(&element, json_array_get(value, i), &inner)) {
            return false;
        }
    }
    return true;
}

static bool check_field(const struct rpc_field *field, const json_t *value,
                        const struct place *place)
{
    switch (field->kind) {
    case RPC_BOOL:
        return json_is_boolean(value) || wrong(place, "must be true or false");
    case RPC_TRUE:
        return json_is_true(value) || wrong(place, "must be true");
    case RPC_INTEGER:
    case RPC_NUMBER:
        return check_range(field, value, place);
    case RPC_STRING:
        return check_string(field, value, place);
    case RPC_ARRAY:
        return check_array(field, value, place);
    case RPC_MAP:
        return check_map(value, place);
    case RPC_OBJECT:
        if (field->type == NULL) {
            return json_is_object(value) || wrong(place, "must be an object");
        }
        return check_object(field->type, value, place);
    }
    return wrong(place, "is of no known kind");
}

static const struct rpc_field *find_field(const struct rpc_type *type, const char *name)
{
    for (const struct rpc_field *field = type->fields; field->name != NULL; field++) {
        if (strcmp(field->name, name) == 0) {
            return field;
        }
    }
    return NULL;
}

static bool check_present(const struct rpc_type *type, const json_t *value,
                          const struct place *place)
{
    for (const struct rpc_field *field = type->fields; field->name != NULL; field++) {
        if (field->required && json_object_get(value, field->name) == NULL) {
            struct place inner = {.outer = place, .name = field->name, .reterr = place->reterr};
            return wrong(&inner, "is missing");
        }
    }
    if (type->exactly_one && json_object_size(value) != 1) {
        CLEANUP(text_fini) struct text names = {0};
        for (const struct rpc_field *field = type->fields; field->name != NULL; field++) {
            text_addf(&names, "%s%s", names.n > 0 ? ", " : "", field->name);
        }
        return wrong(place, "must have exactly one of %s", text_get(&names));
    }
    return true;
}

static bool check_object(const struct rpc_type *type, const json_t *value,
                         const struct place *place)
{
    if (!json_is_object(value)) {
        return wrong(place, "must be an object");
    }
    const char *key;
    json_t *one;
    json_object_foreach((json_t *)(uintptr_t)value, key, one)
    {
        struct place inner = {.outer = place, .name = key, .reterr = place->reterr};
        const struct rpc_field *field = find_field(type, key);
        if (field == NULL && !type->open) {
            return wrong(&inner, "is not a known field");
        }
        if (field != NULL && !check_field(field, one, &inner)) {
            return false;
        }
    }
    return check_present(type, value, place);
}

bool rpc_check(const struct rpc_type *type, const json_t *value, struct err *reterr)
{
    struct place place = {.reterr = reterr};
    if (value != NULL) {
        return check_object(type, value, &place);
    }
    json_t *empty = json_object();
    bool ok = check_object(type, empty, &place);
    json_decref(empty);
    return ok;
}

// ---- Requests ----------------------------------------------------------------------------------

void rpc_request_fini(struct rpc_request *request)
{
    json_decref(request->params);
    json_decref(request->id);
    *request = (struct rpc_request){0};
}

PRINTF_LIKE(3, 4)
static bool refuse(struct rpc_error *ret, enum rpc_error_kind kind, const char *format, ...)
{
    ret->kind = kind;
    va_list args;
    va_start(args, format);
    vsnprintf(ret->text.text, sizeof ret->text.text, format, args);
    va_end(args);
    return false;
}

// Everything but method and params: what JSON-RPC 2.0 itself says (section 4).
static bool check_envelope(const json_t *message, struct rpc_request *ret, struct rpc_error *error)
{
    if (json_is_array(message)) {
        return refuse(error, RPC_ERROR_INVALID_REQUEST,
                      "batches are not supported; send one request per line");
    }
    if (!json_is_object(message)) {
        return refuse(error, RPC_ERROR_INVALID_REQUEST, "a request is a JSON object");
    }
    json_t *id = json_object_get(message, "id");
    if (id != NULL && !json_is_string(id) && !json_is_number(id) && !json_is_null(id)) {
        return refuse(error, RPC_ERROR_INVALID_REQUEST, "id must be a string, a number or null");
    }
    ret->id = json_incref(id);
    const char *version = json_string_value(json_object_get(message, "jsonrpc"));
    if (version == NULL || strcmp(version, "2.0") != 0) {
        return refuse(error, RPC_ERROR_INVALID_REQUEST, "jsonrpc must be \"2.0\"");
    }
    if (!json_is_string(json_object_get(message, "method"))) {
        return refuse(error, RPC_ERROR_INVALID_REQUEST, "method must be a string");
    }
    return true;
}

static bool check_call(const json_t *message, struct rpc_request *ret, struct rpc_error *error)
{
    const char *name = json_string_value(json_object_get(message, "method"));
    const struct rpc_method *method = rpc_method_find(name);
    if (method == NULL) {
        CLEANUP(text_fini) struct text shown = {0};
        text_add_escaped(&shown, name, MIN(strlen(name), (size_t)SHOWN_NAME_BYTES));
        return refuse(error, RPC_ERROR_UNKNOWN_METHOD,
                      "unknown method '%s'; rpc.discover lists them", text_get(&shown));
    }
    json_t *params = json_object_get(message, "params");
    error->kind = RPC_ERROR_INVALID_PARAMS;
    if (!rpc_check(method->params, params, &error->text)) {
        return false;
    }
    ret->params = params != NULL ? json_incref(params) : json_object();
    ret->method = method;
    return true;
}

bool rpc_request_parse(struct slice line, struct rpc_request *ret, struct rpc_error *ret_error)
{
    *ret = (struct rpc_request){0};
    *ret_error = (struct rpc_error){.kind = RPC_ERROR_PARSE};
    json_t *message = rpc_json_parse(line, &ret_error->text);
    if (message == NULL) {
        return false;
    }
    bool ok = check_envelope(message, ret, ret_error) && check_call(message, ret, ret_error);
    json_decref(message);
    return ok;
}

// ---- Writing -----------------------------------------------------------------------------------

static void put_id(struct json *j, const json_t *id)
{
    if (json_is_string(id)) {
        json_text(j, json_string_value(id), json_string_length(id));
    } else if (json_is_integer(id)) {
        json_i64(j, json_integer_value(id));
    } else if (json_is_real(id)) {
        json_double(j, json_real_value(id));
    } else {
        json_none(j);
    }
}

// Everything up to the member that the message ends with.
static void put_begin(struct json *j, struct text *to, const json_t *id)
{
    json_init(j, to);
    json_object_begin(j);
    json_string_field(j, "jsonrpc", "2.0");
    json_key(j, "id");
    put_id(j, id);
}

void rpc_put_result_begin(struct text *to, const json_t *id)
{
    struct json j;
    put_begin(&j, to, id);
    json_key(&j, "result");
}

void rpc_put_result_end(struct text *to)
{
    text_add(to, "}\n");
}

void rpc_put_error(struct text *to, const json_t *id, enum rpc_error_kind kind, const char *message)
{
    struct json j;
    put_begin(&j, to, id);
    json_key(&j, "error");
    json_object_begin(&j);
    json_i64_field(&j, "code", rpc_error_code(kind));
    json_string_field(&j, "message", message);
    json_key(&j, "data");
    json_object_begin(&j);
    json_string_field(&j, "kind", rpc_error_name(kind));
    json_object_end(&j);
    json_object_end(&j);
    json_object_end(&j);
    text_add(to, "\n");
}

void rpc_put_notification_begin(struct text *to, const char *method)
{
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_string_field(&j, "jsonrpc", "2.0");
    json_string_field(&j, "method", method);
    json_key(&j, "params");
}

void rpc_put_notification_end(struct text *to)
{
    text_add(to, "}\n");
}

void rpc_put_call(struct text *to, int64_t id, const char *method, const json_t *params)
{
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_string_field(&j, "jsonrpc", "2.0");
    json_i64_field(&j, "id", id);
    json_string_field(&j, "method", method);
    if (params != NULL) {
        json_key(&j, "params");
        char *bytes = json_dumps(params, JSON_COMPACT);
        ASSERT(bytes != NULL);
        text_add(to, bytes);
        free(bytes);
    }
    text_add(to, "}\n");
}
