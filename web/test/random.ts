/** Numbers from 0 to below 1 that look random, the same ones for the same seed. */
export function random(seed: number): () => number {
    let x = Math.imul(seed + 1, 0x9e3779b1) || 1;
    return () => {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        return (x >>> 0) / 2 ** 32;
    };
}
