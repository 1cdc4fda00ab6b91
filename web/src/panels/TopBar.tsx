// Which run this is, how it goes, and how the page is connected.

export function TopBar() {
    return null;
}
