# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real S3 service with TLS, object versions and object lock: versitygw, built from its Go module with the checksums of go.sum."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import http.client
import os
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.integration.app import servers
from tools.venv import cache_directory, only_one

SOURCE = Path(__file__).parent / "versitygw"
_PACKAGE = "github.com/versity/versitygw/cmd/versitygw"
_FLAGS = ("-trimpath", "-mod=readonly", "-buildvcs=false", "-ldflags=-s -w")
ACCESS_KEY = "stores"
SECRET = f"{servers.PLANTED}-s3-secret"
REGION = "us-east-1"
_LOCK = (
    '<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled>'
    "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>"
)


def program() -> Path:
    """The server, built once; Go goes on where an interrupted build has stopped. Each use holds it against the digest it was built with."""
    parts = [*(path.read_bytes() for path in sorted(SOURCE.iterdir())), " ".join(_FLAGS).encode()]
    home = cache_directory() / "offsite" / f"versitygw-{hashlib.sha256(b''.join(parts)).hexdigest()[:16]}"
    path, digest = home / "versitygw", home / "sha256"
    with only_one(home.with_name(f"{home.name}.lock")):
        if not digest.exists():
            assert shutil.which("go"), "no Go toolchain in PATH, which versitygw is built with: install Go 1.26 or newer"
            home.mkdir(parents=True, exist_ok=True)
            environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}
            argv = ["go", "build", *_FLAGS, "-o", str(path), _PACKAGE]
            done = subprocess.run(argv, cwd=SOURCE, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2000:]
            digest.write_text(_digest(path))
        assert digest.read_text() == _digest(path), f"{path} was changed since it was built: delete its directory"
    return path


class S3(servers.Process):
    """One service with an account, on loopback or another address of this host; buckets are directories below C(buckets)."""

    def __init__(self, directory: Path, host: str = servers.Process.host, enter: Sequence[str] = ()) -> None:
        super().__init__(directory)
        self.host, self.enter = host, enter
        self.buckets = directory / "buckets"
        for path in (self.buckets, directory / "versions"):
            path.mkdir(exist_ok=True)
        servers.certificate(directory, host)
        self.authority = directory / "tls.crt"

    def argv(self) -> list[str]:
        tls = [f"--cert={self.authority}", f"--key={self.directory / 'tls.key'}"]
        stored = ["posix", f"--versioning-dir={self.directory / 'versions'}", str(self.buckets)]
        return [str(program()), "--quiet", f"--region={REGION}", f"--port={self.host}:{self.port}", *tls, *stored]

    def options(self) -> dict[str, Any]:
        return {"env": {"PATH": os.environ["PATH"], "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET}}

    def make(self, bucket: str, *, locked: bool = False) -> None:
        """A bucket; one that is locked keeps every object for a day, whoever asks."""
        self.ask("PUT", f"/{bucket}", headers={"x-amz-bucket-object-lock-enabled": "true"} if locked else {})
        if locked:
            digest = base64.b64encode(hashlib.md5(_LOCK.encode(), usedforsecurity=False).digest()).decode()
            self.ask("PUT", f"/{bucket}", "object-lock=", _LOCK.encode(), {"content-md5": digest})

    def ask(self, method: str, path: str, query: str = "", body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        """One request, signed."""
        at = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        sent = {"host": f"{self.host}:{self.port}", "x-amz-content-sha256": digest, "x-amz-date": at, **(headers or {})}
        names = ";".join(sorted(sent))
        canonical = [method, quote(path), query, *(f"{name}:{sent[name]}" for name in sorted(sent)), "", names, digest]
        scope = [at[:8], REGION, "s3", "aws4_request"]
        key = f"AWS4{SECRET}".encode()
        for part in scope:
            key = hmac.digest(key, part.encode(), "sha256")
        text = ["AWS4-HMAC-SHA256", at, "/".join(scope), hashlib.sha256("\n".join(canonical).encode()).hexdigest()]
        signature = hmac.digest(key, "\n".join(text).encode(), "sha256").hex()
        credential = f"Credential={ACCESS_KEY}/{'/'.join(scope)}, SignedHeaders={names}, Signature={signature}"
        sent["authorization"] = f"AWS4-HMAC-SHA256 {credential}"
        connection = http.client.HTTPSConnection(
            self.host, self.port, context=ssl.create_default_context(cafile=str(self.authority)), timeout=30
        )
        connection.request(method, f"{path}?{query}" if query else path, body, sent)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status < 300, f"{method} {path}: {answer.status} {content.decode(errors='replace')}"
        return content

    def configuration(self, secret: str = SECRET, **sections: str) -> str:
        """What rclone needs to reach it as C(archive), and further sections."""
        known = {"type": "s3", "provider": "Other", "access_key_id": ACCESS_KEY, "secret_access_key": secret, "region": REGION}
        known |= {"endpoint": f"https://{self.host}:{self.port}", "force_path_style": "true"}
        archive = "".join(f"{key} = {value}\n" for key, value in known.items())
        return f"[archive]\n{archive}" + "".join(f"\n[{name}]\n{text}\n" for name, text in sections.items())


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
