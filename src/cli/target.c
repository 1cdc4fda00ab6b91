#include "cli/target.h"

#include "base/log.h"
#include "cli/format.h"
#include "cli/session.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { SHOWN_MATCHES = 5, SHOWN_BYTES = 100 }; // of other functions, and of the name of each

// "0x" or "0X", and nothing but hexadecimal digits behind it.
static bool is_address(const char *target, uint64_t *ret)
{
    if (target[0] != '0' || (target[1] != 'x' && target[1] != 'X') || target[2] == 0) {
        return false;
    }
    for (const char *digit = target + 2; *digit != 0; digit++) {
        if (!isxdigit((unsigned char)*digit)) {
            return false;
        }
    }
    errno = 0;
    *ret = strtoull(target, NULL, 16);
    return true;
}

bool target_put_params(json_t *params, const char *target)
{
    uint64_t address;
    if (!is_address(target, &address)) {
        bool is_text = json_object_set_new(params, "name", json_string(target)) == 0;
        if (!is_text) {
            log_error(
                "a name has to be valid UTF-8; give the address of the function instead, see: "
                "stax top --json");
        }
        return is_text;
    }
    if (errno == ERANGE) {
        log_error("'%.40s' is no address: it has more than 64 bits", target);
        return false;
    }
    char text[24];
    snprintf(text, sizeof text, "0x%" PRIx64, address);
    json_object_set_new(params, "address", json_string(text));
    return true;
}

void target_put_function(struct text *to, const json_t *function)
{
    const char *name = result_text(function, "function_name");
    const char *binary = result_text(function, "binary");
    text_add_escaped(to, name, strlen(name));
    text_add(to, result_bool(function, "inlined") ? " (inlined, " : " (");
    text_add_escaped(to, binary, strlen(binary));
    text_add(to, ")");
}

// Why this one: it is the hottest, but for a whole name or the start of a function.
static void put_reason(struct text *to, const json_t *answer, const char *target, const char *most)
{
    uint64_t address;
    if (is_address(target, &address)) {
        bool starts = strcasecmp(result_text(answer, "base_address"), target) == 0;
        text_add(to, starts ? ", which starts there, of " : ", which has it, of ");
    } else if (strcasecmp(result_text(answer, "function_name"), target) == 0) {
        text_add(to, ", which has that name, of ");
    } else {
        text_addf(to, ", which has %s of ", most);
    }
}

// A name may be as long as the program likes: its start tells it apart, or its address does.
static void put_match(struct text *to, const json_t *match)
{
    CLEANUP(text_fini) struct text function = {0};
    target_put_function(&function, match);
    format_cut(&function, SHOWN_BYTES);
    text_add(to, text_get(&function));
    if (!result_bool(match, "inlined") && strcmp(result_text(match, "address"), "0x0") != 0) {
        text_addf(to, " %s", result_text(match, "address"));
    }
}

void target_put_choice(struct text *to, const json_t *answer, const char *target, const char *doing,
                       const char *most)
{
    const json_t *matches = json_object_get(answer, "matches");
    uint64_t n = result_u64(answer, "n_matches");
    if (n < 2) {
        return;
    }
    // Of an inlined function, the answer is about one that it is a part of.
    const json_t *host = json_object_get(answer, "inlined_host");
    const char *inlined = result_text(host, "function_name");
    text_addf(to, "%s ", doing);
    if (host != NULL) {
        text_add_escaped(to, inlined, strlen(inlined));
        text_add(to, " (inlined) in ");
    }
    target_put_function(to, answer);
    put_reason(to, host != NULL ? host : answer, target, most);
    format_count(to, n);
    text_add(to, " that match: ");
    uint64_t n_shown = MIN(json_array_size(matches), (size_t)SHOWN_MATCHES);
    for (size_t i = 0; i < n_shown; i++) {
        text_add(to, i > 0 ? ", " : "");
        put_match(to, json_array_get(matches, i));
    }
    if (n - 1 > n_shown) {
        text_add(to, n_shown > 0 ? " and " : "");
        format_count(to, n - 1 - n_shown);
        text_add(to, " more");
    }
}

void target_print_choice(const json_t *answer, const char *target, const char *doing,
                         const char *most)
{
    CLEANUP(text_fini) struct text text = {0};
    target_put_choice(&text, answer, target, doing, most);
    if (text.n > 0) {
        log_info("stax", "%s", text_get(&text));
    }
}
