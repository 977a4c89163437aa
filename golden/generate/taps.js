'use strict';
// Taps: the output of every block of every network, under the name of its weights in the manifest.
const { tf, internal, copy, watching, NETS, weightMaps, rawOutputs } = require('./library');
const { syntheticBytes } = require('./hash');
const { pnetInput, patchInput, runNetwork } = require('./mtcnn');
const { entry } = require('./prepare');
const { inputTensor } = require('./raw');
const { yoloNets } = require('./yolo');

const parent = (name) => name.slice(0, name.lastIndexOf('/'));

// Wraps the library's block functions; tap(name, tensor) is called with each block's output.
function tapWatches(nameOf, tap) {
  const pending = new Map(); // output of a block's second-to-last operation -> the block
  const mark = (tensor, name) => pending.set(tensor.id, name);
  const tapMarked = (args, out) => {
    const found = args.find((t) => t && pending.has(t.id));
    if (found) tap(pending.get(found.id), out);
  };
  let batchNormed = null;
  const watch = (file, name, see) => ({ module: file ? internal(file) : tf, name, see });
  const weight = (...candidates) => nameOf(candidates.find((t) => t));
  return [
    // SSD
    watch('ssdMobilenetv1/pointwiseConvLayer', 'pointwiseConvLayer', ([, p], out) => tap(parent(weight(p.filters)), out)),
    watch(null, 'batchNorm', ([, mean], out) => { batchNormed = { id: out.id, name: nameOf(mean).replace(/\/BatchNorm\/.*/, '') }; }),
    watch(null, 'clipByValue', ([x], out) => { if (batchNormed && x.id === batchNormed.id) tap(batchNormed.name, out); }),
    // plain convolutions: SSD's predictors, YOLO's first and last, P-Net's outputs
    watch('common/index', 'convLayer', ([, p], out) => {
      const name = parent(weight(p.filters));
      if (name === 'conv0') mark(out, name);
      else if (!/net\/conv\d$/.test(name)) tap(name, out);
    }),
    watch('tinyYolov2/leaky', 'leaky', tapMarked),
    watch('tinyYolov2/depthwiseSeparableConv', 'depthwiseSeparableConv', ([, p], out) => tap(parent(weight(p.pointwise_filter)), out)),
    watch('tinyYolov2/convWithBatchNorm', 'convWithBatchNorm', ([, p], out) => tap(parent(parent(weight(p.conv.filters))), out)),
    // landmarks, expressions
    ...['denseBlock3', 'denseBlock4'].map((name) => watch('faceFeatureExtractor/denseBlock', name, ([, p], out) => tap(parent(parent(weight(p.conv1.pointwise_filter))), out))),
    watch('common/fullyConnectedLayer', 'fullyConnectedLayer', ([, p], out) => {
      const name = parent(weight(p.weights));
      if (!name.endsWith('fc1')) tap(name, out);
    }),
    // recognition
    watch('faceRecognitionNet/convLayer', 'convDown', ([, p], out) => {
      const name = parent(parent(weight(p.conv.filters)));
      if (name === 'conv32_down') tap(name, out);
    }),
    ...['residual', 'residualDown'].map((name) => watch('faceRecognitionNet/residualLayer', name, ([, p], out) => tap(parent(parent(parent(weight(p.conv1.conv.filters)))), out))),
    watch(null, 'matMul', ([, w], out) => { if (nameOf(w) === 'fc') tap('fc', out); }),
    // age and gender
    watch('common/index', 'depthwiseSeparableConv', ([, p], out) => {
      const name = parent(weight(p.pointwise_filter));
      if (name.endsWith('separable_conv2')) mark(out, parent(name));
      if (name === 'exit_flow/separable_conv') mark(out, name);
    }),
    watch(null, 'add', (args, out) => {
      const name = nameOf(args[1]) || '';
      if (name === 'entry_flow/conv_in/bias') mark(out, parent(name));
      else if (name.endsWith('expansion_conv/bias')) mark(out, parent(parent(name)));
      else tapMarked(args, out);
    }),
    watch(null, 'relu', tapMarked),
    // MTCNN
    watch('mtcnn/prelu', 'prelu', ([, alpha], out) => {
      const [, net, number] = nameOf(alpha).match(/^(.*)\/prelu(\d)_alpha$/);
      const dense = net === 'rnet' ? '4' : '5';
      tap(number === dense ? `${net}/fc1` : `${net}/conv${number}`, out);
    }),
  ];
}

function weightNames(net, made) {
  const names = new Map();
  if (made) made.net.getParamList().forEach(({ path, tensor }) => names.set(tensor.id, path));
  else Object.entries(weightMaps[net.startsWith('mtcnn') ? 'mtcnn' : net]).forEach(([name, tensor]) => names.set(tensor.id, name));
  return (tensor) => (tensor && tensor.id !== undefined ? names.get(tensor.id) : undefined);
}

// Every tap of a run, unsampled, by name.
async function wholeTaps(net, made, work) {
  const taps = new Map();
  await watching(tapWatches(weightNames(net, made), (name, tensor) => {
    if (taps.has(name)) throw new Error(`${net}: two taps ${name}`);
    taps.set(name, copy(tensor));
  }), work);
  return taps;
}

async function collect(net, made, work) {
  return [...await wholeTaps(net, made, work)].map(([name, value]) => entry(name, 'stage', value, 1024));
}

async function tapCases(writer, pictures, say) {
  const add = async (net, inputs, label, attributes, work, made) => {
    const expected = await collect(net, made, work);
    writer.add({ name: `taps/${net}/${label}`, level: 'taps', set: 'full', net, attributes: { ...attributes, ...(made ? { synthetic_weights: made.rule } : {}) }, inputs, expected });
    say(`taps/${net}/${label}: ${expected.length} blocks`);
  };
  const sizes = { tiny_face_detector: 416, tiny_yolov2: 128, tiny_yolov2_full: 128 };
  for (const name of ['astronaut', 'noise']) {
    const picture = pictures[name];
    const input = [inputTensor(writer, 'full', picture)];
    for (const net of Object.keys(NETS).filter((n) => n !== 'mtcnn')) {
      const { size, center } = NETS[net];
      await add(net, input, name, { size, center }, () => rawOutputs(net, [picture], size));
    }
    for (const [net, made] of Object.entries(yoloNets())) {
      await add(net, input, name, { size: sizes[net], center: false }, () => rawOutputs(net, [picture], sizes[net], made.net), made);
    }
    const [height, width] = name === 'astronaut' ? [97, 97] : [59, 43];
    await add('mtcnn_pnet', input, name, { height, width }, () => runNetwork('mtcnn_pnet', pnetInput(picture, height, width)));
  }
  for (const [net, size] of [['mtcnn_rnet', 24], ['mtcnn_onet', 48]]) {
    for (const [label, seed] of [['noise_a', 11], ['noise_b', 12]]) {
      const bytes = syntheticBytes(seed, 2 * size * size * 3);
      const stored = writer.tensor('full', `taps/${net}/${label}/input`, { shape: [2, size, size, 3], data: bytes }, 'uint8');
      await add(net, [stored], label, {}, () => runNetwork(net, patchInput(bytes, size)));
    }
  }
}

module.exports = { tapCases, wholeTaps };
