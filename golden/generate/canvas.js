'use strict';
// A minimal canvas for face-api.js's MTCNN. Deterministic: drawImage resizes bilinearly with half-pixel centres and
// clamped edges in float64, and stores floor(v + 0.5).

class ImageData {
  constructor(data, width, height) {
    Object.assign(this, { data, width, height });
  }
}

function resizeBytes(source, width, height, channels, newWidth, newHeight) {
  const out = new Uint8ClampedArray(newWidth * newHeight * channels);
  const axis = (size, newSize) => Array.from({ length: newSize }, (_, i) => {
    const at = Math.min(Math.max(((i + 0.5) * size) / newSize - 0.5, 0), size - 1);
    const low = Math.floor(at);
    return { low, high: Math.min(low + 1, size - 1), part: at - low };
  });
  const rows = axis(height, newHeight);
  const cols = axis(width, newWidth);
  rows.forEach((r, y) => cols.forEach((c, x) => {
    for (let k = 0; k < channels; k++) {
      const at = (row, col) => source[(row * width + col) * channels + k];
      const top = at(r.low, c.low) + (at(r.low, c.high) - at(r.low, c.low)) * c.part;
      const bottom = at(r.high, c.low) + (at(r.high, c.high) - at(r.high, c.low)) * c.part;
      out[(y * newWidth + x) * channels + k] = Math.floor(top + (bottom - top) * r.part + 0.5);
    }
  }));
  return out;
}

class Context2d {
  constructor(canvas) {
    this.canvas = canvas;
  }

  putImageData(image, x, y) {
    if (x !== 0 || y !== 0 || image.width !== this.canvas.width || image.height !== this.canvas.height) throw new Error('canvas: expected a whole image');
    this.canvas.bytes = Uint8ClampedArray.from(image.data);
  }

  getImageData(x, y, width, height) {
    const { bytes, width: fullWidth, height: fullHeight } = this.canvas;
    if (!(width > 0 && height > 0)) throw new Error(`canvas: empty region ${width} x ${height}`);
    const data = new Uint8ClampedArray(width * height * 4);
    for (let row = 0; row < height; row++) {
      for (let col = 0; col < width; col++) {
        const [fromX, fromY] = [x + col, y + row];
        if (fromX < 0 || fromY < 0 || fromX >= fullWidth || fromY >= fullHeight) continue;
        for (let k = 0; k < 4; k++) data[(row * width + col) * 4 + k] = bytes[(fromY * fullWidth + fromX) * 4 + k];
      }
    }
    return new ImageData(data, width, height);
  }

  drawImage(source, x, y, width, height) {
    if (x !== 0 || y !== 0 || width !== this.canvas.width || height !== this.canvas.height) throw new Error('canvas: expected a whole canvas');
    this.canvas.bytes = resizeBytes(source.bytes, source.width, source.height, 4, width, height);
  }
}

class Canvas {
  constructor() {
    Object.assign(this, { width: 0, height: 0, bytes: null });
  }

  getContext() {
    return new Context2d(this);
  }

  static fromImage({ width, height, data }) {
    const canvas = new Canvas();
    Object.assign(canvas, { width, height, bytes: new Uint8ClampedArray(width * height * 4).fill(255) });
    for (let i = 0; i < width * height; i++) for (let k = 0; k < 3; k++) canvas.bytes[i * 4 + k] = data[i * 3 + k];
    return canvas;
  }
}

module.exports = { Canvas, Context2d, ImageData, resizeBytes };
