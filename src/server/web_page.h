#pragma once

// What a browser is given: the page and its parts, made by script/embed-ui at build time. There is
// no way from a path to a file: a path is looked for in a table, byte by byte.

#include "base/bytes.h"

struct web_page {
    const char *path; // as in a request: "/", "/part/NAME.js"
    const char *type; // its Content-Type
    struct slice bytes;
    struct slice gzip; // the same, packed
};

// NULL: there is none.
const struct web_page *web_page_find(struct slice path);

// For the Content-Security-Policy: `'sha256-…'` of each script and style that stands in the page,
// with a space in front.
extern const char web_page_script_hashes[];
extern const char web_page_style_hashes[];
