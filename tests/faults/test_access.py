"""How we are let in: every way that people protect an Alertmanager, and a token that nothing can replace.

What was sent is read from what the servers received. TLS is real: certificates made for the test, one authority
that is trusted and one that is not.
"""

import ssl
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from alertsync.models import RunStatus
from alertsync.simulator.wire import Server
from tests.faults.worlds import TOKEN, World, run, world_of

WAYS_IN = {
    "a path prefix": ({"prefix": "/alertmanager"}, {}),
    "basic auth": (
        {"username": "ann", "password": "pass wörd"},
        {"ALERTMANAGER_USERNAME": "ann", "ALERTMANAGER_PASSWORD": "pass wörd"},
    ),
    "a bearer token": ({"token": "some-token"}, {"ALERTMANAGER_TOKEN": "some-token"}),
    "a tenant": ({"tenant": "team-1"}, {"ALERTMANAGER_TENANT": "team-1"}),
    "all that Grafana Cloud wants": (
        {"prefix": "/alertmanager", "username": "1234", "password": "key", "tenant": "1234"},
        {"ALERTMANAGER_USERNAME": "1234", "ALERTMANAGER_PASSWORD": "key", "ALERTMANAGER_TENANT": "1234"},
    ),
}


@pytest.mark.parametrize("way", WAYS_IN)
def test_we_are_let_in_with_what_alertmanager_demands(tmp_path: Path, way: str) -> None:
    demands, settings = WAYS_IN[way]
    with world_of(tmp_path, **demands) as world:
        (group,) = world.silenced("DiskFull")
        assert run(world.services(**settings)).status is RunStatus.SUCCESS
        assert group.state == "resolved"
        assert all(one.path.startswith(world.prefix) for one in world.alertmanager_server.received)


@pytest.mark.parametrize("way", [way for way in WAYS_IN if way != "a path prefix"])
def test_without_it_we_are_told_what_to_check(tmp_path: Path, way: str) -> None:
    demands, settings = WAYS_IN[way]
    with world_of(tmp_path, **demands) as world:
        world.silenced("DiskFull")
        wrong = {name: value if name.endswith("_USERNAME") else "wrong" for name, value in settings.items()}
        for tried in ({}, wrong):
            failed = run(world.services(**tried))
            assert failed.status is RunStatus.FAILED
            assert "check user name, password or token" in failed.message
            assert not world.asked("POST")


def test_a_secret_can_come_from_a_file_with_a_newline_at_its_end(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    with world_of(tmp_path) as world:
        (group,) = world.silenced("DiskFull")
        run(world.services(GRAFANA_IRM_TOKEN="", GRAFANA_IRM_TOKEN_FILE=str(token)))
        assert group.state == "resolved"
        assert {one.headers["Authorization"] for one in world.irm_server.received} == {TOKEN}


def test_a_netrc_neither_replaces_a_token_nor_gives_one_where_none_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login robber password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    with world_of(tmp_path) as world:
        (group,) = world.silenced("DiskFull")
        for settings in ({}, {"ALERTMANAGER_TOKEN": "some-token"}):
            run(world.services(**settings))
        assert group.state == "resolved"
        assert {one.headers.get("Authorization") for one in world.irm_server.received} == {TOKEN}
        sent = {one.headers.get("Authorization") for one in world.alertmanager_server.received}
        assert sent == {None, "Bearer some-token"}
        assert b64encode(b"robber:stolen").decode() not in str(world.alertmanager_server.received)


# --- TLS --------------------------------------------------------------------------------------------------


def make_certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that is its own authority, and its key."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    command = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} "
        f"-addext subjectAltName=IP:127.0.0.1 -out {certificate.name} -keyout {key.name}"
    )
    subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    return certificate, key


