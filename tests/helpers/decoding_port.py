"""Preprocessing, decoding, chains and JSON values in NumPy, written from docs/porting.md and the JSON of `show`.

It uses only the networks of this package: errors and gaps of the page make golden cases fail.
"""

from __future__ import annotations

import json
import math

import numpy as np

from npfaceapi import nets
from npfaceapi.export.specification import specification
from npfaceapi.networks.registry import bundled_names

SPEC = {name: json.loads(json.dumps(specification(name))) for name in ("tiny_yolov2", "tiny_yolov2_full", *bundled_names())}


def decoding(net):
    return SPEC[net]["decoding"]


def halves_up(v):
    return np.floor(np.asarray(v, np.float64) + 0.5)


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def softmax(v):
    e = np.exp(v - v.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# ------------------------------------------------------------------ preparation


def resized(picture, size, coordinates):
    axes = []
    for n, m in zip(picture.shape, size, strict=False):
        i = np.arange(m, dtype=np.float64)
        if coordinates == "asymmetric":
            s = i * (n / m)
            low, high = np.floor(s), np.minimum(np.ceil(s), n - 1)
        else:
            s = np.clip((i + 0.5) * n / m - 0.5, 0, n - 1)
            low, high = np.floor(s), np.minimum(np.floor(s) + 1, n - 1)
        axes.append((low.astype(int), high.astype(int), s - low))
    (top, bottom, fy), (left, right, fx) = axes
    x = picture.astype(np.float64)
    above, below = (x[rows][:, left] + (x[rows][:, right] - x[rows][:, left]) * fx[:, None] for rows in (top, bottom))
    return above + (below - above) * fy[:, None, None]


def reshaped(height, width, size):
    s = size / max(height, width)
    return max(1, math.floor(height * s + 0.5)), max(1, math.floor(width * s + 0.5))


def square(picture, size, center):
    H, W, _ = picture.shape
    d = abs(H - W)
    pad = (d // 2, d - d // 2) if center else (0, d)
    padded = np.pad(picture, (pad if H < W else (0, 0), pad if W < H else (0, 0), (0, 0)))
    return resized(padded, (size, size), "asymmetric").astype(np.float32)


def crop_rect(box, W, H):
    x, y, width, height = box
    left, top = max(x, 0), max(y, 0)
    return [math.floor(v) for v in (left, top, min(x + width - left, W - left), min(y + height - top, H - top))]


def cut(picture, rect):
    x, y, w, h = rect
    return picture[y : y + h, x : x + w]


def patches(picture, boxes, size):
    H, W, _ = picture.shape
    made, inside = [], []
    for i, (x, y, w, h) in enumerate(np.asarray(boxes, np.float64)):
        left, top = math.floor(max(1, x)) - 1, math.floor(max(1, y)) - 1
        right, bottom = math.floor(min(x + w, W)), math.floor(min(y + h, H))
        if right > left and bottom > top:
            inside.append(i)
            made.append(halves_up(resized(picture[top:bottom, left:right], (size, size), "half_pixel")))
    return np.array(made, np.uint8).reshape(-1, size, size, 3), inside


# ------------------------------------------------------------------ overlap and suppression


def overlap(a, b, of_union=True):
    common = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)] if len(a) == 4 else [a[4], b[4]]
    whole = areas[0] + areas[1] - common if of_union else min(areas)
    return common / whole if whole else math.inf


def suppressed(boxes, scores, how):
    """Boxes as (x, y, width, height)."""
    corners = [(x, y, x + w, y + h, w * h) for x, y, w, h in np.asarray(boxes, np.float64).tolist()]
    earlier = how["of_equal_scores_first"] == "earlier"
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], i if earlier else -i))
    kept = []
    for i in order:
        if all(overlap(corners[i], corners[k], how["overlap"].endswith("union")) <= how["dropped_above"] for k in kept):
            kept.append(i)
    return kept


