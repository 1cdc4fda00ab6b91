#include "rpc/document.h"

#include "rpc/json.h"
#include "rpc/schema.h"

// ---- OpenRPC -----------------------------------------------------------------------------------

static void put_ref(struct json *j, const struct rpc_type *type)
{
    CLEANUP(text_fini) struct text ref = {0};
    text_addf(&ref, "#/components/schemas/%s", type->name);
    json_string_field(j, "$ref", text_get(&ref));
}

static void put_values(struct json *j, const char *const *values)
{
    json_key(j, "enum");
    json_array_begin(j);
    for (; *values != NULL; values++) {
        json_cstr(j, *values);
    }
    json_array_end(j);
}

static void put_number_limits(struct json *j, const struct rpc_field *field)
{
    json_double_field(j, "minimum", field->min);
    if (field->max > 0) {
        json_double_field(j, "maximum", field->max);
    }
}

static void put_kind(struct json *j, const struct rpc_field *field, enum rpc_type_kind kind);

static void put_array(struct json *j, const struct rpc_field *field)
{
    json_string_field(j, "type", "array");
    if (field->max > 0) {
        json_double_field(j, "maxItems", field->max);
    }
    json_key(j, "items");
    json_object_begin(j);
    struct rpc_field element = *field;
    element.min = element.max = 0;
    put_kind(j, &element, field->element);
    json_object_end(j);
}

static void put_map(struct json *j)
{
    json_string_field(j, "type", "object");
    json_key(j, "additionalProperties");
    json_object_begin(j);
    json_string_field(j, "type", "integer");
    json_double_field(j, "minimum", 0);
    json_object_end(j);
}

// The members of a JSON Schema for a value of this kind.
static void put_kind(struct json *j, const struct rpc_field *field, enum rpc_type_kind kind)
{
    switch (kind) {
    case RPC_BOOL:
        json_string_field(j, "type", "boolean");
        return;
    case RPC_TRUE:
        json_bool_field(j, "const", true);
        return;
    case RPC_INTEGER:
    case RPC_NUMBER:
        json_string_field(j, "type", kind == RPC_INTEGER ? "integer" : "number");
        put_number_limits(j, field);
        return;
    case RPC_STRING:
        json_string_field(j, "type", "string");
        if (field->values != NULL) {
            put_values(j, field->values);
        }
        return;
    case RPC_ARRAY:
        put_array(j, field);
        return;
    case RPC_MAP:
        put_map(j);
        return;
    case RPC_OBJECT:
        if (field->type != NULL) {
            put_ref(j, field->type);
        } else {
            json_string_field(j, "type", "object");
        }
        return;
    }
}

static void put_required(struct json *j, const struct rpc_type *type)
{
    json_key(j, "required");
    json_array_begin(j);
    for (const struct rpc_field *field = type->fields; field->name != NULL; field++) {
        if (field->required) {
            json_cstr(j, field->name);
        }
    }
    json_array_end(j);
}

static void put_schema(struct json *j, const struct rpc_type *type)
{
    json_key(j, type->name);
    json_object_begin(j);
    json_string_field(j, "description", type->doc);
    json_string_field(j, "type", "object");
    json_bool_field(j, "additionalProperties", type->open);
    if (type->exactly_one) {
        json_u64_field(j, "minProperties", 1);
        json_u64_field(j, "maxProperties", 1);
    }
    put_required(j, type);
    json_key(j, "properties");
    json_object_begin(j);
    for (const struct rpc_field *field = type->fields; field->name != NULL; field++) {
        json_key(j, field->name);
        json_object_begin(j);
        json_string_field(j, "description", field->doc);
        put_kind(j, field, field->kind);
        json_object_end(j);
    }
    json_object_end(j);
    json_object_end(j);
}

static void put_method(struct json *j, const struct rpc_method *method)
{
    json_object_begin(j);
    json_string_field(j, "name", method->name);
    json_string_field(j, "description", method->doc);
    json_string_field(j, "paramStructure", "by-name");
    json_key(j, "params");
    json_array_begin(j);
    for (const struct rpc_field *field = method->params->fields; field->name != NULL; field++) {
        json_object_begin(j);
        json_string_field(j, "name", field->name);
        json_string_field(j, "description", field->doc);
        json_bool_field(j, "required", field->required);
        json_key(j, "schema");
        json_object_begin(j);
        put_kind(j, field, field->kind);
        json_object_end(j);
        json_object_end(j);
    }
    json_array_end(j);
    json_key(j, "result");
    json_object_begin(j);
    json_string_field(j, "name", method->result->name);
    json_key(j, "schema");
    json_object_begin(j);
    put_ref(j, method->result);
    json_object_end(j);
    json_object_end(j);
    json_object_end(j);
}

