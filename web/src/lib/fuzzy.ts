// How well a few typed letters fit a longer text: they have to occur in their order; the better the closer together
// they stand, and when they begin words.

const LONGEST = 256; // characters of a text that are looked at

/** -1: they do not. Else the higher the better. `wanted` in lower case, without spaces. */
export function fit(wanted: string, text: string): number {
    const inside = text.slice(0, LONGEST);
    const lower = inside.toLowerCase();
    const whole = lower.indexOf(wanted);
    if (whole >= 0) {
        return 1000 + (isStart(inside, whole) ? 200 : 0) - Math.min(100, whole) - Math.min(99, inside.length);
    }
    const score = 500 - Math.min(99, inside.length);
    let jumps = 0;
    let at = -1;
    for (const letter of wanted) {
        const next = lower.indexOf(letter, at + 1);
        if (next < 0) {
            return -1;
        }
        jumps += next === at + 1 || isStart(inside, next) ? 0 : 1;
        at = next;
    }
    // Letters that are scattered anywhere mean nothing.
    return jumps * 3 > wanted.length ? -1 : score - 10 * jumps;
}

function isStart(text: string, at: number): boolean {
    return at === 0 || !/[\p{L}\p{N}]/u.test(text[at - 1]) || (/\p{Lu}/u.test(text[at]) && !/\p{Lu}/u.test(text[at - 1]));
}
