// The newest answer to a question that is answered as a whole each time.

import { signal } from "@preact/signals";

export class Latest<T> {
    value: T | null = null;
    /** Why there is none; "" when there is one, or none has come yet. */
    trouble = "";
    /** Counts answers; read it to be shown again. */
    readonly version = signal(0);

    set(value: T): void {
        this.value = value;
        this.trouble = "";
        this.version.value++;
    }

    fail(trouble: string): void {
        this.value = null;
        this.trouble = trouble;
        this.version.value++;
    }
}
