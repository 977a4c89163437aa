'use strict';
// node generate.js [--level LEVEL,...] [--out DIR]: writes cases.json, core/ and full/ (see ../README.md);
// --level unbundled: writes unbundled/, the cases for weights that are not bundled.
const path = require('path');
const { loadNets } = require('./library');
const { makeInputs } = require('./inputs');
const { inputTensor } = require('./raw');
const { Writer } = require('./writer');

const LEVELS = {
  weights: () => require('./weights').weightCases,
  operations: () => require('./ops').operationCases,
  taps: () => require('./taps').tapCases,
  raw: () => require('./raw').rawCases,
  decode: () => require('./decode').decodeCases,
  prepare: () => require('./prepare').prepareCases,
  chain: () => require('./chain').chainCases,
  mtcnn: () => require('./mtcnn').mtcnnCases,
  json: () => require('./json').jsonCases,
  thresholds: () => require('./thresholds').thresholdCases,
};

function parse(args) {
  const options = { out: path.join(__dirname, '..'), level: null };
  for (let i = 0; i < args.length; i += 2) {
    let key = args[i].replace(/^--/, '');
    if (key === 'only') {
      console.error('--only is now spelled --level; the next release no longer takes the old spelling');
      key = 'level';
    }
    if (!(key in options) || args[i + 1] === undefined) throw new Error('usage: node generate.js [--level LEVEL,...] [--out DIR]');
    options[key] = args[i + 1];
  }
  return options;
}

// The cases for weights that are not bundled have a separate file; their pictures are stored with the other cases.
const UNBUNDLED = 'unbundled';

function unbundledWriter(pictures) {
  const writer = new Writer([UNBUNDLED], `${UNBUNDLED}/cases.json`);
  for (const picture of Object.values(pictures)) inputTensor(writer, 'elsewhere', picture);
  return writer;
}

async function main() {
  const { out, level } = parse(process.argv.slice(2));
  const makers = level === UNBUNDLED ? { [UNBUNDLED]: () => require('./unbundled').unbundledCases } : LEVELS;
  const levels = level ? level.split(',') : Object.keys(makers);
  const start = Date.now();
  const say = (text) => console.log(`${((Date.now() - start) / 1000).toFixed(1).padStart(7)} s  ${text}`);
  await loadNets(path.join(__dirname, '..', '..', 'weights'));
  say('face-api.js loaded weights/');
  const pictures = makeInputs(path.join(__dirname, '..', 'images'));
  const writer = level === UNBUNDLED ? unbundledWriter(pictures) : new Writer();
  for (const name of levels) {
    if (!makers[name]) throw new Error(`no level ${name}; levels: ${Object.keys(LEVELS).join(', ')}; or only ${UNBUNDLED}`);
    await makers[name]()(writer, pictures, say);
    say(`${name} done`);
  }
  const written = writer.write(out);
  for (const [set, { tensors, bytes }] of Object.entries(written)) say(`${set}: ${tensors} tensors, ${bytes} bytes`);
  say(`${writer.cases.length} cases`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