void document_put_openrpc(struct text *to)
{
    struct json j;
    json_init(&j, to);
    json_object_begin(&j);
    json_string_field(&j, "openrpc", "1.3.2");
    json_key(&j, "info");
    json_object_begin(&j);
    json_string_field(&j, "title", "stax-server");
    json_string_field(&j, "version", STAX_VERSION);
    json_object_end(&j);
    json_key(&j, "methods");
    json_array_begin(&j);
    for (const struct rpc_method *method = rpc_methods; method->name != NULL; method++) {
        put_method(&j, method);
    }
    json_array_end(&j);
    json_key(&j, "components");
    json_object_begin(&j);
    json_key(&j, "schemas");
    json_object_begin(&j);
    for (const struct rpc_type *const *type = rpc_types; *type != NULL; type++) {
        put_schema(&j, *type);
    }
    json_object_end(&j);
    json_object_end(&j);
    json_object_end(&j);
}

// ---- Markdown ----------------------------------------------------------------------------------

static const char about_live[] =
    "## Live\n"
    "\n"
    "`Live.tree`, `Live.top` and `Live.timeline` answer as `Profiler.flamegraph`, `top` and\n"
    "`timeline` do, for who draws them several times a second. Tables are columns, which are read\n"
    "and kept as arrays of numbers. A subscriber is told each function and each node once; it has\n"
    "a number from then on, for as long as the epoch lasts. After that come values of nodes that\n"
    "have changed, by number. `full` says that nothing counts that was sent before. The last\n"
    "message, `ended`, leaves the client with exactly what a single answer would have given it.\n"
    "\n"
    "With `ack`, the server sends the next message when the last one was worked off: a client that\n"
    "is busy, or frozen, or hidden, costs nothing and misses nothing, for the next message tells\n"
    "all that has changed meanwhile. `Profiler.resubscribe` changes the question, without waiting\n"
    "for that. Messages of a smaller epoch that are still on their way are to be thrown away; each\n"
    "message of an epoch builds on the ones before. The subscription is gone after `ended`, or an\n"
    "error.\n"
    "\n"
    "```\n"
    "→ {\"id\":1,\"method\":\"Profiler.subscribe\",\"params\":\n"
    "      {\"method\":\"Live.tree\",\"params\":{\"max_nodes\":500},\"ack\":true}}\n"
    "← {\"id\":1,\"result\":{\"subscription\":1}}\n"
    "← {\"method\":\"subscription\",\"params\":{\"subscription\":1,\"seq\":1,\"epoch\":1,\"ended\":false,\n"
    "      \"result\":{\"full\":true,\"functions\":{\"first\":0,\"name\":[\"main\",\"work\"],…},\n"
    "        \"nodes\":{\"first\":0,\"parent\":[0,0,1],\"function\":[0,0,1]},\n"
    "        \"values\":{\"node\":[0,1,2],\"samples\":[9,9,8],…},…}}}\n"
    "→ {\"id\":2,\"method\":\"Profiler.ack\",\"params\":{\"subscription\":1,\"seq\":1}}\n"
    "← {\"method\":\"subscription\",\"params\":{\"subscription\":1,\"seq\":2,\"epoch\":1,\"ended\":false,\n"
    "      \"result\":{\"full\":false,\"functions\":{\"first\":2,\"name\":[\"rest\"],…},\n"
    "        \"nodes\":{\"first\":3,\"parent\":[1],\"function\":[2]},\n"
    "        \"values\":{\"node\":[0,1,3],\"samples\":[12,12,3],…},…}}}\n"
    "→ {\"id\":3,\"method\":\"Profiler.resubscribe\",\"params\":\n"
    "      {\"subscription\":1,\"params\":{\"view\":{\"tid\":4711}}}}\n"
    "← {\"id\":3,\"result\":{\"epoch\":2}}\n"
    "```\n"
    "\n";

