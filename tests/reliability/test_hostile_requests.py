"""Whatever a client sends, the gateway answers with what was asked for or with a typed problem."""

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway
from hostile_requests import FILENAMES, GIF, HEADERS, VIDEO_ID, documents, forms
from raw_http import RawAnswer, exchange, raw_connection, request
from real_services import ValkeyServer

MIB = 1024 * 1024
SEED = 20260504
SAFE_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway(
        folder,
        redis_url=valkey.url,
        max_upload_bytes=MIB,
        upload_idle_timeout_s=2,
        request_body_timeout_s=5,
        source_url_idle_timeout_s=1,
        webhook_secret="whsec_" + "A" * 40,
    ) as process:
        before = process.memory_bytes
        yield process
        # Thousands of requests, some of 10 MB.
        assert process.memory_bytes - before < 80 * MIB
        assert "Traceback" not in (folder / "gateway.log").read_text()


@pytest.fixture
def url(gateway: GatewayProcess, redis_url: str) -> str:
    return gateway.url


def complaint(answer: RawAnswer) -> str | None:
    """What is wrong with an answer."""
    if answer.status == 0:
        return "no answer"
    if answer.status >= 500 and answer.status != 503:
        return f"{answer.status}: {answer.body[:200]!r}"
    if any(answer.headers.get(name) != value for name, value in SAFE_HEADERS.items()):
        return f"unsafe headers: {answer.headers}"
    if "set-cookie" in answer.headers:
        return "a cookie"
    if answer.status < 400:
        return None
    if answer.headers["content-type"] != "application/problem+json":
        return f"no problem document: {answer.headers}"
    problem = answer.json()
    if not {"code", "detail", "action", "status"} <= problem.keys():
        return f"an incomplete problem: {problem}"
    if problem["status"] != answer.status or len(answer.body) > 16 * 1024:
        return f"an odd problem: {answer.body[:200]!r}"
    return None


def test_documents_are_answered_or_refused_with_a_reason(url: str) -> None:
    wrong, asked = [], 0
    for method, path, body in documents(SEED, 300):
        sent = request(method, path, ("Content-Type", "application/json"), body=body)
        answer = exchange(url, sent)
        asked += 1
        if found := complaint(answer):
            wrong.append(f"{method} {path} {body[:80]!r}: {found}")
        if len(body) > 64 * 1024 and answer.status != 413:
            wrong.append(f"{method} {path} {len(body)} bytes: {answer.status}")
    assert wrong == []
    assert asked > 400


def test_forms_are_taken_or_refused_with_a_reason(url: str) -> None:
    wrong, taken = [], 0
    for form in forms(SEED, 200):
        types = (
            []
            if form.content_type is None
            else [("Content-Type", form.content_type.encode("latin-1"))]
        )
        answer = exchange(url, request("POST", "/videos", *types, body=form.body))
        taken += answer.status == 202
        if found := complaint(answer):
            wrong.append(f"{form.name}: {found}")
    assert wrong == []
    assert taken > 3  # some mutations do no harm


def test_headers_change_nothing_but_what_they_are_for(url: str) -> None:
    wrong = []
    for name, value in HEADERS:
        for method, path in (
            ("GET", "/"),
            ("GET", "/videos"),
            ("GET", f"/videos/{VIDEO_ID}/source"),
            ("GET", f"/videos/{VIDEO_ID}/events"),
            ("GET", "/static"),
            ("POST", f"/videos/{VIDEO_ID}/cancel"),
        ):
            answer = exchange(url, request(method, path, (name, value)))
            if found := complaint(answer):
                wrong.append(f"{method} {path} {name}: {value[:40]!r}: {found}")
            if b"evil.example" in answer.body or "evil.example" in str(answer.headers):
                wrong.append(f"{method} {path} repeats {name}")
    assert wrong == []


def is_safe(name: str) -> bool:
    """Whether a name is one component, of characters that show, and short."""
    kinds = {unicodedata.category(c) for c in name}
    return (
        not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}
        and not set(name) & {"/", "\\"}
        and 0 < len(name) <= 255
        and name not in {".", ".."}
    )


