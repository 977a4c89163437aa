"""Receptive fields, against what a NaN in the input reaches on the reference engine."""

from __future__ import annotations

import numpy as np
import pytest

import npfaceapi as faceapi
from npfaceapi.engines.reference import ReferenceProgram
from npfaceapi.inspection.receptive_field import receptive_fields

NETS = {
    "ssd_mobilenetv1": faceapi.nets.ssd_mobilenetv1,
    "tiny_face_detector": faceapi.nets.tiny_face_detector,
    "face_landmark_68_net": faceapi.nets.face_landmark_68_net,
    "face_recognition_net": faceapi.nets.face_recognition_net,
    "age_gender_net": faceapi.nets.age_gender_net,
    "pnet": faceapi.nets.mtcnn.pnet,
    "onet": faceapi.nets.mtcnn.onet,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_a_nan_reaches_what_sees_it(name):
    net = NETS[name]
    graph = net.graph(64) if name in ("tiny_face_detector", "pnet") else net.graph()
    fields = receptive_fields(graph)
    nodes = [node for node in graph if node in fields]
    assert len(nodes) > 10
    program = ReferenceProgram(graph, net.tensors, nodes, np.float32)
    height, width = graph.input.shape[:2]
    for axis, length in ((0, height), (1, width)):
        for pixel in (0, length // 3, length // 2 + 1, length - 2, length - 1):
            batch = np.zeros((1, *graph.input.shape), np.float32)
            batch[(slice(None),) * (1 + axis) + (pixel,)] = np.nan
            with np.errstate(invalid="ignore"):
                results = program(batch)
            for node, result in zip(nodes, results, strict=True):
                image = result[0] if len(node.shape) == 3 else np.reshape(result[0], (1, 1, -1))
                reached = np.isnan(image).any(axis=(1 - axis, 2))
                first, last = fields[node][axis].T
                assert reached.tolist() == ((first <= pixel) & (pixel < last)).tolist(), (node, axis, pixel)


def test_rows_of_a_table_have_none():
    graph = faceapi.nets.ssd_mobilenetv1.graph()
    assert graph.outputs["box_encodings"] not in receptive_fields(graph)


def test_show_has_a_column_of_them(run):
    status, out, _ = run("show", "tiny_face_detector")
    assert status == 0
    assert [row.split()[3] for row in out.splitlines() if "max_pool" in row] == [
        "4x4",
        "10x10",
        "22x22",
        "46x46",
        "94x94",
        "190x190",
    ]
