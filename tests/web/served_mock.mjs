// A Mock behind a real port: for what is measured. A routed WebSocket lives in the page, and would be measured with it.
//
//     const served = await serveMock(mock);      http://127.0.0.1:PORT/, from web/dist
//     await page.goto(served.url);
//     served.close();
//
// Of RFC 6455 only what a browser needs that sends texts of less than 64 KB: no fragments, no extensions.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join, normalize } from "node:path";
import { DIST, POLICY, TYPES } from "./serve.mjs";

const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455, 1.3
const TEXT = 1;
const CLOSE = 8;

function frame(opcode, payload) {
    const n = payload.length;
    const head = Buffer.alloc(n < 126 ? 2 : n < 65536 ? 4 : 10);
    head[0] = 0x80 | opcode;
    head[1] = n < 126 ? n : n < 65536 ? 126 : 127;
    if (n >= 65536) {
        head.writeBigUInt64BE(BigInt(n), 2);
    } else if (n >= 126) {
        head.writeUInt16BE(n, 2);
    }
    return Buffer.concat([head, payload]);
}

/** Takes whole frames of a browser off the front of `data`; what is left. */
function takeFrames(data, take) {
    while (data.length >= 2) {
        const short = data[1] & 0x7f;
        const at = short === 126 ? 4 : 2;
        if (short === 127 || data.length < at) {
            break;
        }
        const n = short === 126 ? data.readUInt16BE(2) : short;
        if (data.length < at + 4 + n) {
            break;
        }
        const mask = data.subarray(at, at + 4);
        const payload = Buffer.from(data.subarray(at + 4, at + 4 + n)).map((byte, i) => byte ^ mask[i % 4]);
        take(data[0] & 0x0f, payload);
        data = data.subarray(at + 4 + n);
    }
    return data;
}

/** What Mock.connect() expects. */
class Socket {
    constructor(stream) {
        this.stream = stream;
        this.onText = () => {};
        let rest = Buffer.alloc(0);
        stream.on("data", (data) => {
            rest = takeFrames(Buffer.concat([rest, data]), (opcode, payload) => {
                if (opcode === TEXT) {
                    this.onText(payload.toString());
                } else if (opcode === CLOSE) {
                    stream.end();
                }
            });
        });
        stream.on("error", () => stream.destroy());
    }

    onMessage(act) {
        this.onText = act;
    }

    onClose(act) {
        this.stream.on("close", act);
    }

    send(text) {
        this.stream.write(frame(TEXT, Buffer.from(text)));
    }

    close({ code }) {
        this.stream.end(frame(CLOSE, Buffer.from([code >> 8, code & 0xff])));
    }
}

async function answer(request, response) {
    const path = normalize(new URL(request.url, "http://x").pathname);
    try {
        const body = await readFile(join(DIST, path === "/" ? "index.html" : path));
        const type = TYPES[path === "/" ? ".html" : path.slice(path.lastIndexOf("."))];
        response.writeHead(200, { "content-type": type, "content-security-policy": `${POLICY} ws:` }).end(body);
    } catch {
        response.writeHead(404).end();
    }
}

export async function serveMock(mock) {
    const server = createServer(answer);
    const streams = new Set();
    server.on("upgrade", (request, stream) => {
        const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + WEBSOCKET_GUID).digest("base64");
        stream.setNoDelay(true);
        stream.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
                `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: stax\r\n\r\n`,
        );
        streams.add(stream);
        stream.on("close", () => streams.delete(stream));
        mock.connect(new Socket(stream));
    });
    await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
    return {
        url: `http://127.0.0.1:${server.address().port}/`,
        close() {
            streams.forEach((stream) => stream.destroy());
            server.close();
        },
    };
}
