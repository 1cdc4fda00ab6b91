// What writes a page down: as Markdown, as a file. Loaded when somebody asks for it.

import { makeFile } from "../export/html";
import { markdownOf } from "../export/markdown";
import { registerPart } from "../lib/parts";

registerPart("export", { markdownOf, makeFile });