class Certificates:
    """Two certificates and their keys: the server's, and another's that has nothing to do with it."""

    def __init__(self, directory: Path) -> None:
        self.own, self.own_key = make_certificate(directory, "own")
        self.other, self.other_key = make_certificate(directory, "other")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with world_of(tmp_path) as it:
        yield it


def over_tls(server: Server, certificates: Certificates, *, clients: Path | None = None) -> str:
    """Serve the application of this server over TLS instead, and give its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.own, certificates.own_key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
        # With TLS 1.3 a client learns of its refusal only with the answer, and in various ways.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    server._http.socket = context.wrap_socket(server._http.socket, server_side=True)
    return server.url.replace("http://", "https://")


UPSTREAMS = {
    "alertmanager": ("ALERTMANAGER_HOST", "ALERTMANAGER_CA_FILE"),
    "irm": ("GRAFANA_IRM_URL", "GRAFANA_IRM_CA_FILE"),
}


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_server_whose_authority_is_named_is_trusted_and_any_other_is_not(
    tmp_path: Path, certificates: Certificates, upstream: str
) -> None:
    host, ca_file = UPSTREAMS[upstream]
    world = World(tmp_path, {})
    url = over_tls(world.server(upstream), certificates)
    with world.irm_server, world.alertmanager_server:
        (group,) = world.silenced("DiskFull")
        for wrong in ({}, {ca_file: str(certificates.other)}):
            failed = run(world.services(**{host: url, **wrong}))
            assert failed.status is RunStatus.FAILED
            assert (
                f"the TLS certificate is not trusted or TLS is not spoken there: check {host}"
                in failed.message
            )
            assert ca_file in failed.message
            assert not world.asked("POST")
            if upstream == "irm":
                assert world.irm_server.received == ()  # the token was not sent either
        trusted = world.services(**{host: url, ca_file: str(certificates.own)})
        assert run(trusted).status is RunStatus.SUCCESS
        assert group.state == "resolved"


def test_a_trusted_certificate_for_another_name_is_refused(
    tmp_path: Path, certificates: Certificates
) -> None:
    world = World(tmp_path, {})
    url = over_tls(world.irm_server, certificates).replace("127.0.0.1", "localhost")
    with world.irm_server, world.alertmanager_server:
        settings = {"GRAFANA_IRM_URL": url, "GRAFANA_IRM_CA_FILE": str(certificates.own)}
        assert "the TLS certificate is not trusted" in run(world.services(**settings)).message
        assert world.irm_server.received == ()


def test_an_alertmanager_that_wants_a_client_certificate_gets_it(
    tmp_path: Path, certificates: Certificates
) -> None:
    world = World(tmp_path, {})
    url = over_tls(world.alertmanager_server, certificates, clients=certificates.other)
    with world.irm_server, world.alertmanager_server:
        (group,) = world.silenced("DiskFull")
        settings = {"ALERTMANAGER_HOST": url, "ALERTMANAGER_CA_FILE": str(certificates.own)}
        assert run(world.services(**settings)).status is RunStatus.FAILED
        assert group.state == "firing"
        settings |= {
            "ALERTMANAGER_CERT_FILE": str(certificates.other),
            "ALERTMANAGER_KEY_FILE": str(certificates.other_key),
        }
        assert run(world.services(**settings)).status is RunStatus.SUCCESS
        assert group.state == "resolved"


def test_plain_http_where_tls_is_expected_says_so(world: World) -> None:
    url = world.irm_server.url.replace("http://", "https://")
    failed = run(world.services(GRAFANA_IRM_URL=url))
    assert "TLS is not spoken there: check GRAFANA_IRM_URL" in failed.message


def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path, world: World) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("this is no certificate")
    url = world.irm_server.url.replace("http://", "https://")
    failed = run(world.services(GRAFANA_IRM_URL=url, GRAFANA_IRM_CA_FILE=str(nonsense)))
    assert failed.status is RunStatus.FAILED
    assert "GRAFANA_IRM_CA_FILE" in failed.message
