// Any bytes as a line of a client: refused with a text, or a request whose parameters satisfy the
// schema. Either way the reply is valid JSON.

#include "rpc/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_reply(struct text *reply)
{
    struct slice bytes = {(const uint8_t *)reply->at, reply->n};
    struct err err = {0};
    json_t *back = rpc_json_parse(bytes, &err);
    ASSERT(back != NULL);
    json_decref(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rpc_request request;
    struct rpc_error error;
    CLEANUP(text_fini) struct text reply = {0};
    if (rpc_request_parse((struct slice){data, size}, &request, &error)) {
        ASSERT(rpc_check(request.method->params, request.params, NULL));
        rpc_put_result_begin(&reply, request.id);
        text_add(&reply, "{}");
        rpc_put_result_end(&reply);
    } else {
        ASSERT(request.method == NULL && request.params == NULL);
        ASSERT(error.text.text[0] != 0);
        rpc_put_error(&reply, request.id, error.kind, error.text.text);
    }
    check_reply(&reply);
    rpc_request_fini(&request);

    // As a result, the same bytes meet the types that only the server fills in.
    json_t *value = rpc_json_parse((struct slice){data, size}, &error.text);
    for (const struct rpc_type *const *type = rpc_types; value != NULL && *type != NULL; type++) {
        rpc_check(*type, value, &error.text);
    }
    json_decref(value);
    return 0;
}
