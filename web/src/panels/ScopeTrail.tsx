// What is counted, as chips that can be taken away.

export function ScopeTrail() {
    return null;
}
