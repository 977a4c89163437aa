// The tab of known people: drop photos of them, then photos in which to find them.
import { ask, Newest, Problem, SETTLED } from "./api.js";
import { detectorControls, fileChooser, foldable, onlyOne, slider } from "./controls.js";
import { counted, element, problemBox, round } from "./dom.js";
import { PhotoView } from "./view.js";

const people = []; // kept from tab to tab: name, descriptor, file
let photo = null;
let threshold = 0.6;

export function recognitionTab(section, { health }) {
  const list = element("ul", { class: "people" });
  const status = element("p", { class: "status", role: "status" });
  const problem = problemBox();
  const view = new PhotoView();
  const newest = new Newest();
  let isReading = false;

  function tell() {
    const { people: served = 0, people_error: failure } = health() ?? {};
    const own = people.length ? `${counted(people.length, "known face")}.` : "";
    const theirs = served ? `Known to the service: ${served}. They are looked for while no photos are given here.` : "No known people yet.";
    status.textContent = own || (failure ? `${theirs} The service has none: ${failure}.` : theirs);
  }

  function showPerson(person) {
    const name = element("input", {
      type: "text", "aria-label": `Name of ${person.file.name}`,
      change() {
        person.name = name.value || "unnamed";
        remove.textContent = `Remove ${person.name}`;
        find();
      },
    });
    name.value = person.name;
    const remove = element("button", { type: "button", click() {
      people.splice(people.indexOf(person), 1);
      item.remove();
      tell();
      find();
    } }, `Remove ${person.name}`);
    const item = element("li", {}, element("img", { alt: person.file.name, src: URL.createObjectURL(person.file) }), name, remove);
    list.append(item);
  }

  async function learn(files) {
    problem.tell();
    isReading = true;
    const failed = [];
    for (const [i, file] of files.entries()) {
      status.textContent = `Reading known people: ${i + 1} of ${files.length} …`;
      try {
        const { values } = await ask("analyze", { parts: "descriptors", ...controls.fields() }, [["photo", file]]);
        const best = values.faces.reduce((a, b) => (a === null || b.detection.score > a.detection.score ? b : a), null);
        if (!best?.descriptor) throw new Problem("no face is found");
        const person = { name: nameOf(file), descriptor: best.descriptor, file };
        people.push(person);
        showPerson(person);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        failed.push(error.message.startsWith(file.name) ? error.message : `${file.name}: ${error.message}`);
      }
    }
    isReading = false;
    if (failed.length) problem.tell(`${counted(failed.length, "photo")} of ${files.length} left out. ${failed.slice(0, 3).join("; ")}`);
    tell();
    await find();
  }

  /** The JSON of a FaceMatcher, as the package and face-api.js write it. */
  function matcher() {
    const byName = new Map();
    for (const { name, descriptor } of people) byName.set(name, [...(byName.get(name) ?? []), descriptor]);
    const labeledDescriptors = [...byName].map(([label, descriptors]) => ({ label, descriptors }));
    return JSON.stringify({ distanceThreshold: threshold, labeledDescriptors });
  }

  async function find(wait) {
    newest.stop();
    if (photo === null) return;
    try {
      const known = people.length ? { known: matcher() } : {};
      if (!people.length && !health()?.people) throw new Problem("Give photos of known people first, above.");
      const fields = { ...known, distance: String(threshold), ...controls.fields() };
      const answer = await newest.ask("match", fields, [["photo", photo]], wait);
      if (answer === null) return;
      const { values, total } = answer;
      const none = { landmarks: null, expressions: null, age: null };
      const faces = values.matches.map(({ detection }) => ({ ...none, detection }));
      view.mark(values, total, faces, values.matches.map(({ name, distance }) => `${name} (${round(distance)})`));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      view.fail(error);
    }
  }

  async function query(files) {
    newest.stop();
    view.problem.tell();
    photo = onlyOne(files, view.problem);
    await view.show(photo);
    await find();
  }

  const controls = detectorControls("photo", () => {
    view.problem.tell();
    find(SETTLED);
  });
  const limit = slider({ label: "Largest distance of a known person", min: 0, max: 1, step: 0.01, value: threshold }, (value) => {
    threshold = value;
    find(SETTLED);
  });
  section.append(
    element("div", { class: "side" }, foldable(controls.node, limit)),
    element("div", { class: "view" },
      element("h3", {}, "1. Known people"),
      fileChooser("Choose photos of known people, named after them", { multiple: true, id: "known" }, learn),
      problem.node, status, list,
      element("h3", {}, "2. Where to find them"),
      fileChooser("Choose a photo in which to find them", { id: "query" }, query),
      view.node),
  );
  people.forEach(showPerson);
  tell();
  if (photo !== null) query([photo]);
  return {
    drop: (files) => (people.length || health()?.people ? query(files) : learn(files)),
    healthChanged: () => isReading || tell(),
    close: () => newest.stop(),
  };
}

/** "Eileen Collins" for Eileen_Collins-2.jpg. */
function nameOf(file) {
  const stem = file.name.replace(/\.[^.]*$/, "");
  return stem.replace(/[-_ ]*\(?\d+\)?$/, "").replaceAll("_", " ").trim() || stem;
}
