#include "image/curl_api.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

struct curl_api curl;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int result;
static struct err reason;

static int find_all(void *library)
{
#define FIND(name)                                                                                 \
    *(void **)&curl.name = dlsym(library, "curl_" #name);                                          \
    if (curl.name == NULL) {                                                                       \
        return err_set(&reason, ENOTSUP, "libcurl.so.4 has no curl_" #name "; it is too old");     \
    }
    CURL_API(FIND)
#undef FIND
    return 0;
}

static void load(void)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        result = err_set(&reason, ENOENT, "debuginfod servers are not asked: %s", dlerror());
        return;
    }
    result = find_all(library);
    if (result == 0 && curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        result = err_set(&reason, ENOTSUP, "libcurl cannot be initialised");
    }
}

int curl_api_load(struct err *reterr)
{
    pthread_once(&once, load);
    return result == 0 ? 0 : err_set(reterr, -result, "%s", reason.text);
}
