// The choice of the detector and its options, and of photos.
import { counted, element } from "./dom.js";

const score = (name, label, value = 0.5, min = 0) => ({ name, label, min, max: 1, step: 0.05, value });
const side = { name: "input_size", label: "Input size, pixels", min: 128, max: 608, step: 32, value: 416 };
const DETECTORS = {
  ssd_mobilenetv1: {
    title: "SSD MobileNet v1",
    sliders: [
      score("min_confidence", "Smallest score"),
      { name: "max_results", label: "Most faces", min: 1, max: 100, step: 1, value: 100 },
    ],
  },
  tiny_face_detector: { title: "Tiny Face Detector", sliders: [side, score("score_threshold", "Smallest score")] },
  tiny_yolov2: { title: "Tiny YOLO v2", sliders: [side, score("score_threshold", "Smallest score")] },
  mtcnn: {
    title: "MTCNN",
    sliders: [
      { name: "min_face_size", label: "Smallest face, pixels", min: 12, max: 200, step: 1, value: 20 },
      { name: "scale_factor", label: "Ratio of sizes", min: 0.4, max: 0.9, step: 0.001, value: 0.709 },
      { name: "max_num_scales", label: "Most sizes", min: 1, max: 20, step: 1, value: 10 },
      score("score_thresholds", "Smallest score, stage 1", 0.6, 0.05),
      score("score_thresholds", "Smallest score, stage 2", 0.7),
      score("score_thresholds", "Smallest score, stage 3", 0.7),
    ],
  },
};
const chosen = {}; // by kind of tab, so that a choice is kept from tab to tab
let known = null; // the detectors of the service

/** Tell which detectors the service has. */
export function setDetectors(names) {
  known = names;
  for (const option of document.querySelectorAll("option[data-detector]")) mark(option);
}

function mark(option) {
  const name = option.value;
  option.disabled = known !== null && !known.includes(name);
  option.textContent = DETECTORS[name].title + (option.disabled ? " (start with --weights DIR)" : "");
}

let count = 0;

/** A slider with its label and value. */
export function slider({ label, min, max, step, value }, onchange) {
  count += 1;
  const id = `slider-${count}`;
  const output = element("output", { for: id }, String(value));
  const input = element("input", {
    type: "range", id, min, max, step,
    input: () => (output.textContent = input.value),
    change: () => onchange(Number(input.value)),
  });
  input.value = value;
  return element("div", { class: "slider" }, element("label", { for: id }, label), output, input);
}

/** The controls of a detector; `fields()` are those of a question. */
export function detectorControls(kind, onchange) {
  chosen[kind] ??= {
    detector: kind === "stream" ? "tiny_face_detector" : "ssd_mobilenetv1",
    values: Object.fromEntries(Object.entries(DETECTORS).map(([name, { sliders }]) => [name, sliders.map(({ value }) => value)])),
  };
  const state = chosen[kind];
  const sliders = element("div");
  const options = Object.keys(DETECTORS).map((name) => {
    const option = element("option", { value: name, "data-detector": true });
    mark(option);
    return option;
  });
  const select = element("select", { id: "detector", change: () => choose(select.value) }, ...options);
  select.value = state.detector;

  function choose(name) {
    state.detector = name;
    show();
    onchange();
  }

  function show() {
    const values = state.values[state.detector];
    const made = DETECTORS[state.detector].sliders.map((each, i) =>
      slider({ ...each, value: values[i] }, (value) => {
        values[i] = value;
        onchange();
      }),
    );
    sliders.replaceChildren(...made);
  }
  show();

  return {
    node: element("fieldset", {}, element("legend", {}, "Detector"), element("label", { for: "detector" }, "Network"), select, sliders),
    fields() {
      const values = state.values[state.detector];
      const fields = { detector: state.detector };
      DETECTORS[state.detector].sliders.forEach(({ name }, i) => {
        fields[name] = name in fields ? `${fields[name]},${values[i]}` : String(values[i]);
      });
      return fields;
    },
  };
}

const narrow = matchMedia("(max-width: 44rem)"); // as in style.css
narrow.addEventListener("change", () => document.querySelectorAll("details.options").forEach(fold));

function fold(details) {
  details.open = !narrow.matches;
}

/** The options, beside the photo; on a narrow screen they are folded in, above it. */
export function foldable(...nodes) {
  const details = element("details", { class: "options" }, element("summary", {}, "Options"), ...nodes);
  fold(details);
  return details;
}

/** A place to choose files or drop them. */
export function fileChooser(label, { accept = "image/*", multiple = false, id = "files" }, onfiles) {
  const input = element("input", {
    type: "file", id, accept, multiple,
    change() {
      const files = [...input.files];
      input.value = ""; // so that the same file can be chosen again
      if (files.length) onfiles(files);
    },
  });
  return element("label", { class: "drop", for: id }, label, input);
}

/** The first of several files, with a message about the others. */
export function onlyOne(files, problem, thing = "photo") {
  if (files.length > 1) {
    const more = thing === "photo" ? [" The tab ", element("a", { href: "#batch" }, "Batch"), " takes all."] : [];
    problem.tell(`${counted(files.length, "file")} at once: this tab takes one ${thing}, here the first.`, ...more);
  }
  return files[0];
}
