// What is open for a moment only.

import { registerPart } from "../lib/parts";
import { ConfirmStop } from "../panels/ConfirmStop";
import { FlameMenu } from "../panels/FlameMenu";
import { Help } from "../panels/Help";
import { Palette } from "../panels/Palette";

registerPart("dialogs", { Palette, Help, ConfirmStop, FlameMenu });
