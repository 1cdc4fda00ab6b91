#include "server/web_page.h"

#include "server/web_pages.h" // made by script/embed-ui: pages[], script_hashes, style_hashes

const char web_page_script_hashes[] = SCRIPT_HASHES;
const char web_page_style_hashes[] = STYLE_HASHES;

const struct web_page *web_page_find(struct slice path)
{
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        if (slice_equal(path, slice_of_text(pages[i].path))) {
            return &pages[i];
        }
    }
    return NULL;
}
