// Any network in plain JavaScript, from the output of `npfaceapi show NET --format json` and the model files; no packages.
//
//     npfaceapi show mtcnn_rnet --format json > graphs/mtcnn_rnet.json      (and others, into one folder)
//     npfaceapi conform run --level weights --level operations --level taps --level raw -- node examples/ports/graph.js graphs weights
//
// A tensor is {shape, data}, data a Float32Array; images are [N,H,W,C].  Sums are computed in float64, as JavaScript does.
"use strict";
const fs = require("fs");
const path = require("path");

const [graphs, weights] = process.argv.slice(2);
const count = (shape) => shape.reduce((a, b) => a * b, 1);
const tensor = (shape, data) => ({ shape, data: data || new Float32Array(count(shape)) });

// ------------------------------------------------------------------ operations

function windows(x, [KH, KW], stride, pads, visit) {
  const [N, H, W] = x.shape;
  const [rows, columns] = [[H, KH, pads[0]], [W, KW, pads[1]]].map(([n, k, [a, b]]) => Math.floor((n + a + b - k) / stride) + 1);
  for (let n = 0, place = 0; n < N; n++)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++, place++)
        for (let i = 0; i < KH; i++)
          for (let j = 0; j < KW; j++) {
            const y = r * stride + i - pads[0][0], z = c * stride + j - pads[1][0];
            if (y >= 0 && y < H && z >= 0 && z < W) visit(place, i * KW + j, (n * H + y) * W + z);
          }
  return [N, rows, columns];
}

function padding(x, window, { stride, padding, pads }) {
  if (pads) return pads; // in pixels; if they vary with the size, only the rule is given
  return window.map((k, axis) => {
    if (padding !== "same") return padding === "valid" ? [0, 0] : [padding, padding];
    const n = x.shape[axis + 1], total = Math.max((Math.ceil(n / stride) - 1) * stride + k - n, 0);
    return [Math.floor(total / 2), total - Math.floor(total / 2)]; // the odd pixel comes after the image
  });
}

function conv2d({ x, filters, bias }, a) {
  const [KH, KW, Ci, Co] = filters.shape, f = filters.data, pads = padding(x, [KH, KW], a);
  const size = x.shape[0] * count(x.shape.slice(1, 3).map((n, k) => n + pads[k][0] + pads[k][1]));
  const sums = new Float64Array(size * Co);
  const places = windows(x, [KH, KW], a.stride, pads, (place, tap, pixel) => {
    for (let i = 0; i < Ci; i++) {
      const v = x.data[pixel * Ci + i], row = (tap * Ci + i) * Co;
      if (v !== 0) for (let o = 0; o < Co; o++) sums[place * Co + o] += v * f[row + o];
    }
  });
  const y = tensor([...places, Co]);
  for (let i = 0; i < y.data.length; i++) y.data[i] = sums[i] + (bias ? bias.data[i % Co] : 0);
  return y;
}

function depthwise_conv2d({ x, filters }, a) {
  const [KH, KW, C] = filters.shape, pads = padding(x, [KH, KW], a), sums = [];
  const places = windows(x, [KH, KW], a.stride, pads, (place, tap, pixel) => {
    for (let c = 0; c < C; c++)
      sums[place * C + c] = (sums[place * C + c] || 0) + x.data[pixel * C + c] * filters.data[tap * C + c];
  });
  return tensor([...places, C], Float32Array.from({ length: count(places) * C }, (_, i) => sums[i] || 0));
}

const pool = (start, fold, finish) => ({ x }, a) => {
  const C = x.shape[3], window = [a.size, a.size], best = [];
  const places = windows(x, window, a.stride, padding(x, window, a), (place, tap, pixel) => {
    for (let c = 0; c < C; c++) best[place * C + c] = fold(best[place * C + c] ?? start, x.data[pixel * C + c]);
  });
  return tensor([...places, C], Float32Array.from(best, (v) => finish(v, a.size * a.size)));
};

function dense({ x, weights, bias }) {
  const [Ci, Co] = weights.shape, y = tensor([...x.shape.slice(0, -1), Co]);
  for (let i = 0; i < y.data.length; i++) {
    let sum = bias ? bias.data[i % Co] : 0;
    for (let k = 0; k < Ci; k++) sum += x.data[Math.floor(i / Co) * Ci + k] * weights.data[k * Co + (i % Co)];
    y.data[i] = sum;
  }
  return y;
}

const each = (f) => ({ x, ...more }, a) => tensor(x.shape, x.data.map((v, i) => f(v, (t) => t.data[i % t.data.length], more, a)));
const second = (at, { y }, a) => (y ? at(y) : at({ data: Float32Array.from([a.y].flat()) }));

function mean({ x }) {
  const [N, H, W, C] = x.shape, sums = new Float64Array(N * C);
  x.data.forEach((v, i) => (sums[Math.floor(i / (H * W * C)) * C + (i % C)] += v));
  return tensor([N, C], Float32Array.from(sums, (v) => v / (H * W)));
}

function softmax({ x }) {
  const C = x.shape[x.shape.length - 1], y = tensor(x.shape);
  for (let at = 0; at < x.data.length; at += C) {
    const row = [...x.data.subarray(at, at + C)], most = Math.max(...row), e = row.map((v) => Math.exp(v - most));
    e.forEach((v, i) => (y.data[at + i] = v / e.reduce((p, q) => p + q)));
  }
  return y;
}

