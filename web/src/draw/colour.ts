// Colours as numbers: what a canvas needs to make shades of the few that the stylesheet names.

export type Rgb = readonly [number, number, number];

/** "#rrggbb" as browsers print tokens and canvases print colours; null: something else, such as a system colour. */
export function parseHex(text: string): Rgb | null {
    const found = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
    return found && [parseInt(found[1], 16), parseInt(found[2], 16), parseInt(found[3], 16)];
}

export function hex(colour: Rgb): string {
    return `#${colour.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}

/** `share` of b, the rest of a. */
export function mix(a: Rgb, b: Rgb, share: number): Rgb {
    return [0, 1, 2].map((i) => a[i] + (b[i] - a[i]) * share) as unknown as Rgb;
}

/** Relative luminance, 0 to 1, as the rules of contrast define it. */
export function luminance(colour: Rgb): number {
    const [r, g, b] = colour.map((part) => {
        const c = part / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a: Rgb, b: Rgb): number {
    const [x, y] = [luminance(a), luminance(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

/** Another hue, by degrees, and a little lighter or darker (-1 to 1). */
export function shift(colour: Rgb, degrees: number, lighter: number): Rgb {
    const most = Math.max(...colour);
    const least = Math.min(...colour);
    const light = Math.min(1, Math.max(0, (most + least) / 510 + lighter));
    const span = (most - least) / 255;
    const saturation = span === 0 ? 0 : span / (1 - Math.abs((most + least) / 255 - 1));
    return fromHsl(hueOf(colour, most, least) + degrees, saturation, light);
}

function hueOf([r, g, b]: Rgb, most: number, least: number): number {
    const span = most - least;
    if (span === 0) {
        return 0;
    }
    const sector = most === r ? (g - b) / span : most === g ? 2 + (b - r) / span : 4 + (r - g) / span;
    return sector * 60;
}

export function fromHsl(hue: number, saturation: number, light: number): Rgb {
    const reach = saturation * Math.min(light, 1 - light);
    const part = (offset: number) => {
        const k = (((offset + hue / 30) % 12) + 12) % 12;
        return 255 * (light - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1)));
    };
    return [part(0), part(8), part(4)];
}

/** A number for a text: the same whenever the page is opened. */
export function hash(text: string): number {
    let value = 2166136261;
    for (let i = 0; i < text.length; i++) {
        value = Math.imul(value ^ text.charCodeAt(i), 16777619);
    }
    return value >>> 0;
}
