'use strict';
// JSON: the output of JSON.stringify for results, matchers and descriptors, and the arithmetic of boxes and landmarks.
const { faceapi, internal, NETS, image } = require('./library');
const { synthetic } = require('./hash');
const { inputTensor } = require('./raw');

const plain = (value) => JSON.parse(JSON.stringify(value));
const { rect } = require('./geometry');
const answer = (name, value) => ({ name, kind: 'json', value: plain(value) });

function addCase(writer, name, attributes, inputs, values, set = 'core') {
  writer.add({ name: `json/${name}`, level: 'json', set, attributes, inputs, expected: Object.entries(values).map(([key, value]) => answer(key, value)) });
}

async function matcherCases(writer, pictures) {
  const names = ['astronaut', 'black150', 'white150'];
  const [astronaut, black, white] = await Promise.all(names.map((name) => NETS.face_recognition_net.net.computeFaceDescriptor(image(pictures[name]))));
  const put = (name, data) => writer.tensor('core', `json/descriptors/${name}`, { shape: [128], data });
  const inputs = names.map((name, i) => put(name, [astronaut, black, white][i]));
  const length = (v) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
  writer.add({ name: 'json/anchor', level: 'json', set: 'core', net: 'face_recognition_net', attributes: { op: 'anchor' }, inputs: names.slice(1).map((name) => inputTensor(writer, 'core', pictures[name])), expected: [
    { name: 'norm_of_black', kind: 'anchor', shape: [], data: [length(black)] },
    { name: 'distance_of_white', kind: 'anchor', shape: [], data: [faceapi.euclideanDistance(black, white)] },
  ] });

  const queries = [0, 1, 2].map((i) => synthetic({ seed: 80 + i, shape: [128], low: -0.12, high: 0.12 }));
  const rules = [0, 1, 2].map((i) => ({ synthetic: { seed: 80 + i, shape: [128], low: -0.12, high: 0.12 } }));
  const labeled = [new faceapi.LabeledFaceDescriptors('astronaut', [astronaut, queries[0]]), new faceapi.LabeledFaceDescriptors('black', [black])];
  const asked = [astronaut, black, white, ...queries];
  const answers = (matcher) => asked.map((q) => matcher.findBestMatch(q)).map((m) => ({ label: m.label, distance: m.distance, text: m.toString(), text_without_distance: m.toString(false) }));
  const about = { op: 'face_matcher', labeled: [{ label: 'astronaut', descriptors: [0, 3] }, { label: 'black', descriptors: [1] }, { label: null, descriptors: [2] }], queries: [0, 1, 2, 3, 4, 5] };
  for (const threshold of [0.6, 1.2]) {
    const matcher = new faceapi.FaceMatcher([...labeled, white], threshold);
    addCase(writer, `face_matcher_${threshold}`, { ...about, distance_threshold: threshold }, [...inputs, ...rules], {
      matches: answers(matcher),
      matches_after_json: answers(faceapi.FaceMatcher.fromJSON(plain(matcher))),
      ...(threshold === 0.6 ? { matcher } : {}),
    });
  }
  addCase(writer, 'labeled_face_descriptors', { op: 'labeled_face_descriptors', label: 'astronaut' }, [inputs[0]], { labeled: new faceapi.LabeledFaceDescriptors('astronaut', [astronaut]) });
  addCase(writer, 'euclidean_distance', { op: 'euclidean_distance' }, [...inputs, ...rules], { distances: asked.map((a) => asked.map((b) => faceapi.euclideanDistance(a, b))) });
}

// Distances exactly equal to the threshold, which count as unknown.
function distanceThresholdCase(writer) {
  const along = (x) => Float32Array.from({ length: 128 }, (_, i) => (i ? 0 : x));
  const at = { 0: 0, quarter: 0.25, half: 0.5, three_quarters: 0.75, ten: 10, eleven: 11 };
  const vectors = Object.values(at).map(along);
  const inputs = Object.keys(at).map((name, i) => writer.tensor('core', `json/descriptors/at_${name}`, { shape: [128], data: vectors[i] }));
  const labeled = [{ label: 'one', descriptors: [0] }, { label: 'two', descriptors: [4, 5] }];
  const known = labeled.map(({ label, descriptors }) => new faceapi.LabeledFaceDescriptors(label, descriptors.map((i) => vectors[i])));
  const matcher = new faceapi.FaceMatcher(known, 0.5);
  const matches = vectors.map((v) => matcher.findBestMatch(v)).map((m) => ({ label: m.label, distance: m.distance, text: m.toString(), text_without_distance: m.toString(false) }));
  addCase(writer, 'face_matcher_at_threshold', { op: 'face_matcher', labeled, queries: vectors.map((_, i) => i), distance_threshold: 0.5 }, inputs, { matches, matches_after_json: matches });
}

