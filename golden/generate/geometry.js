'use strict';
// Objects of face-api.js as plain numbers.

const rect = ({ x, y, width, height }) => [x, y, width, height];
const points = (list) => list.flatMap(({ x, y }) => [x, y]);

module.exports = { rect, points };
