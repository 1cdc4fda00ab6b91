// The flamegraph.

export function FlamePanel() {
    return null;
}
