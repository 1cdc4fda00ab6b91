// What a browser remembers of this page. Some remember nothing: then everything is as at first.

const PREFIX = "stax.";

export function recall(key: string): string | null {
    try {
        return localStorage.getItem(PREFIX + key);
    } catch {
        return null;
    }
}

/** null: forgets it. */
export function keep(key: string, value: string | null): void {
    try {
        if (value === null) {
            localStorage.removeItem(PREFIX + key);
        } else {
            localStorage.setItem(PREFIX + key, value);
        }
    } catch {
        // private windows, full or forbidden stores: nothing depends on it
    }
}
