'use strict';
// From RGB bytes to a network's batch (padding to a square, resizing), and the crops of faces.
const { tf, faceapi, copy, image } = require('./library');
const { sample, SAMPLES, SAMPLE_SEED } = require('./hash');
const { rect } = require('./geometry');
const { inputTensor } = require('./raw');

const WHOLE = 8192; // tensors up to this many values are stored whole

// A tensor of any size: whole, or samples at the indices of the hash, with norms.
function entry(name, kind, { shape, data }, whole = WHOLE) {
  if (data.length <= whole) return { name, kind, shape, data };
  const values = sample(data);
  const norms = [0, 0, 0];
  for (const v of data) {
    norms[0] += Math.abs(v);
    norms[1] += v * v;
    norms[2] = Math.max(norms[2], Math.abs(v));
  }
  return { name, kind, of_shape: shape, samples: SAMPLES, seed: SAMPLE_SEED, norms: [norms[0], Math.sqrt(norms[1]), norms[2]], shape: [values.length], data: values };
}

async function batchCases(writer, pictures, say) {
  const add = async (names, size, center, label = names.join('+')) => {
    const list = names.map((name) => pictures[name]);
    const input = await faceapi.toNetInput(list.map(image));
    const batch = tf.tidy(() => copy(input.toBatchTensor(size, center)));
    const dims = input.reshapedInputDimensions.flatMap(({ width, height }) => [height, width]);
    writer.add({
      name: `prepare/to_batch/${label}_${size}_${center ? 'center' : 'corner'}`,
      level: 'prepare',
      set: 'full',
      attributes: { op: 'to_batch', size, center },
      inputs: list.map((picture) => inputTensor(writer, 'full', picture)),
      expected: [entry('batch', 'resize', batch), { name: 'reshaped_dims', kind: 'exact', dtype: 'int32', shape: [list.length, 2], data: dims }],
    });
  };
  for (const name of ['astronaut', 'wide', 'tall', 'strip', 'cut', 'tiny', 'pixel', 'gradient', 'noise', 'group']) {
    for (const [size, center] of [[112, true], [150, true], [416, false], [512, false]]) await add([name], size, center);
  }
  for (const size of [16, 40]) {
    for (const center of [true, false]) for (const name of ['wide', 'tall', 'gradient', 'tiny']) await add([name], size, center);
  }
  await add(['wide', 'tall', 'tiny'], 32, true);
  say('prepare/to_batch');
}

function resizeCases(writer, pictures, say) {
  const sizes = { tiny: [[48, 40], [7, 19], [32, 32], [64, 64], [1, 1]], wide: [[20, 41]], gradient: [[45, 50]], pixel: [[3, 4]], noise: [[90, 240], [33, 17]] };
  for (const [name, list] of Object.entries(sizes)) {
    for (const [height, width] of list) {
      const out = tf.tidy(() => copy(tf.image.resizeBilinear(image(pictures[name]).expandDims(), [height, width])));
      writer.add({
        name: `prepare/resize/${name}_${height}x${width}`,
        level: 'prepare',
        set: 'full',
        attributes: { op: 'resize', height, width },
        inputs: [inputTensor(writer, 'full', pictures[name])],
        expected: [entry('image', 'resize', out)],
      });
    }
  }
  say('prepare/resize');
}

// Boxes x, y, width, height in pixels; some reach beyond the image, none is empty after clipping.
const BOXES = {
  tiny: [[3, 4, 10, 12], [3.7, 4.2, 10.4, 12.9], [-5.5, -3.25, 12.5, 11.75], [25.5, 20.25, 40, 40], [-10, -10, 100, 100], [0.999, 0.001, 5.001, 5.999], [30.5, 30.5, 1.75, 2.25]],
  wide: [[150.25, 50.5, 80.5, 90.75], [-20.125, 30, 60.0625, 20.5], [0, 0, 200, 97], [10.5, 10.5, 1.5, 1.5]],
};

// Boxes of a FaceDetection, relative to the image.
const DETECTIONS = { wide: [[0.1, 0.2, 0.333, 0.5], [-0.05, -0.1, 0.3, 0.4], [0.8, 0.7, 0.5, 0.5]], tall: [[0.25, 0.1, 0.5, 0.2], [-0.1, 0.9, 1.3, 0.3]] };

async function cropCases(writer, pictures, say) {
  const add = async (label, picture, boxes, attributes) => {
    const { width, height } = picture;
    const crops = await faceapi.extractFaceTensors(image(picture), boxes);
    const rects = boxes.map((box) => (box instanceof faceapi.FaceDetection ? box.forSize(width, height).box : box).clipAtImageBorders(width, height));
    const bytes = crops.map((crop, i) => ({ name: `crop_${i}`, kind: 'exact', dtype: 'uint8', ...copy(crop) }));
    writer.add({
      name: `prepare/crop/${label}`,
      level: 'prepare',
      set: 'full',
      attributes: { op: 'crop', ...attributes },
      inputs: [inputTensor(writer, 'full', picture)],
      expected: [{ name: 'rects', kind: 'exact', dtype: 'int32', shape: [boxes.length, 4], data: rects.flatMap(rect) }, ...bytes],
    });
  };
  for (const [name, boxes] of Object.entries(BOXES)) await add(`boxes_${name}`, pictures[name], boxes.map(([x, y, width, height]) => new faceapi.Box({ x, y, width, height })), { boxes });
  for (const [name, boxes] of Object.entries(DETECTIONS)) {
    const { width, height } = pictures[name];
    const detections = boxes.map(([x, y, w, h]) => new faceapi.FaceDetection(0.9, new faceapi.Rect(x, y, w, h), { width, height }));
    await add(`detections_${name}`, pictures[name], detections, { relative_boxes: boxes });
  }
  say('prepare/crop');
}

async function prepareCases(writer, pictures, say) {
  await batchCases(writer, pictures, say);
  resizeCases(writer, pictures, say);
  await cropCases(writer, pictures, say);
}

module.exports = { prepareCases, entry };
