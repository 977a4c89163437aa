'use strict';
// Raw outputs of whole networks: the tensors before softmax, sigmoid or any decoding.
const { NETS, rawOutputs } = require('./library');
const { yoloNets } = require('./yolo');

const FACE_NETS = ['face_landmark_68_net', 'face_landmark_68_tiny_net', 'face_recognition_net', 'face_expression_net', 'age_gender_net'];

function inputTensor(writer, set, picture) {
  return writer.tensor(set, `input/${picture.name}`, { shape: [picture.height, picture.width, 3], data: picture.data }, 'uint8');
}

const rawEntries = (raw) => Object.entries(raw).map(([name, value]) => ({ name, kind: 'raw', ...value }));

async function rawCases(writer, pictures, say) {
  const add = async (set, net, names, size = NETS[net].size, label = names.join('+'), made = undefined) => {
    const list = names.map((name) => pictures[name]);
    const raw = await rawOutputs(net, list, size, made && made.net);
    const center = NETS[net] ? NETS[net].center : false;
    const name = `raw/${net}/${label}`;
    const inputs = list.map((picture) => inputTensor(writer, set, picture));
    const attributes = { size, center, ...(made ? { synthetic_weights: made.rule } : {}) };
    writer.add({ name, level: 'raw', set, net, attributes, inputs, expected: rawEntries(raw) });
    say(name);
  };
  await add('core', 'ssd_mobilenetv1', ['astronaut']);
  for (const size of [416, 224]) await add('core', 'tiny_face_detector', ['astronaut'], size, `astronaut_${size}`);
  for (const net of FACE_NETS) await add('core', net, ['astronaut']);
  for (const name of ['black150', 'white150']) await add('core', 'face_recognition_net', [name]);

  for (const names of [['cut'], ['noise'], ['black150'], ['group', 'strip']]) await add('full', 'ssd_mobilenetv1', names);
  for (const [names, size] of [[['tiny'], 128], [['noise'], 224], [['black150'], 128], [['strip'], 608], [['astronaut', 'wide', 'gradient'], 320]]) {
    await add('full', 'tiny_face_detector', names, size, `${names.join('+')}_${size}`);
  }
  for (const net of FACE_NETS) {
    for (const names of [['cut'], ['noise'], ['gradient'], ['black150'], ['pixel'], ['astronaut', 'tall', 'tiny']]) {
      if (!(net === 'face_recognition_net' && names[0] === 'black150')) await add('full', net, names);
    }
  }
  const { tiny_yolov2: separable, tiny_yolov2_full: full } = yoloNets();
  await add('full', 'tiny_yolov2', ['astronaut'], 128, 'astronaut_128', separable);
  await add('full', 'tiny_yolov2', ['cut', 'noise'], 224, 'cut+noise_224', separable);
  await add('full', 'tiny_yolov2_full', ['astronaut'], 128, 'astronaut_128', full);
  await add('full', 'tiny_yolov2_full', ['cut', 'noise'], 128, 'cut+noise_128', full);
}

module.exports = { rawCases, rawEntries, inputTensor, FACE_NETS };
