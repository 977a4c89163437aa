"""Average precision on WIDER FACE: by hand, against scikit-learn, and against the data set's own algorithm."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.io import savemat

from npfaceapi import MtcnnOptions, SsdMobilenetv1Options, TinyFaceDetectorOptions, cli
from npfaceapi.errors import InvalidArgument
from npfaceapi.evaluation.wider import (
    Detect,
    LabelledPhoto,
    all_boxes,
    average_precision,
    figures_of_boxes,
    matched,
    overlaps,
    read_labels,
)

PARTS = ("easy", "medium", "hard")
LEAST = np.array([0, 0, 8, 8])  # x, y, width, height


def photos_and_boxes(seed, photos=12):
    """Faces, some of them in each subset, and boxes near them and elsewhere; some scores are equal."""
    rng = np.random.default_rng(seed)
    labelled, results = [], {}
    for k in range(photos):
        faces = np.round(rng.random((rng.integers(0, 9), 4)) * (300, 200, 60, 60)) + LEAST
        judged = {part: rng.random(len(faces)) < share for part, share in zip(PARTS, (0.3, 0.6, 0.9), strict=True)}
        near = np.repeat(faces, 2, axis=0) + rng.normal(0, 4, (2 * len(faces), 4))
        boxes = np.concatenate([near, rng.random((5, 4)) * (300, 200, 60, 60) + LEAST])
        scores = np.round(rng.random(len(boxes)), 3)
        if k == 3:
            boxes, scores = boxes[:0], scores[:0]
        labelled.append(LabelledPhoto(str(k), faces, judged))
        results[str(k)] = {"boxes": boxes.tolist(), "scores": scores.tolist()}
    results["5"] = {"error": "5: expected an image"}
    return labelled, results


def the_data_sets_own(labelled, results, part, iou, steps=1000):
    """The evaluation that comes with the data, step by step: proposal lists, a grid of thresholds, the area under the envelope.

    Source: Yang et al., `eval_tools` of WIDER FACE, in the order of its Python version.
    """
    scores = [score for result in results.values() for score in result.get("scores", [])]
    least, most = min(scores), max(scores)
    curve, count = np.zeros((steps, 2)), 0
    for photo in labelled:
        result = {"scores": [], "boxes": [], **results[photo.path]}
        boxes = sorted(zip(result["scores"], result["boxes"], strict=True), key=lambda box: -box[0])
        keep = np.flatnonzero(photo.judged[part])
        count += len(keep)
        if not len(photo.boxes) or not boxes:
            continue
        recall_list, proposals, recalled = [0] * len(photo.boxes), [], []
        for _, (x, y, w, h) in boxes:
            shares = []
            for fx, fy, fw, fh in photo.boxes:
                across, down = min(x + w, fx + fw) - max(x, fx) + 1, min(y + h, fy + fh) - max(y, fy) + 1
                both = across * down if across > 0 and down > 0 else 0
                shares.append(both / ((w + 1) * (h + 1) + (fw + 1) * (fh + 1) - both))
            proposal = 1
            if max(shares) >= iou:
                best = int(np.argmax(shares))
                if best not in keep:
                    recall_list[best], proposal = -1, -1
                elif recall_list[best] == 0:
                    recall_list[best] = 1
            proposals.append(proposal)
            recalled.append(recall_list.count(1))
        for step in range(steps):
            above = [i for i, (score, _) in enumerate(boxes) if (score - least) / (most - least) >= 1 - (step + 1) / steps]
            if above:
                curve[step] += proposals[: above[-1] + 1].count(1), recalled[above[-1]]
    with np.errstate(invalid="ignore"):
        precision, recall = curve[:, 1] / curve[:, 0], curve[:, 1] / count
    precision, recall = np.concatenate([[0], np.nan_to_num(precision), [0]]), np.concatenate([[0], recall, [1]])
    for i in range(len(precision) - 1, 0, -1):
        precision[i - 1] = max(precision[i - 1], precision[i])
    return sum((recall[i + 1] - recall[i]) * precision[i + 1] for i in range(len(recall) - 1))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("seed", range(3))
def test_like_the_data_sets_own_evaluation(seed):
    labelled, results = photos_and_boxes(seed)
    figures, curves = figures_of_boxes(labelled, results)
    for part in PARTS:
        for iou, name in ((0.5, f"ap_{part}"), (0.3, f"ap_{part}_iou_0.3")):
            expected = the_data_sets_own(labelled, results, part, iou)
            assert figures[name] == pytest.approx(expected, abs=2e-3), name  # their thresholds are a grid
        assert figures[f"faces_{part}"] == sum(photo.judged[part].sum() for photo in labelled)
        assert (np.diff(curves[part][0]) >= 0).all()
    assert 0.05 < figures["ap_hard"] < 0.95
    assert (figures["photos"], figures["photos_unreadable"], figures["unreadable"]) == (12, 1, ["5: expected an image"])


def test_boxes_on_a_photo_none_of_whose_faces_are_judged_count():
    """Boxes beside the faces are false positives, boxes on them are ignored."""
    nobody, somebody = {part: np.array([False]) for part in PARTS}, {part: np.array([True]) for part in PARTS}
    face = np.array([[10.0, 10, 20, 20]])
    photos = [LabelledPhoto("a", face, nobody), LabelledPhoto("b", face, somebody)]
    good = {"boxes": [[10, 10, 20, 20]], "scores": [0.5]}
    for boxes, expected in (([[10, 10, 20, 20]], 1.0), ([[100, 100, 20, 20]], 0.5)):
        figures, _ = figures_of_boxes(photos, {"a": {"boxes": boxes, "scores": [0.9]}, "b": good})
        assert figures["ap_easy"] == expected


@pytest.mark.slow
def test_average_precision_is_scikit_learns_where_precision_falls():
    metrics = pytest.importorskip("sklearn.metrics")
    scores, hit = np.array([0.9, 0.8, 0.7, 0.7, 0.4]), np.array([True, True, True, False, False])
    assert average_precision(scores, hit, 3)[0] == pytest.approx(metrics.average_precision_score(hit, scores))
    ap, recall, precision = average_precision(scores, hit, 6)
    assert ap == pytest.approx(metrics.average_precision_score(hit, scores) / 2)
    assert recall.tolist() == [1 / 6, 2 / 6, 3 / 6, 3 / 6]
    assert precision.tolist() == [1, 1, 0.75, 0.6]


def test_the_envelope_by_hand():
    """Hit, miss, hit with two faces: precision 1, 1/2, 2/3; the envelope raises the second to 2/3."""
    assert average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2)[0] == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert average_precision(np.array([]), np.array([], bool), 2)[0] == 0


def test_matching_by_hand():
    faces, judged = np.array([[0.0, 0, 9, 9], [20, 0, 9, 9]]), np.array([True, False])
    boxes = np.array([[0.0, 0, 9, 9], [1, 0, 9, 9], [20, 0, 9, 9], [50, 50, 9, 9], [0, 6, 9, 9]])
    hit, ignored, found = matched(boxes, faces, judged, 0.5)
    assert hit.tolist() == [True, False, False, False, False]
    assert ignored.tolist() == [False, False, True, False, False]
    assert found.tolist() == [True, False]


def test_overlaps_are_a_pixel_larger():
    others = np.array([[5.0, 0, 9, 9], [30, 0, 9, 9], [10, 0, 9, 9]])
    assert overlaps(np.array([[0.0, 0, 9, 9]]), others).tolist() == [[50 / 150, 0, 0]]


def test_recall_by_height():
    judged = {part: np.array([True, True]) for part in PARTS}
    photo = LabelledPhoto("a", np.array([[0.0, 0, 5, 5], [50, 0, 35, 35]]), judged)
    figures, _ = figures_of_boxes([photo], {"a": {"boxes": [[50, 0, 35, 35], [0, 0, 5, 5]], "scores": [0.9, 0.2]}})
    small, large = figures["recall_by_height"]
    assert (small["from"], small["below"], small["mean_height"], small["recall"], small["recall_at_0.5"]) == (0, 10, 5, 1, 0)
    assert (large["from"], large["below"], large["mean_height"], large["recall"], large["recall_at_0.5"]) == (30, 40, 35, 1, 1)


def test_the_curve_needs_boxes_of_low_scores():
    assert all_boxes(SsdMobilenetv1Options()) == SsdMobilenetv1Options(min_confidence=0.02, max_results=400)
    assert all_boxes(TinyFaceDetectorOptions(608)) == TinyFaceDetectorOptions(608, score_threshold=0.02)
    assert all_boxes(MtcnnOptions()).score_thresholds[-1] == 0.02


# ------------------------------------------------------------------ the folder


def cells(values):
    """A column of MATLAB cells."""
    column = np.empty((len(values), 1), object)
    for i, value in enumerate(values):
        column[i, 0] = value
    return column


def write_labels(folder, photos=(("one", "a", [[1, 2, 30, 40], [5, 6, 7, 8]], {"easy": [1], "medium": [1], "hard": [1, 2]}),)):
    """Labels in the data set's format, with one photo per event, and empty photos."""
    events, names = cells([event for event, *_ in photos]), cells([cells([name]) for _, name, *_ in photos])
    boxes = cells([cells([np.array(boxes, float)]) for _, _, boxes, _ in photos])
    (folder / "labels").mkdir(parents=True)
    savemat(folder / "labels" / "wider_face_val.mat", {"event_list": events, "file_list": names, "face_bbx_list": boxes})
    for part in PARTS:
        kept = cells([cells([np.array(judged[part], np.int32).reshape(-1, 1)]) for *_, judged in photos])
        savemat(folder / "labels" / f"wider_{part}_val.mat", {"gt_list": kept})
    for event, name, *_ in photos:
        (folder / "WIDER_val" / "images" / event).mkdir(parents=True)
        (folder / "WIDER_val" / "images" / event / f"{name}.jpg").write_bytes(b"")


