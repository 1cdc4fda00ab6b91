// Text that changes four times a second cannot be read.

import { effect, useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

/** `signal`, but at most once per `ms`; the last value always arrives. */
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
            if (left <= 0) {
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
