// Any bytes as a request of a browser: an answer comes out that is one, and nobody gets in whose
// bytes do not hold the token.

#include "server/web_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct web_token token = {
    .digits = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", .path = "there"};

static void check_answer(struct slice bytes, const struct http_request *request)
{
    struct web_address address;
    struct web_answer answer;
    ASSERT(web_address_parse("127.0.0.1:8080", &address, NULL) == 0);
    web_answer_make(&address, &token, request, &answer);
    const char *head = text_get(&answer.head);
    ASSERT(strncmp(head, "HTTP/1.1 ", 9) == 0);
    ASSERT(strlen(head) == answer.head.n); // nothing of the request that could end it
    ASSERT(strstr(head, "\r\n\r\n") != NULL);
    ASSERT(answer.is_upgrade == (strncmp(head + 9, "101", 3) == 0));
    if (answer.is_upgrade) {
        ASSERT(memmem(bytes.data, bytes.n, token.digits, WEB_TOKEN_DIGITS) != NULL);
        ASSERT(memmem(bytes.data, bytes.n, ":8080", 5) != NULL);
    }
    web_answer_fini(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {data, size};
    struct http_request request;
    size_t n = 0;
    if (http_request_parse(bytes, &request, &n) == HTTP_OK) {
        ASSERT(n <= size && n >= 4 && memcmp(data + n - 4, "\r\n\r\n", 4) == 0);
        ASSERT(request.path.n > 0 && request.path.data[0] == '/');
        check_answer(bytes, &request);
    }
    return 0;
}