def suppressed_of_ssd(boxes, scores, threshold, most, iou):
    boxes, scores = np.asarray(boxes, np.float64), scores.astype(np.float64)
    corners = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in boxes.tolist()]
    corners = [(*c, (c[2] - c[0]) * (c[3] - c[1])) for c in corners]
    order = sorted((i for i in range(len(scores)) if scores[i] > threshold), key=lambda i: (-scores[i], i))
    kept = []
    for i in order:
        if len(kept) < most and all(
            not corners[i][4] or not corners[k][4] or overlap(corners[i], corners[k]) <= iou for k in kept
        ):
            kept.append(i)
    return kept


# ------------------------------------------------------------------ decoding


def ssd(encodings, logits, priors, a):
    how = decoding("ssd_mobilenetv1")
    ymin, xmin, ymax, xmax = priors.T
    ty, tx, th, tw = (e / np.float32(d) for e, d in zip(encodings.T, how["encodings"]["divisors"], strict=False))
    h, w, two = ymax - ymin, xmax - xmin, np.float32(2)
    cy, cx, y, x = ymin + h / two, xmin + w / two, np.exp(th) * h / two, np.exp(tw) * w / two
    cy, cx = ty * h + cy, tx * w + cx
    relative, scores = np.stack([cy - y, cx - x, cy + y, cx + x], -1), sigmoid(logits[:, 1])
    o = {**how["options"], **a}
    kept = suppressed_of_ssd(relative, scores, o["min_confidence"], o["max_results"], how["suppression"]["dropped_above"])
    H, W = a["image_height"], a["image_width"]
    rows, columns = reshaped(H, W, 512)
    boxes, of = [], []
    for i in kept:
        top, left, bottom, right = (
            min(max(v, lo), hi) for v, lo, hi in zip(relative[i].tolist(), (0, 0, -9e9, -9e9), (9e9, 9e9, 1, 1), strict=False)
        )
        if right >= left and bottom >= top:
            of.append(i)
            sx, sy = 512 / columns * W, 512 / rows * H
            boxes.append([left * sx, top * sy, (right - left) * sx, (bottom - top) * sy])
    return {"relative_boxes": relative, "all_scores": scores, "boxes": array(boxes, 4), "scores": scores[of].astype(np.float64)}


def grid_of(net, grid, a):
    how = decoding(net)
    o = {**how["options"], **a}
    C, K = grid.shape[0], len(how["anchor"])
    numbers = grid.astype(np.float64).reshape(C, C, -1, K)
    rows, columns = reshaped(a["image_height"], a["image_width"], o["input_size"])
    fx, fy = max(rows, columns) / columns, max(rows, columns) / rows
    boxes, scores = [], []
    for r in range(C):
        for c in range(C):
            for (aw, ah), n in zip(how["anchors"], numbers[r, c], strict=False):
                score = sigmoid(n[4])
                if score > o["score_threshold"]:
                    w, h = math.exp(n[2]) * aw / C * fx, math.exp(n[3]) * ah / C * fy
                    x, y = (c + sigmoid(n[0])) / C * fx, (r + sigmoid(n[1])) / C * fy
                    boxes.append([x - w / 2, y - h / 2, w, h])
                    scores.append(score)
    kept = suppressed(array(boxes, 4) * o["input_size"], scores, how["suppression"])
    scale = np.array([a["image_width"], a["image_height"]] * 2)
    return {"boxes": array(boxes, 4)[kept] * scale, "scores": np.array(scores, np.float64)[kept]}


def array(rows, columns):
    return np.array(rows, np.float64).reshape(-1, columns)


def relative_points(raw, height, width):
    size = np.float32([width, height]) * np.float32(112 / max(height, width))
    return (raw.reshape(68, 2) * np.float32(112) - (np.float32(112) - size) / 2) / size


def corrected(boxes, regions):
    out = []
    for (x, y, w, h), (left, top, right, bottom) in zip(array(boxes, 4), np.asarray(regions, np.float64), strict=False):
        x0, y0, x1, y1 = x + left * w, y + top * h, x + w + right * w, y + h + bottom * h
        side = max(x1 - x0, y1 - y0)
        out.append(halves_up([x0 - (side - (x1 - x0)) / 2, y0 - (side - (y1 - y0)) / 2, side, side]))
    return array(out, 4)