@pytest.mark.parametrize("sent", FILENAMES, ids=lambda sent: ascii(sent[:24]))
def test_names_of_files_harm_nobody_who_sees_or_saves_them(
    gateway: GatewayProcess, url: str, sent: str
) -> None:
    """In lists, documents, headers of downloads and the store: what is stored is a plain name."""
    quoted = sent.replace("\\", "\\\\").replace('"', '\\"').encode("utf-8", "surrogatepass")
    body = (
        b'--B\r\nContent-Disposition: form-data; name="file"; filename="'
        + quoted.replace(b"\r\n", b"%0D%0A")
        + b'"\r\n\r\n'
        + GIF
        + b"\r\n--B--\r\n"
    )
    answer = exchange(
        url,
        request("POST", "/videos", ("Content-Type", "multipart/form-data; boundary=B"), body=body),
    )
    assert complaint(answer) is None
    if answer.status != 202:
        assert answer.code in {"malformed_upload", "empty_upload"}
        return
    video = answer.json()
    assert is_safe(video["source"]["filename"])
    with httpx.Client(base_url=url, trust_env=False) as client:
        page = client.get("/videos")
        assert page.headers["content-type"] == "application/json"
        assert page.json()["videos"][0]["filename"] == video["source"]["filename"]
        saved = client.get(f"/videos/{video['id']}/source")
    assert saved.content == GIF
    disposition = saved.headers["content-disposition"]
    assert disposition.isascii()
    assert disposition.isprintable()
    match = re.fullmatch(
        r"attachment; filename=\"([^\"\\%/]*)\"; filename\*=UTF-8''([^\"\s;/]*)", disposition
    )
    assert match
    assert is_safe(unquote(match[2]))
    keys = [key for key in gateway.stored_keys() if video["id"] in key]
    assert keys == [f"videos/{video['id']}/record.json", f"videos/{video['id']}/source"]


def test_names_in_json_are_cleaned_like_those_in_forms(url: str) -> None:
    # No store that clients reach: the name is read, then the upload is refused.
    for name in FILENAMES:
        answer = httpx.post(f"{url}/uploads", json={"bytes": 5, "filename": name}, trust_env=False)
        assert answer.status_code in {409, 413, 422}
        assert answer.json()["code"] in {"direct_uploads_off", "invalid_request", "body_too_large"}


@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../../../../etc/passwd",
        "/static/..%2f..%2fapp.py",
        "/static/%2e%2e/%2e%2e/app.py",
        "/static/%5c..%5c..%5capp.py",
        "/static//etc/passwd",
        "/static/app.js%00.css",
        "/static/" + "a/" * 5000,
        "//evil.example/..",
        "/videos/..%2f..%2fkeys",
        f"/videos/{VIDEO_ID}%2f..%2f..%2fkeys%2fa",
        f"/videos/{VIDEO_ID}/source%00",
        f"/videos/{VIDEO_ID.upper()}",
        f"/videos/{VIDEO_ID}/faces/-1/thumbnail",
        f"/videos/{VIDEO_ID}/faces/1e3/thumbnail",
        f"/videos/{VIDEO_ID}/faces/{'9' * 5000}/thumbnail",
        f"/videos/{VIDEO_ID}/faces/%D9%A1/thumbnail",
        "/videos/%ff%fe%00",
        "/models/..%2f..%2fkeys/x",
        "/models/%2e%2e/%2e%2e",
        "/models/a/b/figures/..%2f..%2f..%2fkeys%2fa.json",
        "/models/" + "a" * 5000 + "/1",
        "/keys/..%2fvideos",
        "/uploads/..%2f..",
        "/videos?cursor=" + "A" * 5000,
        "/videos?cursor=%00%ff",
        "/videos?limit=99999999999999999999",
        "/videos?created_after=99999-99-99T99:99:99Z",
        "/videos?filename=" + "%00" * 200,
        "/videos?" + "status=queued&" * 3000,
        "/videos?" + "&" * 20_000,
        "/%",
        "/%zz",
        "/videos/%c0%ae%c0%ae/",
    ],
    ids=lambda path: path[:40],
)
def test_paths_lead_nowhere_else(url: str, path: str) -> None:
    answer = exchange(url, request("GET", path))
    assert complaint(answer) is None
    assert b"root:" not in answer.body
    assert b"def " not in answer.body
    if answer.status == 200:
        assert answer.json()["videos"] == []


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "HEAD"])
def test_methods_that_are_not_served_do_nothing(url: str, method: str) -> None:
    sent = request(method, "/", ("X-Secret", "repeated"), ("Origin", "https://evil.example"))
    with raw_connection(url) as connection:
        connection.send(sent)
        answer = connection.answer(limit_s=2 if method == "HEAD" else 20)
    assert answer.status in {200, 403, 405}
    assert b"repeated" not in answer.body
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_every_answer_has_its_safe_headers_and_no_cookie(url: str) -> None:
    wrong = []
    with httpx.Client(base_url=url, trust_env=False) as client:
        paths = client.get("/openapi.json").json()["paths"]
    asked = ["/", "/static/app.js", "/static/gone.js", "/gone", *paths]
    for path in asked:
        concrete = re.sub(r"\{\w+\}", VIDEO_ID, path)
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = exchange(url, request(method, concrete, ("Cookie", "session=1")))
            policy = answer.headers.get("content-security-policy", "")
            found = complaint(answer)
            # That no worker is ready is told in a form of its own.
            if found and (path, answer.status) != ("/readyz", 503):
                wrong.append(f"{method} {concrete}: {found}")
            if "default-src 'none'" not in policy or "unsafe" in policy:
                wrong.append(f"{method} {concrete}: {policy}")
    assert wrong == []
    assert len(asked) > 20


