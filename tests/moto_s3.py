"""moto's S3: a second server, that others wrote. It tells of itself what `buckets.S3` tells."""

from __future__ import annotations

import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

import boto3
from buckets import KEY
from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.datastructures import EnvironHeaders
from werkzeug.serving import make_server

OURS = "PdebenchTest"  # who looks at the objects from outside: neither counted nor refused


class Objects(MutableMapping[str, bytes]):
    """A bucket by key, as another client sees it."""

    def __init__(self, client, bucket):
        self._client, self._bucket = client, bucket

    def __getitem__(self, key):
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except self._client.exceptions.NoSuchKey as error:
            raise KeyError(key) from error

    def __setitem__(self, key, content):
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content)

    def __delitem__(self, key):
        self._client.delete_object(Bucket=self._bucket, Key=key)

    def __iter__(self):
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
            yield from (entry["Key"] for entry in page.get("Contents", ()))

    def __len__(self):
        return sum(1 for _ in self)


class Buckets(dict[str, Objects]):
    """Those of one server by name; one that is deleted is gone there, too."""

    def __init__(self, client, *names):
        super().__init__({name: Objects(client, name) for name in names})
        self._client = client
        for name in names:
            client.create_bucket(Bucket=name)

    def __delitem__(self, name):
        for key in list(self[name]):
            del self[name][key]
        self._client.delete_bucket(Bucket=name)
        super().__delitem__(name)


class Moto:
    """The server's state, and the application before moto's own."""

    def __init__(self):
        self.objects, self.requests, self.fail = {}, [], None
        self._app = create_backend_app("s3")

    def __call__(self, environ, start_response):
        verb, key = environ["REQUEST_METHOD"], environ["PATH_INFO"].lstrip("/").partition("/")[2]
        headers = EnvironHeaders(environ)
        if OURS not in headers.get("User-Agent", ""):
            self.requests.append((verb, key, dict(headers)))
            if self.fail and (status := self.fail(verb, key)):
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                start_response(f"{status} Refused", [("Content-Length", "0")])
                return []
        return self._app(environ, start_response)


@contextmanager
def serving_moto(*buckets) -> Iterator[tuple[Moto, str]]:
    """The state and the address of a server with these empty buckets."""
    state = Moto()
    server = make_server("127.0.0.1", 0, state, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    config = boto3.session.Config(user_agent_extra=OURS)
    known = {"aws_access_key_id": KEY, "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    try:
        state.objects = Buckets(boto3.client("s3", endpoint_url=address, config=config, **known), *buckets)
        yield state, address
    finally:
        for name in list(state.objects):
            del state.objects[name]  # moto keeps them in this process
        server.shutdown()
        server.server_close()
