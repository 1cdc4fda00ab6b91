// Numbers and names as people read them. Every panel says the same number the same way.
//
// Figures are tabular (base.css) and keep three significant digits, so that columns hold still while numbers grow.

const NBSP = "\u00a0";

function digits(value: number): string {
    const size = Math.abs(value);
    return size >= 99.95 ? value.toFixed(0) : size >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** Nanoseconds, in the unit that fits: "8.42 s", "340 ms", "12.3 µs"; "0 ms" when there is nothing. */
export function time(ns: number): string {
    const size = Math.abs(ns);
    if (!(size > 0)) {
        return `0${NBSP}ms`;
    }
    if (size >= 999.5e6) {
        return `${digits(ns / 1e9)}${NBSP}s`;
    }
    if (size >= 999.5e3) {
        return `${digits(ns / 1e6)}${NBSP}ms`;
    }
    return size >= 999.5 ? `${digits(ns / 1e3)}${NBSP}µs` : `${ns.toFixed(0)}${NBSP}ns`;
}

/** Nanoseconds as milliseconds, always: "8,420.1". For columns whose head says "ms". */
export function milliseconds(ns: number): string {
    return grouped((ns / 1e6).toFixed(1));
}

/** Nanoseconds as seconds, always: "1.204". As ranges of time are written. */
export function seconds(ns: number, places = 2): string {
    return (ns / 1e9).toFixed(places);
}

/** "1.20–3.87 s", with as many places as it takes to tell the ends apart. */
export function span(startNs: number, endNs: number): string {
    const length = Math.max(1, endNs - startNs);
    const places = Math.min(9, Math.max(2, 2 - Math.floor(Math.log10(length / 1e9))));
    return `${seconds(startNs, places)}–${seconds(endNs, places)}${NBSP}s`;
}

/** How long something goes on: "00:42.8", "1:02:03". */
export function clock(ns: number): string {
    const tenths = Math.floor(ns / 1e8);
    const two = (n: number) => String(n).padStart(2, "0");
    const s = Math.floor(tenths / 10);
    const [hours, minutes] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
    return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${two(minutes)}:${two(s % 60)}.${tenths % 10}`;
}

/** A share of 1: "34.2 %"; what is there but small is "<0.1 %", never "0.0 %". */
export function percent(share: number, places = 1): string {
    if (!Number.isFinite(share)) {
        return "–";
    }
    const least = 10 ** -places;
    if (share > 0 && share * 100 < least / 2) {
        return `<${least.toFixed(places)}${NBSP}%`;
    }
    return `${(share * 100).toFixed(places)}${NBSP}%`;
}

/** A share of a whole that may be nothing. */
export function percentOf(part: number, whole: number, places = 1): string {
    return whole > 0 ? percent(part / whole, places) : "–";
}

function grouped(text: string): string {
    return text.replace(/^(-?\d+)/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ","));
}

/** Every digit: "1,234,567". */
export function exact(n: number): string {
    return grouped(Math.round(n).toString());
}

/** Short: "812", "42.1 k", "1.23 M". */
export function count(n: number): string {
    const size = Math.abs(n);
    if (size < 9999.5) {
        return exact(n);
    }
    if (size < 999.5e3) {
        return `${digits(n / 1e3)}${NBSP}k`;
    }
    return size < 999.5e6 ? `${digits(n / 1e6)}${NBSP}M` : `${digits(n / 1e9)}${NBSP}G`;
}

/** "12 B", "4.00 KB", "1.20 MB": powers of 1024. */
export function bytes(n: number): string {
    if (n < 1024) {
        return `${Math.round(n)}${NBSP}B`;
    }
    const units = ["KB", "MB", "GB", "TB"];
    let value = n / 1024;
    let unit = 0;
    while (value >= 999.5 && unit < units.length - 1) {
        value /= 1024;
        unit++;
    }
    return `${digits(value)}${NBSP}${units[unit]}`;
}

/** "1 sample", "2 samples". */
export function plural(n: number, word: string): string {
    return `${count(n)} ${word}${n === 1 ? "" : "s"}`;
}

// Control characters, what turns the direction of text around, line separators, and what takes no room.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * A name that came from a target, as it may be shown: what would be invisible, or would reorder its surroundings, is
 * spelled out. Only for the eye: questions and links carry the name itself.
 */
export function visible(name: string): string {
    return name.replace(UNSEEN, (c) => {
        const code = c.charCodeAt(0);
        return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
    });
}

/** At most `most` characters, with the middle left out: both ends of a C++ name tell something. */
export function shorten(name: string, most: number): string {
    const text = visible(name.length > 4 * most ? name.slice(0, 2 * most) + name.slice(-2 * most) : name);
    if (text.length <= most) {
        return text;
    }
    const tail = Math.floor((most - 1) / 3);
    return `${text.slice(0, most - 1 - tail)}…${text.slice(text.length - tail)}`;
}
