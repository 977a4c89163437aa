'use strict';
// Decoding alone: from given raw outputs (of a real run, or synthetic) to boxes, points and probabilities.
const { tf, faceapi, internal, copy, NETS, rawOutputs } = require('./library');
const { synthetic } = require('./hash');
const { GIVEN, ofScores, withCandidates } = require('./ambiguity');
const { rect } = require('./geometry');
const { yoloNets } = require('./yolo');

const tensorOf = ({ shape, data }) => tf.tensor(data, shape, 'float32');
const boxesAndScores = (found) => [
  { name: 'boxes', kind: 'box', shape: [found.length, 4], data: found.flatMap((d) => rect(d.box)) },
  { name: 'scores', kind: 'score', shape: [found.length], data: found.map((d) => d.score) },
];

// Runs a detector of face-api.js with its network replaced by a given raw output.
async function locate(net, forwardInput, [height, width], options) {
  const own = Object.prototype.hasOwnProperty.call(net, 'forwardInput');
  if (own) throw new Error('a network is already replaced');
  net.forwardInput = forwardInput;
  try {
    return await withCandidates(() => net.locateFaces(tf.zeros([height, width, 3]), options));
  } finally {
    delete net.forwardInput;
  }
}

async function decodeSsd({ box_encodings: boxes, class_logits: classes }, dims, { min_confidence, max_results }) {
  const { net } = NETS.ssd_mobilenetv1;
  const { outputLayer } = internal('ssdMobilenetv1/outputLayer');
  const decoded = () => outputLayer(tensorOf(boxes).reshape([1, 5118, 1, 4]), tensorOf(classes), net.params.output_layer);
  const all = decoded();
  const { result, candidates } = await locate(net, (input) => {
    input.toBatchTensor(512, false);
    return decoded();
  }, dims, { minConfidence: min_confidence, maxResults: max_results });
  const expected = [
    { name: 'relative_boxes', kind: 'probability', ...copy(all.boxes[0]) },
    { name: 'all_scores', kind: 'score', ...copy(all.scores[0]) },
    ...boxesAndScores(result),
  ];
  return { expected, ambiguous: ofScores(result.map((d) => d.score), candidates.ssd, min_confidence, GIVEN) };
}

async function decodeYolo(net, { grid }, dims, { input_size, score_threshold }) {
  const { result, candidates } = await locate(net, (input) => {
    input.toBatchTensor(input_size, false);
    return tensorOf(grid);
  }, dims, { inputSize: input_size, scoreThreshold: score_threshold });
  return { expected: boxesAndScores(result), ambiguous: ofScores(result.map((d) => d.score), candidates.yolo, score_threshold, GIVEN) };
}

const store = (writer, set, name, raw) => Object.entries(raw).map(([label, value]) => writer.tensor(set, `${name}/input/${label}`, value));

// A synthetic raw output: recomputed from the hash by the reader, or stored if it is rounded to force ties.
const madeUp = (rules) => Object.fromEntries(Object.entries(rules).map(([name, rule]) => [name, { shape: rule.shape, data: synthetic(rule) }]));
const rounded = (raw, step) => Object.fromEntries(Object.entries(raw).map(([name, { shape, data }]) => [name, { shape, data: data.map((v) => Math.round(v / step) * step) }]));

const adder = (writer, say) => async (set, label, net, raw, dims, options, inputs, decode) => {
  const name = `decode/${net}/${label}`;
  const { expected, ambiguous } = await decode(raw, dims, options);
  writer.add({ name, level: 'decode', set, net, attributes: { image_height: dims[0], image_width: dims[1], ...options }, inputs: inputs || store(writer, set, name, raw), expected, ambiguous });
  say(`${name}: ${expected[expected.length - 1].data.length} faces`);
};

const SSD_RULES = { box_encodings: { seed: 31, shape: [1, 5118, 4], low: -2, high: 2 }, class_logits: { seed: 32, shape: [1, 5118, 3], low: -12, high: 0.3 } };
const synthetics = (rules) => Object.values(rules).map((rule) => ({ synthetic: rule }));