function pad({ x }, a) {
  const [rows, columns, channels] = a.paddings ? a.paddings.slice(1) : [a.rows, a.columns, a.channels];
  const [N, H, W, C] = x.shape;
  const [H2, W2, C2] = [rows, columns, channels].map(([before, after], k) => before + x.shape[k + 1] + after);
  const y = tensor([N, H2, W2, C2]);
  x.data.forEach((v, i) => {
    const c = i % C, w = Math.floor(i / C) % W, h = Math.floor(i / C / W) % H, n = Math.floor(i / C / W / H);
    y.data[((n * H2 + h + rows[0]) * W2 + w + columns[0]) * C2 + c + channels[0]] = v;
  });
  return y;
}

function concat(xs) { // along the first axis after the batch
  const parts = Object.values(xs), [N, , ...rest] = parts[0].shape;
  const y = tensor([N, parts.reduce((n, x) => n + x.shape[1], 0), ...rest]);
  let at = 0;
  for (let n = 0; n < N; n++)
    for (const x of parts) {
      const size = x.data.length / N;
      y.data.set(x.data.subarray(n * size, (n + 1) * size), at);
      at += size;
    }
  return y;
}

const OPERATIONS = {
  conv2d, depthwise_conv2d, dense, mean, softmax, pad, concat,
  max_pool: pool(-Infinity, Math.max, (v) => v),
  avg_pool: pool(0, (a, b) => a + b, (v, n) => v / n),
  add: each((v, at, more, a) => v + second(at, more, a)),
  subtract: each((v, at, more, a) => v - second(at, more, a)),
  multiply: each((v, at, more, a) => v * second(at, more, a)),
  divide: each((v, at, more, a) => v / second(at, more, a)),
  batch_norm: each((v, at, p, a) => at(p.offset) + ((v - at(p.mean)) * at(p.scale)) / Math.sqrt(at(p.variance) + a.epsilon)),
  relu: each((v) => Math.max(v, 0)),
  relu6: each((v) => Math.min(Math.max(v, 0), 6)),
  leaky_relu: each((v, at, more, a) => (v > 0 ? v : a.alpha * v)),
  prelu: each((v, at, { alpha }) => (v > 0 ? v : at(alpha) * v)),
  sigmoid: each((v) => 1 / (1 + Math.exp(-v))),
  reshape: ({ x }, a) => tensor([x.shape[0], ...a.shape], x.data),
};

// ------------------------------------------------------------------ networks

const kept = {};
function network(name) {
  const file = path.join(graphs, `${name}.json`);
  if (!kept[name] && fs.existsSync(file)) {
    const { weights: { model }, graphs: [graph] } = JSON.parse(fs.readFileSync(file));
    kept[name] = { graph, tensors: load(model) };
  }
  return kept[name];
}

function load(model) { // tensors are contiguous in the files; bytes q stand for q * scale + min
  const tensors = {};
  for (const group of JSON.parse(fs.readFileSync(path.join(weights, `${model}-weights_manifest.json`)))) {
    const bytes = Buffer.concat(group.paths.map((file) => fs.readFileSync(path.join(weights, file))));
    let at = 0;
    for (const { name, shape, dtype, quantization: q } of group.weights) {
      const t = (tensors[name] = tensor(shape)), read = dtype === "int32" ? "readInt32LE" : "readFloatLE";
      for (let i = 0; i < t.data.length; i++, at += q ? 1 : 4) t.data[i] = q ? bytes[at] * q.scale + q.min : bytes[read](at);
    }
  }
  return tensors;
}

function run({ graph, tensors }, batch) {
  const values = {};
  for (const { name, op, inputs, params, attributes } of graph.nodes) {
    if (op === "input") { values[name] = batch; continue; }
    const given = Object.fromEntries(inputs.map((input, i) => [op === "concat" ? i : "xy"[i], values[input]]));
    for (const key of Object.keys(params)) given[key] = tensors[params[key].name];
    values[name] = OPERATIONS[op](given, attributes);
  }
  return values;
}

// ------------------------------------------------------------------ questions and answers, one per line

function answer({ level, net, attributes, inputs, answers }) {
  const floats = Object.entries(inputs).filter(([, { dtype }]) => dtype === "float32");
  const read = (file) => new Float32Array(new Uint8Array(fs.readFileSync(file)).buffer);
  const x = Object.fromEntries(floats.map(([name, { file, shape }]) => [name, tensor(shape, read(file))]));
  if (level === "operations") return OPERATIONS[attributes.op] && { output: OPERATIONS[attributes.op](x, attributes) };
  const made = ["weights", "taps", "raw"].includes(level) && !attributes.synthetic_weights && !attributes.weights && network(net);
  if (!made) return null;
  if (level === "weights") return Object.fromEntries(answers.map((name) => [name, made.tensors[name]]));
  const values = run(made, x.batch), { outputs, blocks } = made.graph;
  return Object.fromEntries(answers.map((name) => [name, values[level === "raw" ? outputs[name] : blocks[name]]]));
}

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const question = JSON.parse(line), given = answer(question), answers = {};
  Object.entries(given || {}).forEach(([name, { shape, data }], i) => {
    fs.writeFileSync(path.join(question.folder, `${i}.bin`), data);
    answers[name] = { file: `${i}.bin`, dtype: "float32", shape };
  });
  console.log(JSON.stringify({ case: question.case, ...(given ? { answers } : { skip: "not ported" }) }));
});