static const char introduction[] =
    "# The protocol of stax-server\n"
    "\n"
    "<!-- Printed from src/rpc/schema.c. Do not edit: change the tables, then run\n"
    "     `ninja -C build-dev protocol-docs`. -->\n"
    "\n"
    "JSON-RPC 2.0 over a Unix socket: one JSON object per line, in both directions. The socket is\n"
    "`$STAX_SERVER_SOCKET`, else `$XDG_RUNTIME_DIR/stax-server.sock`, else\n"
    "`/tmp/stax-server-UID.sock`. Try it:\n"
    "\n"
    "```\n"
    "$ echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"Profiler.top\",\"params\":{\"limit\":3}}' \\\n"
    "    | socat - UNIX-CONNECT:$XDG_RUNTIME_DIR/stax-server.sock\n"
    "```\n"
    "\n"
    "- Parameters are an object. A field that is not listed here is an error that names it.\n"
    "- Batches are refused: send one request per line; answers carry the request's `id`.\n"
    "- A line that is not JSON gets an error, and the connection goes on. A line that is too long\n"
    "  gets an error, and the connection is closed.\n"
    "- Times are nanoseconds. Unless a name says otherwise they count from the start of the run.\n"
    "- Names come from the profiled program: untrusted text. Bytes that are not UTF-8, and zero\n"
    "  bytes, are shown as `\\xHH`.\n"
    "- Fields are added over time, never renamed. Ignore those that you do not know.\n"
    "\n";

static void add_lower(struct text *to, const char *name)
{
    for (; *name != 0; name++) {
        text_add_char(to, *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name);
    }
}

static void add_link(struct text *to, const struct rpc_type *type)
{
    text_addf(to, "[%s](#", type->name);
    add_lower(to, type->name);
    text_add(to, ")");
}

static void add_range(struct text *to, const struct rpc_field *field)
{
    if (field->max > 0) {
        text_addf(to, ", %.15g to %.15g", field->min, field->max);
    } else if (field->min > 0) {
        text_addf(to, ", at least %.15g", field->min);
    }
}

static void add_kind(struct text *to, const struct rpc_field *field, enum rpc_type_kind kind)
{
    switch (kind) {
    case RPC_BOOL:
        text_add(to, "boolean");
        return;
    case RPC_TRUE:
        text_add(to, "`true`");
        return;
    case RPC_INTEGER:
        text_add(to, "integer");
        return;
    case RPC_NUMBER:
        text_add(to, "number");
        return;
    case RPC_STRING:
        text_add(to, field->values == NULL ? "string" : "");
        for (const char *const *value = field->values; value != NULL && *value != NULL; value++) {
            text_addf(to, "%s`\"%s\"`", value == field->values ? "" : " or ", *value);
        }
        return;
    case RPC_ARRAY:
        text_add(to, "array of ");
        add_kind(to, field, field->element);
        return;
    case RPC_MAP:
        text_add(to, "object of integers, by name");
        return;
    case RPC_OBJECT:
        if (field->type != NULL) {
            add_link(to, field->type);
        } else {
            text_add(to, "object");
        }
        return;
    }
}

static void add_fields(struct text *to, const struct rpc_type *type)
{
    if (type->fields->name == NULL) {
        return;
    }
    text_add(to, "| field | type | |\n|---|---|---|\n");
    for (const struct rpc_field *field = type->fields; field->name != NULL; field++) {
        text_addf(to, "| `%s`%s | ", field->name, field->required || type->exactly_one ? "" : "?");
        add_kind(to, field, field->kind);
        if (field->kind == RPC_INTEGER || field->kind == RPC_NUMBER) {
            add_range(to, field);
        } else if (field->kind == RPC_ARRAY && field->max > 0) {
            text_addf(to, ", at most %.15g", field->max);
        } else if (field->kind == RPC_STRING && field->max > 0) {
            text_addf(to, ", at most %.15g bytes", field->max);
        }
        text_addf(to, " | %s |\n", field->doc);
    }
    text_add(to, "\n");
}

static void add_methods(struct text *to)
{
    text_add(to, "## Methods\n\n| method | parameters | result | |\n|---|---|---|---|\n");
    for (const struct rpc_method *method = rpc_methods; method->name != NULL; method++) {
        text_addf(to, "| `%s` | ", method->name);
        add_link(to, method->params);
        text_add(to, " | ");
        add_link(to, method->result);
        text_addf(to, " | %s%s |\n", method->doc,
                  method->subscribable ? " Can be subscribed." : "");
    }
    text_add(to, "\n`?` behind a field says that it may be absent.\n\n");
}

