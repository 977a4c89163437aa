'use strict';
// The weights as face-api.js decoded them: SHA-256 of each tensor's float32 bytes, for the tensors that it uses.
const crypto = require('crypto');
const { NETS, weightMaps } = require('./library');

const isUsed = (tensor) => !tensor.isDisposed; // face-api.js disposes of tensors that a network does not use

// The expected entries of a case for [name, tensor] pairs.
function tensorHashes(pairs) {
  return pairs.map(([name, tensor]) => {
    const data = Float32Array.from(tensor.dataSync());
    const sha256 = crypto.createHash('sha256').update(Buffer.from(data.buffer)).digest('hex');
    return { name, kind: 'exact', shape: tensor.shape, sha256 };
  });
}

async function weightCases(writer, pictures, say) {
  for (const name of Object.keys(NETS)) {
    const expected = tensorHashes(Object.entries(weightMaps[name]).filter(([, tensor]) => isUsed(tensor)));
    writer.add({ name: `weights/${name}`, level: 'weights', set: 'core', net: name, inputs: [], expected });
    say(`weights/${name}: ${expected.length} tensors`);
  }
}

module.exports = { weightCases, tensorHashes };
