"""The functions under test.  They return True for a result, False for one of our own errors; anything else is a finding."""

from __future__ import annotations

import io
import json
import random
import shutil
import socket
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import npfaceapi as faceapi
from npfaceapi.errors import GoldenError, InvalidArgument, InvalidType, NpFaceApiError
from tests.fuzz import seeds
from tests.fuzz.mutations import mutated, mutated_json


class Target(ABC):
    """A kind of input."""

    #: Runs in the suite's short campaign.
    short = 100

    def __init__(self, folder: Path) -> None:
        self.folder = folder  # an empty one

    @abstractmethod
    def seeds(self) -> Sequence[bytes]:
        """Seed inputs of the mutations, each of which gives a result."""

    def mutate(self, chance: random.Random) -> bytes:
        all_seeds = self.seeds()
        return mutated(chance.choice(all_seeds), all_seeds, chance)

    @abstractmethod
    def run(self, data: bytes) -> object:
        """May raise NpFaceApiError."""

    def accepts(self, data: bytes) -> bool:
        try:
            self.run(data)
        except NpFaceApiError as error:
            text = str(error)
            assert text.isprintable(), f"a message of more than one line: {text!r}"
            assert len(text) < 2000, f"a message of {len(text)} characters"
            return False
        return True


class Photo(Target):
    """`load_image` of bytes, of a path and of a file."""

    short = 400

    def seeds(self) -> Sequence[bytes]:
        return seeds.photos()

    def run(self, data: bytes) -> object:
        path = self.folder / "photo"
        path.write_bytes(data)
        by_path = by_bytes = None
        try:
            by_bytes = faceapi.load_image(data)
        finally:
            try:
                by_path = faceapi.load_image(path)
            except NpFaceApiError:
                assert by_bytes is None, "bytes are read, the path is refused"
        assert by_path is not None, "bytes are read, the path is refused"
        assert by_path.tobytes() == by_bytes.tobytes()
        assert by_bytes.ndim == 3
        assert by_bytes.shape[2] == 3
        return faceapi.load_image(io.BytesIO(data))


class Chain(Target):
    """The whole chain on a photo."""

    short = 10

    def seeds(self) -> Sequence[bytes]:
        return (*seeds.photos(), (seeds.GOLDEN / "astronaut.png").read_bytes())

    def run(self, data: bytes) -> object:
        options = faceapi.TinyFaceDetectorOptions(score_threshold=0.1)
        task = faceapi.detect_all_faces(data, options).with_face_landmarks().with_face_expressions().with_age_and_gender()
        return [face.to_json() for face in task.with_face_descriptors().run()]


class JsonTarget(Target):
    def mutate(self, chance: random.Random) -> bytes:
        all_seeds = self.seeds()
        return mutated_json(chance.choice(all_seeds), all_seeds, chance)


class Manifest(JsonTarget):
    """A manifest of weights, with its shard."""

    def seeds(self) -> Sequence[bytes]:
        return seeds.manifests()[:1]

    def run(self, data: bytes) -> object:
        name = seeds.SMALL_MODELS[0]
        (self.folder / f"{name}-weights_manifest.json").write_bytes(data)
        (self.folder / f"{name}-shard1").write_bytes(seeds.shard())
        net = faceapi.FaceLandmark68TinyNet()
        net.load_from_disk(self.folder)
        return faceapi.load_weight_map(str(self.folder), name)


class Shard(Target):
    """The shard of a manifest."""

    def seeds(self) -> Sequence[bytes]:
        return (seeds.shard(),)

    def run(self, data: bytes) -> object:
        name = seeds.SMALL_MODELS[0]
        (self.folder / f"{name}-weights_manifest.json").write_bytes(seeds.manifests()[0])
        (self.folder / f"{name}-shard1").write_bytes(data)
        net = faceapi.FaceLandmark68TinyNet()
        net.load_from_disk(self.folder)
        return net.detect_landmarks(seeds.photos()[0])


class Flat(Target):
    """A `.weights` file."""

    def seeds(self) -> Sequence[bytes]:
        tensors = faceapi.nets.face_landmark_68_tiny_net
        return (tensors.serialize_params().astype("<f4").tobytes(),)

    def run(self, data: bytes) -> object:
        path = self.folder / "net.weights"
        path.write_bytes(data)
        net = faceapi.FaceLandmark68TinyNet()
        net.load(str(path))
        return net


