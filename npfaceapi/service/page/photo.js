// Tabs of one photo: detection, landmarks, expressions, age and gender, extraction.
import { Newest, Problem, SETTLED } from "./api.js";
import { detectorControls, fileChooser, foldable, onlyOne } from "./controls.js";
import { element } from "./dom.js";
import { PhotoView } from "./view.js";

let last = null; // the photo is kept from tab to tab

export function photoTab({ parts, isExtracting }) {
  return (section) => {
    const view = new PhotoView();
    const faces = element("ul", { class: "faces" });
    const newest = new Newest();

    async function analyze(wait) {
      if (last === null) return;
      try {
        const answer = await newest.ask("analyze", { parts, ...controls.fields() }, [["photo", last]], wait);
        if (answer === null) return;
        const { values, total } = answer;
        view.mark(values, total, values.faces);
        if (isExtracting && view.isShown) extract(view.image, values.faces, faces);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        faces.replaceChildren();
        view.fail(error);
      }
    }

    async function take(files) {
      newest.stop();
      view.problem.tell();
      faces.replaceChildren();
      const file = (last = onlyOne(files, view.problem));
      await view.show(file);
      if (file === last) await analyze();
    }

    const controls = detectorControls("photo", () => {
      view.problem.tell();
      analyze(SETTLED);
    });
    const chooser = fileChooser("Choose a photo, or drop it anywhere here", {}, take);
    section.append(element("div", { class: "side" }, chooser, foldable(controls.node)), view.node);
    if (isExtracting) view.status.after(faces);
    if (last !== null) take([last]);
    return { drop: take, close: () => newest.stop() };
  };
}

/** Each face as a picture to save: the box of the detection, within the photo. */
function extract(image, faces, list) {
  const items = faces.map((face, i) => {
    const { x, y, width, height } = face.detection.box;
    const [left, top] = [Math.max(0, Math.floor(x)), Math.max(0, Math.floor(y))];
    const [right, bottom] = [Math.min(image.naturalWidth, Math.floor(x + width)), Math.min(image.naturalHeight, Math.floor(y + height))];
    const label = `Face ${i + 1}`;
    const canvas = element("canvas", { role: "img", "aria-label": label, width: right - left, height: bottom - top });
    canvas.getContext("2d").drawImage(image, left, top, right - left, bottom - top, 0, 0, right - left, bottom - top);
    const save = element("button", { type: "button", click: () => canvas.toBlob((blob) => download(blob, `face-${i + 1}.png`)) }, `Save face ${i + 1}`);
    return element("li", {}, canvas, save);
  });
  list.replaceChildren(...items);
}

export function download(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
