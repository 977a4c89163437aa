'use strict';
// The small hash of golden/README.md, for synthetic tensors and sample indices that any language can recompute.

function hash(i, seed) {
  let x = (Math.imul(i, 0x9e3779b1) + Math.imul(seed, 0x85ebca6b)) >>> 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  x ^= x >>> 16;
  return x >>> 0;
}

function synthetic({ seed, shape, low, high }) {
  const size = shape.reduce((a, b) => a * b, 1);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = low + (high - low) * ((hash(i, seed) >>> 8) / 0x1000000);
  return values;
}

function syntheticBytes(seed, size) {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = hash(i, seed) >>> 24;
  return bytes;
}

const SAMPLES = 1024;
const SAMPLE_SEED = 1;

function sample(values) {
  if (values.length <= SAMPLES) return Float32Array.from(values);
  return Float32Array.from({ length: SAMPLES }, (_, j) => values[hash(j, SAMPLE_SEED) % values.length]);
}

module.exports = { hash, synthetic, syntheticBytes, sample, SAMPLES, SAMPLE_SEED };
