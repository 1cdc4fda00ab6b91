// How texts travel between the page and a server: one JSON-RPC message each.

export type TransportState = "connecting" | "open" | "refused" | "lost";

export interface Transport {
    /** Where the numbers come from, for people. */
    readonly origin: string;
    /** False: a picture of a run in this page; nothing can change. */
    readonly live: boolean;
    onState: (state: TransportState) => void;
    onText: (text: string) => void;
    start(): void;
    send(text: string): void;
    /** Ends it for good. */
    close(): void;
}

const RETRY_FIRST_MS = 500;
const RETRY_LAST_MS = 8000;

/** The WebSocket of the server that this page came from; comes back by itself when it is lost. */
export class WebSocketTransport implements Transport {
    readonly live = true;
    readonly origin: string;
    onState: (state: TransportState) => void = () => {};
    onText: (text: string) => void = () => {};
    private socket: WebSocket | null = null;
    private retryMs = RETRY_FIRST_MS;
    private timer = 0;
    private closed = false;

    constructor(
        private readonly url: string,
        private readonly token: string,
    ) {
        this.origin = new URL(url).host;
    }

    start(): void {
        this.onState("connecting");
        const protocols = this.token === "" ? ["stax"] : ["stax", `token.${this.token}`];
        const socket = new WebSocket(this.url, protocols);
        let opened = false;
        this.socket = socket;
        socket.onopen = () => {
            opened = true;
            this.retryMs = RETRY_FIRST_MS;
            this.onState("open");
        };
        socket.onmessage = (event) => {
            if (typeof event.data === "string") {
                this.onText(event.data);
            }
        };
        socket.onclose = () => {
            if (this.socket === socket && !this.closed) {
                this.socket = null;
                void this.explain(opened);
            }
        };
    }

    /** A browser does not say why an upgrade failed. When the page itself can be had, it was the token. */
    private async explain(opened: boolean): Promise<void> {
        let refused = false;
        if (!opened) {
            try {
                const answer = await fetch(new URL("/", this.url.replace(/^ws/, "http")), { method: "HEAD" });
                refused = answer.ok;
            } catch {
                refused = false;
            }
        }
        if (this.closed) {
            return;
        }
        this.onState(refused ? "refused" : "lost");
        const jitter = 0.75 + Math.random() / 2;
        this.timer = window.setTimeout(() => this.start(), this.retryMs * jitter);
        this.retryMs = Math.min(this.retryMs * 2, RETRY_LAST_MS);
    }

    send(text: string): void {
        if (this.socket?.readyState === WebSocket.OPEN) {
            this.socket.send(text);
        }
    }

    close(): void {
        this.closed = true;
        clearTimeout(this.timer);
        this.socket?.close();
    }
}
