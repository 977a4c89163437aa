"""Tasks: lazy, immutable, in any allowed order, computed once, safe in threads, awaitable."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import warnings
import weakref

import numpy as np
import pytest

import npfaceapi as faceapi
from helpers import ASTRONAUT
from npfaceapi import nets, tasks
from npfaceapi.errors import ImageNotFoundError, InvalidArgument, InvalidType, WeightsError
from npfaceapi.faces.results import FaceDetection, FaceResult
from npfaceapi.networks.neural_network import NeuralNetwork
from npfaceapi.photos import many, net_input

OPTIONS = faceapi.TinyFaceDetectorOptions(input_size=224)
BLACK = np.zeros((60, 80, 3), np.uint8)


@pytest.fixture(scope="module")
def photo():
    return faceapi.load_image(ASTRONAUT)[:256, 100:356]


@pytest.fixture(scope="module")
def two_faces(photo):
    return np.concatenate([photo, photo[:, ::-1]], axis=1)


@pytest.fixture
def count_runs(monkeypatch):
    """How often the detector ran."""
    runs = []
    locate = nets.tiny_face_detector.locate_faces

    def counted(*args):
        runs.append(threading.get_ident())
        return locate(*args)

    monkeypatch.setattr(nets.tiny_face_detector, "locate_faces", counted, raising=False)
    return runs


def all_steps(photo):
    task = faceapi.detect_all_faces(photo, OPTIONS).with_face_landmarks().with_face_expressions()
    return task.with_age_and_gender().with_face_descriptors()


# ------------------------------------------------------------------ lazy and immutable


def test_nothing_is_computed_before_run():
    task = faceapi.detect_all_faces("nowhere.png").with_face_landmarks(True).with_face_descriptors()
    assert repr(task) == (
        "<DetectAllFacesTask(SsdMobilenetv1Options, face_landmarks(use_tiny_landmark_net=True), face_descriptors)>"
    )
    with pytest.raises(ImageNotFoundError, match=r"nowhere\.png"):
        task.run()
    with pytest.raises(ImageNotFoundError):  # a failure is not kept as a result
        len(task)


def test_repr_does_not_run(count_runs, photo):
    task = faceapi.detect_all_faces(photo, OPTIONS).with_face_expressions()
    assert repr(task) == str(task) == "<DetectAllFacesTask(TinyFaceDetectorOptions, face_expressions)>"
    assert count_runs == []


def test_a_step_gives_a_new_task(photo):
    first = faceapi.detect_all_faces(photo, OPTIONS)
    second = first.with_face_landmarks()
    third = second.with_face_expressions()
    assert (first.steps, [step.name for step in second.steps]) == ((), ["face_landmarks"])
    assert [step.name for step in third.steps] == ["face_landmarks", "face_expressions"]
    assert isinstance(first[0], FaceDetection)
    assert second[0].expressions is None
    assert third[0].expressions is not None
    assert second[0].landmarks.positions.tolist() == third[0].landmarks.positions.tolist()


# ------------------------------------------------------------------ errors of order, options and use


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: faceapi.detect_all_faces(BLACK).with_face_descriptors(),
            "with_face_descriptors: expected a task with landmarks, got <DetectAllFacesTask(SsdMobilenetv1Options)>: "
            "call .with_face_landmarks() first",
        ),
        (
            lambda: faceapi.detect_single_face(BLACK).with_face_expressions().with_face_descriptor(),
            "with_face_descriptor: expected a task with landmarks, got "
            "<DetectSingleFaceTask(SsdMobilenetv1Options, face_expressions)>: call .with_face_landmarks() first",
        ),
        (
            lambda: faceapi.detect_all_faces(BLACK).with_face_expressions().with_face_landmarks(),
            "with_face_landmarks: expected to be the first step, got "
            "<DetectAllFacesTask(SsdMobilenetv1Options, face_expressions)>: call it before the others",
        ),
        (
            lambda: faceapi.detect_all_faces(BLACK).with_age_and_gender().with_age_and_gender(),
            "with_age_and_gender: expected to be called once, got "
            "<DetectAllFacesTask(SsdMobilenetv1Options, age_and_gender)>, which has it",
        ),
    ],
)
def test_an_order_that_cannot_work_raises_at_once(build, message):
    with pytest.raises(InvalidArgument) as error:
        build()
    assert str(error.value) == message


@pytest.mark.parametrize("options", [0.5, {"min_confidence": 0.5}, faceapi.SsdMobilenetv1Options, "ssd"])
def test_wrong_options(options):
    with pytest.raises(
        InvalidType, match=r"detect_all_faces, detect_single_face: expected options of SsdMobilenetv1Options, .*, got "
    ):
        faceapi.detect_all_faces(BLACK, options)


def test_bool_raises():
    for task in (faceapi.detect_all_faces(BLACK), faceapi.detect_single_face(BLACK)):
        with pytest.raises(InvalidType, match=r"is not computed yet: call \.run\(\)"):
            bool(task)


def test_a_single_face_task_is_no_sequence():
    task = faceapi.detect_single_face(BLACK)
    for use in (len, iter, lambda task: task[0]):
        with pytest.raises(TypeError):
            use(task)
    assert not hasattr(task, "with_face_descriptors")
    assert not hasattr(faceapi.detect_all_faces(BLACK), "with_face_descriptor")


def test_tiny_yolov2_without_weights():
    with pytest.raises(WeightsError, match="none are bundled"):
        faceapi.detect_all_faces(BLACK, faceapi.TinyYolov2Options()).run()


@pytest.mark.parametrize("photo", [None, 3, [], [BLACK, None], b"no image"])
def test_wrong_photos(photo):
    with pytest.raises((InvalidType, InvalidArgument)):
        faceapi.detect_all_faces(photo, OPTIONS).run()


# ------------------------------------------------------------------ results


def test_results_hold_what_was_asked_for(photo):
    (face,) = faceapi.detect_all_faces(photo, OPTIONS).run()
    assert type(face) is FaceDetection
    (full,) = all_steps(photo).run()
    assert type(full) is FaceResult
    assert repr(full.detection) == repr(face)
    assert full.landmarks.positions.shape == (68, 2)
    assert full.descriptor.shape == (128,)
    assert full.descriptor.dtype == np.float32
    assert full.expressions.as_sorted_array()[0].expression == "happy"
    assert full.gender == "female"
    assert 0.5 <= full.gender_probability <= 1
    assert full.aligned_rect.score == face.score
    (bare,) = faceapi.detect_all_faces(photo, OPTIONS).with_age_and_gender().run()
    assert (bare.landmarks, bare.descriptor, bare.expressions, bare.aligned_rect) == (None,) * 4
    assert bare.age != full.age  # from another crop


def test_the_tiny_landmark_network(photo):
    large, tiny = (faceapi.detect_single_face(photo, OPTIONS).with_face_landmarks(use).run() for use in (False, True))
    distance = np.abs(large.landmarks.positions - tiny.landmarks.positions).max()
    assert 0.1 < distance < 20


def test_every_allowed_order_gives_the_same_values(two_faces):
    expected = [face.to_json() for face in all_steps(two_faces).run()]
    assert len(expected) == 2
    start = faceapi.detect_all_faces(two_faces, OPTIONS).with_face_landmarks()
    for task in (
        start.with_face_descriptors().with_age_and_gender().with_face_expressions(),
        start.with_age_and_gender().with_face_expressions().with_face_descriptors(),
        start.with_face_expressions().with_face_descriptors().with_age_and_gender(),
    ):
        assert [face.to_json() for face in task.run()] == expected


def test_the_chain_equals_the_networks_one_by_one(photo):
    """The rules of face-api.js: landmarks from the detection's crop, moved by its box; the others from aligned crops."""
    (face,) = all_steps(photo).run()
    (detection,) = nets.tiny_face_detector.locate_faces(photo, OPTIONS)
    (crop,) = faceapi.extract_face_tensors(photo, [detection])
    inside = nets.face_landmark_68_net.detect_landmarks(crop)
    np.testing.assert_allclose(
        face.landmarks.positions, inside.positions + np.array([detection.box.x, detection.box.y]), atol=1e-9
    )
    np.testing.assert_allclose(face.unshifted_landmarks.positions, inside.positions, atol=1e-9)
    (aligned,) = faceapi.extract_face_tensors(photo, [face.aligned_rect])
    assert dict(nets.face_expression_net.predict_expressions(aligned)) == dict(face.expressions)
    assert nets.age_gender_net.predict_age_and_gender(aligned).age == face.age
    (chip,) = faceapi.extract_face_tensors(photo, [face.landmarks.align(use_dlib_alignment=True)])
    assert nets.face_recognition_net.compute_face_descriptor(chip).tobytes() == face.descriptor.tobytes()