static void add_types(struct text *to)
{
    text_add(to, "## Types\n\n");
    for (const struct rpc_type *const *type = rpc_types; *type != NULL; type++) {
        text_addf(to, "### %s\n\n%s\n\n", (*type)->name, (*type)->doc);
        add_fields(to, *type);
    }
}

static void add_errors(struct text *to)
{
    text_add(to, "## Errors\n\n"
                 "Error objects of JSON-RPC. `data.kind` is stable; the message is for people.\n\n"
                 "| `data.kind` | code | |\n|---|---|---|\n");
    for (int kind = 0; kind < RPC_ERROR_KIND_COUNT; kind++) {
        text_addf(to, "| `%s` | %d | %s |\n", rpc_error_name((enum rpc_error_kind)kind),
                  rpc_error_code((enum rpc_error_kind)kind),
                  rpc_error_doc((enum rpc_error_kind)kind));
    }
}

void document_put_markdown(struct text *to)
{
    text_add(to, introduction);
    text_add(to, about_live);
    add_methods(to);
    add_types(to);
    add_errors(to);
}

// ---- TypeScript --------------------------------------------------------------------------------

static void add_ts_kind(struct text *to, const struct rpc_field *field, enum rpc_type_kind kind)
{
    switch (kind) {
    case RPC_BOOL:
        text_add(to, "boolean");
        return;
    case RPC_TRUE:
        text_add(to, "true");
        return;
    case RPC_INTEGER:
    case RPC_NUMBER:
        text_add(to, "number");
        return;
    case RPC_STRING:
        text_add(to, field->values == NULL ? "string" : "");
        for (const char *const *value = field->values; value != NULL && *value != NULL; value++) {
            text_addf(to, "%s\"%s\"", value == field->values ? "" : " | ", *value);
        }
        return;
    case RPC_ARRAY:
        text_add(to, "Array<");
        add_ts_kind(to, field, field->element);
        text_add(to, ">");
        return;
    case RPC_MAP:
        text_add(to, "Record<string, number>");
        return;
    case RPC_OBJECT:
        text_add(to, field->type == NULL ? "object" : field->type->name);
        return;
    }
}

static void add_ts_type(struct text *to, const struct rpc_type *type)
{
    text_addf(to, "\n/** %s */\n", type->doc);
    if (type->exactly_one) {
        text_addf(to, "export type %s =", type->name);
        for (const struct rpc_field *field = type->fields; field->name != NULL; field++) {
            text_addf(to, "\n    | { %s: ", field->name);
            add_ts_kind(to, field, field->kind);
            text_add(to, " }");
        }
        text_add(to, ";\n");
        return;
    }
    text_addf(to, "export interface %s {\n", type->name);
    for (const struct rpc_field *field = type->fields; field->name != NULL; field++) {
        text_addf(to, "    /** %s */\n    %s%s: ", field->doc, field->name,
                  field->required ? "" : "?");
        add_ts_kind(to, field, field->kind);
        text_add(to, ";\n");
    }
    if (type->open) {
        text_add(to, "    [field: string]: unknown;\n");
    }
    text_add(to, "}\n");
}

void document_put_typescript(struct text *to)
{
    text_add(to, "// The protocol of stax-server. Printed from src/rpc/schema.c: do not edit.\n");
    for (const struct rpc_type *const *type = rpc_types; *type != NULL; type++) {
        add_ts_type(to, *type);
    }
    text_add(to, "\n/** Parameters and results, by method. */\nexport interface Methods {\n");
    for (const struct rpc_method *method = rpc_methods; method->name != NULL; method++) {
        text_addf(to, "    /** %s */\n    \"%s\": { params: %s; result: %s };\n", method->doc,
                  method->name, method->params->name, method->result->name);
    }
    text_add(to, "}\n\n/** data.kind of an error. */\nexport type ErrorKind =");
    for (int kind = 0; kind < RPC_ERROR_KIND_COUNT; kind++) {
        text_addf(to, "\n    | \"%s\"", rpc_error_name((enum rpc_error_kind)kind));
    }
    text_add(to, ";\n");
}
