// One function, closely: code, callers and callees, waits, control flow; and the tree as a tree.

export function DetailTabs() {
    return null;
}
