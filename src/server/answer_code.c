#include "server/answer_code_parts.h"
#include "server/answers.h"

void answer_annotated(struct text *to, struct analysis *analysis, const struct question *question)
{
    struct json j;
    const struct code_work *work = question->code;
    struct code_numbers numbers = code_work_numbers(work);
    json_init(&j, to);
    json_object_begin(&j);
    put_view_fields(&j, analysis, question->kept);
    put_target_fields(&j, analysis, work);
    put_listing_fields(&j, analysis, work);
    put_code_numbers(&j, &numbers);
    json_object_end(&j);
}
