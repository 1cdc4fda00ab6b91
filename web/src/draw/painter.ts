// A canvas that is as large as its box on the screen, in whole device pixels, and is painted only when it has to be:
// at most once per frame, and never when nothing has changed.

export type Paint = (ctx: CanvasRenderingContext2D, width: number, height: number, scale: number) => void;

export class Painter {
    private frame = 0;
    private width = 0;
    private height = 0;
    private readonly ctx: CanvasRenderingContext2D | null;
    private readonly observer: ResizeObserver;
    /** How often it was painted. */
    paints = 0;

    /** `paint`: in device pixels, `scale` of which are a CSS pixel. */
    constructor(
        private readonly canvas: HTMLCanvasElement,
        private readonly paint: Paint,
    ) {
        this.ctx = canvas.getContext("2d", { alpha: false });
        this.observer = new ResizeObserver((entries) => this.fit(entries[entries.length - 1]));
        try {
            this.observer.observe(canvas, { box: "device-pixel-content-box" });
        } catch {
            this.observer.observe(canvas); // a browser that does not tell; it is rounded below
        }
    }

    /** Something has changed. */
    mark(): void {
        if (this.frame === 0) {
            this.frame = requestAnimationFrame(() => this.draw());
        }
    }

    close(): void {
        this.observer.disconnect();
        cancelAnimationFrame(this.frame);
    }

    private fit(entry: ResizeObserverEntry): void {
        const exact = entry.devicePixelContentBoxSize?.[0];
        this.width = exact?.inlineSize ?? Math.round(entry.contentRect.width * devicePixelRatio);
        this.height = exact?.blockSize ?? Math.round(entry.contentRect.height * devicePixelRatio);
        cancelAnimationFrame(this.frame);
        this.draw(); // before this frame is shown: a canvas that was stretched is never seen
    }

    private draw(): void {
        this.frame = 0;
        if (this.ctx === null || this.width === 0 || this.height === 0) {
            return;
        }
        if (this.canvas.width !== this.width || this.canvas.height !== this.height) {
            this.canvas.width = this.width;
            this.canvas.height = this.height;
        }
        this.paints++;
        this.paint(this.ctx, this.width, this.height, this.width / Math.max(1, this.canvas.clientWidth));
    }
}
