// A photo with its faces marked, the figures below it, and the JSON to copy.
import { counted, element, problemBox, round, table } from "./dom.js";
import { linesOf, Overlay, paintFaces } from "./drawing.js";

export class PhotoView {
  constructor(name = "photo") {
    this.name = name;
    this.image = element("img", { alt: "" });
    this.overlay = new Overlay(this.image);
    this.stage = element("div", { class: "stage", hidden: true }, this.image, this.overlay.canvas);
    this.problem = problemBox();
    this.status = element("p", { class: "status", role: "status" });
    this.figures = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Faces of the ${name}`, hidden: true });
    this.json = new JsonView();
    this.node = element("div", { class: "view" }, this.problem.node, this.stage, this.status, this.figures, this.json.node);
  }

  /** Show a photo, without faces yet. */
  async show(file) {
    if (this.image.src) URL.revokeObjectURL(this.image.src);
    this.reset();
    this.stage.hidden = false;
    this.image.alt = file.name;
    this.image.src = URL.createObjectURL(file);
    this.status.textContent = "Looking for faces …";
    this.isShown = await this.image.decode().then(() => true, () => false);
  }

  reset() {
    this.overlay.clear();
    this.figures.hidden = true;
    this.json.set(null);
  }

  fail(error) {
    this.reset();
    if (!this.isShown) this.stage.hidden = true;
    this.status.textContent = "";
    this.problem.tell(error.message);
  }

  /** Mark the faces of an answer. */
  mark(values, total, faces, labels = []) {
    if (!this.isShown) {
      this.stage.hidden = true;
      this.problem.tell(`This browser cannot show ${this.image.alt}; the service could read it, and the faces are listed below.`);
    }
    const found = counted(faces.length, "face");
    this.overlay.show(values.width, `${this.image.alt}: ${found} marked`, (painter) => paintFaces(painter, faces, { labels }));
    const { decode, analyze } = values.milliseconds;
    this.status.textContent = `${found} in ${values.width} × ${values.height} pixels. Decoded in ${decode} ms, analyzed in ${analyze} ms, `
      + `${Math.round(total)} ms in all.`;
    const rows = faces.map((face, i) => {
      const { x, y, width, height } = face.detection.box;
      return [i + 1, labels[i] ?? round(face.detection.score), [x, y, width, height].map(Math.round).join(", "), linesOf(face).join(", ")];
    });
    const more = rows.some((row) => row[3]) ? 4 : 3;
    const headings = ["Face", labels.length ? "Name" : "Score", "Box (x, y, width, height)", "Found"].slice(0, more);
    this.figures.replaceChildren(table(headings, rows.map((row) => row.slice(0, more))));
    this.figures.hidden = !faces.length;
    this.json.set(values);
  }
}

export class JsonView {
  constructor() {
    this.text = element("pre", { tabindex: "0", role: "region", "aria-label": "JSON" });
    this.copied = element("span", { role: "status" });
    const copy = element("button", { type: "button", click: () => this.copy() }, "Copy");
    this.node = element("details", { hidden: true }, element("summary", {}, "JSON"), copy, " ", this.copied, this.text);
  }

  set(values) {
    this.node.hidden = values === null;
    this.copied.textContent = "";
    this.text.textContent = values === null ? "" : JSON.stringify(values, null, 1);
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.text.textContent);
      this.copied.textContent = "Copied.";
    } catch { // not on localhost nor https
      getSelection().selectAllChildren(this.text);
      this.copied.textContent = "Selected: copy it with Ctrl+C.";
    }
  }
}