// Scores equal to the threshold, 0.5 = sigmoid(0), do not pass.
async function scoreThresholdCases(writer, say) {
  const add = adder(writer, say);
  const none = { ...SSD_RULES, class_logits: { ...SSD_RULES.class_logits, low: 0, high: 0 } };
  const options = { min_confidence: 0.5, max_results: 100 };
  await add('core', 'all_at_threshold', 'ssd_mobilenetv1', madeUp(none), [97, 200], options, synthetics(none), decodeSsd);
  await add('full', 'some_at_threshold', 'ssd_mobilenetv1', rounded(madeUp(SSD_RULES), 0.25), [240, 320], options, null, decodeSsd);
  const { tiny_yolov2: separable, tiny_yolov2_full: full } = yoloNets();
  for (const [net, instance, channels] of [['tiny_face_detector', NETS.tiny_face_detector.net, 25], ['tiny_yolov2', separable.net, 25], ['tiny_yolov2_full', full.net, 30]]) {
    const raw = rounded(madeUp({ grid: { seed: 44, shape: [1, 4, 4, channels], low: -1, high: 1 } }), 0.5);
    await add('core', 'some_at_threshold', net, raw, [97, 200], { input_size: 128, score_threshold: 0.5 }, null, decodeYolo.bind(null, instance));
  }
}

async function detectorCases(writer, pictures, say) {
  const add = adder(writer, say);
  const dims = ({ height, width }) => [height, width];
  const ssdOptions = { min_confidence: 0.5, max_results: 100 };
  const photo = await rawOutputs('ssd_mobilenetv1', [pictures.astronaut], 512);
  await add('core', 'astronaut', 'ssd_mobilenetv1', photo, dims(pictures.astronaut), ssdOptions, null, decodeSsd);
  const group = await rawOutputs('ssd_mobilenetv1', [pictures.group], 512);
  await add('full', 'group', 'ssd_mobilenetv1', group, dims(pictures.group), ssdOptions, null, decodeSsd);
  await add('full', 'group_min_0.02', 'ssd_mobilenetv1', group, dims(pictures.group), { min_confidence: 0.02, max_results: 100 }, null, decodeSsd);

  for (const [label, size] of [['synthetic', [512, 512]], ['synthetic_wide', [97, 200]], ['synthetic_tall', [333, 127]]]) {
    await add('core', label, 'ssd_mobilenetv1', madeUp(SSD_RULES), size, ssdOptions, synthetics(SSD_RULES), decodeSsd);
  }
  await add('core', 'synthetic_max_7', 'ssd_mobilenetv1', madeUp(SSD_RULES), [512, 512], { min_confidence: 0.51, max_results: 7 }, synthetics(SSD_RULES), decodeSsd);
  await add('full', 'ties', 'ssd_mobilenetv1', rounded(madeUp(SSD_RULES), 0.25), [240, 320], { min_confidence: 0.4, max_results: 100 }, null, decodeSsd);

  const tiny = NETS.tiny_face_detector.net;
  for (const size of [416, 224]) {
    const raw = await rawOutputs('tiny_face_detector', [pictures.astronaut], size);
    await add('core', `astronaut_${size}`, 'tiny_face_detector', raw, [512, 512], { input_size: size, score_threshold: 0.5 }, null, decodeYolo.bind(null, tiny));
  }
  const { tiny_yolov2: separable, tiny_yolov2_full: full } = yoloNets();
  const variants = [['tiny_face_detector', tiny, 25, 41], ['tiny_yolov2', separable.net, 25, 42], ['tiny_yolov2_full', full.net, 30, 43]];
  for (const [net, instance, channels, seed] of variants) {
    const options = { input_size: 416, score_threshold: 0.5 };
    const rules = { grid: { seed, shape: [1, 13, 13, channels], low: -4, high: 0.9 } };
    for (const [label, size] of [['synthetic', [416, 416]], ['synthetic_wide', [97, 200]], ['synthetic_tall', [350, 123]]]) {
      await add('core', label, net, madeUp(rules), size, options, synthetics(rules), decodeYolo.bind(null, instance));
    }
    const ties = rounded(madeUp({ grid: { ...rules.grid, low: -2, high: 2 } }), 0.5);
    await add('full', 'ties', net, ties, [300, 400], { ...options, score_threshold: 0.6 }, null, decodeYolo.bind(null, instance));
  }
  for (const [net, made] of [['tiny_yolov2', separable], ['tiny_yolov2_full', full]]) {
    const raw = await rawOutputs(net, [pictures.astronaut], 128, made.net);
    await add('full', 'astronaut_128', net, raw, [512, 512], { input_size: 128, score_threshold: 0.5 }, null, decodeYolo.bind(null, made.net));
  }
}

// Landmarks relative to the image, from the network's points; one row for each image size.
function landmarkCases(writer, say) {
  const dims = [[112, 112], [200, 97], [97, 200], [350, 123], [41, 40], [1, 1], [37, 512]];
  const rule = { seed: 51, shape: [dims.length, 136], low: 0, high: 1 };
  for (const net of ['face_landmark_68_net', 'face_landmark_68_tiny_net']) {
    const out = tf.tidy(() => copy(NETS[net].net.postProcess(tensorOf({ shape: rule.shape, data: synthetic(rule) }), 112, dims.map(([height, width]) => ({ height, width })))));
    const name = `decode/${net}/synthetic`;
    writer.add({ name, level: 'decode', set: 'core', net, attributes: { image_dims: dims }, inputs: [{ synthetic: rule }], expected: [{ name: 'relative_points', kind: 'relative_landmark', ...out }] });
    say(name);
  }
}

