// Columns of numbers that grow.

type Column = Float64Array | Float32Array | Int32Array | Uint32Array | Uint16Array | Uint8Array;

/** The same numbers with room for more, which are 0. */
export function grown<T extends Column>(column: T, room: number): T {
    const larger = new (column.constructor as new (n: number) => T)(room);
    larger.set(column);
    return larger;
}