def test_single_face(two_faces):
    all_faces = faceapi.detect_all_faces(two_faces, OPTIONS).run()
    single = faceapi.detect_single_face(two_faces, OPTIONS)
    assert repr(single.run()) == repr(max(all_faces, key=lambda face: face.score))
    result = single.with_face_landmarks().with_face_descriptor().run()
    assert result.descriptor.shape == (128,)
    assert faceapi.detect_single_face(BLACK, OPTIONS).run() is None
    assert faceapi.detect_single_face(BLACK, OPTIONS).with_face_landmarks().with_face_descriptor().run() is None


def test_a_list_of_photos(photo, two_faces):
    lists = all_steps([photo, BLACK, two_faces]).run()
    assert [len(faces) for faces in lists] == [1, 0, 2]
    assert lists[0][0].to_json() == all_steps(photo).run()[0].to_json()
    assert [len(faces) for faces in faceapi.detect_all_faces([photo], OPTIONS).run()] == [1]
    singles = faceapi.detect_single_face([BLACK, photo], OPTIONS).with_face_landmarks().run()
    assert singles[0] is None
    assert singles[1].landmarks is not None


def test_many_faces_in_small_batches(photo, two_faces, monkeypatch):
    photos = [two_faces, photo, two_faces]
    expected = [[face.to_json() for face in faces] for faces in all_steps(photos).run()]
    monkeypatch.setattr(tasks, "MAX_CROPS", 1)
    monkeypatch.setattr(tasks, "MAX_PHOTOS", 2)
    assert [[face.to_json() for face in faces] for faces in all_steps(photos).run()] == expected


