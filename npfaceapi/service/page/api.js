// The service: questions to it, and whether it is there.

export class Problem extends Error {}

export const STOPPED = "The service does not answer. Start npfaceapi serve again, on the same port; this page then goes on.";
const TOKEN = "This service asks for a token: open the whole address that npfaceapi serve printed, with #token= at its end.";
const TRIES = 60; // a second each, while the queue is full
export const SETTLED = 250; // milliseconds: a slider that moves no more

/** Keep the token of the address, and take it out of the address. */
export function takeToken() {
  if (!location.hash.startsWith("#token=")) return;
  sessionStorage.setItem("token", location.hash.slice("#token=".length));
  history.replaceState(null, "", "#faces");
}

const token = () => sessionStorage.getItem("token");
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Why a WebSocket did not open. */
export const whyNotOpen = async () => ((await health()) === null ? STOPPED : TOKEN);

/** What the service says of itself, or null. */
export async function health() {
  try {
    const answer = await fetch("v1/health", { signal: AbortSignal.timeout(5000) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** The answer to a question with fields and photos, and the milliseconds it took; throws a Problem, or what the signal says. */
export async function ask(path, fields, photos, signal) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  for (const [name, photo] of photos) form.append(name, photo, photo.name);
  const headers = token() === null ? {} : { Authorization: `Bearer ${token()}` };
  for (let tries = 1; ; tries += 1) {
    const start = performance.now();
    let answer;
    let values;
    try {
      answer = await fetch(`v1/${path}`, { method: "POST", body: form, headers, signal });
      values = await answer.json();
    } catch {
      signal?.throwIfAborted();
      if ((await health()) === null) throw new Problem(STOPPED);
      throw new Problem("The photo could not be sent. If its file was moved or changed, choose it again.");
    }
    if (answer.ok) return { values, total: performance.now() - start };
    if (answer.status === 401) throw new Problem(TOKEN);
    if (answer.status !== 429 || tries === TRIES) throw new Problem(values.error);
    await pause(1000);
    signal?.throwIfAborted();
  }
}

/** Questions of which only the newest counts. */
export class Newest {
  #controller = new AbortController();

  /** As `ask`, after `wait` milliseconds; null if there is a newer question by then, or `stop` was called. */
  async ask(path, fields, photos, wait = 0) {
    this.stop();
    const { signal } = (this.#controller = new AbortController());
    if (wait) await pause(wait);
    try {
      const answer = signal.aborted ? null : await ask(path, fields, photos, signal);
      return signal.aborted ? null : answer;
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
  }

  stop() {
    this.#controller.abort();
  }
}

/** A WebSocket for frames. */
export function stream(fields) {
  const address = new URL(`v1/webcam?${new URLSearchParams(fields)}`, document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  address.hash = "";
  return new WebSocket(address, ["npfaceapi", ...(token() === null ? [] : [`bearer.${token()}`])]);
}
