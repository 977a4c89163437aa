'use strict';
// Collects cases and their tensors; equal bytes are stored once. Writes a file of cases and, per set, a manifest with
// raw little-endian shards, in the format of the weights.
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const MAX_SHARD = 4 * 1024 * 1024;


const TOLERANCES = {
  exact: { absolute: 0 },
  operation: { relative: 1e-5 },
  stage: { relative: 1e-5 },
  raw: { relative: 1e-5 },
  probability: { absolute: 1e-5 },
  resize: { relative: 1e-5 },
  box: { absolute: 0.01 },
  score: { absolute: 1e-5 },
  landmark: { absolute: 0.02 },
  relative_landmark: { absolute: 1e-5 },
  descriptor: { euclidean: 1e-5 },
  age: { absolute: 1e-3 },
  probabilities: { absolute: 1e-4 },
  mtcnn_stage: { relative: 1e-6 },
  mtcnn_box: { iou: 0.99 },
  json: { relative: 1e-9 },
  anchor: { absolute: 0.0005 },
};

class Writer {
  // the sets to write, and the file of the cases; tensors of other sets are already stored elsewhere
  constructor(sets = ['core', 'full'], file = 'cases.json') {
    this.sets = sets;
    this.file = file;
    this.tensors = new Map(); // content hash -> {name, shape, dtype, bytes, set}
    this.names = new Set();
    this.cases = [];
  }

  // kind of storage: 'float32', 'int32', or 'uint8' (an int32 entry, quantized to bytes)
  tensor(set, name, { shape, data }, dtype = 'float32') {
    const size = shape.reduce((a, b) => a * b, 1);
    if (size !== data.length) throw new Error(`${name}: shape [${shape}] does not fit ${data.length} values`);
    const Type = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array }[dtype];
    const typed = Type.from(data);
    if (dtype !== 'float32' && Array.from(data).some((v, i) => v !== typed[i])) throw new Error(`${name}: not all values fit ${dtype}`);
    const bytes = Buffer.from(typed.buffer, typed.byteOffset, typed.byteLength);
    const key = crypto.createHash('sha256').update(`${dtype}[${shape}]`).update(bytes).digest('hex');
    let entry = this.tensors.get(key);
    if (!entry) {
      if (this.names.has(name)) throw new Error(`two different tensors are named ${name}`);
      this.names.add(name);
      entry = { name, shape: Array.from(shape), dtype, bytes, set };
      this.tensors.set(key, entry);
    }
    if (set === 'core') entry.set = 'core';
    return entry.name;
  }

  // expected: [{name, kind, shape, data, dtype?, ...more}]; entries without data are stored unchanged
  add({ name, level, set, expected, ...rest }) {
    if (this.cases.some((c) => c.name === name)) throw new Error(`two cases are named ${name}`);
    const stored = expected.map(({ data, shape, dtype, kind, name: label, ...more }) => {
      if (kind && !TOLERANCES[kind]) throw new Error(`${name}: no tolerance for ${kind}`);
      return data === undefined
        ? { name: label, ...(shape ? { shape } : {}), ...more, kind }
        : { name: label, tensor: this.tensor(set, `${name}/${label}`, { shape, data }, dtype), ...more, kind };
    });
    this.cases.push({ name, level, set, ...rest, expected: stored });
  }

  write(folder) {
    const versions = {
      'face-api.js': require('face-api.js/package.json').version,
      '@tensorflow/tfjs-core': require('@tensorflow/tfjs-core/package.json').version,
    };
    const head = {
      format: 1,
      versions,
      sets: Object.fromEntries(this.sets.map((s) => [s, `${s}/${s}-weights_manifest.json`])),
      tolerances: TOLERANCES,
    };
    const lines = [
      ...Object.entries(head).slice(0, 3).map(([key, value]) => `"${key}": ${JSON.stringify(value)},`),
      '"tolerances": {',
      Object.entries(TOLERANCES).map(([kind, bound]) => `  "${kind}": ${JSON.stringify(bound)}`).join(',\n'),
      '},',
      '"cases": [',
      this.cases.map((c) => JSON.stringify(c)).join(',\n'),
      ']',
    ];
    const written = Object.fromEntries(this.sets.map((set) => [set, this.writeSet(path.join(folder, set), set)]));
    fs.writeFileSync(path.join(folder, this.file), `{\n${lines.join('\n')}\n}\n`);
    return written;
  }

  writeSet(folder, set) {
    fs.rmSync(folder, { recursive: true, force: true });
    fs.mkdirSync(folder, { recursive: true });
    const entries = [...this.tensors.values()].filter((t) => t.set === set);
    const bytes = Buffer.concat(entries.map((t) => t.bytes));
    const paths = [];
    for (let at = 0; at < bytes.length; at += MAX_SHARD) {
      paths.push(`${set}-shard${paths.length + 1}`);
      fs.writeFileSync(path.join(folder, paths[paths.length - 1]), bytes.subarray(at, at + MAX_SHARD));
    }
    const weights = entries.map(({ name, shape, dtype }) => JSON.stringify(dtype === 'uint8'
      ? { name, shape, dtype: 'int32', quantization: { dtype: 'uint8', scale: 1, min: 0 } }
      : { name, shape, dtype }));
    fs.writeFileSync(path.join(folder, `${set}-weights_manifest.json`),
      `[{"weights": [\n${weights.join(',\n')}\n],\n"paths": ${JSON.stringify(paths)}}]\n`);
    return { tensors: entries.length, bytes: bytes.length };
  }
}

module.exports = { Writer, TOLERANCES };
