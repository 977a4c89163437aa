"""The representations of graphs, taps and results: as text, and as HTML in a notebook."""

from __future__ import annotations

import copy
import gc
import pickle
import re

import numpy as np
import pytest
from PIL import Image

import npfaceapi as faceapi
from helpers import ASTRONAUT
from helpers.page_parser import Page, pixels_of
from npfaceapi import nets
from npfaceapi.display.face_markup import PART_LOOKS
from npfaceapi.display.feature_maps import LEVELS, MOST_PIXELS, colors, describe_range, sheet, sheet_figure, viridis
from npfaceapi.display.markup import Markup, element, jpeg_uri, table
from npfaceapi.display.plain_table import shortened
from npfaceapi.faces.detection import seen_in
from npfaceapi.faces.landmarks import FaceLandmarks5, FaceLandmarks68
from npfaceapi.faces.results import FaceDetection, FaceExpressions, FaceResult, Faces, extend_with_face_landmarks
from npfaceapi.photos.source import PhotoSource
from npfaceapi.taps import MOST_SHEETS, Taps

TINY = faceapi.TinyFaceDetectorOptions(input_size=224)


# ------------------------------------------------------------------ HTML


def test_text_is_escaped_and_markup_is_not():
    assert element("td", "<a> & b", class_="x", hidden=True, title='"q"', lang=None) == (
        '<td class="x" hidden title="&quot;q&quot;">&lt;a&gt; &amp; b</td>'
    )
    assert element("p", element("b", "bold"), None, 3, Markup("&nbsp;")) == "<p><b>bold</b>3&nbsp;</p>"
    assert element("svg", view_box="0 0 1 1", stroke_width=2) == '<svg viewBox="0 0 1 1" stroke-width="2"></svg>'
    assert element("img", src="a") == '<img src="a">'


def test_a_table_has_headings():
    page = Page(table(("name", "n"), [("a", 1), ("b", 2)], right=(1,), caption="T"))
    assert [cell["scope"] for cell in page.all("th")] == ["col", "col", "row", "row"]
    assert page.text == "Tnnamea1b2".replace("Tnname", "Tnamen")
    assert all("right" in cell["style"] for cell in page.all("td"))


def test_the_page_parser_notices_what_is_left_open():
    with pytest.raises(AssertionError):
        Page("<p><b>x</p>")
    with pytest.raises(AssertionError):
        Page("<p>")


def test_a_photo_in_the_page_is_small():
    photo = faceapi.load_image(ASTRONAUT)
    small = pixels_of(jpeg_uri(photo, 128, quality=100))
    assert small.shape == (128, 128, 4)
    means = photo.reshape(128, 4, 128, 4, 3).mean((1, 3))
    assert np.abs(small[..., :3].mean(axis=2) - means.mean(axis=2)).mean() < 1
    assert pixels_of(jpeg_uri(np.zeros((1, 5000, 3)), 100)).shape == (1, 100, 4)


# ------------------------------------------------------------------ colours and sheets


def lightness(rgb):
    """CIELAB's L* and the steps of L*, a*, b* together, of sRGB colours [n,3]."""
    c = rgb / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    f = np.cbrt(xyz / (0.9505, 1, 1.089))
    lab = np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)
    return lab[:, 0], np.linalg.norm(np.diff(lab, axis=0), axis=1)


def test_the_colour_map_is_perceptually_even():
    L, steps = lightness(viridis(np.linspace(0, 1, 33)).astype(float))
    assert (np.diff(L) > 1.2).all()
    assert abs(np.corrcoef(L, np.arange(33))[0, 1]) > 0.999
    assert steps.max() / steps.min() < 3
    rainbow = np.array([Image.new("HSV", (1, 1), (h, 255, 255)).convert("RGB").getpixel((0, 0)) for h in range(0, 200, 6)])
    L, _ = lightness(rainbow.astype(float))
    assert not (np.diff(L) > 0).all()  # what the map is chosen not to be


def test_a_sheet_shows_the_values():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 4, 3)).astype(np.float32)
    shown = sheet(values)
    picture = pixels_of(shown.uri)
    assert (shown.width, shown.height, shown.channels, shown.columns) == (15, 6, (0, 1, 2), 3)
    assert (shown.low, shown.high) == (values.min(), values.max())
    for c in range(3):
        level = np.floor((values[..., c] - shown.darkest) / (shown.brightest - shown.darkest) * LEVELS)
        expected = colors(is_signed=True)[np.clip(level, 0, LEVELS - 1).astype(int)]
        np.testing.assert_array_equal(picture[:5, 5 * c : 5 * c + 4], expected)
    assert (picture[:, [4, 9, 14], 3] == 0).all()  # nothing between the maps
    assert (picture[5, :, 3] == 0).all()
    assert shown.darkest == -shown.brightest
    assert "Maps of 5x4: all 3 channels. Values from " in shown.caption()


