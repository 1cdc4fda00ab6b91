// Where the panels stand.
//
//     TopBar
//     FilterBar
//     TimelinePanel
//     ScopeTrail
//     FlamePanel │ SidePanel
//     TopTable   │ DetailTabs

import { DetailTabs } from "./DetailTabs";
import { FilterBar } from "./FilterBar";
import { FlamePanel } from "./FlamePanel";
import { ScopeTrail } from "./ScopeTrail";
import { SidePanel } from "./SidePanel";
import { TimelinePanel } from "./TimelinePanel";
import { TopBar } from "./TopBar";
import { TopTable } from "./TopTable";

export function AppView() {
    return (
        <div class="page">
            <TopBar />
            <FilterBar />
            <TimelinePanel />
            <ScopeTrail />
            <main class="panes">
                <FlamePanel />
                <SidePanel />
                <TopTable />
                <DetailTabs />
            </main>
        </div>
    );
}