def scales_of(H, W, a):
    o = {**decoding("mtcnn")["options"], **a}
    m = decoding("mtcnn")["window"] / o["min_face_size"]
    least, scales = min(H, W) * m, []
    while least >= 12:
        scales.append(m * o["scale_factor"] ** len(scales))
        least *= o["scale_factor"]
    return [s for s in scales if math.floor(H * s) > 12 and math.floor(W * s) > 12][: o["max_num_scales"]]


def stage1(maps, scales, threshold):
    how = decoding("mtcnn")["stages"][0]
    boxes, scores, regions = [], [], []
    for (prob, region), scale in zip(maps, scales, strict=False):
        found = [(i, j) for i in range(prob.shape[0]) for j in range(prob.shape[1]) if prob[i, j, 1] >= threshold]
        edges = array(
            [halves_up([(2 * i + 1) / scale, (2 * j + 1) / scale, (2 * i + 12) / scale, (2 * j + 12) / scale]) for i, j in found],
            4,
        )
        here = np.concatenate([edges[:, :2], edges[:, 2:] - edges[:, :2]], 1)
        score = [float(prob[i, j, 1]) for i, j in found]
        for k in suppressed(here, score, how["suppression_of_each_scale"]):
            boxes.append(here[k])
            scores.append(score[k])
            regions.append(region[found[k]])
    kept = suppressed(array(boxes, 4), scores, how["suppression"])
    return corrected(array(boxes, 4)[kept], array(regions, 4)[kept]), np.array(scores)[kept]


def stage2(boxes, prob, regions, threshold):
    above = np.flatnonzero(prob[:, 1].astype(np.float64) > threshold)
    kept = above[np.array(suppressed(boxes[above], prob[above, 1], decoding("mtcnn")["stages"][1]["suppression"]), int)]
    return corrected(boxes[kept], regions[kept]), prob[kept, 1].astype(np.float64)


def stage3(boxes, prob, regions, points, threshold):
    above = np.flatnonzero(prob[:, 1].astype(np.float64) > threshold)
    boxes, scores = corrected(boxes[above], regions[above]), prob[above, 1].astype(np.float64)
    kept = np.array(suppressed(boxes, scores, decoding("mtcnn")["stages"][2]["suppression"]), int)
    xywh = boxes[kept][:, None]
    placed = [
        np.stack([p[:, :5], p[:, 5:]], -1) * (xywh[..., 2:] + 1) + xywh[..., :2]
        for p in (points[above[kept]].astype(float), points[kept].astype(float))
    ]
    return {"boxes": boxes[kept], "scores": scores[kept], "landmarks": placed[0], "landmarks_of_face_api": placed[1]}


# ------------------------------------------------------------------ landmarks to boxes


def aligned_box(points, padding=None):
    padding = decoding("face_landmark_68_net")["aligned_box"]["padding"] if padding is None else padding
    (x0, y0), (x1, y1) = points.min(0), np.maximum(points.max(0), 0)
    w, h = x1 - x0, y1 - y0
    return [x0 - w * padding / 2, y0 - h * padding / 2, w + w * padding, h + h * padding]


def dlib_square(points, width, height):
    how = decoding("face_landmark_68_net")["dlib_square"]
    eyes_mouth = [points[a:b].mean(0) for a, b in how["points"].values()]
    d = np.mean([np.hypot(*(eyes_mouth[2] - eye)) for eye in eyes_mouth[:2]])
    size, centre = math.floor(d / how["eye_to_mouth"]), np.mean(eyes_mouth, 0)
    x, y = (math.floor(max(0, c - part * size)) for c, part in zip(centre, how["centre"], strict=False))
    return [x, y, min(size, width + x), min(size, height + y)]


# ------------------------------------------------------------------ the port


