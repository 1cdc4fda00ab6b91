// Text for other programs.

/** Throws when the browser does not let it. */
export async function copyText(text: string): Promise<void> {
    if (navigator.clipboard !== undefined) {
        try {
            await navigator.clipboard.writeText(text);
            return;
        } catch {
            // not allowed just now: the old way may be
        }
    }
    copySelected(text);
}

// Where a page is neither on https nor on this machine there is no other way.
function copySelected(text: string): void {
    const before = document.activeElement as HTMLElement | null;
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "away";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    before?.focus();
    if (!done) {
        throw new Error("the browser does not let this page copy");
    }
}

export function download(blob: Blob, name: string): void {
    const url = URL.createObjectURL(blob);
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A part of a file's name: nothing that means something to a file system. */
export function fileWord(text: string): string {
    const word = text.slice(0, 200).replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "");
    return word.slice(0, 60) || "run";
}