function matchCases(writer) {
  const pairs = [['a', 0.456], ['b', 0.29], ['c', 0.1], ['d', 1], ['e', 0], ['f', 0.999], ['unknown', 0.57], ['name with (brackets)', 12.3456]];
  const made = pairs.map(([label, distance]) => new faceapi.FaceMatch(label, distance));
  addCase(writer, 'face_match', { op: 'face_match', pairs }, [], { texts: made.map(String), texts_without_distance: made.map((m) => m.toString(false)), objects: made });
}

function resultCases(writer) {
  const rule = { seed: 90, shape: [68, 2], low: 0.1, high: 0.9 };
  const values = Array.from(synthetic(rule));
  const dims = { width: 640, height: 480 };
  const relative = [0.1234, 0.2345, 0.3, 0.45];
  const crop = { width: 192, height: 216 };
  const detection = new faceapi.FaceDetection(0.875, new faceapi.Rect(...relative), dims);
  const positions = Array.from({ length: 68 }, (_, i) => new faceapi.Point(values[2 * i], values[2 * i + 1]));
  const landmarks = new faceapi.FaceLandmarks68(positions, crop);
  const result = faceapi.extendWithFaceLandmarks({ detection }, landmarks);
  const attributes = { op: 'result', score: 0.875, relative_box: relative, image_width: 640, image_height: 480, crop_width: 192, crop_height: 216 };
  const inputs = [{ synthetic: rule }];
  addCase(writer, 'result', attributes, inputs, { result, detection, landmarks });
  addCase(writer, 'alignment', { ...attributes, op: 'alignment' }, inputs, {
    align: rect(result.landmarks.align()),
    align_padding_0: rect(result.landmarks.align(null, { minBoxPadding: 0 })),
    align_dlib: rect(result.landmarks.align(null, { useDlibAlignment: true })),
    align_to_detection: rect(landmarks.align(detection)),
  });
  for (const [width, height] of [[640, 480], [320, 240], [1000, 333]]) {
    const resized = faceapi.resizeResults(result, { width, height });
    addCase(writer, `resize_results_${width}x${height}`, { ...attributes, op: 'resize_results', width, height }, inputs, { result: resized, detection: faceapi.resizeResults(detection, { width, height }) });
  }
  const probabilities = [0.25, 0.5, 0.0625, 0.0625, 0, 0.125, 0];
  const expressions = new (internal('faceExpressionNet/FaceExpressions').FaceExpressions)(probabilities);
  addCase(writer, 'expressions', { op: 'expressions', probabilities }, [], { expressions, sorted: expressions.asSortedArray() });
}

function boxCases(writer) {
  const boxes = [[10.25, 20.5, 30.75, 41.5], [-3.3, -2.2, 10.5, 10.5], [55.5, 35.5, 10, 10], [0.5, -0.5, 1.5, 2.5], [12, 7, 20, 20]];
  const made = boxes.map(([x, y, width, height]) => new faceapi.Box({ x, y, width, height }));
  const each = (fn) => made.map((box) => rect(fn(box)));
  addCase(writer, 'box', { op: 'box', boxes, rescale: 1.75, pad: [3, 5.5], shift: [-1.5, 2.25], clip: [60, 40], region: [0.1, -0.2, 0.05, 0.3] }, [], {
    round: each((b) => b.round()),
    floor: each((b) => b.floor()),
    to_square: each((b) => b.toSquare()),
    rescale: each((b) => b.rescale(1.75)),
    pad: each((b) => b.pad(3, 5.5)),
    shift: each((b) => b.shift(-1.5, 2.25)),
    clip_at_image_borders: each((b) => b.clipAtImageBorders(60, 40)),
    calibrate: each((b) => b.calibrate(new faceapi.Box({ left: 0.1, top: -0.2, right: 0.05, bottom: 0.3 }, true))),
    iou: made.map((a) => made.map((b) => faceapi.iou(a, b))),
    iou_of_min: made.map((a) => made.map((b) => faceapi.iou(a, b, false))),
  });
}

async function jsonCases(writer, pictures, say) {
  await matcherCases(writer, pictures);
  matchCases(writer);
  resultCases(writer);
  boxCases(writer);
  say('json');
}

module.exports = { jsonCases, distanceThresholdCase };
