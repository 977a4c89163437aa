'use strict';
// MTCNN, which face-api.js runs on a canvas only: one run is traced, and every network and stage becomes a case.
const { tf, internal, copy, image, watching, NETS } = require('./library');
const { Canvas } = require('./canvas');
const { rect, points } = require('./geometry');
const { inputTensor } = require('./raw');

const params = () => NETS.mtcnn.net.params;
const { normalize } = internal('mtcnn/normalize');
const ints = (name, list) => ({ name, kind: 'exact', dtype: 'int32', shape: [list.length, 4], data: list.flatMap(rect) });

// A network's input back to RGB bytes [size, size, 3], rows first.
function bytesOf(tensor) {
  const { shape: [, width, height], data } = copy(tensor);
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) for (let k = 0; k < 3; k++) out[(y * width + x) * 3 + k] = Math.round(data[(x * height + y) * 3 + 2 - k] * 128 + 127.5);
  }
  return out;
}

function join(list, shape) {
  const data = new Float32Array(list.reduce((n, part) => n + part.length, 0));
  list.reduce((at, part) => { data.set(part, at); return at + part.length; }, 0);
  return { shape: [list.length, ...shape], data };
}

async function watchRun(picture, { min_face_size, scale_factor, score_thresholds }) {
  const seen = { pnet: [], rnet: [], onet: [], stages: [], suppressions: [], patches: [] };
  let softmax;
  const network = (name, list) => ({
    module: internal(`mtcnn/${name}`),
    name,
    see: (args, out) => list.push({ prob: softmax, regions: copy(out.regions), ...(out.points ? { points: copy(out.points) } : {}) }),
  });
  const watches = [
    { module: tf, name: 'softmax', see: (args, out) => { softmax = copy(out); } },
    network('PNet', seen.pnet), network('RNet', seen.rnet), network('ONet', seen.onet),
    ...[1, 2, 3].map((n) => ({ module: internal(`mtcnn/stage${n}`), name: `stage${n}`, see: (args, out) => seen.stages.push(out) })),
    { module: internal('mtcnn/extractImagePatches'), name: 'extractImagePatches', see: (args, out) => seen.patches.push(out.then((list) => list.map(bytesOf))) },
    { module: internal('ops/index'), name: 'nonMaxSuppression', see: (args, kept) => seen.suppressions.push({ boxes: args[0], kept }) },
  ];
  const options = { minFaceSize: min_face_size, scaleFactor: scale_factor, scoreThresholds: score_thresholds };
  const { results, stats } = await watching(watches, () => NETS.mtcnn.net.forwardWithStats(Canvas.fromImage(picture), options));
  seen.stages = await Promise.all(seen.stages);
  seen.patches = await Promise.all(seen.patches);
  return { ...seen, results, scales: stats.scales, pyramid: stats.pyramid };
}

// After filtering out a candidate, face-api.js takes the points of wrong candidates; these are the right ones.
function meantPoints({ onet, stages, suppressions, attributes }) {
  const threshold = attributes.score_thresholds[2];
  const passed = onet.map((out, i) => [out.prob.data[1], i]).filter(([score]) => score > threshold).map(([, i]) => i);
  const { kept } = suppressions[suppressions.length - 1];
  return stages[2].boxes.flatMap((box, i) => {
    const { data } = onet[passed[kept[i]]].points;
    return [0, 1, 2, 3, 4].flatMap((k) => [data[k] * (box.width + 1) + box.left, data[k + 5] * (box.height + 1) + box.top]);
  });
}

