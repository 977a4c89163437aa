// Faces drawn on a canvas with the colours and sizes of face-api.js 0.22.2 (src/draw).
import { round } from "./dom.js";

const BLUE = "rgba(0, 0, 255, 1)";
const FONT_SIZE = 14;
const PADDING = 4;
// first point, last point, closed: jaw, brows, nose, eyes, mouth
const CONTOURS = [[0, 17, false], [17, 22, false], [22, 27, false], [27, 36, false], [36, 42, true], [42, 48, true], [48, 68, true]];

/** A canvas that lies over a picture: sized as it is shown, with the faces in pixels of the picture scaled to that. */
export class Overlay {
  constructor(picture) {
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", "Nothing is marked yet");
    this.picture = picture;
    this.marks = null;
    new ResizeObserver(() => this.draw()).observe(picture);
  }

  /** Draw `paint(context, scale)`; `width` is that of the picture in pixels. */
  show(width, label, paint) {
    this.marks = { width, paint };
    this.canvas.setAttribute("aria-label", label);
    this.draw();
  }

  clear() {
    this.marks = null;
    this.canvas.setAttribute("aria-label", "Nothing is marked yet");
    this.draw();
  }

  draw() {
    const { clientWidth, clientHeight } = this.picture;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, clientWidth, clientHeight);
    if (this.marks !== null) this.marks.paint(new Painter(context, clientWidth, clientHeight, clientWidth / this.marks.width));
  }
}

class Painter {
  constructor(context, width, height, scale) {
    Object.assign(this, { context, width, height, scale });
  }

  box({ x, y, width, height }, label) {
    const { context, scale } = this;
    context.strokeStyle = BLUE;
    context.lineWidth = 2;
    context.strokeRect(x * scale, y * scale, width * scale, height * scale);
    if (label) this.text([label], x * scale - 1, y * scale, "bottom", BLUE);
  }

  landmarks(points) {
    const { context, scale } = this;
    const places = points.map(([x, y]) => [x * scale, y * scale]);
    context.strokeStyle = "rgba(0, 255, 255, 1)";
    context.lineWidth = 1;
    for (const [from, to, closed] of CONTOURS) {
      context.beginPath();
      for (const [x, y] of places.slice(from, to)) context.lineTo(x, y);
      if (closed) context.closePath();
      context.stroke();
    }
    context.fillStyle = "rgba(255, 0, 255, 1)";
    for (const [x, y] of places) {
      context.beginPath();
      context.arc(x, y, 2, 0, 2 * Math.PI);
      context.fill();
    }
  }

  /** Lines of text under a box. */
  below({ x, y, height }, lines) {
    if (lines.length) this.text(lines, x * this.scale, (y + height) * this.scale, "top", "rgba(0, 0, 0, 0.5)");
  }

  text(lines, x, y, anchor, background) {
    const { context } = this;
    context.font = `${FONT_SIZE}px Georgia`;
    const width = Math.max(...lines.map((line) => context.measureText(line).width)) + 2 * PADDING;
    const height = lines.length * FONT_SIZE + 2 * PADDING;
    const left = Math.max(Math.min(x, this.width - width), 0);
    const top = Math.max(Math.min(anchor === "bottom" ? y - height : y, this.height - height), 0);
    context.fillStyle = background;
    context.fillRect(left, top, width, height);
    context.fillStyle = "rgba(255, 255, 255, 1)";
    lines.forEach((line, i) => context.fillText(line, left + PADDING, top + PADDING + (i + 1) * FONT_SIZE - 2));
  }
}

/** The lines under a face: expressions above 0.1, age and gender, as far as they were computed. */
export function linesOf(face, age = face.age) {
  const lines = [];
  if (age !== null) lines.push(`${round(age, 0)} years`, `${face.gender} (${round(face.gender_probability)})`);
  const expressions = Object.entries(face.expressions ?? {}).filter(([, probability]) => probability > 0.1);
  expressions.sort((a, b) => b[1] - a[1]);
  return [...lines, ...expressions.map(([name, probability]) => `${name} (${round(probability)})`)];
}

/** Everything that was found about faces. */
export function paintFaces(painter, faces, { labels = [], ages = [] } = {}) {
  faces.forEach((face, i) => {
    if (face.landmarks) painter.landmarks(face.landmarks);
    painter.box(face.detection.box, labels[i] ?? round(face.detection.score));
    painter.below(face.detection.box, linesOf(face, ages[i] ?? face.age));
  });
}
