// The lower half of the page: the hottest functions, and one of them closely.

import { registerPart } from "../lib/parts";
import { DetailTabs } from "../panels/DetailTabs";
import { TopTable } from "../panels/TopTable";
import style from "../style/tables.css";

registerPart("tables", { top: TopTable, detail: DetailTabs }, style);
