// Why threads wait, and who wakes the one that is looked at.

export function SidePanel() {
    return null;
}
