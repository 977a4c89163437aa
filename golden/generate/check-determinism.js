'use strict';
// node check-determinism.js [unbundled]: regenerates everything (or unbundled/) in a temporary folder and compares it
// with the stored files, byte for byte.
const { execFileSync } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const os = require('os');
const path = require('path');

const unbundled = process.argv[2] === 'unbundled';
const sets = unbundled ? ['unbundled'] : ['core', 'full'];
const golden = path.join(__dirname, '..');
const sha256 = (file) => crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');

function hashes(folder) {
  const list = sets.flatMap((set) => fs.readdirSync(path.join(folder, set)).map((name) => `${set}/${name}`));
  return Object.fromEntries([...(unbundled ? [] : ['cases.json']), ...list.sort()].map((name) => [name, sha256(path.join(folder, name))]));
}

const again = fs.mkdtempSync(path.join(os.tmpdir(), 'golden-'));
try {
  execFileSync(process.execPath, [path.join(__dirname, 'generate.js'), '--out', again, ...(unbundled ? ['--level', 'unbundled'] : [])], { stdio: 'inherit' });
  const [here, there] = [hashes(golden), hashes(again)];
  const names = [...new Set([...Object.keys(here), ...Object.keys(there)])].sort();
  const different = names.filter((name) => here[name] !== there[name]);
  names.forEach((name) => console.log(`${here[name] === there[name] ? 'same     ' : 'DIFFERENT'} ${there[name] || '-'.repeat(64)}  ${name}`));
  console.log(different.length ? `${different.length} files differ` : `all ${names.length} files are the same, byte for byte`);
  process.exitCode = different.length ? 1 : 0;
} finally {
  fs.rmSync(again, { recursive: true, force: true });
}
