'use strict';
// Single operations of tfjs-core on synthetic inputs that are not stored.
const { tf, copy, internal } = require('./library');
const { synthetic } = require('./hash');

const leaky = internal('tinyYolov2/leaky').leaky;
const prelu = internal('mtcnn/prelu').prelu;
const padded = (x, p) => (typeof p === 'number' && p > 0 ? tf.pad(x, [[0, 0], [p, p], [p, p], [0, 0]]) : x);
const explicit = (p) => (typeof p === 'number' ? 'valid' : p);

const OPS = {
  conv2d: ([x, w], { stride, padding }) => tf.conv2d(padded(x, padding), w, [stride, stride], explicit(padding)),
  depthwise_conv2d: ([x, w], { stride, padding }) => tf.depthwiseConv2d(padded(x, padding), w, [stride, stride], explicit(padding)),
  max_pool: ([x], { size, stride, padding }) => tf.maxPool(x, [size, size], [stride, stride], padding),
  avg_pool: ([x], { size, stride, padding }) => tf.avgPool(x, [size, size], [stride, stride], padding),
  dense: ([x, w]) => tf.matMul(x, w),
  batch_norm: ([x, mean, variance, offset, scale], { epsilon }) => tf.batchNorm(x, mean, variance, offset, scale, epsilon),
  add: ([x, y]) => tf.add(x, y),
  subtract: ([x, y]) => tf.sub(x, y),
  multiply: ([x, y]) => tf.mul(x, y),
  divide: ([x, y]) => tf.div(x, y),
  relu: ([x]) => tf.relu(x),
  relu6: ([x]) => tf.clipByValue(x, 0, 6),
  leaky_relu: ([x]) => leaky(x),
  prelu: ([x, alpha]) => prelu(x, alpha),
  softmax: ([x]) => tf.softmax(x),
  sigmoid: ([x]) => tf.sigmoid(x),
  concat: (list, { axis }) => tf.concat(list, axis),
  pad: ([x], { paddings }) => tf.pad(x, paddings),
  mean: ([x], { axes }) => tf.mean(x, axes),
  resize_bilinear: ([x], { height, width }) => tf.image.resizeBilinear(x, [height, width]),
};

// [op, attributes, shapes (or [shape, low, high])]
function convolutions() {
  const list = [];
  const conv = (n, h, w, ci, co, k, stride, padding) => list.push(['conv2d', { stride, padding }, [[n, h, w, ci], [k, k, ci, co]]]);
  conv(1, 9, 11, 3, 8, 3, 1, 'same');
  conv(1, 10, 8, 3, 8, 3, 2, 'same');
  conv(2, 9, 7, 4, 5, 3, 2, 'same');
  conv(1, 9, 7, 3, 16, 3, 1, 'valid');
  conv(1, 12, 9, 5, 7, 3, 2, 'valid');
  conv(1, 8, 8, 3, 4, 3, 1, 1);
  conv(1, 19, 17, 3, 6, 7, 2, 'valid');
  conv(1, 20, 20, 3, 6, 7, 2, 'same');
  conv(2, 6, 7, 16, 24, 1, 1, 'same');
  conv(1, 7, 7, 33, 17, 1, 1, 'valid');
  conv(1, 7, 6, 12, 10, 1, 2, 'same');
  conv(1, 5, 6, 6, 9, 2, 1, 'valid');
  conv(1, 6, 5, 6, 9, 2, 2, 'same');
  conv(1, 1, 1, 64, 32, 3, 2, 'same');
  conv(1, 2, 2, 64, 48, 3, 1, 'same');
  conv(1, 4, 4, 256, 32, 3, 1, 'same');
  conv(1, 5, 4, 129, 1, 3, 1, 'same');
  conv(3, 3, 3, 1, 1, 3, 1, 'same');
  const depthwise = (n, h, w, c, stride, padding) => list.push(['depthwise_conv2d', { stride, padding }, [[n, h, w, c], [3, 3, c, 1]]]);
  depthwise(1, 9, 8, 8, 1, 'same');
  depthwise(1, 8, 10, 8, 2, 'same');
  depthwise(2, 9, 7, 5, 2, 'same');
  depthwise(1, 7, 9, 16, 1, 'valid');
  depthwise(1, 6, 6, 3, 1, 1);
  depthwise(1, 1, 1, 7, 1, 'same');
  depthwise(1, 5, 5, 33, 2, 'valid');
  return list;
}

