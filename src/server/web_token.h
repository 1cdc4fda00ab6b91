#pragma once

// The secret that lets a browser in: 32 random bytes as hex, made anew by each server. Whoever can
// read the file beside the Unix socket could talk to that socket as well, so the browser gets no
// more rights than its user has.

#include "base/bytes.h"
#include "base/err.h"

enum { WEB_TOKEN_DIGITS = 64 };

struct web_token {
    char digits[WEB_TOKEN_DIGITS + 1];
    char *path; // of its file; NULL: there is none
};

// A new one, in `<socket_path>.token`: mode 0600 from its first moment, and in the place of an
// earlier one in one step. 0 or a negative errno.
int web_token_make(struct web_token *token, const char *socket_path, struct err *reterr);

// Takes the file away. Accepts a zeroed one.
void web_token_remove(struct web_token *token);

// What an earlier server has left behind, if anything. Only for who holds the socket's lock.
void web_token_forget(const char *socket_path);

// Takes as long whatever is wrong with the text.
bool web_token_is(const struct web_token *token, struct slice text);
