// The tab of many photos, a few at a time.
import { ask, Problem } from "./api.js";
import { detectorControls, fileChooser, foldable } from "./controls.js";
import { counted, element, problemBox } from "./dom.js";
import { Overlay, paintFaces } from "./drawing.js";
import { download } from "./photo.js";

const AT_ONCE = 4;

let kept = null; // from tab to tab; photos that wait go on meanwhile

export function batchTab(section) {
  kept ??= batch();
  const controls = detectorControls("photo", kept.change);
  const chooser = fileChooser("Choose photos, or drop them anywhere here", { multiple: true }, kept.take);
  kept.fields = controls.fields;
  section.append(element("div", { class: "side" }, chooser, foldable(controls.node)), kept.node);
  return { drop: kept.take };
}

function batch() {
  const list = element("ul", { class: "batch" });
  const status = element("p", { class: "status", role: "status" });
  const bar = element("progress", { "aria-label": "Photos done", hidden: true });
  const problem = problemBox();
  const waiting = [];
  const done = [];
  let total = 0;
  let running = 0;
  let start = 0;

  function tell() {
    const left = total - done.length;
    const faces = done.reduce((sum, { faces = [] }) => sum + faces.length, 0);
    const failed = done.filter(({ error }) => error !== undefined).length;
    const parts = [`${done.length} of ${counted(total, "photo")} done: ${counted(faces, "face")}`];
    if (failed) parts.push(`${failed} could not be read`);
    if (!left) parts.push(`${((performance.now() - start) / 1000).toFixed(1)} s`);
    status.textContent = parts.join(", ");
    Object.assign(bar, { max: total, value: done.length, hidden: !left });
    save.hidden = clear.hidden = left > 0 || !total;
  }

  async function work() {
    running += 1;
    while (waiting.length) await analyze(...waiting.shift());
    running -= 1;
  }

  async function analyze(file, item) {
    const text = element("p", { class: "status" });
    try {
      const { values } = await ask("analyze", { parts: "detection,landmarks,expressions,age-gender", ...made.fields() }, [["photo", file]]);
      const image = element("img", { alt: file.name, src: URL.createObjectURL(file) });
      const overlay = new Overlay(image);
      overlay.show(values.width, `${file.name}: ${counted(values.faces.length, "face")} marked`, (painter) => paintFaces(painter, values.faces));
      const stage = element("div", { class: "stage" }, image, overlay.canvas);
      image.onerror = () => stage.replaceWith("This browser cannot show this photo; the service could read it.");
      item.append(stage);
      text.textContent = `${counted(values.faces.length, "face")}, ${Math.round(values.milliseconds.analyze)} ms`;
      done.push({ photo: file.name, ...values });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      text.className = "problem";
      text.textContent = error.message;
      done.push({ photo: file.name, error: error.message });
    }
    item.append(text);
    tell();
  }

  function take(files) {
    if (!waiting.length && !running) start = performance.now();
    for (const file of files) {
      const item = element("li", {}, element("h3", {}, file.name));
      list.append(item);
      waiting.push([file, item]);
    }
    total += files.length;
    tell();
    while (running < Math.min(AT_ONCE, waiting.length + running) && waiting.length) work();
  }

  function empty() {
    for (const image of list.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    list.replaceChildren();
    done.length = total = 0;
    problem.tell();
    tell();
    status.textContent = "";
  }

  const save = element("button", { type: "button", hidden: true, click: () => download(new Blob([done.map((each) => `${JSON.stringify(each)}\n`).join("")]), "faces.jsonl") }, "Save all as JSON lines");
  const clear = element("button", { type: "button", hidden: true, click: empty }, "Remove all");
  const made = {
    node: element("div", { class: "view" }, problem.node, bar, status, element("div", {}, save, " ", clear), list),
    take,
    change: () => total && problem.tell("The new options hold for the photos that you add from now on."),
    fields: null, // of the controls
  };
  return made;
}
