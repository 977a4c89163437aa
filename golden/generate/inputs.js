'use strict';
// The pictures of the golden cases: RGB bytes {name, width, height, data}, all derived from one photograph or computed.
const fs = require('fs');
const path = require('path');
const { PNG } = require('pngjs');
const { resizeBytes } = require('./canvas');
const { syntheticBytes } = require('./hash');

const picture = (width, height, data) => ({ width, height, data: Uint8Array.from(data) });

function fromFunction(width, height, pixel) {
  const data = [];
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) data.push(...pixel(x, y));
  return picture(width, height, data);
}

function readPng(file) {
  const png = PNG.sync.read(fs.readFileSync(file));
  const data = Buffer.alloc(png.width * png.height * 3);
  for (let i = 0; i < png.width * png.height; i++) png.data.copy(data, i * 3, i * 4, i * 4 + 3);
  return picture(png.width, png.height, data);
}

const pixelOf = (image) => (x, y) => image.data.subarray((y * image.width + x) * 3, (y * image.width + x) * 3 + 3);
const crop = (image, left, top, width, height) => fromFunction(width, height, (x, y) => pixelOf(image)(left + x, top + y));
const resize = (image, width, height) => picture(width, height, resizeBytes(image.data, image.width, image.height, 3, width, height));
const mirror = (image) => fromFunction(image.width, image.height, (x, y) => pixelOf(image)(image.width - 1 - x, y));
const rotate90 = (image) => fromFunction(image.height, image.width, (x, y) => pixelOf(image)(y, image.height - 1 - x));
const darken = (image) => picture(image.width, image.height, image.data.map((v) => v >> 2));
const gray = (image) => fromFunction(image.width, image.height, (x, y) => {
  const [r, g, b] = pixelOf(image)(x, y);
  const v = (77 * r + 150 * g + 29 * b) >> 8;
  return [v, v, v];
});

function group(photo) {
  const head = crop(photo, 96, 16, 256, 256);
  const places = [[20, 30, 256, false], [330, 60, 190, true], [60, 330, 130, true], [390, 290, 150, false]];
  const pasted = places.map(([left, top, size, mirrored]) => ({ left, top, size, image: resize(mirrored ? mirror(head) : head, size, size) }));
  return fromFunction(640, 480, (x, y) => {
    const hit = pasted.find((p) => x >= p.left && y >= p.top && x < p.left + p.size && y < p.top + p.size);
    return hit ? pixelOf(hit.image)(x - hit.left, y - hit.top) : [170, 180, 190];
  });
}

function makeInputs(folder) {
  const astronaut = readPng(path.join(folder, 'astronaut.png'));
  const small = resize(astronaut, 256, 256);
  const pictures = {
    astronaut,
    black150: fromFunction(150, 150, () => [0, 0, 0]),
    white150: fromFunction(150, 150, () => [255, 255, 255]),
    mirrored: mirror(small),
    group: group(astronaut),
    dark: darken(small),
    gray: gray(small),
    rotated: rotate90(small),
    cut: crop(astronaut, 197, 40, 271, 331),
    wide: resize(crop(astronaut, 0, 20, 512, 248), 200, 97),
    tall: resize(crop(astronaut, 130, 0, 180, 512), 123, 350),
    strip: crop(astronaut, 205, 0, 37, 512),
    tiny: resize(astronaut, 32, 32),
    pixel: fromFunction(1, 1, () => [200, 150, 100]),
    gradient: fromFunction(97, 131, (x, y) => [(x * 255 / 96) | 0, (y * 255 / 130) | 0, ((x + y) * 255 / 226) | 0]),
    noise: picture(120, 90, syntheticBytes(5, 120 * 90 * 3)),
  };
  for (const [name, image] of Object.entries(pictures)) image.name = name;
  return pictures;
}

module.exports = { makeInputs, fromFunction, crop, resize };
