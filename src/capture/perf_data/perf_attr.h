#pragma once

// What the records of an event in a perf.data file hold, which its attr (struct perf_event_attr)
// says bit by bit; our own events all hold the same (capture/perf/perf_record.h). Formats:
// linux/perf_event.h, at enum perf_event_type. Pure.

#include "capture/perf/perf_record.h"

// An attr as any version of perf wrote it: longer ones are cut, of shorter ones the rest is zero.
// False: too short for the first version, or longer than it says.
bool perf_attr_parse(struct slice bytes, struct perf_event_attr *ret);

// Whether records of both events hold their id at the same place, so that one can be read before it
// is known whose record it is.
bool perf_attr_same_id_place(const struct perf_event_attr *a, const struct perf_event_attr *b);

// The id of the event that wrote the record; 0: not told. `attr` is any of the file's.
uint64_t perf_attr_id(const struct perf_event_attr *attr, const struct perf_event_header *record);

// Whose and when. What is not in the record is 0; -1 of the kernel (UINT32_MAX) stays. False: too
// short for what the attr says.
bool perf_attr_stamp(const struct perf_event_attr *attr, const struct perf_event_header *record,
                     struct perf_stamp *ret);

// The fields of a record that is not a sample, without the stamp at its end. The stamp must have
// been found.
struct slice perf_attr_fields(const struct perf_event_attr *attr,
                              const struct perf_event_header *record);

// A sample's parts. `regs` is the table of the attr's sample_regs_user; NULL: not known.
bool perf_attr_sample(const struct perf_event_attr *attr, const struct perf_regs *regs,
                      const struct perf_event_header *record, struct perf_sample *ret);
