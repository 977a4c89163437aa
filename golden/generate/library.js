'use strict';
// face-api.js and tfjs-core as published, the networks loaded from the project's weights/ folder, and hooks into both:
// module functions are wrapped at run time, no file of the packages is changed.
const path = require('path');
const tf = require('@tensorflow/tfjs-core');

const quiet = console.warn;
console.warn = () => {}; // silences tfjs's advice to use its native binding and face-api.js's deprecation of MTCNN
const faceapi = require('face-api.js');
const { Canvas, ImageData } = require('./canvas');
const internal = (name) => require(`face-api.js/build/commonjs/${name}`);

faceapi.env.monkeyPatch({ Canvas, ImageData, Image: class Image {}, createCanvasElement: () => new Canvas() });

const copy = (tensor) => ({ shape: tensor.shape.slice(), data: Float32Array.from(tensor.dataSync()) });
const image = ({ width, height, data }) => tf.tensor3d(Int32Array.from(data), [height, width, 3], 'int32');

// Runs work() while every call of `module[name]` also calls see(args, result).
async function watching(watches, work) {
  const originals = watches.map(({ module, name }) => module[name]);
  watches.forEach(({ module, name, see }, i) => {
    module[name] = function watched(...args) {
      const result = originals[i].apply(this, args);
      see(args, result);
      return result;
    };
  });
  try {
    return await work();
  } finally {
    watches.forEach(({ module, name }, i) => { module[name] = originals[i]; });
  }
}

const NETS = {
  ssd_mobilenetv1: { net: faceapi.nets.ssdMobilenetv1, size: 512, center: false },
  tiny_face_detector: { net: faceapi.nets.tinyFaceDetector, size: 416, center: false },
  mtcnn: { net: faceapi.nets.mtcnn },
  face_landmark_68_net: { net: faceapi.nets.faceLandmark68Net, size: 112, center: true },
  face_landmark_68_tiny_net: { net: faceapi.nets.faceLandmark68TinyNet, size: 112, center: true },
  face_recognition_net: { net: faceapi.nets.faceRecognitionNet, size: 150, center: true },
  face_expression_net: { net: faceapi.nets.faceExpressionNet, size: 112, center: true },
  age_gender_net: { net: faceapi.nets.ageGenderNet, size: 112, center: true },
};

const weightMaps = {}; // network -> {manifest's name: tensor}, as tfjs decoded it

async function loadNets(folder) {
  await tf.setBackend('cpu');
  for (const [name, { net }] of Object.entries(NETS)) {
    const decode = net.loadFromWeightMap;
    net.loadFromWeightMap = function loadFromWeightMap(map) {
      weightMaps[name] = { ...map };
      return decode.call(this, map);
    };
    await net.loadFromDisk(path.resolve(folder));
    delete net.loadFromWeightMap;
  }
  console.warn = quiet;
}

// The tensors before any decoding, as {raw output: {shape, data}}.
async function rawOutputs(name, pictures, size, net = NETS[name] && NETS[name].net) {
  const input = await faceapi.toNetInput(pictures.map(image));
  if (name === 'ssd_mobilenetv1') {
    const raw = {};
    const module = internal('ssdMobilenetv1/outputLayer');
    const see = ([boxes, classes]) => {
      raw.box_encodings = { ...copy(boxes), shape: [boxes.shape[0], 5118, 4] };
      raw.class_logits = copy(classes);
    };
    await watching([{ module, name: 'outputLayer', see }], () => tf.tidy(() => { net.forwardInput(input); }));
    return raw;
  }
  return tf.tidy(() => {
    switch (name) {
      case 'tiny_face_detector': case 'tiny_yolov2': case 'tiny_yolov2_full':
        return { grid: copy(net.forwardInput(input, size)) };
      case 'face_recognition_net':
        return { descriptor: copy(net.forwardInput(input)) };
      case 'face_expression_net':
        return { logits: copy(net.runNet(input)) };
      case 'age_gender_net': {
        const { age, gender } = net.runNet(input);
        return { age: copy(age), gender_logits: copy(gender) };
      }
      default:
        return { points: copy(net.runNet(input)) };
    }
  });
}

module.exports = { tf, faceapi, internal, copy, image, watching, NETS, weightMaps, loadNets, rawOutputs };
