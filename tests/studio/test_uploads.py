"""Files that people send: looked at before they are decoded, written anew, known by a number of the server's own, and nobody else's."""

import io
import socket
import struct
import zlib

import pytest
from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo
from raw_http import send_raw
from studios import ANNA_TOKEN, OWNER_TOKEN, serving

from ildm.studio.limits import Limits
from ildm.studio.uploads import Uploads

BEARER = f"Authorization: Bearer {OWNER_TOKEN}"
PNG = {"content-type": "image/png"}


def picture(mode="RGB", size=(6, 4), kind="PNG", **options):
    buffer = io.BytesIO()
    PILImage.effect_noise(size, 80.0).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def short(value):
    return repr(value)[:30]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def claiming(width, height, data=b""):
    """A PNG that says it is so large, and has these bytes in it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")


@pytest.fixture
def client(studio):
    with studio.client() as client:
        yield client


def send(client, data, kind="image/png"):
    return client.post("/api/uploads", content=data, headers={"content-type": kind})


# --- what is taken -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (picture(), "RGB"),
        (picture("RGBA"), "RGBA"),
        (picture("L"), "L"),
        (picture("LA"), "RGBA"),
        (picture("P"), "P"),
        (picture("P", transparency=0), "RGBA"),
        (picture("1"), "RGB"),
        (picture("I;16"), "I;16"),
        (picture(kind="JPEG"), "RGB"),
        (picture("CMYK", kind="JPEG"), "RGB"),
        (picture(kind="WEBP"), "RGB"),
    ],
    ids=short,
)
def test_a_picture_is_written_anew(client, data, mode):
    told = send(client, data)
    assert told.status_code == 201 and (told.json()["width"], told.json()["height"]) == (6, 4)
    fetched = client.get(f"/api/uploads/{told.json()['id']}")
    assert fetched.headers["content-type"] == "image/png" and fetched.headers["x-content-type-options"] == "nosniff"
    assert fetched.content != data and len(fetched.content) == told.json()["bytes"]
    with PILImage.open(io.BytesIO(fetched.content)) as found:
        assert (found.format, found.mode, found.size) == ("PNG", mode, (6, 4))


def test_what_hides_behind_a_picture_is_gone(client):
    for kind in ("PNG", "JPEG", "WEBP"):
        number = send(client, picture(kind=kind) + b"<script>alert(1)</script>PK\x03\x04").json()["id"]
        assert b"script" not in client.get(f"/api/uploads/{number}").content


def test_what_a_picture_tells_of_people_is_dropped_and_what_it_tells_of_us_is_kept(client):
    exif = PILImage.Exif()
    exif[0x010E] = "in the garden of Anna"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0)})
    text = PngInfo()
    text.add_itxt("ildm", '{"seed": 7}')
    text.add_text("parameters", "a red rose\nSteps: 4")
    text.add_text("Comment", "in the garden of Anna")
    text.add_itxt("XML:com.adobe.xmp", "<x>garden</x>")
    text.add_text("Software", "garden")
    data = picture(pnginfo=text, exif=exif, icc_profile=b"a garden's profile" * 10, dpi=(72, 72))
    for kind, other in (
        ("PNG", data),
        ("JPEG", picture(kind="JPEG", exif=exif, comment=b"garden", icc_profile=b"garden" * 30)),
        ("WEBP", picture(kind="WEBP", exif=exif, xmp=b"<x>garden</x>", icc_profile=b"garden" * 30)),
    ):
        kept = client.get(f"/api/uploads/{send(client, other).json()['id']}").content
        assert b"garden" not in kept
        with PILImage.open(io.BytesIO(kept)) as found:
            found.load()
            assert not found.getexif()
            ours = {"ildm": '{"seed": 7}', "parameters": "a red rose\nSteps: 4"} if kind == "PNG" else {}
            assert found.info == ours


def test_a_picture_is_turned_upright_before_that_is_forgotten(client):
    exif = PILImage.Exif()
    exif[0x0112] = 6
    told = send(client, picture(kind="JPEG", exif=exif)).json()
    assert (told["width"], told["height"]) == (4, 6)


def test_of_what_moves_the_first_picture_is_taken(client):
    frames = [PILImage.new("RGB", (6, 4), colour) for colour in ("red", "blue", "green")]
    for kind in ("WEBP", "PNG"):
        buffer = io.BytesIO()
        frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], lossless=True)
        kept = client.get(f"/api/uploads/{send(client, buffer.getvalue()).json()['id']}").content
        with PILImage.open(io.BytesIO(kept)) as found:
            assert getattr(found, "n_frames", 1) == 1 and found.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


# --- what is not -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a text",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<?xml version='1.0'?><svg/>",
        b"<!doctype html><script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"RIFF\x00\x00\x00\x00WEBP",
        picture(kind="GIF"),
        picture(kind="BMP"),
        picture(kind="TIFF"),
        picture(kind="PPM"),
        picture(kind="ICO", size=(16, 16)),
        b"%PDF-1.4",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        picture(size=(64, 64))[:-900],
        picture(size=(64, 64), kind="JPEG")[:300],
        picture(size=(64, 64), kind="WEBP")[:100],
        picture()[:40] + bytes(8) + picture()[48:],
        claiming(64, 64, b"far too little"),
        claiming(0, 0),
    ],
    ids=short,
)
@pytest.mark.parametrize("kind", ["image/png", "application/json"])
def test_what_is_no_picture_is_refused(client, data, kind):
    told = send(client, data, kind)
    assert told.status_code == 415 and told.json()["error"]["code"] == "wrong-type"


@pytest.mark.parametrize("size", [(30000, 30000), (2**31 - 1, 2**31 - 1), (4097, 1), (1, 60000)])
def test_what_claims_to_be_too_large_is_refused_before_it_is_decoded(client, size, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("it was decoded"))
    told = send(client, claiming(*size))
    assert told.status_code == 413 and "4096 pixels a side" in told.json()["error"]["text"]


def test_a_text_that_swells_is_refused(client):
    text = PngInfo()
    text.add_itxt("ildm", "a" * 50_000_000, zip=True)
    assert send(client, picture(pnginfo=text)).status_code == 415


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_an_orientation_that_is_none_is_let_be(client, orientation):
    exif = PILImage.Exif()
    exif[0x0112] = orientation
    assert send(client, picture(kind="JPEG", exif=exif)).status_code == 201


# --- how much ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("narrow"), limits=Limits(upload_bytes=2**20, uploads=3)) as studio:
        yield studio


def test_a_body_has_a_bound_whether_its_length_is_told_or_not(narrow):
    def parts(total):
        for _ in range(total // 2**16):
            yield bytes(2**16)

    with narrow.client() as client:
        for method, path, kind in (
            ("POST", "/api/uploads", "image/png"),
            ("POST", "/api/sessions", "application/json"),
            ("PUT", "/api/presets/settings/a", "application/json"),
            ("POST", "/api/sessions/a/edits", "application/json"),
        ):
            for body in (bytes(2**20 + 1), parts(2**20 + 2**17)):
                told = client.request(method, path, content=body, headers={"content-type": kind})
                assert told.status_code == 413, (path, told.text)
                assert told.json()["error"] == {
                    "code": "too-large",
                    "text": "A request has at most 1 MiB here: make what it sends smaller.",
                }
        assert send(client, parts(2**20)).status_code == 415
        assert send(client, picture()).status_code == 201


def test_a_length_that_is_told_is_believed_before_anything_has_come(narrow):
    host = f"Host: 127.0.0.1:{narrow.port}"
    lines = ("POST /api/uploads HTTP/1.1", host, BEARER, "Content-Type: image/png", f"Content-Length: {10**15}")
    assert send_raw(narrow.port, *lines)[0] == 413
    for length in ("-1", "x", "1e3", "\xb2", "1, 2"):
        assert send_raw(narrow.port, *lines[:-1], f"Content-Length: {length}")[0] == 400


def test_who_goes_in_the_middle_leaves_nothing_behind(narrow, caplog):
    with socket.create_connection(("127.0.0.1", narrow.port)) as connection:
        head = f"POST /api/uploads HTTP/1.1\r\nHost: 127.0.0.1:{narrow.port}\r\n{BEARER}\r\nContent-Type: image/png\r\n"
        connection.sendall(f"{head}Content-Length: 1000\r\n\r\n".encode() + bytes(10))
    with narrow.client() as client:
        for _ in range(20):
            assert client.get("/healthz").status_code == 200
    assert not [record for record in caplog.records if record.exc_info]


def test_the_oldest_goes_when_there_are_too_many(narrow):
    with narrow.client(ANNA_TOKEN) as client:
        numbers = [send(client, picture()).json()["id"] for _ in range(5)]
        assert sum(client.get(f"/api/uploads/{number}").status_code == 200 for number in numbers) == 3
        assert client.get(f"/api/uploads/{numbers[-1]}").status_code == 200


def test_all_of_them_together_have_a_bound(tmp_path):
    uploads = Uploads(tmp_path, Limits(upload_total=3 * len(picture()) + 100))
    sizes = [uploads.take("", picture()) for _ in range(8)]
    kept = list(tmp_path.rglob("*.png"))
    assert 1 <= len(kept) < 8 and sum(path.stat().st_size for path in kept) <= uploads.limits.upload_total
    assert uploads.read("", sizes[-1].id)
    narrow = Uploads(tmp_path, Limits(upload_total=1))
    assert narrow.read("", narrow.take("", picture()).id)  # the one that has just come stays


# --- whose -------------------------------------------------------------------------------------------------------------------

TRAVERSALS = [
    "..",
    "../../sessions.sqlite",
    "%2e%2e%2fsessions.sqlite",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/sessions.sqlite",
    "%252e%252e%252fsessions.sqlite",
    "..%5c..%5csessions.sqlite",
    "%c0%ae%c0%ae%c0%af",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "{id}%00",
    "{id}%00.txt",
    "{id}%0a",
    "{id}.png",
    "{id}/../{id}",
    "{id}%2f..%2f{id}",
    "u/{id}",
    "{upper}",
    "{id}a",
    "%00",
    "%",
    "a" * 5000,
]


@pytest.mark.parametrize("path", TRAVERSALS, ids=short)
def test_a_number_is_no_path(studio, client, path):
    number = send(client, picture()).json()["id"]
    path = path.format(id=number, upper=number.upper() + "A")
    status, answer = send_raw(studio.port, f"GET /api/uploads/{path} HTTP/1.1", f"Host: 127.0.0.1:{studio.port}", BEARER)
    assert status in (404, 422) and b"SQLite" not in answer and b"PNG" not in answer


@pytest.mark.parametrize("name", ["../../x", "%2e%2e%2fx", "/etc/passwd", "", "a" * 5000, "\0"], ids=short)
def test_what_stands_for_an_upload_is_a_number(client, name):
    told = client.post("/api/sessions", json={"image": {"upload": name}})
    assert told.status_code == 404 and "There is no upload" in told.json()["error"]["text"]


def test_nobody_gets_somebody_else_s_upload(studio, client):
    number = send(client, picture()).json()["id"]
    session = client.post("/api/sessions", json={"paused": True}).json()["id"]
    with studio.client(ANNA_TOKEN) as anna:
        mine = anna.post("/api/sessions", json={"paused": True}).json()["id"]
        command = {"kind": "redo-area", "area": {"upload": number}}
        answers = [
            anna.get(f"/api/uploads/{number}"),
            anna.post("/api/sessions", json={"image": {"upload": number}}),
            anna.post(f"/api/sessions/{mine}/edits", json={"command": command}),
        ]
        assert [answer.status_code for answer in answers] == [404] * 3
    assert client.get(f"/api/uploads/{number}").status_code == 200
    assert client.post(f"/api/sessions/{session}/edits", json={"command": command}).status_code in (200, 422)


def test_an_upload_stands_for_pictures_and_masks_alone(client):
    number = send(client, picture()).json()["id"]
    session = client.post("/api/sessions", json={"paused": True}).json()["id"]
    for field in ("text", "kind", "upload"):
        command = {"kind": "set-prompt", field: {"upload": number}}
        told = client.post(f"/api/sessions/{session}/edits", json={"command": command})
        assert told.status_code == 422 and "stand for" in told.json()["error"]["text"]
