"""A real nginx in front of the service, as docs/ACCESS.md shows it: TLS, below a path.

The example is what is tested: its addresses and files are replaced by those of the test, and nothing else.
"""

import subprocess
from pathlib import Path
from typing import Self

from alertsync.simulator.real_alertmanager import find_binary
from tests.docs.readme import DOCS, blocks
from tests.faults.test_access import make_certificate
from tests.servers import free_port, poll_until

PREFIX = "/alertsync"
_STOPPED_WITHIN_SECONDS = 10
_MAIN = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log info;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {server}
}}
"""


class Nginx:
    """nginx on a free loopback port that leads to the service at this port, as a context manager."""

    def __init__(self, directory: Path, service_port: int) -> None:
        self._directory = directory
        self.certificate, key = make_certificate(directory, "nginx")
        (example,) = blocks(DOCS / "ACCESS.md", "nginx")
        self.port = free_port()
        replaced = {
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "/etc/nginx/ops.example.pem": str(self.certificate),
            "/etc/nginx/ops.example.key": str(key),
            "http://127.0.0.1:8080/": f"http://127.0.0.1:{service_port}/",
        }
        for old, new in replaced.items():
            assert example.count(old) == 1, f"the example of nginx holds no {old}"
            example = example.replace(old, new)
        (directory / "nginx.conf").write_text(_MAIN.format(directory=directory, server=example))

    @property
    def url(self) -> str:
        """The address of the service behind it, without a trailing slash."""
        return f"https://127.0.0.1:{self.port}{PREFIX}"

    def __enter__(self) -> Self:
        binary = find_binary(("nginx", "/usr/sbin/nginx"), "nginx")
        with (self._directory / "nginx.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    binary,
                    "-e",
                    str(self._directory / "error.log"),
                    "-p",
                    str(self._directory),
                    "-c",
                    "nginx.conf",
                ],
                cwd=self._directory,
                stdout=log,
                stderr=log,
            )
        try:
            poll_until(self._listens, within=15, what="nginx listens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listens(self) -> bool:
        said = (self._directory / "nginx.log").read_text() + self._errors()
        assert self._process.poll() is None, f"nginx ended:\n{said}"
        return (self._directory / "nginx.pid").exists() and "start worker process" in said

    def _errors(self) -> str:
        path = self._directory / "error.log"
        return path.read_text() if path.exists() else ""
