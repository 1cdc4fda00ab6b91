// One sentence for the person in front of the page, said once and then gone.

import { signal } from "@preact/signals";

export interface Message {
    readonly id: number;
    readonly text: string;
    readonly bad: boolean;
}

const MOST = 3;
const SHOWN_MS = 6000;
const BAD_SHOWN_MS = 12_000;

export class Messages {
    readonly list = signal<readonly Message[]>([]);
    private next = 1;

    say(text: string): void {
        this.add(text, false);
    }

    /** Something did not work. */
    complain(text: string): void {
        this.add(text, true);
    }

    remove(id: number): void {
        this.list.value = this.list.value.filter((message) => message.id !== id);
    }

    private add(text: string, bad: boolean): void {
        const others = this.list.value.filter((message) => message.text !== text);
        const message = { id: this.next++, text, bad };
        this.list.value = [...others, message].slice(-MOST);
        setTimeout(() => this.remove(message.id), bad ? BAD_SHOWN_MS : SHOWN_MS);
    }
}
