'use strict';
// Cases for weights that are published but not bundled: both variants of Tiny YOLO v2, and float32 weights of networks whose
// bundled weights are quantized. Each case names its weights: {network: {file: SHA-256}}.
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { faceapi, rawOutputs } = require('./library');
const { addChain, SSD, TINY, MTCNN } = require('./chain');
const { decodeYolo } = require('./decode');
const { entry } = require('./prepare');
const { inputTensor, rawEntries } = require('./raw');
const { wholeTaps } = require('./taps');
const { tensorHashes } = require('./weights');

const SET = 'unbundled';
const SIZES = [224, 416, 608];
// A second folder for the flat files.
const PACKAGE = path.join(__dirname, 'node_modules', 'face-api.js-0.10.0', 'weights_uncompressed');

const FILES = {
  tiny_yolov2: {
    'tiny_yolov2_separable_conv_model-weights_manifest.json': '2394ce39ab3270d1622a4218a14dfb9222b0b563df25019fa4483f147eaa2047',
    'tiny_yolov2_separable_conv_model-shard1': '7be149fcea4c8a834c49ff77bab470f8f3bf4a5674c44162bcea966fbb561c10',
  },
  tiny_yolov2_full: { 'tiny_yolov2_model.weights': '0dffee286462e1cae48fc709a1decc8eaadabd1259f0c22452be42b4143ce438' },
  ssd_mobilenetv1: { 'ssd_mobilenetv1_model.weights': 'ec27a94241e21932167ef180a767b402ee69f25838c69620f9aa4a462886570f' },
  face_recognition_net: { 'face_recognition_model.weights': '58c8187ed18a12c127e88a5ade737163324f855c03932ecdd7f7a21f5b321bdf' },
  mtcnn: { 'mtcnn_model.weights': '20f4d3ac278e42e9a079453441533ec4e79bb6bd2e7cf7bd33e34ee123d674cb' },
};

const MAKE = {
  tiny_yolov2: () => new faceapi.TinyYolov2(true),
  tiny_yolov2_full: () => new faceapi.TinyYolov2(false),
  ssd_mobilenetv1: () => new faceapi.SsdMobilenetv1(),
  face_recognition_net: () => new faceapi.FaceRecognitionNet(),
  mtcnn: () => new faceapi.Mtcnn(),
};

// The network instances that face-api.js's tasks use.
const PLACE = {
  tiny_yolov2: 'tinyYolov2',
  tiny_yolov2_full: 'tinyYolov2',
  ssd_mobilenetv1: 'ssdMobilenetv1',
  face_recognition_net: 'faceRecognitionNet',
  mtcnn: 'mtcnn',
};

function find(file, sha256, folder) {
  const found = [folder, PACKAGE].filter(Boolean).map((place) => path.join(place, file)).find((name) => fs.existsSync(name));
  if (!found) throw new Error(`${file}: expected it in the folder that NPFACEAPI_TINY_YOLOV2 names; weights/README.md says where to get it`);
  const got = crypto.createHash('sha256').update(fs.readFileSync(found)).digest('hex');
  if (got !== sha256) throw new Error(`${found}: expected SHA-256 ${sha256}, got ${got}`);
  return found;
}

const nets = {};

// A network with the weights of FILES, as face-api.js loads them: a flat file as a Float32Array, others from their folder.
async function unbundledNet(name, folder = process.env.NPFACEAPI_TINY_YOLOV2) {
  if (nets[name]) return nets[name];
  const [first] = Object.entries(FILES[name]).map(([file, sha256]) => find(file, sha256, folder));
  const net = MAKE[name]();
  if (first.endsWith('.weights')) {
    const { buffer, byteOffset, length } = fs.readFileSync(first);
    await net.load(new Float32Array(buffer.slice(byteOffset, byteOffset + length)));
  } else await net.loadFromDisk(path.dirname(first));
  nets[name] = net;
  return net;
}

// Runs work() with the weights of FILES in these networks of face-api.js's tasks.
async function using(names, work, folder) {
  const before = { ...faceapi.nets };
  try {
    for (const name of names) faceapi.nets[PLACE[name]] = await unbundledNet(name, folder);
    return await work();
  } finally {
    Object.assign(faceapi.nets, before);
  }
}

const weightsOf = (...names) => ({ weights: Object.fromEntries(names.map((name) => [name, FILES[name]])) });