def test_a_sheet_of_many_channels_shows_those_that_vary_most():
    values = np.zeros((6, 6, 40), np.float32)
    varied = [3, *range(10, 33)]
    values[..., varied] = np.random.default_rng(0).normal(size=(6, 6, 24))
    shown = sheet(values)
    assert shown.channels == tuple(varied)
    assert "24 of 40 channels, those that vary most. Constant on this photo: 16 of the 40 channels, none" in shown.caption()
    labels = Page(sheet_figure("x", shown)).text
    assert labels.startswith("".join(map(str, varied)))


def test_only_colours_that_occur_are_named():
    assert describe_range(-1, 3, -2, 2) == "Values from -1 to 3; orange is -2 or less, white 0, blue 2 or more."
    assert describe_range(0, 3, -2, 2) == "Values from 0 to 3; white is 0, blue 2 or more."
    assert describe_range(-3, 0, -2, 2) == "Values from -3 to 0; orange is -2 or less, white 0."
    assert describe_range(1, 3, 1, 2) == "Values from 1 to 3; dark purple is 1 or less, yellow 2 or more."
    shown = sheet(np.arange(24, dtype=np.float32).reshape(4, 6, 1), is_signed=True)
    assert "orange" not in shown.caption()


def test_a_map_of_one_pixel_is_a_list_of_numbers():
    shown = sheet(np.arange(30, dtype=np.float32).reshape(1, 1, 30))
    assert shown.shape == (30,)
    assert shown.channels == tuple(range(30))
    assert "vary" not in shown.caption()


def test_a_large_map_is_averaged_down():
    values = np.add.outer(np.arange(301), np.zeros(500))[..., None].astype(np.float32)
    shown = sheet(values)
    assert shown.shrunk == 3
    assert (shown.height, shown.width) == (102, 168)  # and a gap
    assert shown.width * shown.height <= MOST_PIXELS
    assert "shown as means of 3x3" in shown.caption()
    level = np.floor((np.array([*range(1, 300, 3), 300]) - shown.darkest) / (shown.brightest - shown.darkest) * LEVELS)
    np.testing.assert_array_equal(pixels_of(shown.uri)[:101, 166], colors()[np.clip(level, 0, LEVELS - 1).astype(int)])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros((3, 3, 2)), "All values are 0."),
        (np.float32(3.5), "One number. All values are 3.5."),
        (np.arange(7), "7 numbers, from left to right, then down. Values from 0 to 6;"),
        (np.array([np.nan, np.inf, 1, 2]), "Values from 1 to 2;"),
        (np.full((2, 2, 1), np.nan), "All values are 0."),
    ],
)
def test_odd_sheets(values, says):
    shown = sheet(values)
    assert says in shown.caption()
    assert pixels_of(shown.uri).shape[:2] == (shown.height, shown.width)


# ------------------------------------------------------------------ graphs


def test_layers_hold_every_node_once_and_in_order():
    for net in (nets.ssd_mobilenetv1, nets.face_landmark_68_net, nets.age_gender_net, nets.mtcnn.onet):
        graph = net.graph()
        for whole in (False, True):
            layers = graph.layers(whole_blocks=whole)
            assert [node for layer in layers for node in layer.nodes] == list(graph)
            assert len({layer.name for layer in layers}) == len(layers)
            assert sum(layer.macs for layer in layers) == graph.macs
            for layer in layers:
                assert graph.find(layer.name) is layer.output or layer.name in graph.blocks


def test_layers_are_named_as_in_the_weights():
    layers = {layer.name: layer.summary for layer in nets.face_recognition_net.graph().layers()}
    assert layers["conv32_down"] == "conv2d 7x7 /2, multiply, add, relu"
    assert layers["max_pool"] == "max_pool 3x3 /2"
    whole = {layer.name: layer for layer in nets.face_recognition_net.graph().layers(whole_blocks=True)}
    assert whole["conv32_1"].summary == "2 conv2d, 2 multiply, 3 add, 2 relu"
    assert whole["conv32_1"].output.name == "conv32_1/relu"


def test_a_graph_prints_its_layers():
    lines = repr(nets.face_expression_net.graph()).splitlines()
    assert lines[0] == "<Graph FaceExpressionNet: input (112, 112, 3), 77 nodes, 51.5 MMACs>"
    assert lines[1].split() == ["layer", "operations", "output", "parameters", "MACs"]
    assert [line.split()[0] for line in lines[5:9]] == ["dense0", "dense1", "dense2", "dense3"]
    assert len(repr(nets.ssd_mobilenetv1.graph()).splitlines()) <= 42
    assert "... 25 more ..." in repr(nets.ssd_mobilenetv1.graph())


