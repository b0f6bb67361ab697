"""Fetching from URLs of strangers: what is refused, before and while it is connected to."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path

import pytest
from file_server import FileServer, file_server, make_certificate, redirects, sends

from unmask_gateway.outbound.addresses import IpAddress, is_public
from unmask_gateway.outbound.client import OutboundClient
from unmask_gateway.outbound.fetching import FileFetch
from unmask_gateway.outbound.network import resolve_by_system
from unmask_gateway.outbound.rules import UrlRules
from unmask_gateway.outbound.settings import SourceUrlSettings
from unmask_shared.errors import SourceUrlRefused, SourceUrlUnreachable, UploadTooLarge

OPEN, INTERNAL = "127.0.0.1", "127.0.0.2"
VIDEO = b"GIF89a" + bytes(range(256)) * 400


class OneOpenAddress(SourceUrlSettings):
    """Takes one loopback address for the internet, so that tests need none."""

    def may_connect(self, address: IpAddress) -> bool:
        return str(address) == OPEN


def resolver(*answers: list[str]) -> Callable[[str, int], Awaitable[list[IpAddress]]]:
    """Gives one answer after the other; the last one for ever."""
    left = list(answers)

    async def resolve(host: str, port: int) -> list[IpAddress]:
        answer = left.pop(0) if len(left) > 1 else left[0]
        return [ip_address(text) for text in answer]

    return resolve


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server(OPEN) as server:
        yield server


def rules_for(*servers: FileServer, **settings: object) -> OneOpenAddress:
    ports = ",".join(str(server.port) for server in servers)
    return OneOpenAddress.model_validate({"allowed_ports": ports, **settings})


def fetch(
    url: str,
    rules: UrlRules,
    *,
    resolve: Callable[[str, int], Awaitable[list[IpAddress]]] = resolve_by_system,
    max_bytes: int = 1_000_000,
    timeout_s: float = 10.0,
    idle_timeout_s: float = 5.0,
    tls: ssl.SSLContext | None = None,
) -> tuple[bytes, FileFetch]:
    client = OutboundClient(rules, idle_timeout_s=idle_timeout_s, resolve=resolve, tls=tls)
    fetching = FileFetch(url, client=client, max_bytes=max_bytes, timeout_s=timeout_s)

    async def read() -> bytes:
        return b"".join([chunk async for chunk in fetching.chunks()])

    return asyncio.run(read()), fetching


# --- addresses and URLs ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "240.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "::",
        "::1",
        "::7f00:1",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "2001:0:53aa:64c::1",
        "2002:7f00:1::",
        "2002:808:808::",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "100::1",
    ],
)
def test_other_addresses_are_not(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a.mp4",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com/a.mp4",
        "example.com/a.mp4",
        "",
        "http://",
        "http:///a.mp4",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://@example.com/",
        "http://example.com:22/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com:port/",
        "http://exam ple.com/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com/\r\nHost: other",
        "http://[::1/",
        "http://" + "a" * 2048,
        "http://\u2024\u2024/",
    ],
)
def test_urls_that_are_refused_without_a_look_at_their_host(url: str) -> None:
    with pytest.raises(SourceUrlRefused):
        SourceUrlSettings().check(url)


def test_a_url_is_taken_apart_once() -> None:
    target = SourceUrlSettings().check(
        "HTTPS://B\u00fccher.Example/a b\u00fc.mp4?x=1&y=%20#part".replace(" ", "%20")
    )
    assert (target.scheme, target.host, target.port) == ("https", "xn--bcher-kva.example", 443)
    assert target.path == "/a%20b%C3%BC.mp4?x=1&y=%20"
    assert target.host_header == "xn--bcher-kva.example"
    assert SourceUrlSettings().check("http://[2606:4700::1]/").host_header == "[2606:4700::1]"


def test_hosts_can_be_limited() -> None:
    rules = SourceUrlSettings(allowed_hosts="media.example, *.cdn.example")
    for allowed in ("media.example", "MEDIA.example", "a.cdn.example", "a.b.cdn.example"):
        rules.check(f"https://{allowed}/a.mp4")
    for other in (
        "example",
        "x.media.example",
        "cdn.example",
        "evilcdn.example",
        "media.example.x",
    ):
        with pytest.raises(SourceUrlRefused, match="host"):
            rules.check(f"https://{other}/a.mp4")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "127.1",
        "0",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
    ],
)
def test_every_notation_of_a_private_address_is_refused(host: str) -> None:
    with pytest.raises(SourceUrlRefused, match="not a public address"):
        fetch(f"http://{host}/a.mp4", SourceUrlSettings())


def test_private_addresses_can_be_allowed(server: FileServer) -> None:
    server.answers["/a.gif"] = sends(VIDEO)
    rules = SourceUrlSettings(allow_private=True, allowed_ports=str(server.port))
    assert fetch(server.url("/a.gif"), rules)[0] == VIDEO


# --- connections -----------------------------------------------------------------------------


def test_a_file_is_fetched_with_its_name(server: FileServer) -> None:
    server.answers["/clips/interview%20one.gif"] = sends(VIDEO, Content_Type="image/gif")
    content, fetched = fetch(
        server.url("/clips/interview%20one.gif", host="videos.example"),
        rules_for(server),
        resolve=resolver([OPEN]),
    )
    assert content == VIDEO
    assert (fetched.filename, fetched.content_type) == ("interview one.gif", "image/gif")
    [request] = server.received
    assert request.headers["host"] == f"videos.example:{server.port}"
    assert "authorization" not in request.headers
    server.answers["/x"] = sends(VIDEO, Content_Disposition='attachment; filename="../named.gif"')
    assert fetch(server.url("/x"), rules_for(server))[1].filename == "named.gif"


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(server: FileServer) -> None:
    server.answers["/a.gif"] = sends(VIDEO)
    with file_server(INTERNAL, port=server.port) as internal:
        internal.answers["/a.gif"] = sends(b"secret")
        # Another answer to a second question, as of a host that rebinds its name.
        content, _ = fetch(
            server.url("/a.gif", host="rebinds.example"),
            rules_for(server),
            resolve=resolver([OPEN], [INTERNAL]),
        )
        assert content == VIDEO
        assert internal.received == []


def test_an_answer_that_mixes_public_and_private_addresses_is_refused(server: FileServer) -> None:
    with pytest.raises(SourceUrlRefused):
        fetch(
            server.url("/", host="mixed.example"),
            rules_for(server),
            resolve=resolver([OPEN, INTERNAL]),
        )
    assert server.received == []


def test_each_redirect_is_checked_like_the_first_url(server: FileServer) -> None:
    with file_server(INTERNAL, port=server.port) as internal, file_server(OPEN) as other_port:
        for location in (
            internal.url("/secret"),
            f"//{INTERNAL}:{server.port}/secret",
            other_port.url("/a.gif"),
            "file:///etc/passwd",
            f"http://user:pass@{OPEN}:{server.port}/a.gif",
        ):
            server.answers["/start"] = redirects(location)
            with pytest.raises(SourceUrlRefused):
                fetch(server.url("/start"), rules_for(server))
        # The same name again, which stands for something else by now.
        server.answers["/start"] = redirects("/secret")
        with pytest.raises(SourceUrlRefused):
            fetch(
                server.url("/start", host="rebinds.example"),
                rules_for(server),
                resolve=resolver([OPEN], [INTERNAL]),
            )
        assert internal.received == []
        assert other_port.received == []


def test_redirects_are_followed_up_to_a_limit(server: FileServer) -> None:
    for step in range(6):
        server.answers[f"/{step}"] = redirects(
            f"/{step + 1}", status=[301, 302, 303, 307, 308][step % 5]
        )
    server.answers["/6"] = sends(VIDEO)
    content, fetched = fetch(server.url("/1"), rules_for(server))
    assert content == VIDEO
    assert fetched.filename == "6"
    with pytest.raises(SourceUrlUnreachable, match="5 redirects"):
        fetch(server.url("/0"), rules_for(server))


def test_proxies_of_the_environment_are_not_asked(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.3:9")
    server.answers["/a.gif"] = sends(VIDEO)
    assert fetch(server.url("/a.gif"), rules_for(server))[0] == VIDEO


def test_tls_is_spoken_with_the_host_that_the_url_names(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "videos.example")
    trusting = ssl.create_default_context(cafile=certificate)
    with file_server(OPEN, certificate=certificate) as server:
        server.answers["/a.gif"] = sends(VIDEO)

        def get(host: str, tls: ssl.SSLContext | None) -> bytes:
            url = server.url("/a.gif", host=host, scheme="https")
            return fetch(url, rules_for(server), resolve=resolver([OPEN]), tls=tls)[0]

        assert get("videos.example", trusting) == VIDEO
        for host, tls in (("other.example", trusting), ("videos.example", None)):
            with pytest.raises(SourceUrlUnreachable, match="connection"):
                get(host, tls)


def closes_early(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"GIF89a")


def drips(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


def hangs(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(2)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (sends(status=404), "404"),
        (sends(status=500), "500"),
        (sends(status=204), "204"),
        (sends(b"x", status=206), "206"),
        (sends(status=302), "to nowhere"),
        (redirects("http://[::1/"), "no URL"),
        (sends(b"x", Content_Encoding="gzip, br"), "compresses"),
        (sends(declared=False, Content_Length="1" * 5000), "HTTP"),
        (sends(declared=False, Content_Length="-5"), "HTTP"),
        (sends(X_Long="a" * 200_000), "HTTP"),
        (sends(b"x", Content_Encoding="gzip"), "compresses"),
        (closes_early, "HTTP"),
        (drips, "longer than 0.5 s"),
        (hangs, "in time"),
        (lambda handler: handler.wfile.write(b"SSH-2.0-server\r\n"), "HTTP"),
    ],
    ids=[
        "404",
        "500",
        "204",
        "206",
        "nowhere",
        "broken redirect",
        "gzip and br",
        "huge length",
        "negative length",
        "long header",
        "gzip",
        "early",
        "drips",
        "hangs",
        "no HTTP",
    ],
)
def test_servers_that_fail_are_named(
    server: FileServer, answer: Callable[[BaseHTTPRequestHandler], None], says: str
) -> None:
    server.answers["/a.gif"] = answer
    with pytest.raises(SourceUrlUnreachable, match=says):
        fetch(server.url("/a.gif"), rules_for(server), timeout_s=0.5, idle_timeout_s=0.3)


def test_hosts_that_do_not_exist_or_answer_are_named(server: FileServer) -> None:
    async def fails(host: str, port: int) -> list[IpAddress]:
        raise OSError("no such host")

    async def hangs(host: str, port: int) -> list[IpAddress]:
        await asyncio.sleep(60)
        return []

    for resolve in (fails, resolver([]), hangs):
        with pytest.raises(SourceUrlUnreachable):
            fetch(
                server.url("/", host="gone.example"),
                rules_for(server),
                resolve=resolve,
                idle_timeout_s=0.2,
            )
    with file_server(OPEN) as closed:
        pass
    with pytest.raises(SourceUrlUnreachable):
        fetch(closed.url("/"), rules_for(closed))


@pytest.mark.parametrize("declared", [True, False])
def test_large_files_are_refused_declared_or_not(server: FileServer, declared: bool) -> None:
    server.answers["/a.gif"] = sends(VIDEO, declared=declared)
    with pytest.raises(UploadTooLarge):
        fetch(server.url("/a.gif"), rules_for(server), max_bytes=len(VIDEO) - 1)
    assert fetch(server.url("/a.gif"), rules_for(server), max_bytes=len(VIDEO))[0] == VIDEO
