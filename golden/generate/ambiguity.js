'use strict';
// Finds faces that may legitimately differ in a right port, from golden values alone: an edge of a crop within 1e-3 px
// of a whole pixel, a score within 1e-4 of its threshold, two scores within 1e-4 whose order matters.
const { internal, watching } = require('./library');

const EDGE = 1e-3;
const SCORE = 1e-4;
const GIVEN = 1e-6; // with given raw outputs, only rounding remains
const nearWhole = (v) => Math.abs(v - Math.round(v)) < EDGE;

// Runs work() and records the scores of all candidates that enter non-max suppression.
async function withCandidates(work) {
  const candidates = { ssd: null, yolo: null, generic: [] };
  const see = {
    ssd: ([, scores]) => { candidates.ssd = Array.from(scores); },
    generic: ([boxes, scores, threshold, isIou]) => { candidates.generic.push({ scores, threshold, isIou }); },
    grid: ([tensor]) => { candidates.yolo = tensor.arraySync()[0].flat().flatMap((cell) => [0, 1, 2, 3, 4].map((a) => 1 / (1 + Math.exp(-cell[a * (cell.length / 5) + 4])))); },
  };
  const result = await watching([
    { module: internal('ssdMobilenetv1/nonMaxSuppression'), name: 'nonMaxSuppression', see: see.ssd },
    { module: internal('ops/nonMaxSuppression'), name: 'nonMaxSuppression', see: see.generic },
    { module: internal('tinyYolov2/TinyYolov2Base').TinyYolov2Base.prototype, name: 'extractBoxes', see: see.grid },
  ], work);
  return { result, candidates };
}

// The numbers that are floored for a clipped crop, as in Box.clipAtImageBorders; the borders themselves are exact.
function cropEdges({ unclipped: { x, y, width, height }, imageWidth, imageHeight }) {
  const left = Math.max(x, 0);
  const top = Math.max(y, 0);
  const free = [];
  if (x > 0) free.push(left);
  if (y > 0) free.push(top);
  const beyondRight = x + width >= imageWidth;
  const beyondBottom = y + height >= imageHeight;
  if (!beyondRight) free.push(x + width - left);
  else if (x > 0) free.push(imageWidth - left);
  if (!beyondBottom) free.push(y + height - top);
  else if (y > 0) free.push(imageHeight - top);
  return free;
}

// The numbers that FaceLandmarks.alignDlib floors.
function dlibEdges(landmarks) {
  const [left, right, mouth] = landmarks.getRefPointsForAlignment();
  const distance = (a) => mouth.sub(a).magnitude();
  const size = (distance(left) + distance(right)) / 2 / 0.45;
  const whole = Math.floor(size);
  const mean = (axis) => (left[axis] + right[axis] + mouth[axis]) / 3;
  const x = mean('x') - 0.5 * whole;
  const y = mean('y') - 0.43 * whole;
  return [size, ...(x > 0 ? [x] : []), ...(y > 0 ? [y] : [])];
}

// Equal scores are intended ties, whose order is defined; so is a score that equals its threshold with given raw outputs.
function ofScores(scores, candidates, threshold, margin = SCORE) {
  const found = [];
  candidates.forEach((score) => {
    if (Math.abs(score - threshold) >= margin || (margin === GIVEN && score === threshold)) return;
    const face = scores.indexOf(score);
    found.push({ face: face < 0 ? null : face, reason: `a score is ${Math.abs(score - threshold).toExponential(1)} from the threshold` });
  });
  for (let i = 1; i < scores.length; i++) {
    const gap = Math.abs(scores[i - 1] - scores[i]);
    if (gap > 0 && gap < margin) for (const face of [i - 1, i]) found.push({ face, reason: `two scores are ${gap.toExponential(1)} apart` });
  }
  return found;
}

function ofChain({ faces, crops }, candidates, detector, attributes) {
  const found = [];
  const scores = faces.map((f) => f.detection.score);
  if (detector === 'ssd_mobilenetv1') found.push(...ofScores(scores, candidates.ssd, attributes.min_confidence));
  else if (detector.startsWith('tiny_')) found.push(...ofScores(scores, candidates.yolo, attributes.score_threshold));
  else found.push(...ofScores(scores, scores, 0.7));
  faces.forEach((f, face) => {
    const { imageWidth, imageHeight } = f.detection;
    for (const kind of ['detection', 'aligned']) {
      const near = cropEdges({ ...crops[kind][face], imageWidth, imageHeight }).filter(nearWhole);
      if (near.length && !(kind === 'detection' && detector === 'mtcnn')) found.push({ face, reason: `an edge of the ${kind} crop is near a whole pixel` });
    }
    if (dlibEdges(f.landmarks).some(nearWhole)) found.push({ face, reason: 'an edge of the descriptor crop is near a whole pixel' });
  });
  return found;
}

module.exports = { withCandidates, ofChain, ofScores, GIVEN };