def test_a_graph_in_a_notebook_is_a_table_of_all_layers():
    graph = nets.ssd_mobilenetv1.graph()
    page = Page(graph._repr_html_())
    assert len(page.all("tr")) == 1 + len(graph.layers())
    assert "5,535,047 parameters, 3,143.0 million" in page.text
    assert "MobilenetV1/Conv2d_13_depthwise" in page.text


def test_long_tables_are_shortened():
    rows = [(str(i), i) for i in range(100)]
    short = shortened(rows, 20)
    assert len(short) == 20
    assert short[15] == ["... 81 more ...", ""]
    assert short[14][1] + 81 + 1 == short[16][1]
    assert shortened(rows[:20], 20) == rows[:20]


# ------------------------------------------------------------------ taps


@pytest.fixture(scope="module")
def taps():
    net = nets.face_expression_net
    return net.taps(net.to_batch([ASTRONAUT, ASTRONAUT]), ["dense3", "logits", "dense1/add"])


def test_taps_are_a_dict_and_print_what_they_hold(taps):
    assert isinstance(taps, dict)
    first, header, *rows = repr(taps).splitlines()
    assert first == "<Taps of FaceExpressionNet: 3 layers of 2 images>"
    assert header.split() == ["layer", "shape", "smallest", "mean", "largest"]
    for row, (name, value) in zip(rows, taps.items(), strict=True):
        numbers = [f"{n:.4g}" for n in (value.min(), value.mean(dtype=np.float64), value.max())]
        assert row.split() == [name, "x".join(map(str, value.shape)), *numbers]
    again = pickle.loads(pickle.dumps(taps))
    assert repr(again) == repr(taps)
    assert repr(copy.deepcopy(taps)) == repr(taps)


def test_taps_in_a_notebook_are_pictures(taps):
    page = Page(taps._repr_html_())
    images = page.all("img")
    assert [image["alt"] for image in images] == [
        "Feature maps of dense3", "Values of logits as coloured bars", "Feature maps of dense1/add",
    ]  # fmt: skip
    assert pixels_of(images[0]["src"]).shape[:2] == (4 * 8, 6 * 8)  # maps of 7x7, each with a gap
    assert "24 of 256 channels, those that vary most" in page.text


def test_many_taps_and_none():
    many = Taps("Net", {f"layer{i}": np.ones((1, 2, 2, 1), np.float32) for i in range(100)})
    page = Page(many._repr_html_())
    assert len(page.all("img")) == MOST_SHEETS
    assert f"{100 - MOST_SHEETS} more layers are not shown" in page.text
    assert not any("open" in details for details in page.all("details"))
    assert len(repr(many).splitlines()) == 42
    assert repr(Taps("Net", {})) == "<Taps of Net: 0 layers of 0 images>"
    assert Page(Taps("Net", {})._repr_html_()).text == "Taps of Net: 0 layers of 0 images."
    nothing = Taps("Net", {"a": np.zeros((0, 3))})
    assert nothing.__repr__().splitlines()[2].split() == ["a", "0x3", "-", "-", "-"]
    assert Page(nothing._repr_html_()).all("img") == []


# ------------------------------------------------------------------ results and their photo


@pytest.fixture
def photo():
    return faceapi.load_image(ASTRONAUT)[:256, 100:356].copy()


def test_faces_show_their_photo(photo):
    faces = faceapi.detect_all_faces(photo, TINY).with_face_landmarks().with_face_expressions().with_age_and_gender().run()
    assert isinstance(faces, list)
    page = Page(faces._repr_html_())
    (image,) = page.all("img")
    assert image["alt"] == "The photo with 1 face"
    assert np.abs(pixels_of(image["src"])[..., :3].astype(int) - photo).mean() < 8
    (over,) = page.all("svg")
    assert over["viewbox"] == "0 0 256 256"
    box = faces[0].detection.box
    assert {(float(r["x"]), float(r["width"])) for r in page.all("rect")} == {(round(box.x, 2), round(box.width, 2))}
    assert len(page.all("circle")) == 68
    assert re.search(r"score 0\.\d+, box .*; age \d+, female .*; happy", page.text)
    single = Page(faces[0]._repr_html_())
    assert single.all("img")[0]["src"] == image["src"]
    assert "disgusted" in single.text