def test_the_page_makes_no_markup_of_data(url: str) -> None:
    """What the page shows is text: names of files and details of errors come from strangers."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        scripts = re.findall(r'src="(/static/[^"]+\.js)"', client.get("/").text)
        read: dict[str, str] = {}
        while scripts:
            path = scripts.pop()
            if path not in read:
                read[path] = client.get(path).raise_for_status().text
                imported = re.findall(r'from "(?:\./|/static/)([\w/.-]+)"', read[path])
                scripts += [f"/static/{name}" for name in imported]
    assert len(read) >= 3
    for path, text in read.items():
        made = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\("
            r"|new Function|createContextualFragment|setHTML|javascript:",
            text,
        )
        assert made == [], path


@pytest.mark.parametrize(
    ("method", "headers", "code"),
    [
        ("GET", {"Host": "evil.example"}, "host_not_served"),
        ("GET", {"Host": "127.0.0.1.evil.example"}, "host_not_served"),
        ("GET", {"Host": "localhost.evil.example:8000"}, "host_not_served"),
        ("GET", {"Host": "[::1"}, "host_not_served"),
        ("POST", {"Origin": "https://evil.example"}, "cross_site_request"),
        ("POST", {"Origin": "http://127.0.0.1:1"}, "cross_site_request"),
        ("POST", {"Origin": "null"}, "cross_site_request"),
        ("POST", {"Sec-Fetch-Site": "cross-site"}, "cross_site_request"),
        ("POST", {"Sec-Fetch-Site": "same-site"}, "cross_site_request"),
        ("DELETE", {"Origin": "https://evil.example"}, "cross_site_request"),
        ("GET", {"Host": "localhost:8000"}, None),
        ("GET", {"Host": "unmask.localhost"}, None),
        ("GET", {"Host": "[::1]:8000"}, None),
        ("GET", {"Host": "192.168.1.5"}, None),
        ("GET", {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, None),
        ("POST", {"Sec-Fetch-Site": "same-origin"}, None),
        ("POST", {"Host": "127.0.0.1:8000", "Origin": "http://127.0.0.1:8000"}, None),
    ],
    ids=str,
)
def test_web_sites_cannot_use_an_installation_without_keys(
    url: str, method: str, headers: dict[str, str], code: str | None
) -> None:
    """By a form that a page sends, or by a name that stands for this machine all of a sudden."""
    path = f"/videos/{VIDEO_ID}" if method == "DELETE" else "/videos"
    files = {"file": ("a.gif", GIF)} if method == "POST" else None
    answer = httpx.request(method, f"{url}{path}", headers=headers, files=files, trust_env=False)
    if code is None:
        assert answer.status_code in {200, 202}
    else:
        assert answer.json()["code"] == code
        assert answer.status_code in {403, 421}
