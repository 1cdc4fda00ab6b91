// A run without a server: what a file that was exported needs beyond the page.

import { readPicture } from "../lib/picture";
import { registerPart } from "../lib/parts";
import { FileTransport } from "../lib/transport_file";

registerPart("file", { readPicture, makeTransport: (picture) => new FileTransport(picture) });