def counted_photos(total, alive, most):
    """Photos made one by one; how many of them live at once is counted."""
    for _ in range(total):
        photo = np.zeros((64, 64, 3), np.uint8)
        alive[id(photo)] = photo
        most.append(len(alive))
        yield photo
        del photo


@pytest.mark.parametrize(("bytes_of_pixels", "photos"), [(1, 1), (30_000, 3), (10**9, many.MAX_PHOTOS)])
@pytest.mark.parametrize("steps", [lambda task: task, lambda task: task.with_face_landmarks()])
def test_of_many_photos_few_are_in_memory(monkeypatch, bytes_of_pixels, photos, steps):
    monkeypatch.setattr(many, "MAX_BYTES", bytes_of_pixels)
    most = []
    task = steps(faceapi.detect_all_faces(counted_photos(20, weakref.WeakValueDictionary(), most), OPTIONS))
    assert task.run() == [[]] * 20
    assert max(most) <= photos + 1  # the one that was given last, and the generator's own


@pytest.mark.slow_after(3)
@pytest.mark.parametrize(
    "function",
    [
        nets.ssd_mobilenetv1.locate_faces,
        nets.tiny_face_detector.locate_faces,
        nets.mtcnn.locate_faces,
        nets.mtcnn.forward,
        nets.face_landmark_68_net.detect_landmarks,
        nets.face_expression_net.predict_expressions,
        nets.age_gender_net.predict_age_and_gender,
        nets.face_recognition_net.compute_face_descriptor,
    ],
    ids=lambda function: function.__qualname__,
)
def test_of_many_photos_for_a_network_few_are_in_memory(monkeypatch, function):
    monkeypatch.setattr(many, "MAX_BYTES", 30_000)
    most = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", faceapi.PhotoWarning)  # the photos are black
        assert len(function(counted_photos(9, weakref.WeakValueDictionary(), most))) == 9
    assert max(most) <= 4


def test_an_iterator_of_photos_is_a_list_that_comes_once(photo):
    assert [len(faces) for faces in faceapi.detect_all_faces(iter([BLACK, photo]), OPTIONS).run()] == [0, 1]
    task = faceapi.detect_single_face(map(np.asarray, [BLACK]), OPTIONS)
    assert task.run() == [None]
    with pytest.raises(InvalidArgument, match="expected at least one photo, got an iterator without any"):
        task.run()
    with pytest.raises(InvalidType, match=r"photos\[1\]: expected a path"):
        faceapi.detect_all_faces(iter([BLACK, 5]), OPTIONS).run()


@pytest.mark.parametrize("count", [1, 3])
def test_each_network_runs_once_on_all_faces(two_faces, monkeypatch, count):
    runs = []
    original = NeuralNetwork._run

    def counted(net, batch, *arguments):
        runs.append((type(net).__name__, len(batch)))
        return original(net, batch, *arguments)

    monkeypatch.setattr(NeuralNetwork, "_run", counted)
    all_steps([two_faces] * count).run()
    face_nets = ("FaceLandmark68Net", "FaceExpressionNet", "AgeGenderNet", "FaceRecognitionNet")
    assert runs == [("TinyFaceDetector", count), *((name, 2 * count) for name in face_nets)]