function addNetworks(writer, set, picture, label, run, patches) {
  const { scales, pyramid, pnet, rnet, onet } = run;
  const kind = (name) => (name === 'prob' ? 'probability' : 'raw');
  const input = inputTensor(writer, set, picture);
  pnet.forEach((out, i) => writer.add({
    name: `raw/mtcnn_pnet/${label}_${i}`,
    level: 'raw',
    set,
    net: 'mtcnn_pnet',
    attributes: { scale: scales[i], height: pyramid[i].height, width: pyramid[i].width },
    inputs: [input],
    expected: ['prob', 'regions'].map((name) => ({ name, kind: kind(name), ...out[name] })),
  }));
  for (const [name, outs, stored] of [['mtcnn_rnet', rnet, patches[0]], ['mtcnn_onet', onet, patches[1]]]) {
    const labels = outs.length ? Object.keys(outs[0]) : [];
    if (outs.length) writer.add({ name: `raw/${name}/${label}`, level: 'raw', set, net: name, attributes: {}, inputs: [stored], expected: labels.map((key) => ({ name: key, kind: kind(key), ...join(outs.map((o) => o[key].data), outs[0][key].shape.slice(1)) })) });
  }
}

// `only`: the number of the single stage to add; default: all three and the pyramid.
function addStages(writer, set, picture, label, run, only) {
  const { scales, pyramid, pnet, rnet, onet, stages } = run;
  const put = (name, value, dtype) => writer.tensor(set, `decode/mtcnn/${label}/input/${name}`, value, dtype);
  const { height, width } = picture;
  const thresholds = run.attributes.score_thresholds;
  const stage = (n, inputs, attributes, more = []) => (only || n) === n && writer.add({
    name: `decode/mtcnn_stage${n}/${label}`,
    level: 'decode',
    set,
    net: 'mtcnn',
    attributes: { stage: n, ...attributes },
    inputs,
    expected: [ints('boxes', stages[n - 1].boxes), { name: 'scores', kind: 'mtcnn_stage', shape: [stages[n - 1].scores.length], data: stages[n - 1].scores }, ...more],
  });
  if (!only) writer.add({ name: `decode/mtcnn_pyramid/${label}`, level: 'decode', set, net: 'mtcnn', attributes: { stage: 0, height, width, ...run.attributes }, inputs: [], expected: [{ name: 'scales', kind: 'json', value: scales }, { name: 'sizes', kind: 'exact', dtype: 'int32', shape: [scales.length, 2], data: pyramid.flatMap((p) => [p.height, p.width]) }] });
  stage(1, pnet.flatMap((out, i) => [put(`prob_${i}`, out.prob), put(`regions_${i}`, out.regions)]), { scales, score_threshold: thresholds[0] });
  const boxesTensor = (n) => put(`boxes_${n}`, ints('', stages[n - 1].boxes), 'int32');
  const joined = (outs, key) => put(`${outs === rnet ? 'rnet' : 'onet'}_${key}`, join(outs.map((o) => o[key].data), outs[0][key].shape.slice(1)));
  if (rnet.length) stage(2, [boxesTensor(1), joined(rnet, 'prob'), joined(rnet, 'regions')], { score_threshold: thresholds[1] });
  if (!onet.length) return;
  const shape = [stages[2].boxes.length, 5, 2];
  stage(3, [boxesTensor(2), joined(onet, 'prob'), joined(onet, 'regions'), joined(onet, 'points')], { score_threshold: thresholds[2] }, [
    { name: 'landmarks', kind: 'mtcnn_stage', shape, data: meantPoints(run) },
    { name: 'landmarks_of_face_api', kind: 'mtcnn_stage', shape, data: stages[2].points.flatMap(points) },
  ]);
}

function addPatches(writer, set, picture, label, { stages, patches }) {
  return patches.map((list, i) => {
    const size = [24, 48][i];
    const name = `prepare/mtcnn_patches_${size}/${label}`;
    const boxes = writer.tensor(set, `${name}/input/boxes`, ints('', stages[i].boxes), 'int32');
    const value = { name: 'patches', kind: 'exact', dtype: 'uint8', ...join(list, [size, size, 3]) };
    writer.add({ name, level: 'prepare', set, net: 'mtcnn', attributes: { op: 'mtcnn_patches', size }, inputs: [inputTensor(writer, set, picture), boxes], expected: [value] });
    return writer.tensor(set, `${name}/patches`, value, 'uint8');
  });
}

