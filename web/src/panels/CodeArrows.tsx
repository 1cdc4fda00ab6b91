// Jumps within a function as arrows in the gutter, for the rows that exist.

import type { Code, Jump } from "../model/code";
import { JUMP_LANES } from "../model/code";

const LANE = 7; // px
const ROW = 20; // px; as CODE_ROW_HEIGHT
export const GUTTER = LANE * (JUMP_LANES + 1) + 6;

/** From the instruction out to its lane, along it, and back to where it leads. */
function way(code: Code, jump: Jump): string {
    const x = GUTTER - 6 - (jump.lane + 1) * LANE;
    const y = (line: number) => code.rowOf(line) * ROW + ROW / 2;
    const [from, to] = [y(jump.from) + 2, y(jump.to) - 2];
    return `M${GUTTER - 3},${from}H${x}V${to}H${GUTTER - 3}m-4,-3l4,3l-4,3`;
}

/** There is no lane for it: its start shows where it goes to, up or down. */
function stump(code: Code, jump: Jump): string {
    const y = code.rowOf(jump.from) * ROW + ROW / 2;
    const way = jump.to > jump.from ? 6 : -6;
    return `M${GUTTER - 3},${y}h-5v${way}m-3,${-way / 2}l3,${way / 2}l3,${-way / 2}`;
}

export function CodeArrows({ code, first, last }: { code: Code; first: number; last: number }) {
    if (code.rows === 0) {
        return null;
    }
    const from = code.rowLine[first];
    const to = code.rowLine[Math.min(last, code.rows) - 1];
    const seen = code.jumps.filter((jump) => {
        const [low, high] = jump.from < jump.to ? [jump.from, jump.to] : [jump.to, jump.from];
        return jump.lane >= 0 ? low <= to && high >= from : jump.from >= from && jump.from <= to;
    });
    return (
        <svg
            class="arrows"
            width={GUTTER}
            height={(last - first) * ROW}
            viewBox={`0 ${first * ROW} ${GUTTER} ${(last - first) * ROW}`}
            style={{ top: `${first * ROW}px` }}
            aria-hidden="true"
        >
            {seen.map((jump) => (
                <path
                    key={`${jump.from} ${jump.to}`}
                    class={jump.to <= jump.from ? "up" : ""}
                    d={jump.lane >= 0 ? way(code, jump) : stump(code, jump)}
                />
            ))}
        </svg>
    );
}