async function yoloCases(writer, pictures, say, name) {
  const net = await unbundledNet(name);
  const weights = weightsOf(name);
  writer.add({ name: `weights/unbundled_${name}`, level: 'weights', set: SET, net: name, attributes: weights, inputs: [], expected: tensorHashes(net.getParamList().map(({ path: label, tensor }) => [label, tensor])) });

  for (const size of SIZES) {
    const label = `unbundled_astronaut_${size}`;
    const attributes = { size, center: false, ...weights };
    const inputs = [inputTensor(writer, SET, pictures.astronaut)];
    let raw;
    const taps = await wholeTaps(name, { net }, async () => { raw = await rawOutputs(name, [pictures.astronaut], size, net); });
    const expected = [...taps].map(([block, value]) => entry(block, 'stage', value, 1024));
    writer.add({ name: `taps/${name}/${label}`, level: 'taps', set: SET, net: name, attributes, inputs, expected });
    writer.add({ name: `raw/${name}/${label}`, level: 'raw', set: SET, net: name, attributes, inputs, expected: rawEntries(raw) });
    const grid = writer.tensor(SET, `raw/${name}/${label}/grid`, raw.grid);
    for (const [threshold, ending] of [[0.5, ''], [0.01, '_min_0.01']]) {
      const options = { input_size: size, score_threshold: threshold };
      const { expected: faces, ambiguous } = await decodeYolo(net, raw, [512, 512], options);
      writer.add({ name: `decode/${name}/${label}${ending}`, level: 'decode', set: SET, net: name, attributes: { image_height: 512, image_width: 512, ...options, ...weights }, inputs: [grid], expected: faces, ambiguous });
    }
    say(`taps, raw, decode/${name}/${label}: ${expected.length} blocks`);
  }
  const two = ['group', 'strip'].map((label) => pictures[label]);
  const inputs = two.map((picture) => inputTensor(writer, SET, picture));
  writer.add({ name: `raw/${name}/unbundled_group+strip_224`, level: 'raw', set: SET, net: name, attributes: { size: 224, center: false, ...weights }, inputs, expected: rawEntries(await rawOutputs(name, two, 224, net)) });
  say(`raw/${name}/unbundled_group+strip_224`);
}

async function chain(writer, picture, say, detector, label, options, names) {
  const { faces } = await using(names, () => addChain(writer, SET, picture, detector, `unbundled_${label}`, { ...options, ...weightsOf(...names) }));
  say(`chain/unbundled_${label}/${picture.name}: ${faces.length} faces`);
}

const PHOTOS = {
  tiny_yolov2: { 224: ['astronaut', 'cut'], 416: ['astronaut', 'group', 'mirrored', 'gray', 'cut', 'wide', 'tall', 'dark'], 608: ['astronaut', 'group'] },
  tiny_yolov2_full: { 224: ['astronaut', 'group', 'mirrored', 'gray', 'cut', 'wide', 'tall', 'dark'], 416: ['astronaut', 'group', 'cut'], 608: ['astronaut', 'group'] },
};

async function unbundledCases(writer, pictures, say) {
  for (const [name, photos] of Object.entries(PHOTOS)) {
    await yoloCases(writer, pictures, say, name);
    for (const size of SIZES) {
      for (const photo of photos[size]) await chain(writer, pictures[photo], say, name, `${name}_${size}`, { ...TINY, input_size: size }, [name]);
    }
  }
  const { astronaut } = pictures;
  for (const name of ['ssd_mobilenetv1', 'face_recognition_net']) {
    const [size, center] = name === 'ssd_mobilenetv1' ? [512, false] : [150, true];
    const raw = await rawOutputs(name, [astronaut], size, await unbundledNet(name));
    writer.add({ name: `raw/${name}/unbundled_astronaut`, level: 'raw', set: SET, net: name, attributes: { size, center, ...weightsOf(name) }, inputs: [inputTensor(writer, SET, astronaut)], expected: Object.entries(raw).map(([label, value]) => entry(label, 'raw', value, 1024)) });
    say(`raw/${name}/unbundled_astronaut`);
  }
  await chain(writer, astronaut, say, 'ssd_mobilenetv1', 'ssd', SSD, ['ssd_mobilenetv1', 'face_recognition_net']);
  await chain(writer, astronaut, say, 'mtcnn', 'mtcnn', MTCNN, ['mtcnn', 'face_recognition_net']);
}

module.exports = { unbundledCases, unbundledNet, using };