function addEnd(writer, set, picture, label, run) {
  const { results } = run;
  const shape = [results.length, 5, 2];
  writer.add({
    name: `chain/mtcnn_points/${label}`,
    level: 'chain',
    set,
    net: 'mtcnn',
    attributes: { ...run.attributes, only: 'mtcnn' },
    inputs: [inputTensor(writer, set, picture)],
    expected: [
      { name: 'boxes', kind: 'mtcnn_box', shape: [results.length, 4], data: results.flatMap((r) => rect(r.detection.box)) },
      { name: 'scores', kind: 'score', shape: [results.length], data: results.map((r) => r.detection.score) },
      ...(results.length ? [
        { name: 'landmarks', kind: 'landmark', shape, data: meantPoints(run) },
        { name: 'landmarks_of_face_api', kind: 'landmark', shape, data: results.flatMap((r) => points(r.landmarks.positions)) },
      ] : []),
    ],
    ambiguous: [],
  });
}

// Inputs of the three networks as face-api.js prepares them: BGR, normalized, transposed.
const prepared = (tensor) => tf.transpose(normalize(tensor.reverse(3)), [0, 2, 1, 3]);

function pnetInput(picture, height, width) {
  return tf.tidy(() => prepared(tf.image.resizeBilinear(image(picture).expandDims().toFloat(), [height, width])));
}

const patchInput = (bytes, size) => tf.tidy(() => prepared(tf.tensor4d(Float32Array.from(bytes), [bytes.length / (size * size * 3), size, size, 3])));

const NETWORKS = { mtcnn_pnet: 'PNet', mtcnn_rnet: 'RNet', mtcnn_onet: 'ONet' };
const runNetwork = (name, input) => internal(`mtcnn/${NETWORKS[name]}`)[NETWORKS[name]](input, params()[name.slice(6)]);

// Each stage with a threshold equal to the lowest score of a box that passed it; that box no longer passes.
async function stageThresholdCases(writer, pictures, say) {
  const attributes = { max_num_scales: 10, score_thresholds: [0.6, 0.7, 0.7], min_face_size: 60, scale_factor: 0.6 };
  const { stages } = await watchRun(pictures.astronaut, attributes);
  for (const n of [1, 2, 3]) {
    const thresholds = attributes.score_thresholds.map((value, i) => (i === n - 1 ? Math.min(...stages[i].scores) : value));
    const options = { ...attributes, score_thresholds: thresholds };
    const run = { ...(await watchRun(pictures.astronaut, options)), attributes: options };
    addStages(writer, 'core', pictures.astronaut, 'score_at_threshold', run, n);
    say(`decode/mtcnn_stage${n}/score_at_threshold: ${run.stages[n - 1].boxes.length} of ${stages[n - 1].boxes.length} boxes`);
  }
}

async function mtcnnCases(writer, pictures, say) {
  const add = async (set, name, options, label, withNetworks = true) => {
    const picture = pictures[name];
    const attributes = { max_num_scales: 10, score_thresholds: [0.6, 0.7, 0.7], ...options };
    const run = { ...(await watchRun(picture, attributes)), attributes };
    const patches = addPatches(writer, set, picture, label, run);
    if (withNetworks) addNetworks(writer, set, picture, label, run, patches);
    addStages(writer, set, picture, label, run);
    addEnd(writer, set, picture, label, run);
    say(`mtcnn ${label}: ${run.stages.map((s) => s.boxes.length)} boxes`);
  };
  const standard = { min_face_size: 20, scale_factor: 0.709 };
  await add('core', 'astronaut', { min_face_size: 60, scale_factor: 0.6 }, 'astronaut_min_60');
  await add('full', 'astronaut', standard, 'astronaut');
  await add('full', 'group', { min_face_size: 30, scale_factor: 0.7 }, 'group');
  await add('full', 'group', { min_face_size: 30, scale_factor: 0.7, score_thresholds: [0.6,0.1,0.9] }, 'group_wrong_points', false);
  await add('full', 'tall', standard, 'tall');
  await add('full', 'tiny', standard, 'tiny');
}

module.exports = { mtcnnCases, stageThresholdCases, pnetInput, patchInput, runNetwork };