def test_a_detection_shows_its_photo_from_a_path(photo, tmp_path, monkeypatch):
    Image.fromarray(photo).save(tmp_path / "face.png")
    monkeypatch.chdir(tmp_path)
    detection = faceapi.detect_single_face("face.png", TINY).run()
    monkeypatch.chdir("/")  # the path is known from the root on
    assert len(Page(detection._repr_html_()).all("img")) == 1
    assert len(Page(pickle.loads(pickle.dumps(detection))._repr_html_()).all("img")) == 1
    assert len(Page(detection.for_size(100, 200)._repr_html_()).all("img")) == 1
    Image.fromarray(photo[:99]).save(tmp_path / "face.png")  # another photo
    assert_is_framed(detection)
    (tmp_path / "face.png").write_text("no image")
    assert_is_framed(detection)
    (tmp_path / "face.png").unlink()
    assert_is_framed(detection)


def assert_is_framed(result):
    page = Page(result._repr_html_())
    assert page.all("img") == []
    assert page.all("svg")[0]["aria-label"] == "1 face on an empty frame"
    assert "The photo is no longer available" in page.text


def test_results_do_not_keep_the_photo(photo):
    photo = photo.copy()
    faces = faceapi.detect_all_faces(photo, TINY).with_face_landmarks().run()
    assert faces.source.read() is photo
    assert faces[0].aligned_rect.read_photo() is photo
    del photo
    gc.collect()
    assert faces.source.read() is None
    assert_is_framed(faces)
    assert_is_framed(faces[0])
    assert_is_framed(faces[0].detection)


def test_where_a_photo_is_found_again(photo, tmp_path):
    image = Image.fromarray(photo)
    assert PhotoSource(image, (256, 256)).read().shape == (256, 256, 3)
    assert PhotoSource(photo, (256, 255)).read() is None
    assert PhotoSource(b"bytes", (256, 256)).read() is None
    assert PhotoSource("http://127.0.0.1:9/a.png", (256, 256)).read() is None  # a notebook that is shown fetches nothing
    assert pickle.loads(pickle.dumps(PhotoSource(photo, (256, 256)))).read() is None


def test_a_batch_has_a_source_each(photo):
    black = np.zeros((60, 80, 3), np.uint8)
    one, two = faceapi.detect_all_faces([photo, black], TINY).run()
    assert one.source.read() is photo
    assert one[0].read_photo() is photo
    assert two.source.read() is black
    assert "No face was found." in Page(two._repr_html_()).text
    net_input = faceapi.to_net_input(photo)
    assert faceapi.detect_all_faces(net_input, TINY).run().source.read() is photo


def test_the_source_is_no_part_of_a_result(photo):
    (known,) = faceapi.detect_all_faces(photo, TINY).run()
    (bare,) = nets.tiny_face_detector.locate_faces(photo, TINY)
    assert bare.source is None
    assert known == bare
    assert hash(known) == hash(bare)
    assert repr(known) == repr(bare)
    assert known.to_dict() == bare.to_dict()
    assert seen_in(None, known).source is None
    assert known.source is not None
    assert_is_framed(bare)


def test_faces_of_several_are_numbered():
    one, two = (FaceDetection(0.9, {"x": x, "y": 0.2, "width": 0.3, "height": 0.5}, (200, 100)) for x in (0.1, 0.5))
    page = Page(Faces([one, FaceResult(two)])._repr_html_())
    assert page.text.startswith("12")
    assert len(page.all("li")) == 2
    assert Page(Faces()._repr_html_()).text == "0 faces."


def test_landmarks_have_their_groups():
    assert [part.start for part in FaceLandmarks68.PARTS.values()] == [0, 17, 22, 27, 36, 42, 48, 60]
    assert {*FaceLandmarks68.PARTS, *FaceLandmarks5.PARTS} == set(PART_LOOKS)
    points = np.random.default_rng(0).uniform(size=(68, 2))
    face = extend_with_face_landmarks(
        FaceDetection(0.9, {"x": 0, "y": 0, "width": 1, "height": 1}, (99, 99)), FaceLandmarks68(points, (99, 99))
    )
    page = Page(face._repr_html_())
    assert len(page.all("polyline")) == 2 * len(FaceLandmarks68.PARTS)
    eye = next(line for line in page.all("polyline") if line["stroke"] == "#00d69a")
    assert len(eye["points"].split()) == 7  # closed


def test_expressions_are_bars():
    page = Page(FaceExpressions([0.1, 0.8, 0, 0, 0, 0, 0.1])._repr_html_())
    assert [float(re.search(r"width:([\d.]+)em", bar["style"])[1]) for bar in page.all("span")] == [0.5, 4, 0, 0, 0, 0, 0.5]
    assert "logit" not in page.text