def test_networks_that_see_the_same_share_the_resized_crops(two_faces, monkeypatch):
    made = []
    original = net_input.to_batch_tensor

    def counted(images, size, *arguments):
        made.append((len(images), size))
        return original(images, size, *arguments)

    monkeypatch.setattr(net_input, "to_batch_tensor", counted)
    all_steps(two_faces).run()
    assert made == [(1, 224), (2, 112), (2, 112), (2, 150)]  # photo; crops of the detections; aligned, for two networks; dlib's


def test_a_batch_that_is_kept_cannot_be_changed(photo):
    kept, own = (faceapi.NetInput.of_pixels([photo], keep_batch=keep) for keep in (True, False))
    batch = kept.to_batch_tensor(112)
    assert kept.to_batch_tensor(112) is batch
    with pytest.raises(ValueError, match="read-only"):
        batch[:] = 0
    assert kept.to_batch_tensor(112, False) is not batch
    assert kept.to_batch_tensor(64).shape == (1, 64, 64, 3)
    assert kept.input_size == 64
    own.to_batch_tensor(112)[:] = 0
    assert own.to_batch_tensor(112).any()


def test_a_crowd_as_large_as_ssd_finds_goes_through_at_once():
    assert faceapi.SsdMobilenetv1Options().max_results <= many.MAX_CROPS


def test_faces_without_a_pixel_keep_none(photo, monkeypatch):
    (real,) = nets.tiny_face_detector.locate_faces(photo, OPTIONS)
    outside = FaceDetection(0.9, faceapi.Rect(1.5, 0.2, 0.1, 0.1), (256, 256))
    thin = FaceDetection(0.8, faceapi.Rect(0.2, 0.2, 0.001, 0.1), (256, 256))
    monkeypatch.setattr(nets.tiny_face_detector, "locate_faces", lambda *args: [[outside, real, thin]], raising=False)
    faces = all_steps(photo).run()
    assert [face.detection.score for face in faces] == [0.9, real.score, 0.8]
    for face in (faces[0], faces[2]):
        fields = [field.name for field in dataclasses.fields(face)]
        assert [getattr(face, name) for name in fields if name != "detection"] == [None] * 8
        assert face.to_dict()["detection"]["score"] == face.detection.score
    assert faces[1].descriptor is not None
    assert len(faceapi.detect_all_faces(photo, OPTIONS).with_face_expressions().run()) == 3


def test_zero_is_a_threshold(photo):
    options = faceapi.TinyFaceDetectorOptions(input_size=96, score_threshold=0)
    faces = faceapi.detect_all_faces(photo[::4, ::4], options).with_face_landmarks(True).with_face_descriptors().run()
    assert len(faces) > 5
    assert all(face.descriptor is None or np.isfinite(face.descriptor).all() for face in faces)


def test_the_deprecated_functions(photo):
    with pytest.warns(DeprecationWarning, match="all_faces is deprecated"):
        (face,) = faceapi.all_faces(photo, 0.5)
    assert face.descriptor.shape == (128,)
    with pytest.warns(DeprecationWarning, match="all_faces_mtcnn is deprecated"):
        assert faceapi.all_faces_mtcnn(BLACK) == []


# ------------------------------------------------------------------ kept results, threads, asyncio


def test_iterating_len_and_index_run_once(count_runs, two_faces):
    task = faceapi.detect_all_faces(two_faces, OPTIONS)
    faces = list(task)
    assert len(task) == len(faces) == 2
    assert task[0] is faces[0]
    assert task[-1] is faces[1]
    assert task[:1] == [faces[0]]
    assert faces[1] in task
    with pytest.raises(IndexError):
        task[2]
    assert len(count_runs) == 1
    assert task.run() is not task.run()  # run computes each time
    assert len(count_runs) == 3


def test_threads_share_one_run(count_runs, photo):
    task = faceapi.detect_all_faces(photo, OPTIONS)
    start, seen = threading.Barrier(6), []

    def work():
        start.wait(timeout=30)
        seen.append((len(task), id(task[0])))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(seen) == 6
    assert len(set(seen)) == 1
    assert len(count_runs) == 1