class Matcher(JsonTarget):
    """The JSON of matchers and of labelled descriptors; what is accepted round-trips."""

    short = 400

    def seeds(self) -> Sequence[bytes]:
        return seeds.matchers()

    def run(self, data: bytes) -> object:
        text = data.decode("utf-8", "surrogatepass" if data.isascii() else "replace")
        made = refused = None
        for cls in (faceapi.FaceMatcher, faceapi.LabeledFaceDescriptors):
            try:
                made = cls.from_json(text)
            except NpFaceApiError as error:
                refused = error
                continue
            again = made.to_json()
            assert cls.from_json(again).to_json() == again
            str(made)
            if isinstance(made, faceapi.FaceMatcher) and made.labeled_descriptors:
                descriptors = made.labeled_descriptors[0].descriptors
                if descriptors:
                    str(made.find_best_match(descriptors[0]))
        if made is None:
            assert refused is not None
            raise refused
        return made


class Golden(JsonTarget):
    """A folder of golden cases."""

    def seeds(self) -> Sequence[bytes]:
        return seeds.golden()

    def run(self, data: bytes) -> object:
        from npfaceapi.conformance.golden import GoldenCases
        from npfaceapi.conformance.questions import question_of

        golden = self.folder / "golden"
        if not golden.exists():
            shutil.copytree(seeds.GOLDEN.parent, golden, ignore=shutil.ignore_patterns("generate"))
        (golden / "cases.json").write_bytes(data)
        cases = GoldenCases(golden)
        return [question_of(cases, case) for case in cases.cases]


class Port(JsonTarget):
    """The answers of a port program."""

    short = 40

    def seeds(self) -> Sequence[bytes]:
        answer = {"file": "out.bin", "dtype": "float32", "shape": [2, 3]}
        return (json.dumps({"case": "c", "answers": {"points": answer}}).encode(), b'{"case": "c", "skip": "why"}')

    def run(self, data: bytes) -> object:
        from npfaceapi.conformance.ports import NotClaimed, PortFailed
        from npfaceapi.conformance.program import ProgramPort
        from npfaceapi.conformance.questions import Question

        (self.folder / "reply").write_bytes(data.replace(b"\n", b" ") + b"\n")
        script = (
            "import sys, json, os\n"
            "for line in sys.stdin.buffer:\n"
            "    folder = json.loads(line)['folder']\n"
            "    open(os.path.join(folder, 'out.bin'), 'wb').write(bytes(24))\n"
            "    sys.stdout.buffer.write(open(sys.argv[1], 'rb').read()); sys.stdout.flush()\n"
        )
        port = ProgramPort([sys.executable, "-I", "-S", "-c", script, str(self.folder / "reply")], 10)
        try:
            return port.answer(Question("c", "raw", "net", {}, {}, ["points"]))
        except NotClaimed as error:
            return error
        except PortFailed as error:
            raise GoldenError(str(error)) from None
        finally:
            port.close()


class Server(Target):
    """The responses of a server."""

    short = 60

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._answer = b""
        self._socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                connection.settimeout(1)
                try:
                    connection.recv(65536)
                    connection.sendall(self._answer)
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

    def seeds(self) -> Sequence[bytes]:
        return seeds.answers()

    def run(self, data: bytes) -> object:
        self._answer = data
        port = self._socket.getsockname()[1]
        return faceapi.fetch_or_throw(f"http://127.0.0.1:{port}/photo", timeout=0.5, max_bytes=100_000)


class Options(JsonTarget):
    """Options of the detectors, as from a user's JSON file."""

    short = 300

    def seeds(self) -> Sequence[bytes]:
        return (
            b'{"min_confidence": 0.5, "max_results": 10}',
            b'{"input_size": 224, "score_threshold": 0.5}',
            b'{"min_face_size": 40, "scale_factor": 0.7, "max_num_scales": 5, "score_thresholds": [0.6, 0.7, 0.7]}',
        )

    def run(self, data: bytes) -> object:
        try:
            values = json.loads(data)
        except (ValueError, RecursionError):
            raise InvalidArgument("no JSON") from None
        if not isinstance(values, dict):
            raise InvalidType("no options")
        made = None
        for cls in (faceapi.SsdMobilenetv1Options, faceapi.TinyFaceDetectorOptions, faceapi.MtcnnOptions):
            names = set(cls.__init__.__annotations__) | set(getattr(cls, "__dataclass_fields__", ()))
            made = cls(**{key: value for key, value in values.items() if key in names})
        return made


TARGETS: dict[str, type[Target]] = {
    cls.__name__.lower(): cls for cls in (Photo, Chain, Manifest, Shard, Flat, Matcher, Golden, Port, Server, Options)
}
