// The tab of two photos: how far apart the descriptors of their best faces are.
import { Newest, Problem, SETTLED } from "./api.js";
import { detectorControls, fileChooser, foldable, slider } from "./controls.js";
import { element, problemBox, round } from "./dom.js";
import { JsonView, PhotoView } from "./view.js";

const files = [null, null]; // kept from tab to tab
let threshold = 0.6;

export function distanceTab(section) {
  const views = [new PhotoView("first photo"), new PhotoView("second photo")];
  const verdict = element("p", { class: "large", role: "status" }, "Choose two photos.");
  const problem = problemBox();
  const json = new JsonView();
  let found = null;
  const newest = new Newest();

  function judge() {
    if (found === null) return;
    const { distance, probability } = found.values;
    const word = distance < threshold ? "the same person" : "different people";
    verdict.textContent = `Distance ${round(distance)}: ${word}. Probability of the same person ${bounded(probability)}, in ${Math.round(found.total)} ms.`;
  }

  async function compare(wait) {
    if (files.includes(null)) return;
    problem.tell();
    verdict.textContent = "Comparing …";
    try {
      const photos = files.map((file, i) => [["first", "second"][i], file]);
      const answer = await newest.ask("distance", { parts: "descriptors", ...controls.fields() }, photos, wait);
      if (answer === null) return;
      found = answer;
      found.values.faces.forEach((face, i) => {
        views[i].overlay.show(face.detection.image_width, `${files[i].name}: the face compared`, (painter) => painter.box(face.detection.box));
      });
      json.set(found.values);
      judge();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      found = null;
      verdict.textContent = "";
      json.set(null);
      problem.tell(error.message);
    }
  }

  async function take(i, file) {
    newest.stop();
    files[i] = file;
    found = null;
    views[i].problem.tell();
    const shown = views[i].show(file);
    views[i].status.textContent = "";
    await shown;
    if (!views[i].isShown) {
      views[i].stage.hidden = true;
      views[i].problem.tell(`This browser cannot show ${file.name}.`);
    }
    await compare();
  }

  const controls = detectorControls("photo", () => compare(SETTLED));
  const limit = slider({ label: "Largest distance of the same person", min: 0, max: 1, step: 0.01, value: threshold }, (value) => {
    threshold = value;
    judge();
  });
  const choosers = ["first", "second"].map((name, i) => fileChooser(`Choose the ${name} photo`, { id: `file-${name}` }, ([file]) => take(i, file)));
  const columns = views.map((view, i) => element("div", { class: "view" }, choosers[i], view.node));
  section.append(
    element("div", { class: "side" }, foldable(controls.node, limit)),
    element("div", { class: "view" }, problem.node, verdict, element("div", { class: "two" }, ...columns), json.node),
  );
  files.forEach((file, i) => file !== null && take(i, file));
  return {
    close: () => newest.stop(),
    async drop(dropped) {
      problem.tell();
      const free = files[0] === null ? 0 : 1;
      if (dropped.length === 1) await take(free, dropped[0]);
      else {
        await Promise.all([take(0, dropped[0]), take(1, dropped[1])]);
        if (dropped.length > 2) problem.tell(`${dropped.length} files at once: this tab compares two photos, here the first two.`);
      }
    },
  };
}

/** No probability is shown as 0 or 1. */
const bounded = (probability) => (probability > 0.99 ? "above 0.99" : probability < 0.01 ? "below 0.01" : round(probability));