def test_await(count_runs, photo):
    async def main():
        single = faceapi.detect_single_face(photo, OPTIONS)
        return await faceapi.detect_all_faces(photo, OPTIONS), await single, await asyncio.gather(wait(single), wait(single))

    async def wait(task):
        return await task

    faces, face, (one, two) = asyncio.run(main())
    assert repr(faces) == repr([face])
    assert repr(one) == repr(two) == repr(face)
    assert threading.get_ident() not in count_runs  # in other threads: the event loop stays free


def test_await_raises_what_run_raises():
    async def main():
        return await faceapi.detect_all_faces("nowhere.png")

    with pytest.raises(ImageNotFoundError):
        asyncio.run(main())


def test_await_uses_the_backend_of_the_block(photo):
    seen = []

    class Spy(tasks.DetectAllFacesTask):
        def run(self):
            seen.append(faceapi.current_backend())
            return []

    async def main():
        with faceapi.use_backend("reference"):
            await Spy(photo)
        await Spy(photo)

    asyncio.run(main())
    assert seen == ["reference", "numba"]


# ------------------------------------------------------------------ descriptors of aligned faces


def mirrored(image):
    return np.ascontiguousarray(image[:, ::-1])


@pytest.mark.parametrize("average_mirror", [False, True])
def test_descriptors_of_dlibs_chips(two_faces, average_mirror):
    net = nets.face_recognition_net
    faces = faceapi.detect_all_faces(two_faces, OPTIONS).with_face_landmarks().with_face_descriptors("dlib", average_mirror).run()
    assert len(faces) == 2
    for face in faces:
        chip = faceapi.extract_face_chip(two_faces, face.landmarks)
        expected = net.compute_face_descriptor(chip)
        if average_mirror:
            expected = (expected + net.compute_face_descriptor(mirrored(chip))) / 2
        assert face.descriptor.dtype == np.float32
        np.testing.assert_allclose(face.descriptor, expected, atol=1e-6)


def test_face_apis_crop_averaged_with_its_mirror_image(photo):
    net = nets.face_recognition_net
    (face,) = faceapi.detect_all_faces(photo, OPTIONS).with_face_landmarks().with_face_descriptors(average_mirror=True)
    (crop,) = faceapi.extract_face_tensors(photo, [face.landmarks.align(use_dlib_alignment=True)])
    batch = net.to_batch(crop)
    expected = (net.run_net(batch)["descriptor"] + net.run_net(mirrored(batch[0])[np.newaxis])["descriptor"])[0] / 2
    np.testing.assert_allclose(face.descriptor, expected, atol=1e-6)
    plain = faceapi.detect_all_faces(photo, OPTIONS).with_face_landmarks().with_face_descriptors().run()[0].descriptor
    assert 0.01 < faceapi.euclidean_distance(plain, face.descriptor) < 0.4


def test_many_faces_at_a_time_and_one_give_the_same(two_faces, photo):
    def descriptors(photos):
        tasks = faceapi.detect_all_faces(photos, OPTIONS).with_face_landmarks().with_face_descriptors("dlib").run()
        return [face.descriptor for faces in tasks for face in faces]

    together, alone = descriptors([two_faces, BLACK, photo]), descriptors([two_faces]) + descriptors([photo])
    assert len(together) == 3
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_how_descriptors_are_made_stands_in_the_task(photo):
    task = faceapi.detect_all_faces(photo, OPTIONS).with_face_landmarks()
    assert repr(task.with_face_descriptors("dlib", True)) == (
        "<DetectAllFacesTask(TinyFaceDetectorOptions, face_landmarks, face_descriptors(alignment='dlib', average_mirror=True))>"
    )
    assert "average_mirror=True" in repr(task.with_face_descriptors(average_mirror=True))
    with pytest.raises(InvalidArgument, match="with_face_descriptors: expected an alignment out of face-api, dlib, got 'x'"):
        task.with_face_descriptors("x")
    for wrong in (["dlib"], np.array(["dlib"]), None):
        with pytest.raises(InvalidArgument, match="with_face_descriptors: expected an alignment out of face-api, dlib, got "):
            task.with_face_descriptors(wrong)
    with pytest.raises(InvalidType, match="with_face_descriptor: average_mirror: expected True or False, got 1"):
        faceapi.detect_single_face(photo).with_face_landmarks().with_face_descriptor(average_mirror=1)
    with pytest.raises(InvalidArgument, match="with_face_descriptors: expected to be called once, got "):
        task.with_face_descriptors().with_face_descriptors("dlib")