class Port:
    def run(self, network, batch):
        return nets.network_named(network).run_net(batch)

    def prepare(self, op, inputs, a, names):
        p = inputs["picture_0"]
        H, W, _ = p.shape
        if op == "to_batch":
            pictures = [x for name, x in inputs.items() if name.startswith("picture_")]
            dims = [reshaped(*x.shape[:2], a["size"]) for x in pictures]
            return {"batch": np.stack([square(x, a["size"], a["center"]) for x in pictures]), "reshaped_dims": np.array(dims)}
        if op == "resize":
            return {"image": resized(p, (a["height"], a["width"]), "asymmetric")[None].astype(np.float32)}
        if op == "mtcnn_patches":
            return {"patches": patches(p, inputs["boxes"], a["size"])[0]}
        boxes = [*a.get("boxes", ()), *(np.array(box) * [W, H, W, H] for box in a.get("relative_boxes", ()))]
        rects = [crop_rect(box, W, H) for box in boxes]
        return {"rects": np.array(rects), **{f"crop_{i}": cut(p, rect) for i, rect in enumerate(rects)}}

    def decode(self, net, inputs, a, names):
        if a.get("op") == "non_max_suppression":
            how = {
                "overlap": "union" if a["is_iou"] else "smaller",
                "dropped_above": a["iou_threshold"],
                "of_equal_scores_first": "later",
            }
            return {"indices": np.array(suppressed(inputs["boxes"], inputs["scores"], how), int)}
        if a.get("op") == "ssd_non_max_suppression":
            limits = a["score_threshold"], a["max_output_size"], a["iou_threshold"]
            return {"indices": np.array(suppressed_of_ssd(inputs["boxes"], inputs["scores"], *limits), int)}
        if "stage" in a:
            return self.stage(a["stage"], inputs, a)
        if net == "ssd_mobilenetv1":
            return ssd(inputs["box_encodings"][0], inputs["class_logits"][0], inputs["priors"], a)
        if net == "face_expression_net":
            return {"probabilities": softmax(inputs["logits"])}
        if net == "age_gender_net":
            p = softmax(inputs["gender_logits"])
            return {"gender_probabilities": p, "gender_probability_male": p[:, 0]}
        if net.startswith("face_landmark"):
            points = [
                relative_points(raw, *dims).reshape(136) for raw, dims in zip(inputs["points"], a["image_dims"], strict=False)
            ]
            return {"relative_points": np.array(points, np.float32)}
        return grid_of(net, inputs["grid"][0], a)

    def stage(self, stage, inputs, a):
        if stage == 0:
            scales = scales_of(a["height"], a["width"], a)
            sizes = [[math.floor(a["height"] * s), math.floor(a["width"] * s)] for s in scales]
            return {"scales": scales, "sizes": np.array(sizes)}
        if stage == 3:
            out = stage3(inputs["boxes"], inputs["prob"], inputs["regions"], inputs["points"], a["score_threshold"])
            return {**out, "boxes": out["boxes"].astype(int)}
        if stage == 1:
            maps = [(inputs[f"prob_{k}"][0], inputs[f"regions_{k}"][0]) for k in range(len(a["scales"]))]
            boxes, scores = stage1(maps, a["scales"], a["score_threshold"])
        else:
            boxes, scores = stage2(inputs["boxes"], inputs["prob"], inputs["regions"], a["score_threshold"])
        return {"boxes": boxes.astype(int), "scores": scores}

    # ---- chains

    def cascade(self, photo, a):
        H, W, _ = photo.shape
        limits = {**decoding("mtcnn")["options"], **a}["score_thresholds"]
        scales, maps = scales_of(H, W, a), []
        for s in scales:
            small = resized(photo, (math.floor(H * s), math.floor(W * s)), "asymmetric").astype(np.float32)
            out = self.run("mtcnn_pnet", small[None, :, :, ::-1].transpose(0, 2, 1, 3))
            maps.append((out["prob"][0], out["regions"][0]))
        boxes, scores = stage1(maps, scales, limits[0])
        out = {"boxes": boxes, "scores": scores, "landmarks": np.zeros((0, 5, 2)), "landmarks_of_face_api": np.zeros((0, 5, 2))}
        for net, size in (("mtcnn_rnet", 24), ("mtcnn_onet", 48)):
            seen, inside = patches(photo, out["boxes"], size)
            boxes = out["boxes"][inside]
            raw = self.run(net, seen[..., ::-1].transpose(0, 2, 1, 3).astype(np.float32))
            if size == 24:
                out["boxes"], out["scores"] = stage2(boxes, raw["prob"], raw["regions"], limits[1])
            else:
                out = stage3(boxes, raw["prob"], raw["regions"], raw["points"], limits[2])
        return out

    def detected(self, net, photo, a):
        if net == "mtcnn":
            return self.cascade(photo, a)
        a = {**a, "image_height": photo.shape[0], "image_width": photo.shape[1]}
        raw = self.run(net, square(photo, a.get("input_size", SPEC[net]["preparation"]["size"]), False)[None])
        if net == "ssd_mobilenetv1":
            found = ssd(raw["box_encodings"][0], raw["class_logits"][0], nets.ssd_mobilenetv1.priors, a)
            return {name: found[name] for name in ("boxes", "scores")}
        return grid_of(net, raw["grid"][0], a)

    def chain(self, net, photo, a, names):
        found = self.detected(net, photo, a)
        n = len(found["boxes"])
        if a.get("only") == "mtcnn" or not n:
            return found if n else {name: found[name] for name in ("boxes", "scores")}
        H, W, _ = photo.shape
        crops = np.array([crop_rect(box, W, H) for box in found["boxes"]])
        points = self.run(f"face_landmark_68_{'tiny_' * a['use_tiny_landmark_net']}net", self.seen(photo, crops, 112))["points"]
        unshifted = np.array([relative_points(p, h, w) * [w, h] for p, (_, _, w, h) in zip(points, crops, strict=False)])
        landmarks = unshifted + found["boxes"][:, None, :2]
        aligned = np.array([aligned_box(p) for p in landmarks])
        aligned_crops = np.array([crop_rect(box, W, H) for box in aligned])
        squares = np.array([crop_rect(dlib_square(p, w, h), W, H) for p, (_, _, w, h) in zip(landmarks, crops, strict=False)])
        seen = self.seen(photo, aligned_crops, 112)
        people = self.run("age_gender_net", seen)
        return {
            "boxes": found["boxes"], "scores": found["scores"], "detection_crops": crops, "landmarks": landmarks,
            "unshifted_landmarks": unshifted, "aligned_boxes": aligned, "aligned_crops": aligned_crops, "dlib_crops": squares,
            "expressions": softmax(self.run("face_expression_net", seen)["logits"]), "ages": people["age"],
            "gender_probability_male": softmax(people["gender_logits"])[:, 0],
            "descriptors": self.run("face_recognition_net", self.seen(photo, squares, 150))["descriptor"],
        }  # fmt: skip

    def seen(self, photo, rects, size):
        return np.stack([square(cut(photo, rect), size, True) for rect in rects])

    # ---- JSON values

    def json(self, op, inputs, a, names):
        vectors = list(inputs.values())
        made = getattr(self, f"json_{op}")(a, vectors)
        return {name: made[name] for name in names}

    def json_box(self, a, _):
        boxes = a["boxes"]
        edges = [(x, y, x + w, y + h) for x, y, w, h in boxes]

        def squared(x, y, w, h):
            side = max(w, h)
            return [x - (side - w) / 2, y - (side - h) / 2, side, side]

        (px, py), (sx, sy), (W, H) = a["pad"], a["shift"], a["clip"]
        return {
            "round": [halves_up(b).tolist() for b in boxes],
            "floor": [np.floor(b).tolist() for b in boxes],
            "to_square": [squared(*b) for b in boxes],
            "rescale": [[v * a["rescale"] for v in b] for b in boxes],
            "pad": [[x - px / 2, y - py / 2, w + px, h + py] for x, y, w, h in boxes],
            "shift": [[x + sx, y + sy, w, h] for x, y, w, h in boxes],
            "clip_at_image_borders": [crop_rect(b, W, H) for b in boxes],
            "calibrate": corrected(boxes, [a["region"]] * len(boxes)).tolist(),
            "iou": [[overlap(x, y) for y in edges] for x in edges],
            "iou_of_min": [[overlap(x, y, False) for y in edges] for x in edges],
        }

    def json_result(self, a, inputs, size=None):
        W, H = size or (a["image_width"], a["image_height"])
        x, y, w, h = (v * side for v, side in zip(a["relative_box"], (W, H, W, H), strict=False))
        crop = (w, h) if size else (a["crop_width"], a["crop_height"])
        points = inputs[0].astype(np.float64) * crop

        def detection(box):
            dims = {"_width": W, "_height": H}
            box = dict(zip(("_x", "_y", "_width", "_height"), box, strict=False))
            return {"_imageDims": dims, "_score": a["score"], "_classScore": a["score"], "_className": "", "_box": box}

        def landmarks(points, shift):
            dims = {"_width": crop[0], "_height": crop[1]}
            positions = [{"_x": px, "_y": py} for px, py in points.tolist()]
            return {"_imgDims": dims, "_shift": {"_x": shift[0], "_y": shift[1]}, "_positions": positions}

        found, plain, shifted = detection((x, y, w, h)), landmarks(points, (0, 0)), np.add(points, (x, y))
        whole = {
            "detection": found, "landmarks": landmarks(shifted, (x, y)), "unshiftedLandmarks": plain,
            "alignedRect": detection(aligned_box(shifted)),
        }  # fmt: skip
        return {"result": whole, "detection": found, "landmarks": plain}

    def json_resize_results(self, a, inputs):
        return self.json_result(a, inputs, (a["width"], a["height"]))

    def json_alignment(self, a, inputs):
        x, y = a["relative_box"][0] * a["image_width"], a["relative_box"][1] * a["image_height"]
        size = a["crop_width"], a["crop_height"]
        points = inputs[0].astype(np.float64) * size
        return {
            "align": aligned_box(np.add(points, (x, y))), "align_padding_0": aligned_box(np.add(points, (x, y)), 0),
            "align_dlib": dlib_square(np.add(points, (x, y)), *size),
            "align_to_detection": aligned_box(np.add(points, (math.floor(x), math.floor(y)))),
        }  # fmt: skip

    def json_expressions(self, a, _):
        of = dict(zip(decoding("face_expression_net")["classes"], a["probabilities"], strict=False))
        best = sorted(of.items(), key=lambda item: -item[1])
        return {"expressions": of, "sorted": [{"expression": name, "probability": p} for name, p in best]}

    def json_euclidean_distance(self, a, vectors):
        return {"distances": [[distance(x, y) for y in vectors] for x in vectors]}

    def json_labeled_face_descriptors(self, a, vectors):
        return {"labeled": {"label": a["label"], "descriptors": [vectors[0].tolist()]}}

    def json_face_match(self, a, _):
        return {
            "texts": [text(*pair) for pair in a["pairs"]], "texts_without_distance": [label for label, _ in a["pairs"]],
            "objects": [{"_label": label, "_distance": d} for label, d in a["pairs"]],
        }  # fmt: skip

    def json_face_matcher(self, a, vectors):
        people, unnamed = [], 0
        for person in a["labeled"]:
            unnamed += person["label"] is None
            label = f"person {unnamed}" if person["label"] is None else person["label"]
            people.append((label, [vectors[i] for i in person["descriptors"]]))
        matches = []
        for query in (vectors[i] for i in a["queries"]):
            means = [float(np.mean([distance(query, d) for d in descriptors])) for _, descriptors in people]
            best = max(i for i, mean in enumerate(means) if mean == min(means))
            label = people[best][0] if means[best] < a["distance_threshold"] else "unknown"
            matches.append(
                {"label": label, "distance": means[best], "text": text(label, means[best]), "text_without_distance": label}
            )
        stored = [{"label": label, "descriptors": [d.tolist() for d in descriptors]} for label, descriptors in people]
        matcher = {"distanceThreshold": a["distance_threshold"], "labeledDescriptors": stored}
        return {"matches": matches, "matches_after_json": matches, "matcher": matcher}

    def json_anchor(self, a, pictures):
        black, white = self.run("face_recognition_net", np.stack([square(p, 150, True) for p in pictures]))["descriptor"]
        return {"norm_of_black": distance(black, 0 * black), "distance_of_white": distance(black, white)}


def distance(a, b):
    return float(np.sqrt(((a.astype(np.float64) - b) ** 2).sum()))


def text(label, d):
    cut_off = math.floor(d * 100) / 100
    return f"{label} ({int(cut_off) if cut_off == int(cut_off) else cut_off})"
