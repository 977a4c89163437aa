'use strict';
// face-api.js 0.22.2 itself as a port, for `npfaceapi conform run -- node golden/generate/port.js`: it reads questions and
// writes answers as JSON lines (see docs/conformance.md).  It claims what the library's interface offers.
const fs = require('fs');
const path = require('path');
const readline = require('readline');
const { tf, faceapi, internal, copy, image, watching, NETS, weightMaps, loadNets, rawOutputs } = require('./library');
const { runChain, expectedOf } = require('./chain');
const { decodeSsd, decodeYolo, tensorOf } = require('./decode');
const { rect } = require('./geometry');
const { pnetInput, patchInput, runNetwork } = require('./mtcnn');
const { OPS } = require('./ops');
const { wholeTaps } = require('./taps');
const { unbundledNet, using } = require('./unbundled');
const { yoloNets } = require('./yolo');

class Skip extends Error {}

// ------------------------------------------------------------------ tensors in files

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array, int64: BigInt64Array, uint8: Uint8Array };

function read({ file, dtype, shape }) {
  const bytes = fs.readFileSync(file);
  const data = new ARRAYS[dtype](bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  return { shape, data: dtype === 'int64' ? Int32Array.from(data, Number) : data };
}

function write(folder, name, { shape, data }, dtype) {
  const kind = dtype || (data instanceof Float32Array ? 'float32' : 'float64');
  const file = `${name.replace(/\//g, '_')}.bin`;
  const values = ARRAYS[kind].from(data);
  fs.writeFileSync(path.join(folder, file), Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  return { file, dtype: kind, shape };
}

const picture = ({ shape: [height, width], data }) => ({ width, height, data });
const pictures = (inputs) => Object.keys(inputs).filter((key) => key.startsWith('picture_')).map((key) => picture(inputs[key]));
const madeNet = (net) => (net.startsWith('tiny_yolov2') ? yoloNets()[net] : undefined);
const statedNet = async (net, a) => (a.weights ? { net: await unbundledNet(net, a.weights_folder) } : madeNet(net));

// ------------------------------------------------------------------ one function per level: {name: {shape, data, dtype?}}

async function weights({ net, attributes, answers }) {
  if (attributes.weights) {
    const tensors = Object.fromEntries((await unbundledNet(net, attributes.weights_folder)).getParamList().map(({ path: name, tensor }) => [name, tensor]));
    return Object.fromEntries(answers.map((name) => [name, copy(tensors[name])]));
  }
  return Object.fromEntries(answers.map((name) => [name, copy(weightMaps[net][name])]));
}

function operations({ attributes, inputs }) {
  const tensors = Object.values(inputs).map(({ shape, data }) => tf.tensor(data, shape));
  return { output: tf.tidy(() => copy(OPS[attributes.op](tensors, attributes))) };
}

function mtcnnBatch(net, { attributes, inputs }) {
  if (net === 'mtcnn_pnet') return pnetInput(picture(inputs.picture_0), attributes.height, attributes.width);
  return patchInput(inputs.patches_0.data, inputs.patches_0.shape[1]);
}

async function raw({ net, attributes, inputs }) {
  if (!net.startsWith('mtcnn')) {
    const made = await statedNet(net, attributes);
    return rawOutputs(net, pictures(inputs), attributes.size, made && made.net);
  }
  const found = {}; // R-Net and O-Net return only one column of their softmax
  const watch = { module: tf, name: 'softmax', see: (args, out) => { found.prob = copy(out); } };
  const { regions, points } = await watching([watch], () => runNetwork(net, mtcnnBatch(net, { attributes, inputs })));
  return { ...found, regions: copy(regions), ...(points ? { points: copy(points) } : {}) };
}

async function taps(question) {
  const { net } = question;
  const made = await statedNet(net, question.attributes);
  const found = await wholeTaps(net, made, () => raw(question));
  return Object.fromEntries(found);
}

const rows = (list) => Object.fromEntries(list.map(({ name, shape, data, dtype }) => [name, { shape, data, dtype }]));

async function decode({ net, attributes: a, inputs }) {
  const dims = [a.image_height, a.image_width];
  if (a.op === 'non_max_suppression') {
    const { boxes, scores } = inputs;
    const rects = Array.from({ length: boxes.shape[0] }, (_, i) => new faceapi.Rect(...boxes.data.subarray(i * 4, i * 4 + 4)));
    const kept = faceapi.nonMaxSuppression(rects, Array.from(scores.data), a.iou_threshold, a.is_iou);
    return { indices: { shape: [kept.length], data: kept, dtype: 'int32' } };
  }
  if (a.op === 'ssd_non_max_suppression') {
    const { nonMaxSuppression } = internal('ssdMobilenetv1/nonMaxSuppression');
    const kept = nonMaxSuppression(tensorOf(inputs.boxes), Array.from(inputs.scores.data), a.max_output_size, a.iou_threshold, a.score_threshold);
    return { indices: { shape: [kept.length], data: kept, dtype: 'int32' } };
  }
  if (a.stage !== undefined) throw new Skip('the stages of MTCNN cannot be called from outside');
  if (net === 'ssd_mobilenetv1') return rows((await decodeSsd(inputs, dims, a)).expected);
  if ('grid' in inputs) {
    const made = madeNet(net);
    return rows((await decodeYolo(made ? made.net : NETS[net].net, inputs, dims, a)).expected);
  }
  if (net.startsWith('face_landmark')) {
    const sizes = a.image_dims.map(([height, width]) => ({ height, width }));
    return { relative_points: tf.tidy(() => copy(NETS[net].net.postProcess(tensorOf(inputs.points), 112, sizes))) };
  }
  const probabilities = tf.tidy(() => copy(tf.softmax(tensorOf(Object.values(inputs)[0]))));
  if (net === 'face_expression_net') return { probabilities };
  const male = probabilities.data.filter((_, i) => i % 2 === 0);
  return { gender_probabilities: probabilities, gender_probability_male: { shape: [male.length], data: male } };
}

async function prepare({ attributes: a, inputs }) {
  const list = pictures(inputs);
  if (a.op === 'to_batch') {
    const input = await faceapi.toNetInput(list.map(image));
    const batch = tf.tidy(() => copy(input.toBatchTensor(a.size, a.center)));
    const dims = input.reshapedInputDimensions.flatMap(({ width, height }) => [height, width]);
    return { batch, reshaped_dims: { shape: [list.length, 2], data: dims, dtype: 'int32' } };
  }
  if (a.op === 'resize') return { image: tf.tidy(() => copy(tf.image.resizeBilinear(image(list[0]).expandDims(), [a.height, a.width]))) };
  if (a.op !== 'crop') throw new Skip("MTCNN's patches cannot be cut from outside");
  const { width, height } = list[0];
  const boxes = [
    ...(a.boxes || []).map(([x, y, w, h]) => new faceapi.Box({ x, y, width: w, height: h })),
    ...(a.relative_boxes || []).map((box) => new faceapi.FaceDetection(0.9, new faceapi.Rect(...box), { width, height })),
  ];
  const crops = await faceapi.extractFaceTensors(image(list[0]), boxes);
  const rects = boxes.map((box) => (box instanceof faceapi.FaceDetection ? box.forSize(width, height).box : box).clipAtImageBorders(width, height));
  return {
    rects: { shape: [boxes.length, 4], data: rects.flatMap(rect), dtype: 'int32' },
    ...Object.fromEntries(crops.map((crop, i) => [`crop_${i}`, { ...copy(crop), dtype: 'uint8' }])),
  };
}

async function chain({ net, attributes, inputs }) {
  if (attributes.only) throw new Skip('only one part of the chain');
  const run = () => runChain(picture(inputs.picture_0), net, attributes);
  return rows(expectedOf(await using(Object.keys(attributes.weights || {}), run, attributes.weights_folder), net));
}

const LEVELS = { weights, operations, taps, raw, decode, prepare, chain };

async function answer(question) {
  const level = LEVELS[question.level];
  if (!level) throw new Skip(`no level ${question.level}`);
  const inputs = Object.fromEntries(Object.entries(question.inputs).map(([name, stated]) => [name, read(stated)]));
  const found = await level({ ...question, inputs });
  return Object.fromEntries(Object.entries(found).map(([name, value]) => [name, write(question.folder, name, value, value.dtype)]));
}

async function main() {
  await loadNets(path.join(__dirname, '..', '..', 'weights'));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const question = JSON.parse(line);
    let reply;
    try {
      reply = { answers: await answer(question) };
    } catch (error) {
      reply = error instanceof Skip ? { skip: error.message } : { error: String(error) };
    }
    process.stdout.write(`${JSON.stringify({ case: question.case, ...reply })}\n`);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
