// What writes a page down: as Markdown, as a picture, as a file. Loaded when somebody asks for it.

import { write } from "../export/write";
import { registerPart } from "../lib/parts";

registerPart("export", { write });
