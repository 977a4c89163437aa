// Runs the blocks of one page in Python; see docs/runnable.py.
// A message is {pyodide, repository, codes}: the addresses of two folders, and the blocks down to the one to run.
// Answers: {say} while Python starts; {number} when a block starts, and {number, printed, seconds, failed} after it; at the end
// {done: true}, with {error} if Python could not start.

let page;

async function fetched(address) {
  const answer = await fetch(address, { cache: "no-cache" }); // the newest
  if (!answer.ok) throw new Error(`expected ${address}, got status ${answer.status}`);
  return answer;
}

// Python's open() waits for the file, so this request is synchronous.
function bytesOf(address) {
  const request = new XMLHttpRequest();
  request.open("GET", address, false);
  request.responseType = "arraybuffer";
  request.send();
  if (request.status !== 200) throw new Error(`expected ${address}, got status ${request.status}`);
  return new Uint8Array(request.response);
}

async function start({ pyodide, repository }) {
  postMessage({ say: "Loading Python …" });
  const { loadPyodide } = await import(`${pyodide}pyodide.mjs`).catch(() => {
    throw new Error(`Python cannot start: expected Pyodide's files in ${pyodide}, got no pyodide.mjs`);
  });
  const python = await loadPyodide({ indexURL: pyodide });
  postMessage({ say: "Loading NumPy …" });
  await python.loadPackage(["numpy", "pillow"], { messageCallback() {}, errorCallback() {} });
  try {
    python.runPython("import numpy, PIL");
  } catch {
    throw new Error(`Python cannot start: expected Pyodide's NumPy and Pillow in ${pyodide}, got none`);
  }
  postMessage({ say: "Loading npfaceapi …" });
  const archive = await (await fetched(`${repository}package.zip`)).arrayBuffer();
  python.unpackArchive(archive, "zip", { extractDir: "/repository" });
  python.runPython(`
    import os, sys
    os.chdir("/repository")
    sys.path.insert(0, "/repository")
    os.environ["NPFACEAPI_BACKEND"] = "reference"  # chosen, so that nothing warns that Numba is missing
  `);
  const runner = python.pyimport("page_runner");
  const files = await (await fetched(`${repository}files.json`)).json();
  runner.fetch_when_opened(python.toPy(files), (path) => python.toPy(bytesOf(repository + path)));
  page = runner.Page((number, printed, seconds, failed) => postMessage({ number, printed, seconds, failed }));
}

onmessage = async ({ data }) => {
  try {
    if (!page) await start(data);
    page.run(data.codes);
    postMessage({ done: true });
  } catch (error) {
    postMessage({ done: true, error: error.message });
  }
};