def test_labels(tmp_path):
    write_labels(tmp_path)
    (photo,) = read_labels(tmp_path)
    assert photo.path == str(tmp_path / "WIDER_val" / "images" / "one" / "a.jpg")
    assert photo.boxes.tolist() == [[1, 2, 30, 40], [5, 6, 7, 8]]
    assert {part: judged.tolist() for part, judged in photo.judged.items()} == {
        "easy": [True, False], "medium": [True, False], "hard": [True, True],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("labels/wider_easy_val.mat", "expected the labels wider_easy_val.mat below it, got none"),
        ("WIDER_val/images/one/a.jpg", "expected a photo that the labels name, got no "),
    ],
)
def test_half_a_data_set(tmp_path, lost, message):
    write_labels(tmp_path)
    (tmp_path / lost).unlink()
    with pytest.raises(InvalidArgument, match=message):
        read_labels(tmp_path)


def test_labels_that_are_none(tmp_path):
    write_labels(tmp_path)
    (tmp_path / "labels" / "wider_hard_val.mat").write_bytes(b"no labels")
    with pytest.raises(InvalidArgument, match=r"wider_hard_val\.mat: expected a file of MATLAB, got: "):
        read_labels(tmp_path)
    (tmp_path / "labels" / "wider_hard_val.mat").unlink()
    savemat(tmp_path / "labels" / "wider_hard_val.mat", {"something": 1})
    with pytest.raises(InvalidArgument, match="expected the labels of WIDER FACE, got something else: "):
        read_labels(tmp_path)


def test_from_the_command_line(tmp_path, monkeypatch, capsys):
    """One box hits the face of all subsets; another just misses the second face, which only `hard` evaluates."""
    write_labels(tmp_path)
    asked = []

    def detect(self, path):
        asked.append(self.options)
        return {"boxes": [[1, 2, 30, 40], [5, 13, 7, 8]], "scores": [0.9, 0.1]}

    monkeypatch.setattr(Detect, "__call__", detect)
    assert cli.main(["evaluate", "wider", str(tmp_path), "--json", "-"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert [figures[f"ap_{part}"] for part in PARTS] == [1, 1, 0.5]
    assert (
        cli.main(["evaluate", "wider", str(tmp_path), "--detector", "tiny", "--input-size", "608", "--min-confidence", "0.3"])
        == 0
    )
    assert asked == [SsdMobilenetv1Options(0.02, 400), TinyFaceDetectorOptions(608, 0.3)]


def test_no_photos(tmp_path):
    write_labels(tmp_path)
    (tmp_path / "WIDER_val").rename(tmp_path / "elsewhere")
    with pytest.raises(InvalidArgument, match="expected the photos in WIDER_val/images, got no such folder"):
        read_labels(tmp_path)
