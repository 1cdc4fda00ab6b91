// Asks the lazy part for the layout of a graph: in the page, or in a worker when the graph is large.

import { loadPart, partUrl, type LayoutInput, type LayoutOutput } from "../lib/parts";
import { layoutKey, Layouts } from "../model/cfg";

const WORKER_FROM = 150; // blocks

const layouts = new Layouts();
const underWay = new Map<string, Promise<LayoutOutput>>();

export function layoutAtHand(input: LayoutInput): LayoutOutput | undefined {
    return layouts.get(layoutKey(input));
}

export function layOut(input: LayoutInput): Promise<LayoutOutput> {
    const key = layoutKey(input);
    const known = layouts.get(key);
    if (known !== undefined) {
        return Promise.resolve(known);
    }
    let promise = underWay.get(key);
    if (promise === undefined) {
        const isFile = !location.protocol.startsWith("http");
        promise = input.width.length > WORKER_FROM && !isFile ? inWorker(input) : inPage(input);
        underWay.set(key, promise);
        promise.then(
            (layout) => {
                layouts.set(key, layout);
                underWay.delete(key);
            },
            () => underWay.delete(key),
        );
    }
    return promise;
}

async function inPage(input: LayoutInput): Promise<LayoutOutput> {
    return (await loadPart("layout")).layout(input);
}

function inWorker(input: LayoutInput): Promise<LayoutOutput> {
    return new Promise<LayoutOutput>((resolve, reject) => {
        const worker = new Worker(partUrl("layout"));
        worker.onmessage = (event: MessageEvent<LayoutOutput>) => {
            worker.terminate();
            resolve(event.data);
        };
        worker.onerror = (event) => {
            event.preventDefault();
            worker.terminate();
            reject(new Error("the layout cannot be made in a worker"));
        };
        worker.postMessage(input);
    }).catch(() => inPage(input)); // a browser or a policy without workers
}
