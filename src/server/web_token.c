#include "server/web_token.h"

#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

static int make_digits(char *ret, struct err *reterr)
{
    uint8_t bytes[WEB_TOKEN_DIGITS / 2];
    ssize_t n;
    do {
        n = getrandom(bytes, sizeof bytes, 0);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof bytes) { // so few come whole, or not at all
        return err_set(reterr, n < 0 ? errno : EIO, "no random bytes for the browser's token");
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
    }
    explicit_bzero(bytes, sizeof bytes);
    return 0;
}

// At a name that nobody else can have put there before us.
static int write_new(const char *path, const char *digits, struct err *reterr)
{
    unlink(path); // of a server that was killed while it wrote
    CLEANUP(closep)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0) {
        return err_set(reterr, errno, "cannot create %s: %s", path, strerror(errno));
    }
    int r = fd_write_all(fd, digits, WEB_TOKEN_DIGITS);
    r = r < 0 ? r : fd_write_all(fd, "\n", 1);
    return r < 0 ? err_set(reterr, -r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

int web_token_make(struct web_token *token, const char *socket_path, struct err *reterr)
{
    CLEANUP(text_fini) struct text path = {0};
    CLEANUP(text_fini) struct text draft = {0};
    *token = (struct web_token){0};
    int r = make_digits(token->digits, reterr);
    if (r < 0) {
        return r;
    }
    text_addf(&path, "%s.token", socket_path);
    text_addf(&draft, "%s.new", text_get(&path));
    r = write_new(text_get(&draft), token->digits, reterr);
    if (r == 0 && rename(text_get(&draft), text_get(&path)) < 0) {
        r = err_set(reterr, errno, "cannot create %s: %s", text_get(&path), strerror(errno));
    }
    if (r < 0) {
        unlink(text_get(&draft));
        return r;
    }
    token->path = text_take(&path);
    return 0;
}

void web_token_remove(struct web_token *token)
{
    if (token->path != NULL) {
        unlink(token->path);
    }
    free(TAKE(token->path));
    explicit_bzero(token->digits, sizeof token->digits);
}

void web_token_forget(const char *socket_path)
{
    CLEANUP(text_fini) struct text path = {0};
    text_addf(&path, "%s.token", socket_path);
    unlink(text_get(&path));
}

bool web_token_is(const struct web_token *token, struct slice text)
{
    uint8_t differs = (uint8_t)(text.n != WEB_TOKEN_DIGITS || token->path == NULL);
    for (size_t i = 0; i < WEB_TOKEN_DIGITS; i++) {
        uint8_t theirs = i < text.n ? text.data[i] : 0; // how long it is, is no secret
        differs |= (uint8_t)(theirs ^ (uint8_t)token->digits[i]);
    }
    return differs == 0;
}