function headCases(writer, say) {
  const logits = { seed: 61, shape: [9, 7], low: -8, high: 8 };
  const softmax = (rule) => tf.tidy(() => copy(tf.softmax(tensorOf({ shape: rule.shape, data: synthetic(rule) }))));
  writer.add({ name: 'decode/face_expression_net/synthetic', level: 'decode', set: 'core', net: 'face_expression_net', attributes: { labels: internal('faceExpressionNet/FaceExpressions').FACE_EXPRESSION_LABELS }, inputs: [{ synthetic: logits }], expected: [{ name: 'probabilities', kind: 'probability', ...softmax(logits) }] });
  const gender = { seed: 62, shape: [9, 2], low: -4, high: 4 };
  const both = softmax(gender);
  const male = { shape: [9], data: both.data.filter((_, i) => i % 2 === 0) };
  writer.add({ name: 'decode/age_gender_net/synthetic', level: 'decode', set: 'core', net: 'age_gender_net', attributes: {}, inputs: [{ synthetic: gender }], expected: [{ name: 'gender_probabilities', kind: 'probability', ...both }, { name: 'gender_probability_male', kind: 'probability', ...male }] });
  say('decode/face_expression_net, decode/age_gender_net');
}

// Generic and SSD's non-max suppression on boxes x, y, width, height (SSD: ymin, xmin, ymax, xmax) with rounded scores.
function suppressionCases(writer, say) {
  const rule = { seed: 71, shape: [200, 4], low: 0, high: 60 };
  const scoreRule = { seed: 72, shape: [200], low: 0, high: 1 };
  const boxes = { shape: [200, 4], data: synthetic(rule).map((v, i) => (i % 4 < 2 ? v : 10 + v / 2)) };
  const coarse = { shape: [200, 4], data: boxes.data.map((v) => Math.round(v / 6) * 6) };
  const scores = { shape: [200], data: synthetic(scoreRule).map((v) => Math.round(v * 20) / 20) };
  const corners = ({ data }) => Float32Array.from(data, (v, i) => {
    const base = i - (i % 4);
    const [x, y, w, h] = data.subarray(base, base + 4);
    return [y, x, y + h, x + w][i % 4];
  });
  for (const [label, list] of [['random', boxes], ['coarse', coarse]]) {
    for (const isIou of [true, false]) {
      for (const threshold of [0.3, 0.5]) {
        const rects = Array.from({ length: 200 }, (_, i) => new faceapi.Rect(...list.data.subarray(i * 4, i * 4 + 4)));
        const kept = faceapi.nonMaxSuppression(rects, Array.from(scores.data), threshold, isIou);
        const name = `decode/non_max_suppression/${label}_${isIou ? 'iou' : 'min'}_${threshold}`;
        writer.add({ name, level: 'decode', set: 'core', attributes: { op: 'non_max_suppression', iou_threshold: threshold, is_iou: isIou }, inputs: store(writer, 'core', name, { boxes: list, scores }), expected: [{ name: 'indices', kind: 'exact', dtype: 'int32', shape: [kept.length], data: kept }] });
      }
    }
    const { nonMaxSuppression } = internal('ssdMobilenetv1/nonMaxSuppression');
    for (const most of [100, 9]) {
      const given = { shape: [200, 4], data: corners(list) };
      const kept = nonMaxSuppression(tensorOf(given), Array.from(scores.data), most, 0.5, 0.3);
      const name = `decode/ssd_non_max_suppression/${label}_max_${most}`;
      writer.add({ name, level: 'decode', set: 'core', attributes: { op: 'ssd_non_max_suppression', max_output_size: most, iou_threshold: 0.5, score_threshold: 0.3 }, inputs: store(writer, 'core', name, { boxes: given, scores }), expected: [{ name: 'indices', kind: 'exact', dtype: 'int32', shape: [kept.length], data: kept }] });
    }
  }
  say('decode/non_max_suppression');
}

async function decodeCases(writer, pictures, say) {
  await detectorCases(writer, pictures, say);
  landmarkCases(writer, say);
  headCases(writer, say);
  suppressionCases(writer, say);
}

module.exports = { decodeCases, scoreThresholdCases, decodeSsd, decodeYolo, tensorOf };
