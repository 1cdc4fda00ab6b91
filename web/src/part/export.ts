// What writes a page down (as Markdown, as a picture, as a file), and what reads such a file.

import { write } from "../export/write";
import { registerPart } from "../lib/parts";
import { readPicture } from "../lib/picture";
import { FileTransport } from "../lib/transport_file";

registerPart("export", { write, readPicture, play: (picture) => new FileTransport(picture) });
