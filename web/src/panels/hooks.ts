// What panels share.

import { useComputed, type ReadonlySignal } from "@preact/signals";
import { createContext } from "preact";
import { useContext, useEffect } from "preact/hooks";
import type { Params, Result, RpcError, Subscribable } from "../lib/client";
import type { App } from "../model/app";

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
    const app = useContext(AppContext);
    if (app === null) {
        throw new Error("a panel stands outside of the app");
    }
    return app;
}

/**
 * Asks a question for as long as the component is there; `params` reads signals, and null asks nothing. The handlers
 * of the first rendering stay: they read signals, too.
 */
export function useFollow<M extends Subscribable>(
    method: M,
    params: () => Params<M> | null,
    intervalMs: number,
    onResult: (result: Result<M>, fresh: boolean, ended: boolean) => void,
    onError?: (error: RpcError) => void,
): void {
    const app = useApp();
    const asked: ReadonlySignal<Params<M> | null> = useComputed(params);
    useEffect(() => app.follow(method, asked, intervalMs, onResult, onError), []);
}
