"""A browser as far as the network sees it: HTTP requests and WebSockets, byte by byte, right or wrong."""

import base64
import gzip
import hashlib
import json
import os
import re
import socket
import struct

from stax import TIMEOUT

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Answer:
    """Of HTTP. Header names are in lower case."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:200]!r}"


class Site:
    """Where a server lets browsers in."""

    def __init__(self, server):
        status = server.json("status")
        assert status["web_note"] == ""
        self.url = status["web_url"]
        self.address, port = re.fullmatch(r"http://(.+):(\d+)/", self.url).groups()
        self.port = int(port)
        self.host = f"{self.address}:{port}"
        self.origin = f"http://{self.host}"
        self.token_path = server.dir / "s.sock.token"

    @property
    def token(self):
        return self.token_path.read_text().strip()

    def connect(self):
        where = socket.create_connection((self.address.strip("[]"), self.port), TIMEOUT)
        where.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return where

    def send(self, head):
        """The answer to these very bytes."""
        with self.connect() as where:
            where.sendall(head)
            return read_answer(where)

    def get(self, path="/", method="GET", host=None, **headers):
        return self.send(request(path, method, self.host if host is None else host, **headers))

    def upgrade_head(self, path="/rpc", host=None, **changes):
        """Of a WebSocket; a header that is None is left out."""
        headers = {
            "Origin": self.origin, "Upgrade": "websocket", "Connection": "keep-alive, Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": f"stax, token.{self.token}",
        }
        headers.update({name.replace("_", "-"): value for name, value in changes.items()})
        return request(path, "GET", self.host if host is None else host, **headers)

    def refused(self, **changes):
        """The answer to a WebSocket that must not come to be."""
        answer = self.send(self.upgrade_head(**changes))
        assert answer.status != 101, answer
        return answer

    def open(self, **changes):
        return WebSocket(self, self.upgrade_head(**changes))


def request(path, method, host, **headers):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"] if host else [f"{method} {path} HTTP/1.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def parse_head(head):
    first, *lines = head.decode().split("\r\n")
    version, status, _ = first.split(" ", 2)
    assert version == "HTTP/1.1"
    headers = {}
    for line in lines:
        name, value = line.split(": ", 1)
        assert name.lower() not in headers, f"{name} twice"
        headers[name.lower()] = value
    return int(status), headers


def read_answer(where):
    """Everything up to the end of the connection."""
    data = b""
    while more := where.recv(1 << 16):
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    status, headers = parse_head(head)
    return Answer(status, headers, body)


def frame(opcode, payload=b"", fin=True, mask=True, reserved=0, length=None):
    """A frame of a client. `length`: how it is written: 7, 16 or 64 bits; else the shortest."""
    n = len(payload)
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    bit = 0x80 if mask else 0
    length = length or (7 if n < 126 else 16 if n < 1 << 16 else 64)
    head = {7: lambda: struct.pack("!BB", first, bit | n), 16: lambda: struct.pack("!BBH", first, bit | 126, n),
            64: lambda: struct.pack("!BBQ", first, bit | 127, n)}[length]()
    if not mask:
        return head + payload
    key = os.urandom(4)
    stream = (key * (n // 4 + 1))[:n]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(n, "big")
    return head + key + masked


class WebSocket:
    """A connection, from the browser's side."""

    def __init__(self, site, head):
        self.socket = site.connect()
        self.socket.sendall(head)
        self.data = b""
        while b"\r\n\r\n" not in self.data:
            more = self.socket.recv(1 << 16)
            assert more, f"the connection ended: {self.data!r}"
            self.data += more
        got, _, self.data = self.data.partition(b"\r\n\r\n")
        self.status, self.headers = parse_head(got)
        assert self.status == 101, got
        key = re.search(rb"Sec-WebSocket-Key: (.*?)\r\n", head).group(1)
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        assert self.headers["sec-websocket-accept"] == base64.b64encode(digest).decode()
        assert self.headers["sec-websocket-protocol"] == "stax"
        self.last_id = 0
        self.notes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _take(self, n):
        while len(self.data) < n:
            more = self.socket.recv(1 << 16)
            if not more:
                return None
            self.data += more
        taken, self.data = self.data[:n], self.data[n:]
        return taken

    def read_frame(self):
        """(opcode, payload), or None at the end."""
        head = self._take(2)
        if head is None:
            return None
        assert head[0] & 0x80 and not head[0] & 0x70 and not head[1] & 0x80, "whole and plain frames only"
        n = head[1]
        if n == 126:
            n = struct.unpack("!H", self._take(2))[0]
        elif n == 127:
            n = struct.unpack("!Q", self._take(8))[0]
        return head[0] & 15, self._take(n)

    def read(self):
        """The next message."""
        opcode, payload = self.read_frame()
        assert opcode == TEXT, (opcode, payload)
        return json.loads(payload)

    def read_close(self):
        """The code with which the server ends the connection, which it then does."""
        while (got := self.read_frame())[0] == TEXT:
            self.notes.append(json.loads(got[1]))
        assert got[0] == CLOSE, got
        assert self.read_frame() is None, "nothing comes after a close"
        return struct.unpack("!H", got[1])[0] if got[1] else None

    def request(self, method, /, **params):
        self.last_id += 1
        message = {"jsonrpc": "2.0", "id": self.last_id, "method": method}
        self.send(frame(TEXT, json.dumps({**message, "params": params} if params else message).encode()))
        return self.last_id

    def call(self, method, /, **params):
        number = self.request(method, **params)
        while (message := self.read()).get("id") != number:
            self.notes.append(message)
        assert "error" not in message, message
        return message["result"]


def unpack(body):
    return gzip.decompress(body)
