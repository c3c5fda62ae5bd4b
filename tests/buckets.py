"""A small S3 and a file server with ranges, each for the time of a `with`; of S3 what a store needs, and no more.

It honours `If-None-Match: *` (status 412 where the object is there), ranges, ListObjectsV2 with pages, DeleteObjects,
and refuses a wrong access key.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

KEY = "AKIATESTTESTTESTTEST"
PAGE = 20


class S3:
    """Objects by bucket and key; `requests` is what was asked, and `fail` may end a request early."""

    def __init__(self, *buckets):
        self.objects = {bucket: {} for bucket in buckets}
        self.lock, self.requests, self.fail = threading.Lock(), [], None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or an answer in two parts waits 40 ms for its first half's receipt

    def log_message(self, *words):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code):
        self.answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def send(self, content):
        """All of it, or the range asked for."""
        tag = f'"{md5(content).hexdigest()}"'
        wanted = self.headers.get("Range") or ""
        if end := re.fullmatch(r"bytes=-(\d+)", wanted):
            wanted = f"bytes={max(0, len(content) - int(end[1]))}-"
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        common = {"ETag": tag, "Last_Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "Accept_Ranges": "bytes"}
        if self.command == "HEAD":
            self.answer(200, Content_Length=len(content), **common)
        elif found:
            low, high = int(found[1]), min(int(found[2] or len(content)), len(content) - 1)
            about = f"bytes {low}-{high}/{len(content)}"
            self.answer(206, content[low : high + 1], Content_Range=about, **common)
        else:
            self.answer(200, content, **common)


class S3Handler(Handler):
    def begin(self):
        """Bucket, key and query of a request, after its body is read; None when it was refused."""
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        state, parts = self.server.state, urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        with state.lock:
            state.requests.append((self.command, key, dict(self.headers)))
        if state.fail and (status := state.fail(self.command, key)):
            self.close_connection = True
            return self.refuse(status, "InternalError") if status > 0 else self.connection.close()
        if f"Credential={KEY}/" not in (self.headers.get("Authorization") or ""):
            return self.refuse(403, "InvalidAccessKeyId")
        if bucket not in state.objects:
            return self.refuse(404, "NoSuchBucket")
        return state.objects[bucket], key, parse_qs(parts.query, keep_blank_values=True)

    def do_PUT(self):
        if not (found := self.begin()):
            return
        objects, key, _ = found
        with self.server.state.lock:
            if self.headers.get("If-None-Match") == "*" and key in objects:
                self.refuse(412, "PreconditionFailed")
                return
            objects[key] = self.body
        self.answer(200, ETag=f'"{md5(self.body).hexdigest()}"')

    def do_GET(self):
        if not (found := self.begin()):
            return
        objects, key, query = found
        if not key:
            self.listing(objects, query)
        elif key in objects:
            self.send(objects[key])
        else:
            self.refuse(404, "NoSuchKey")

    do_HEAD = do_GET

    def do_DELETE(self):
        if found := self.begin():
            found[0].pop(found[1], None)
            self.answer(204)

    def do_POST(self):
        if not (found := self.begin()):
            return
        gone = re.findall(r"<Key>(.*?)</Key>", self.body.decode())
        for key in gone:
            found[0].pop(key, None)
        rows = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in gone)
        self.answer(200, f"<DeleteResult>{rows}</DeleteResult>".encode())

    def listing(self, objects, query):
        prefix, after = query.get("prefix", [""])[0], query.get("continuation-token", [""])[0]
        delimiter = query.get("delimiter", [""])[0]
        keys = [key for key in sorted(objects) if key.startswith(prefix)]
        folders = set()
        if delimiter:
            deeper = [key for key in keys if delimiter in key[len(prefix) :]]
            folders = {prefix + key[len(prefix) :].split(delimiter)[0] + delimiter for key in deeper}
            keys = [key for key in keys if key not in set(deeper)]
        keys = [key for key in keys if key > after]
        more = len(keys) > PAGE
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(objects[key])}</Size><ETag>x</ETag>"
            "<LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in keys[:PAGE]
        )
        rows += "".join(f"<CommonPrefixes><Prefix>{escape(p)}</Prefix></CommonPrefixes>" for p in sorted(folders))
        token = f"<NextContinuationToken>{escape(keys[PAGE - 1])}</NextContinuationToken>" if more else ""
        said = f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}"
        self.answer(200, f"<ListBucketResult><Name>b</Name>{said}{rows}</ListBucketResult>".encode())


class FileHandler(Handler):
    """GET and HEAD of files in a folder, with ranges."""

    def do_GET(self):
        path = Path(self.server.state) / unquote(urlsplit(self.path).path).lstrip("/")
        self.send(path.read_bytes()) if path.is_file() else self.answer(404)

    do_HEAD = do_GET


@contextmanager
def _serving(handler, state):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.state, server.daemon_threads = state, True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def serving_s3(state):
    """The address of an S3 with these buckets."""
    return _serving(S3Handler, state)


def serving_files(folder):
    """The address under which a folder's files can be read."""
    return _serving(FileHandler, folder)


def environment(address):
    """What a client of that S3 must know."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
