// Waits by reason, as answers say them.

import type { OffCpu } from "../lib/protocol";
import type { App } from "./app";
import { REASONS } from "./scope";

/** Nanoseconds in the order of REASONS. */
export function byReason(waits: OffCpu): number[] {
    return REASONS.map(({ name }) => waits[`${name}_ns` as keyof OffCpu]);
}

export function sumOf(values: readonly number[]): number {
    return values.reduce((sum, value) => sum + value, 0);
}

/** The reason for most of it; -1: there were no waits. */
export function mainReason(values: readonly number[]): number {
    const most = Math.max(...values);
    return most > 0 ? values.indexOf(most) : -1;
}

/** Why the run that is looked at has no waits; "" when it has some, or may have. Reads signals. */
export function whyNoWaits(app: App): string {
    const run = app.state.run.value;
    const offCpu = app.status.value?.capabilities.off_cpu;
    return run !== null && run.off_cpu_intervals === 0 && offCpu?.available === false ? offCpu.reason : "";
}
