'use strict';
// From RGB bytes to every answer, through face-api.js's own tasks.
const { faceapi, internal, image, watching } = require('./library');
const { Canvas } = require('./canvas');
const ambiguity = require('./ambiguity');
const { rect, points } = require('./geometry');
const { inputTensor } = require('./raw');

const gridOptions = (Options) => ({ input_size, score_threshold }) => new Options({ inputSize: input_size, scoreThreshold: score_threshold });

const OPTIONS = {
  ssd_mobilenetv1: ({ min_confidence, max_results }) => new faceapi.SsdMobilenetv1Options({ minConfidence: min_confidence, maxResults: max_results }),
  tiny_face_detector: gridOptions(faceapi.TinyFaceDetectorOptions),
  tiny_yolov2: gridOptions(faceapi.TinyYolov2Options),
  tiny_yolov2_full: gridOptions(faceapi.TinyYolov2Options),
  mtcnn: ({ min_face_size, scale_factor }) => new faceapi.MtcnnOptions({ minFaceSize: min_face_size, scaleFactor: scale_factor }),
};

const rows = (name, kind, faces, width, values, dtype) => ({ name, kind, dtype, shape: [faces.length, ...width], data: faces.flatMap(values) });

// The crops of face-api.js, captured from extractFaceTensors: {unclipped, x, y, width, height} for each face.
function cropWatch(seen) {
  const see = ([picture, boxes]) => {
    const [height, width] = picture.shape;
    seen.push(boxes.map((box) => {
      const unclipped = box instanceof faceapi.FaceDetection ? box.forSize(width, height).box : box;
      const { x, y, width: w, height: h } = unclipped.clipAtImageBorders(width, height);
      return { unclipped, x, y, width: w, height: h };
    }));
  };
  return { module: internal('dom/index'), name: 'extractFaceTensors', see };
}

async function detect(task, picture, detector, options) {
  if (detector !== 'mtcnn') return task.run();
  // MTCNN reads canvases only; everything after it uses tensors
  return (await faceapi.detectAllFaces(Canvas.fromImage(picture), options).run());
}

async function runChain(picture, detector, attributes) {
  const tensor = image(picture);
  const options = OPTIONS[detector](attributes);
  const task = faceapi.detectAllFaces(tensor, options);
  const detections = await detect(task, picture, detector, options);
  task.run = async () => detections;
  const crops = [];
  const faces = await watching([cropWatch(crops)], async () => {
    const withLandmarks = task.withFaceLandmarks(attributes.use_tiny_landmark_net);
    return withLandmarks.withFaceExpressions().withAgeAndGender().withFaceDescriptors().run();
  });
  tensor.dispose();
  const [detectionCrops, alignedCrops, , dlibCrops] = crops;
  return { faces, crops: { detection: detectionCrops, aligned: alignedCrops, dlib: dlibCrops } };
}

function expectedOf({ faces, crops }, detector) {
  const box = detector === 'mtcnn' ? 'mtcnn_box' : 'box';
  const detected = [
    rows('boxes', box, faces, [4], (f) => rect(f.detection.box)),
    rows('scores', 'score', faces, [], (f) => f.detection.score),
  ];
  if (!faces.length) return detected;
  return [
    ...detected,
    rows('landmarks', 'landmark', faces, [68, 2], (f) => points(f.landmarks.positions)),
    rows('unshifted_landmarks', 'landmark', faces, [68, 2], (f) => points(f.unshiftedLandmarks.positions)),
    rows('aligned_boxes', 'landmark', faces, [4], (f) => rect(f.alignedRect.box)),
    ...Object.entries(crops).map(([name, list]) => rows(`${name}_crops`, 'exact', list, [4], rect, 'int32')),
    rows('descriptors', 'descriptor', faces, [128], (f) => Array.from(f.descriptor)),
    rows('expressions', 'probabilities', faces, [7], (f) => Object.values(f.expressions)),
    rows('ages', 'age', faces, [], (f) => f.age),
    rows('gender_probability_male', 'probabilities', faces, [], (f) => (f.gender === 'male' ? f.genderProbability : 1 - f.genderProbability)),
  ];
}

async function addChain(writer, set, picture, detector, label, attributes) {
  const { result, candidates } = await ambiguity.withCandidates(() => runChain(picture, detector, attributes));
  writer.add({
    name: `chain/${label}/${picture.name}`,
    level: 'chain',
    set,
    net: detector,
    attributes,
    inputs: [inputTensor(writer, set, picture)],
    expected: expectedOf(result, detector),
    ambiguous: ambiguity.ofChain(result, candidates, detector, attributes),
  });
  return result;
}

const SSD = { min_confidence: 0.5, max_results: 100, use_tiny_landmark_net: false };
const TINY = { input_size: 416, score_threshold: 0.5, use_tiny_landmark_net: false };
const MTCNN = { min_face_size: 20, scale_factor: 0.709, use_tiny_landmark_net: false };

const CORE = [
  ['astronaut', 'ssd_mobilenetv1', 'ssd', SSD],
  ['astronaut', 'ssd_mobilenetv1', 'ssd_tiny_landmarks', { ...SSD, use_tiny_landmark_net: true }],
  ['astronaut', 'tiny_face_detector', 'tiny_416', TINY],
  ['astronaut', 'tiny_face_detector', 'tiny_224', { ...TINY, input_size: 224 }],
  ['astronaut', 'tiny_face_detector', 'tiny_608', { ...TINY, input_size: 608 }],
  ['astronaut', 'mtcnn', 'mtcnn', MTCNN],
];

const EVERY = ['mirrored', 'group', 'dark', 'gray', 'rotated', 'cut', 'wide', 'tall', 'strip', 'tiny', 'black150', 'white150', 'gradient', 'noise'];
const WITH_FACES = ['mirrored', 'group', 'dark', 'gray', 'cut', 'wide', 'tall'];
const FULL = [
  ...EVERY.map((name) => [name, 'ssd_mobilenetv1', 'ssd', SSD]),
  ...EVERY.map((name) => [name, 'tiny_face_detector', 'tiny_416', TINY]),
  ...[...WITH_FACES, 'tiny', 'black150', 'noise'].map((name) => [name, 'mtcnn', 'mtcnn', MTCNN]),
  ['group', 'ssd_mobilenetv1', 'ssd_min_0.1', { ...SSD, min_confidence: 0.1 }],
  ['group', 'ssd_mobilenetv1', 'ssd_max_2', { ...SSD, max_results: 2, use_tiny_landmark_net: true }],
  ['group', 'tiny_face_detector', 'tiny_320', { ...TINY, input_size: 320, use_tiny_landmark_net: true }],
  ['group', 'mtcnn', 'mtcnn_min_60', { ...MTCNN, min_face_size: 60, scale_factor: 0.6 }],
];

async function chainCases(writer, pictures, say) {
  for (const [set, list] of [['core', CORE], ['full', FULL]]) {
    for (const [name, detector, label, attributes] of list) {
      const { faces } = await addChain(writer, set, pictures[name], detector, label, attributes);
      say(`chain/${label}/${name}: ${faces.length} faces`);
    }
  }
}

module.exports = { chainCases, addChain, runChain, expectedOf, SSD, TINY, MTCNN };
