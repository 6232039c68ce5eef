"""An RFC 3161 timestamp authority on the loopback: certificates and answers by `openssl`."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[signer]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[tsa]
default_tsa = authority
[authority]
dir = .
serial = ./serial
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
ess_cert_id_chain = no
ess_cert_id_alg = sha256
accuracy = secs:1
"""


@dataclass(frozen=True)
class Authority:
    """Where it answers, and its root certificate."""

    url: str
    root: Path


@contextmanager
def authority(folder: Path, *, broken: bool = False) -> Iterator[Authority]:
    """A running authority; a `broken` one gives the same answer to every request."""
    folder.mkdir()
    (folder / "openssl.cnf").write_text(CONFIG, encoding="utf-8")
    (folder / "serial").write_text("01", encoding="utf-8")
    key = ["-newkey", "rsa:2048", "-nodes", "-sha256", "-config", "openssl.cnf"]
    _openssl(
        folder, "req", "-x509", *key, "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=root",
        "-extensions", "root", "-days", "30",
    )  # fmt: skip
    _openssl(folder, "req", *key, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=authority")
    _openssl(
        folder, "x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-out",
        "tsa.pem", "-extfile", "openssl.cnf", "-extensions", "signer", "-days", "30",
    )  # fmt: skip
    kept: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            if not (broken and kept):
                _openssl(
                    folder, "ts", "-reply", "-config", "openssl.cnf", "-section", "authority", "-queryfile", "query",
                    "-inkey", "tsa.key", "-signer", "tsa.pem", "-out", "answer",
                )  # fmt: skip
                kept.append((folder / "answer").read_bytes())
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(kept[0] if broken else kept[-1])

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Authority(f"http://127.0.0.1:{server.server_port}/", folder / "root.pem")
    finally:
        server.shutdown()
        server.server_close()


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
