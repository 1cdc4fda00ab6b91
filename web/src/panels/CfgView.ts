// What part of a large picture is seen, and how large: moved by keys, wheel and pointer.

import { signal } from "@preact/signals";
import type { LayoutOutput } from "../lib/parts";

interface Place {
    readonly x: number;
    readonly y: number;
    readonly scale: number;
}

const LEAST_SCALE = 0.05;
const MOST_SCALE = 3;
const READABLE = 0.6; // smaller writing is none
const EDGE = 40; // px; nearer to the edge counts as out of sight
const CLICK = 3; // px; who moves the pointer farther does not click

export class CfgView {
    readonly place = signal<Place>({ x: 0, y: 0, scale: 1 });
    /** The pointer has moved the picture since it went down. */
    dragged = false;
    private grip: { x: number; y: number } | null = null;

    constructor(private readonly element: () => SVGSVGElement | null) {}

    private get room(): { width: number; height: number } {
        const element = this.element();
        return { width: element?.clientWidth ?? 1, height: element?.clientHeight ?? 1 };
    }

    /** All of it. */
    fit(layout: LayoutOutput): void {
        const { width, height } = this.room;
        const least = Math.min(width / layout.width, height / layout.height);
        const scale = Math.min(1, Math.max(LEAST_SCALE, least));
        const [x, y] = [(width - layout.width * scale) / 2, (height - layout.height * scale) / 2];
        this.place.value = { scale, x, y: Math.max(0, y) };
    }

    /** All of it, or, where that could not be read, what is around a point. */
    begin(layout: LayoutOutput, x: number, y: number): void {
        this.fit(layout);
        if (this.place.value.scale < READABLE) {
            this.centre(x, y, 0.8);
        }
    }

    centre(x: number, y: number, scale = this.place.value.scale): void {
        const { width, height } = this.room;
        this.place.value = { scale, x: width / 2 - x * scale, y: height / 2 - y * scale };
    }

    /** Brings a point of the picture into sight, if it is not. */
    reveal(x: number, y: number): void {
        const { width, height } = this.room;
        const { scale, x: left, y: top } = this.place.value;
        const [at, down] = [x * scale + left, y * scale + top];
        if (at < EDGE || down < EDGE || at > width - EDGE || down > height - EDGE) {
            this.centre(x, y);
        }
    }

    pan(x: number, y: number): void {
        const { place } = this;
        place.value = { ...place.value, x: place.value.x + x, y: place.value.y + y };
    }

    /** Around a point of the pane: its middle when absent. */
    zoom(factor: number, x = this.room.width / 2, y = this.room.height / 2): void {
        const before = this.place.value;
        const scale = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, before.scale * factor));
        const by = scale / before.scale;
        this.place.value = { scale, x: x - (x - before.x) * by, y: y - (y - before.y) * by };
    }

    wheel(event: WheelEvent): void {
        event.preventDefault();
        const box = this.element()?.getBoundingClientRect();
        if (!event.ctrlKey) {
            this.pan(-event.deltaX, -event.deltaY);
        } else if (box) {
            this.zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
        }
    }

    down(event: PointerEvent): void {
        const { x, y } = this.place.value;
        this.grip = { x: event.clientX - x, y: event.clientY - y };
        this.dragged = false;
    }

    move(event: PointerEvent): void {
        if (this.grip === null || event.buttons === 0) {
            this.grip = null;
            return;
        }
        const { scale, x, y } = this.place.value;
        const to = { scale, x: event.clientX - this.grip.x, y: event.clientY - this.grip.y };
        this.dragged ||= Math.hypot(to.x - x, to.y - y) > CLICK;
        if (this.dragged) {
            this.place.value = to;
        }
    }
}
