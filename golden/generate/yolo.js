'use strict';
// Both variants of TinyYolov2 with synthetic weights made by a rule, since no weights are bundled.
const { faceapi } = require('./library');
const { synthetic } = require('./hash');

const CHANNELS = [3, 16, 32, 64, 128, 256, 512, 1024, 1024];

// [name, shape] in the flat order that net.load(Float32Array) takes
function separableTensors() {
  const blocks = CHANNELS.slice(1).flatMap((out, i) => [
    [`conv${i}/depthwise_filter`, [3, 3, CHANNELS[i], 1]],
    [`conv${i}/pointwise_filter`, [1, 1, CHANNELS[i], out]],
    [`conv${i}/bias`, [out]],
  ]);
  return [...blocks, ['conv8/filters', [1, 1, 1024, 25]], ['conv8/bias', [25]]];
}

function fullTensors() {
  const blocks = CHANNELS.slice(1).flatMap((out, i) => [
    [`conv${i}/conv/filters`, [3, 3, CHANNELS[i], out]],
    [`conv${i}/conv/bias`, [out]],
    [`conv${i}/bn/sub`, [out]],
    [`conv${i}/bn/truediv`, [out]],
  ]);
  return [...blocks, ['conv8/filters', [1, 1, 1024, 30]], ['conv8/bias', [30]]];
}

function range(name, shape) {
  if (name === 'conv8/bias') return [-1.5, -0.5];
  if (name.endsWith('bias')) return [-0.1, 0.1];
  if (name.endsWith('sub')) return [-0.1, 0.1];
  if (name.endsWith('truediv')) return [0.5, 1.5];
  const fanIn = name.endsWith('depthwise_filter') ? 9 : shape[0] * shape[1] * shape[2];
  const gain = name === 'conv8/filters' ? 12 : name.endsWith('depthwise_filter') ? 3 : 6; // keeps activations near 1
  return [-Math.sqrt(gain / fanIn), Math.sqrt(gain / fanIn)];
}

function makeYolo(separable, base) {
  const list = separable ? separableTensors() : fullTensors();
  const rule = list.map(([name, shape], k) => {
    const [low, high] = range(name, shape);
    return { name, shape, seed: base + k, low, high };
  });
  const parts = rule.map(synthetic);
  const flat = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  parts.reduce((at, part) => { flat.set(part, at); return at + part.length; }, 0);
  const net = new faceapi.TinyYolov2(separable);
  net.extractWeights(flat);
  return { net, rule };
}

let made;
const yoloNets = () => {
  made = made || { tiny_yolov2: makeYolo(true, 1000), tiny_yolov2_full: makeYolo(false, 2000) };
  return made;
};

module.exports = { yoloNets };
