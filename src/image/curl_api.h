#pragma once

// libcurl, loaded when the first one needs it. Linked to the server, it and the thirty libraries
// behind it (LDAP, Kerberos, SSH, a second TLS) would be loaded and set up at each start, for
// something that is off unless the environment asks for it: measured 3 ms and 4 MB.

#include "base/err.h"

#include <curl/curl.h>

#define CURL_API(F)                                                                                \
    F(global_init)                                                                                 \
    F(easy_init)                                                                                   \
    F(easy_cleanup)                                                                                \
    F(easy_setopt)                                                                                 \
    F(easy_getinfo)                                                                                \
    F(easy_strerror)                                                                               \
    F(multi_init)                                                                                  \
    F(multi_cleanup)                                                                               \
    F(multi_add_handle)                                                                            \
    F(multi_remove_handle)                                                                         \
    F(multi_perform)                                                                               \
    F(multi_info_read)                                                                             \
    F(multi_poll)                                                                                  \
    F(multi_wakeup)

// `curl.easy_init()` is curl_easy_init().
#define CURL_MEMBER(name) __typeof__(curl_##name) *name;
struct curl_api {
    CURL_API(CURL_MEMBER)
};
#undef CURL_MEMBER

extern struct curl_api curl;

// Loads and initialises it, once. 0, or a negative errno and why it cannot be used.
int curl_api_load(struct err *reterr);
