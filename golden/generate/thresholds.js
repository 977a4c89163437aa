'use strict';
// Scores and distances that equal their thresholds exactly.
const { scoreThresholdCases } = require('./decode');
const { distanceThresholdCase } = require('./json');
const { stageThresholdCases } = require('./mtcnn');

async function thresholdCases(writer, pictures, say) {
  await scoreThresholdCases(writer, say);
  await stageThresholdCases(writer, pictures, say);
  distanceThresholdCase(writer);
}

module.exports = { thresholdCases };
