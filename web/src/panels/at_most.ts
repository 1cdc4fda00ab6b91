// Text that changes four times a second cannot be read.

import { effect, useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

/** For text. */
export const TEXT_EVERY_MS = 500;
/** What comes nearly late enough is shown with everything else that came then: a frame of its own would cost more. */
const NEARLY_MS = 100;

/** `signal`, but about once per `ms` at most; the last value always arrives. */
export function useAtMostEvery<T>(ms: number, signal: ReadonlySignal<T>): ReadonlySignal<T> {
    const shown = useSignal(signal.peek());
    useEffect(() => {
        let timer = 0;
        let last = -Infinity;
        const show = (value: T) => {
            last = performance.now();
            shown.value = value;
        };
        const stop = effect(() => {
            const value = signal.value;
            clearTimeout(timer);
            const left = ms - (performance.now() - last);
            if (left <= NEARLY_MS) {
                show(value);
            } else {
                timer = window.setTimeout(() => show(value), left);
            }
        });
        return () => {
            stop();
            clearTimeout(timer);
        };
    }, []);
    return shown;
}