function pools() {
  const list = [];
  for (const [h, w] of [[8, 8], [9, 7]]) {
    for (const [size, stride] of [[2, 2], [2, 1], [3, 2]]) {
      for (const padding of ['same', 'valid']) list.push(['max_pool', { size, stride, padding }, [[h === 9 ? 2 : 1, h, w, 5]]]);
    }
  }
  list.push(['max_pool', { size: 2, stride: 1, padding: 'same' }, [[1, 1, 1, 4]]]);
  list.push(['avg_pool', { size: 2, stride: 2, padding: 'valid' }, [[2, 9, 8, 6]]]);
  list.push(['avg_pool', { size: 7, stride: 2, padding: 'valid' }, [[1, 7, 7, 16]]]);
  list.push(['avg_pool', { size: 14, stride: 2, padding: 'valid' }, [[1, 14, 14, 3]]]);
  return list;
}

function elementwise() {
  const x = [2, 5, 4, 6];
  const list = [
    ['dense', {}, [[1, 256], [256, 136]]],
    ['dense', {}, [[3, 100], [100, 7]]],
    ['dense', {}, [[2, 1], [1, 5]]],
    ['batch_norm', { epsilon: 0.0010000000474974513 }, [x, [6], [[6], 0.1, 2], [6], [6]]],
  ];
  for (const op of ['add', 'subtract', 'multiply']) list.push([op, {}, [x, [6]]], [op, {}, [x, x]], [op, {}, [x, []]]);
  list.push(['divide', {}, [x, [[6], 0.5, 2]]], ['divide', {}, [x, [[], 255, 256]]]);
  for (const op of ['relu', 'relu6', 'leaky_relu', 'sigmoid']) list.push([op, {}, [[x, -9, 9]]]);
  list.push(['prelu', {}, [[x, -3, 3], [6]]], ['prelu', {}, [[[3, 10], -3, 3], [10]]]);
  list.push(['softmax', {}, [[[4, 7], -10, 10]]], ['softmax', {}, [[[1, 5, 4, 2], -5, 5]]], ['softmax', {}, [[[2, 2], -80, 80]]]);
  list.push(['concat', { axis: 1 }, [[1, 4, 3, 2], [1, 7, 3, 2]]], ['concat', { axis: 1 }, [[2, 4, 3, 2], [2, 1, 3, 2], [2, 2, 3, 2]]]);
  list.push(['pad', { paddings: [[0, 0], [1, 1], [1, 1], [0, 0]] }, [[2, 3, 4, 2]]], ['pad', { paddings: [[0, 0], [0, 1], [2, 0], [0, 3]] }, [[1, 3, 4, 2]]]);
  list.push(['mean', { axes: [1, 2] }, [[2, 2, 2, 256]]], ['mean', { axes: [1, 2] }, [[1, 5, 7, 3]]]);
  for (const [h, w, height, width] of [[4, 4, 6, 6], [7, 5, 3, 4], [9, 9, 9, 4], [1, 1, 4, 3], [13, 11, 30, 8], [2, 17, 5, 5]]) {
    list.push(['resize_bilinear', { height, width }, [[[1, h, w, 3], 0, 255]]]);
  }
  return list;
}

async function operationCases(writer, pictures, say) {
  const all = [...convolutions(), ...pools(), ...elementwise()];
  const counts = {};
  let seed = 100;
  for (const [op, attributes, shapes] of all) {
    counts[op] = (counts[op] || 0) + 1;
    const rules = shapes.map((s) => (Array.isArray(s[0]) ? { seed: seed++, shape: s[0], low: s[1], high: s[2] } : { seed: seed++, shape: s, low: -1, high: 1 }));
    const out = tf.tidy(() => copy(OPS[op](rules.map((rule) => tf.tensor(synthetic(rule), rule.shape)), attributes)));
    writer.add({
      name: `operations/${op}/${counts[op]}`,
      level: 'operations',
      set: 'core',
      attributes: { op, ...attributes },
      inputs: rules.map((rule) => ({ synthetic: rule })),
      expected: [{ name: 'output', kind: op === 'resize_bilinear' ? 'resize' : 'operation', ...out }],
    });
  }
  say(`${all.length} operations`);
}

module.exports = { operationCases, OPS };
