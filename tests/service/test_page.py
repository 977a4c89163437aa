"""The page in a real browser: every tab on a photo, a video and a fake camera, and what people do wrong."""

from __future__ import annotations

import base64
import os
import re
import shutil
import time

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
pytest.importorskip("python_multipart")
pytest.importorskip("websockets")

from helpers import ASTRONAUT
from helpers.axe import source, violations
from helpers.headless_browser import MISSING, Browser
from helpers.services import command
from npfaceapi.faces.boxes import iou
from npfaceapi.faces.geometry import Rect

REQUIRED = bool(os.environ.get("NPFACEAPI_REQUIRE_BROWSER"))  # fail without a browser rather than skip
pytestmark = [pytest.mark.slow, pytest.mark.skipif(MISSING is not None and not REQUIRED, reason=str(MISSING))]

TABS = ("faces", "landmarks", "expressions", "age-gender", "extract", "recognition", "distance", "batch", "video", "webcam")
TAB, ENTER = "\ue004", "\ue007"
SIZES = {"phone": (390, 844), "desk": (1280, 900)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos, a text, and a camera's film: the photo moves to the right and back."""
    folder = tmp_path_factory.mktemp("photos")
    photo = Image.open(ASTRONAUT).convert("RGB")
    photo.save(folder / "Eileen_Collins-1.jpg")
    photo.crop((40, 0, 512, 472)).save(folder / "query.jpg")
    Image.fromarray(np.zeros((80, 60, 3), np.uint8)).save(folder / "nobody.png")
    photo.crop((90, 0, 390, 512)).save(folder / "tall.jpg")
    photo.save(folder / "scan.tif")
    (folder / "notes.txt").write_text("no photo")
    with (folder / "camera.mjpeg").open("wb") as film:
        for place in [*range(0, 128, 8), *range(128, 0, -8)]:
            frame = Image.new("RGB", (640, 480), "gray")
            frame.paste(photo.resize((480, 480)), (place, 0))
            frame.save(film, "JPEG", quality=90)
    return folder


@pytest.fixture(scope="module")
def client():
    with command("--workers", 2) as (client, _):
        client.wait(lambda health: health["workers"] == 2)
        yield client


@pytest.fixture(scope="module")
def browser(folder):
    assert MISSING is None, MISSING
    with Browser(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={folder / 'camera.mjpeg'}",
    ) as browser:
        yield browser


def visit(browser, client, tab, size="desk"):
    browser.resize(*SIZES[size])
    browser.visit("about:blank")  # so that the page begins anew
    browser.visit(f"{client.address}#{tab}")
    wait(browser, "return document.querySelector('h2') !== null && document.querySelector('#banner').hidden")


def wait(browser, script, seconds=30):
    end = time.monotonic() + seconds
    while not (value := browser.run(script)):
        assert time.monotonic() < end, browser.run("return document.body.innerText")
        time.sleep(0.05)
    return value


def text(browser, selector):
    script = "return [...document.querySelectorAll(arguments[0])].filter(e => !e.hidden).map(e => e.innerText).join('\\n')"
    return browser.run(script, selector)


def shown(browser, part, selector="main", seconds=30):
    """Wait until a text is shown."""
    script = f"return [...document.querySelectorAll('{selector}')].some(e => e.innerText.includes({part!r}))"
    wait(browser, script, seconds)


def drop(browser, *files):
    """Drop files on the page, as from a file manager."""
    data = [(file.name, base64.b64encode(file.read_bytes()).decode()) for file in files]
    browser.run(
        """const transfer = new DataTransfer();
        for (const [name, data] of arguments[0])
          transfer.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name));
        const options = {dataTransfer: transfer, bubbles: true, cancelable: true};
        document.querySelector('main').dispatchEvent(new DragEvent('drop', options))
        """,
        data,
    )


COLORS = """
const canvas = document.querySelectorAll('.stage canvas')[arguments[0] ?? 0];
const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data, found = {};
for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 60) {
  const name = [data[i], data[i + 1], data[i + 2]].join(); found[name] = (found[name] ?? 0) + 1 }
return found
"""
BLUE, CYAN, PINK = "0,0,255", "0,255,255", "255,0,255"


def complaints(browser):
    """The browser's errors, except what it says of how these tests look at canvases."""
    return [each for each in browser.complaints() if "willReadFrequently" not in each]


def test_faces_are_marked_as_face_api_does(browser, client, folder, tmp_path):
    browser.complaints()
    visit(browser, client, "faces")
    browser.choose("#files", folder / "query.jpg")
    shown(browser, "1 face in 472 × 472 pixels")
    colors = browser.run(COLORS)
    assert colors[BLUE] > 300
    assert CYAN not in colors
    assert "0.99" in text(browser, "td")
    box = [int(value) for value in text(browser, "td:nth-child(3)").split(", ")]
    assert box[2:] == pytest.approx([89, 110], abs=4)
    left = browser.run(
        """const c = document.querySelector('.stage canvas'), y = Math.round(c.height * arguments[0]);
        const row = c.getContext('2d').getImageData(0, y, c.width, 1).data;
        for (let x = 0; x < c.width; x++) if (row[4 * x + 3] == 255) return x * 472 / c.width""",
        (box[1] + 50) / 472,
    )
    assert left == pytest.approx(box[0], abs=2)
    assert complaints(browser) == []
    browser.screenshot(tmp_path / "faces.png")


@pytest.mark.parametrize(
    ("tab", "part"), [("landmarks", "1 face in"), ("expressions", "happy (1)"), ("age-gender", "years, female (0.9")]
)
def test_tabs_of_one_photo(browser, client, folder, tab, part):
    visit(browser, client, tab)
    browser.choose("#files", folder / "query.jpg")
    shown(browser, part)
    colors = browser.run(COLORS)
    assert min(colors[BLUE], colors[PINK]) > 100
    assert colors[CYAN] > 10


def test_the_photo_stays_from_tab_to_tab_and_every_tab_has_its_address(browser, client, folder):
    visit(browser, client, "faces")
    browser.choose("#files", folder / "query.jpg")
    shown(browser, "1 face in")
    for tab in (*TABS[1:], "faces"):
        browser.run("[...document.querySelectorAll('nav a')].find(a => a.hash == arguments[0]).click()", f"#{tab}")
        wait(browser, "return document.activeElement.tagName == 'H2'")
        assert browser.run("return document.querySelector('nav [aria-current]').hash") == f"#{tab}"
        assert browser.run("return document.title").startswith(text(browser, "h2"))
    browser.run("location.hash = '#expressions'")
    shown(browser, "happy (1)")


def test_every_detector_and_its_options(browser, client, folder):
    visit(browser, client, "faces")
    browser.choose("#files", folder / "query.jpg")
    shown(browser, "1 face in")
    for name, sliders in (("tiny_face_detector", 2), ("mtcnn", 6), ("ssd_mobilenetv1", 2)):
        script = "const s = document.querySelector('#detector'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))"
        browser.run(f"document.querySelector('.view > .status').textContent = ''; {script}", name)
        shown(browser, "1 face in")
        assert browser.run("return document.querySelectorAll('input[type=range]').length") == sliders
    browser.run("""const s = document.querySelector('input[type=range]');
        s.value = 1; s.dispatchEvent(new Event('input')); s.dispatchEvent(new Event('change'))""")
    shown(browser, "0 faces in")
    options = text(browser, "#detector")
    assert "Tiny YOLO v2 (start with --weights DIR)" in options
    assert browser.run("return document.querySelector('option[value=tiny_yolov2]').disabled")


def move(browser, slider, *values):
    """Move a slider as keys do, which tell of each step."""
    browser.run(
        """const s = document.querySelectorAll('input[type=range]')[arguments[0]];
        for (const value of arguments[1]) {
          s.value = value; s.dispatchEvent(new Event('input')); s.dispatchEvent(new Event('change')) }""",
        slider,
        values,
    )


WATCHED = """
const ask = window.fetch;
window.asked = [];
window.fetch = async (path, options) => {
  if (!path.startsWith('v1/') || path == 'v1/health') return ask(path, options);
  asked.push(options.signal);
  if (asked.length > 1) return ask(path, options);
  const answer = await ask(path, {...options, signal: undefined}); // the first answer comes late, however it is ended
  await new Promise(done => setTimeout(done, 2000));
  return answer;
}
"""


@pytest.mark.parametrize("tab", ["faces", "extract", "recognition", "distance"])
def test_a_slider_that_moves_asks_once_and_the_newest_answer_stays(browser, client, folder, tab):
    visit(browser, client, tab)
    fill(browser, tab, folder)
    shown_before = text(browser, "main")
    browser.run(WATCHED)
    move(browser, 0, 0.55, 0.6)
    wait(browser, "return asked.length == 1")
    move(browser, 0, *(step / 20 for step in range(13, 21)))
    shown(browser, "expected a photo with a face" if tab == "distance" else "0 faces in")
    assert browser.run("return asked.map(signal => signal.aborted)") == [True, False]
    after = text(browser, "main")
    time.sleep(2.5)  # the first answer comes
    assert text(browser, "main") == after != shown_before
    browser.run("asked.length = 0")
    move(browser, 0, 0.5)
    wait(browser, "return asked.length == 1")
    browser.run("location.hash = '#batch'")
    wait(browser, "return asked[0].aborted")


def test_a_slider_that_moves_begins_one_stream(browser, client, folder):
    visit(browser, client, "webcam")
    browser.run(
        "window.opened = 0; const of = WebSocket; WebSocket = class extends of { constructor(...a) { super(...a); opened++ } }"
    )
    fill(browser, "webcam", folder)
    move(browser, 1, *(step / 20 for step in range(11, 20)))
    wait(browser, "return opened == 2")
    time.sleep(1)
    assert browser.run("return opened") == 2
    shown(browser, "0 faces.")


def test_extraction(browser, client, folder):
    visit(browser, client, "extract")
    browser.choose("#files", folder / "query.jpg")
    shown(browser, "Save face 1")
    size = browser.run("const c = document.querySelector('.faces canvas'); return [c.width, c.height]")
    assert size == pytest.approx([89, 110], abs=4)


def test_recognition(browser, client, folder):
    visit(browser, client, "recognition")
    browser.choose("#query", folder / "query.jpg")
    shown(browser, "Give photos of known people first")
    browser.choose("#known", folder / "Eileen_Collins-1.jpg", folder / "nobody.png")
    shown(browser, "Eileen Collins (0.")
    assert "1 photo of 2 left out. nobody.png: no face is found" in text(browser, ".problem")
    browser.run("const e = document.querySelector('.people input'); e.value = 'she'; e.dispatchEvent(new Event('change'))")
    shown(browser, "she (0.")
    assert text(browser, ".people button") == "Remove she"
    browser.choose("#known", folder / "notes.txt")
    shown(browser, "1 photo of 1 left out. notes.txt (8 bytes): expected an image file", ".problem")
    assert text(browser, "th").splitlines()[1] == "Name"


def test_why_the_service_knows_no_people(browser, folder):
    nobody = folder / "people"
    nobody.mkdir()
    shutil.copy(folder / "nobody.png", nobody)
    with command("--workers", 1, "--people", nobody) as (client, _):
        visit(browser, client, "recognition")
        shown(
            browser, "No known people yet. The service has none: --people: expected photos of known people with faces, got none."
        )


def test_distance(browser, client, folder):
    visit(browser, client, "distance")
    drop(browser, folder / "Eileen_Collins-1.jpg", folder / "query.jpg")
    shown(browser, "the same person. Probability of the same person above 0.99")
    browser.choose("#file-second", folder / "tall.jpg")
    shown(browser, "the same person. Probability")
    places = browser.run(
        "return [...document.querySelectorAll('.stage > *')].map(e => Object.values(e.getBoundingClientRect().toJSON()))"
    )
    assert places[0] == places[1]  # the canvas is over the photo, also beside a taller one
    assert places[2] == places[3] != places[0]
    assert min(browser.run(COLORS, i)[BLUE] for i in (0, 1)) > 100
    browser.choose("#file-second", folder / "nobody.png")
    shown(browser, "nobody.png: expected a photo with a face, got one with none", ".problem")


def test_photos_that_only_the_service_can_read(browser, client, folder):
    browser.complaints()
    visit(browser, client, "extract")
    drop(browser, folder / "scan.tif")
    shown(browser, "This browser cannot show scan.tif; the service could read it, and the faces are listed below.", ".problem")
    shown(browser, "1 face in")
    visit(browser, client, "distance")
    drop(browser, folder / "scan.tif")
    shown(browser, "This browser cannot show scan.tif.", ".problem")
    visit(browser, client, "batch")
    drop(browser, folder / "scan.tif")
    shown(browser, "This browser cannot show this photo; the service could read it.", ".batch")
    assert browser.run("return document.querySelectorAll('.batch canvas').length") == 0
    assert complaints(browser) == []


def test_forty_photos_and_a_text_at_once(browser, client, folder):
    files = [folder / "notes.txt"]
    for number in range(40):
        files.append(folder / f"copy-{number}.jpg")
        shutil.copy(folder / "query.jpg", files[-1])
    visit(browser, client, "faces")
    drop(browser, *files[1:])
    shown(browser, "40 files at once: this tab takes one photo, here the first. The tab Batch takes all.", ".problem")
    visit(browser, client, "batch")
    drop(browser, *files)
    shown(browser, "41 of 41 photos done: 40 faces, 1 could not be read", seconds=60)
    assert text(browser, ".batch .problem").startswith("notes.txt (8 bytes): expected an image file (JPEG, PNG, ")


def go(browser, tab):
    """Open a tab of the page that is shown."""
    browser.run("location.hash = arguments[0]", tab)
    wait(browser, "return document.activeElement.tagName == 'H2'")


def test_many_photos_go_on_in_another_tab_and_stay(browser, client, folder):
    visit(browser, client, "batch")
    drop(browser, *[folder / "query.jpg"] * 6, folder / "notes.txt")
    go(browser, "faces")
    browser.run("const s = document.querySelector('#detector'); s.value = 'mtcnn'; s.dispatchEvent(new Event('change'))")
    go(browser, "batch")
    shown(browser, "7 of 7 photos done: 6 faces, 1 could not be read")
    go(browser, "video")
    go(browser, "batch")
    assert "7 of 7 photos done: 6 faces, 1 could not be read" in text(browser, ".view > .status")
    assert browser.run("return document.querySelector('#detector').value") == "mtcnn"
    assert browser.run("return document.querySelectorAll('.batch li').length") == 7
    wait(browser, "return document.querySelector('.batch canvas').width > 10")
    assert browser.run(COLORS, 5)[BLUE] > 100
    drop(browser, folder / "query.jpg")
    shown(browser, "8 of 8 photos done: 7 faces, 1 could not be read")
    browser.run("[...document.querySelectorAll('button')].find(b => b.innerText == 'Remove all').click()")
    assert text(browser, ".batch") == text(browser, ".view > .status") == ""
    drop(browser, folder / "query.jpg")
    shown(browser, "1 of 1 photo done: 1 face")


def test_two_photos_stay_from_tab_to_tab(browser, client, folder):
    visit(browser, client, "distance")
    drop(browser, folder / "Eileen_Collins-1.jpg", folder / "query.jpg")
    shown(browser, "the same person. Probability of the same person above 0.99")
    go(browser, "faces")
    go(browser, "distance")
    shown(browser, "the same person. Probability of the same person above 0.99")
    drop(browser, folder / "nobody.png")
    shown(browser, "nobody.png: expected a photo with a face, got one with none", ".problem")


def test_a_text_dropped(browser, client, folder):
    visit(browser, client, "faces")
    drop(browser, folder / "notes.txt")
    shown(
        browser,
        "notes.txt (8 bytes): expected an image file (JPEG, PNG, WebP, GIF, TIFF, BMP, ...), got something else",
        ".problem",
    )
    drop(browser, folder / "query.jpg")
    shown(browser, "1 face in")
    assert text(browser, ".problem") == ""


def test_json_is_shown_and_copied(browser, client, folder):
    visit(browser, client, "faces")
    browser.choose("#files", folder / "query.jpg")
    shown(browser, "1 face in")
    browser.run("document.querySelector('.view summary').click(); document.querySelector('.view button').click()")
    wait(browser, "return /Copied|Selected/.test(document.querySelector('.view details span').textContent)")
    assert '"relative_box"' in text(browser, "pre")


def test_the_camera(browser, client):
    browser.complaints()
    visit(browser, client, "webcam")
    browser.run("document.querySelector('button.main').click()")
    shown(browser, "frames a second")
    time.sleep(3)
    colors = browser.run(COLORS)
    assert min(colors[BLUE], colors[PINK]) > 100
    rate, delay = browser.run("const d = document.querySelector('.tab').dataset; return [Number(d.rate), Number(d.delay)]")
    assert rate > 2
    assert delay < 1000
    browser.run("document.querySelectorAll('.check input')[2].click()")
    shown(browser, "1 face.")
    wait(browser, "return /^[0-9]+$/.test(document.querySelector('td:last-child')?.innerText)")
    browser.run("[...document.querySelectorAll('button')].find(b => b.innerText == 'Stop the camera').click()")
    wait(browser, "return document.querySelector('.stage').hidden")
    assert browser.run("return document.querySelector('video').srcObject") is None
    assert complaints(browser) == []


#: The frame of the camera as a PNG in base64, and the edges of the blue box on the canvas, in pixels of the frame, where
#: a row and a column given cross it.
FRAME_AND_BOX = """
const [x, y] = arguments, video = document.querySelector('video'), shown = document.querySelector('.stage canvas');
const frame = document.createElement('canvas');
Object.assign(frame, {width: video.videoWidth, height: video.videoHeight});
frame.getContext('2d').drawImage(video, 0, 0);
const scale = shown.width / frame.width;
const blue = (x, y, width, height) => {
  const data = shown.getContext('2d').getImageData(x, y, width, height).data, places = [];
  for (let i = 0; i < data.length; i += 4) if (data.slice(i, i + 4).join() == '0,0,255,255') places.push(i / 4);
  return [places[0] / scale, (places.at(-1) + 1) / scale];
};
const [left, right] = blue(0, Math.round(y * scale), shown.width, 1);
const [top, bottom] = blue(Math.round(x * scale), 0, 1, shown.height);
return [frame.toDataURL('image/png').split(',')[1], {x: left, y: top, width: right - left, height: bottom - top}];
"""


@pytest.mark.parametrize("size", SIZES)
def test_the_box_is_on_the_face_before_the_camera(client, tmp_path, size):
    frame = Image.new("RGB", (640, 480), "gray")
    frame.paste(Image.open(ASTRONAUT).convert("RGB").resize((480, 480)), (150, 0))
    frame.save(tmp_path / "still.mjpeg", "JPEG", quality=95)
    face = Rect(150 + 181 * 480 / 512, 73 * 480 / 512, 89 * 480 / 512, 110 * 480 / 512)
    film = f"--use-file-for-fake-video-capture={tmp_path / 'still.mjpeg'}"
    with Browser("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", film) as browser:
        visit(browser, client, "webcam", size)
        browser.run("document.querySelector('button.main').click()")
        shown(browser, "1 face.")
        png, drawn = browser.run(FRAME_AND_BOX, face.x + 0.9 * face.width, face.y + 0.3 * face.height)
        browser.screenshot(tmp_path / "camera.png")
    query = "detector=tiny&parts=detection"
    (found,) = client.ask(f"/v1/analyze?{query}", base64.b64decode(png))[1]["faces"]
    asked = Rect(**found["detection"]["box"])
    assert iou(Rect(**drawn), asked) > 0.95
    assert iou(asked, face) > 0.5


RECORD = """
const camera = await navigator.mediaDevices.getUserMedia({video: {width: 640, height: 480}}), parts = [];
const recorder = new MediaRecorder(camera, {mimeType: 'video/webm'});
recorder.ondataavailable = ({data}) => parts.push(data);
recorder.start();
await new Promise(done => setTimeout(done, 2000));
await new Promise(done => { recorder.onstop = done; recorder.stop() });
for (const track of camera.getTracks()) track.stop();
const transfer = new DataTransfer();
transfer.items.add(new File(parts, 'clip.webm', {type: 'video/webm'}));
document.querySelector('main').dispatchEvent(new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true}));
"""


def test_a_video(browser, client, folder):
    visit(browser, client, "video")
    drop(browser, folder / "notes.txt")
    shown(browser, "notes.txt: expected a video that this browser can play", ".problem")
    browser.complaints()
    browser.run(f"return (async () => {{{RECORD}}})()")
    shown(browser, "frames a second")
    wait(browser, "return /[0-9.]+ to [0-9.]+ s/.test(document.querySelector('td:nth-child(3)')?.innerText)")
    assert text(browser, "td:first-child") == "1"
    assert browser.run(COLORS)[BLUE] > 100
    assert text(browser, ".problem") == ""
    assert complaints(browser) == []
    time.sleep(2)  # the video has begun again
    begin, end = re.search(r"([0-9.]+) to ([0-9.]+) s", text(browser, "td:nth-child(3)")).groups()
    assert float(begin) < float(end)
    drop(browser, folder / "notes.txt")
    shown(browser, "notes.txt: expected a video that this browser can play", ".problem")
    time.sleep(1)  # an answer to the last frame may come
    assert text(browser, "main .view") == text(browser, ".problem")
    browser.run(f"return (async () => {{{RECORD}}})()")
    shown(browser, "frames a second")


def test_several_videos_at_once(browser, client, folder):
    visit(browser, client, "video")
    several = RECORD.replace("transfer.items.add", "for (const _ of [1, 2, 3]) transfer.items.add")
    browser.run(f"return (async () => {{{several}}})()")
    shown(browser, "frames a second")
    assert text(browser, ".problem") == "3 files at once: this tab takes one video, here the first."
    browser.run(f"return (async () => {{{RECORD}}})()")
    shown(browser, "frames a second")
    assert text(browser, ".problem") == ""


def test_a_file_given_to_the_camera(browser, client, folder):
    visit(browser, client, "webcam")
    browser.run("document.querySelector('button.main').click()")
    shown(browser, "frames a second")
    drop(browser, folder / "query.jpg")
    time.sleep(1)  # frames are answered
    assert text(browser, ".problem").startswith("This tab takes no files: ")


def test_a_camera_that_is_refused(client):
    with Browser("--use-fake-device-for-media-stream", "--deny-permission-prompts") as browser:
        visit(browser, client, "webcam")
        browser.run("document.querySelector('button.main').click()")
        shown(browser, "The camera was refused. Allow it for this page", ".problem")


def test_a_service_that_stops_while_the_page_is_open(browser, folder):
    with command("--workers", 1) as (client, _):
        visit(browser, client, "webcam")
        browser.run("document.querySelector('button.main').click()")
        shown(browser, "frames a second")
    shown(browser, "The service does not answer. Start npfaceapi serve again", ".problem")
    shown(browser, "The service does not answer. Start npfaceapi serve again", "#banner")
    browser.run("location.hash = '#faces'")
    browser.choose("#files", folder / "query.jpg")
    shown(browser, "The service does not answer.", ".problem")
    port = client.host.split(":")[1]
    with command("--workers", 1, "--port", port):
        wait(browser, "return document.querySelector('#banner').hidden")
        browser.choose("#files", folder / "query.jpg")
        shown(browser, "1 face in")
    browser.complaints()


def test_a_token(browser, folder):
    with command("--workers", 1, "--token", "a-long-token") as (client, _):
        visit(browser, client, "token=wrong")
        browser.choose("#files", folder / "query.jpg")
        shown(browser, "This service asks for a token: open the whole address", ".problem")
        browser.run("location.hash = '#webcam'")
        browser.run("document.querySelector('button.main').click()")
        shown(browser, "This service asks for a token: open the whole address", ".problem")
        assert client.printed == f"{client.address}#token=a-long-token"
        visit(browser, client, "token=a-long-token")
        assert "token" not in browser.run("return location.href")
        browser.choose("#files", folder / "query.jpg")
        shown(browser, "1 face in")
        browser.run("location.hash = '#webcam'")
        browser.run("document.querySelector('button.main').click()")
        shown(browser, "frames a second")
    browser.run("sessionStorage.clear()")
    browser.complaints()


def test_keyboard(browser, client):
    visit(browser, client, "faces")
    focused = "return document.activeElement.id || document.activeElement.innerText"
    names = []
    for _ in range(15):
        browser.press(TAB)
        names.append(browser.run(focused))
    titles = text(browser, "nav a").splitlines()
    assert names[:11] == ["Skip to the photo", *titles]
    assert names[11:13] == ["files", "detector"]
    browser.run("document.querySelector('.skip').focus()")
    browser.press(ENTER)
    assert browser.run(focused) == "main"
    assert browser.run("return document.querySelector('h2').innerText") == "Faces"


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return source(tmp_path_factory.mktemp("axe"))


def fill(browser, tab, folder):
    """Give a tab what it works on."""
    photo = folder / "query.jpg"
    if tab == "recognition":
        browser.choose("#known", folder / "Eileen_Collins-1.jpg")
        shown(browser, "1 known face.")
        browser.choose("#query", photo)
        shown(browser, "Eileen Collins (0.")
    elif tab == "distance":
        drop(browser, photo, photo)
        shown(browser, "the same person")
    elif tab == "webcam":
        browser.run("document.querySelector('button.main').click()")
        shown(browser, "frames a second")
    elif tab == "video":
        browser.run(f"return (async () => {{{RECORD}}})()")
        shown(browser, "frames a second")
    else:
        drop(browser, photo)
        shown(browser, "1 of 1 photo done" if tab == "batch" else "1 face in")


@pytest.mark.parametrize("tab", TABS)
def test_the_photo_comes_before_the_options_on_a_phone_and_beside_them_on_a_desk(browser, client, folder, tab):
    place = "const r = document.querySelector(arguments[0]).getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]"
    visit(browser, client, tab, "phone")
    fill(browser, tab, folder)
    assert browser.run("return document.querySelectorAll('.options :is(select, input)').length") > 2
    assert not browser.run("return document.querySelector('.options select').checkVisibility()")
    assert browser.run(place, ".options")[3] < browser.run(place, ".view")[1]
    if tab != "recognition":  # there, the known people come first
        assert browser.run(place, ".stage")[1] < 600  # of 844 pixels
    browser.run("document.querySelector('.options summary').click()")
    assert browser.run("return document.querySelector('.options select').checkVisibility()")
    browser.resize(*SIZES["desk"])
    wait(browser, "return document.querySelector('.options select').checkVisibility()")
    assert not browser.run("return document.querySelector('.options summary').checkVisibility()")
    assert browser.run(place, ".options")[2] < browser.run(place, ".stage")[0]
    browser.resize(*SIZES["phone"])
    wait(browser, "return !document.querySelector('.options select').checkVisibility()")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("tab", TABS)
def test_axe_finds_nothing_and_nothing_sticks_out(browser, client, folder, axe, tab, dark):
    browser.dark(dark)
    visit(browser, client, tab, "phone")
    fill(browser, tab, folder)
    assert violations(browser, axe) == []
    browser.run("for (const d of document.querySelectorAll('details')) d.open = true")
    assert violations(browser, axe) == []
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    browser.resize(*SIZES["desk"])
    assert violations(browser, axe) == []
    browser.dark(False)
    assert (background == "rgb(255, 255, 255)") is not dark
