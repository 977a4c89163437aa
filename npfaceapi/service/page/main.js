// The tabs, each with its address, and whether the service is there.
import { health, STOPPED, takeToken } from "./api.js";
import { batchTab } from "./batch.js";
import { setDetectors } from "./controls.js";
import { distanceTab } from "./distance.js";
import { element } from "./dom.js";
import { photoTab } from "./photo.js";
import { recognitionTab } from "./recognition.js";
import { videoTab, webcamTab } from "./stream.js";

const TABS = {
  faces: ["Faces", "Find the faces of a photo.", photoTab({ parts: "detection" })],
  landmarks: ["Landmarks", "68 points on each face.", photoTab({ parts: "landmarks" })],
  expressions: ["Expressions", "The probabilities of seven expressions; those above 0.1 are shown.", photoTab({ parts: "landmarks,expressions" })],
  "age-gender": ["Age and gender", "An estimate for each face.", photoTab({ parts: "landmarks,age-gender" })],
  extract: ["Extract", "Each face as a picture of its own.", photoTab({ parts: "detection", isExtracting: true })],
  recognition: ["Recognition", "Find known people in a photo.", recognitionTab],
  distance: ["Distance", "Do two photos show the same person?", distanceTab],
  batch: ["Batch", "Everything about the faces of many photos.", batchTab],
  video: ["Video", "Follow faces through a video file, while it plays.", videoTab],
  webcam: ["Camera", "Follow the faces before the camera.", webcamTab],
};
const EVERY = 3000; // milliseconds

const main = document.getElementById("main");
const banner = document.getElementById("banner");
let current = null;
let state = null; // what the service said last

function open() {
  const name = location.hash.slice(1) in TABS ? location.hash.slice(1) : null;
  if (name === null && current !== null) return; // an address inside the page
  const [title, about, make] = TABS[name ?? "faces"];
  current?.close?.();
  const heading = element("h2", { tabindex: "-1" }, title);
  const section = element("section", { class: "tab" }, heading, element("p", { class: "about" }, about));
  const isFirst = current === null;
  current = make(section, { health: () => state });
  main.replaceChildren(section);
  document.title = `${title} - npfaceapi`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name ?? "faces"}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!isFirst) heading.focus();
}

function tell(text) {
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = text === "";
}

async function watch() {
  state = (await health()) ?? null;
  if (state === null) tell(STOPPED);
  else tell(state.status === "starting" ? "The networks are being loaded; photos wait until they are." : "");
  if (state !== null) setDetectors(state.detectors);
  current?.healthChanged?.();
  setTimeout(watch, EVERY);
}

for (const [kind, isOver] of [["dragenter", true], ["dragover", true], ["dragleave", false], ["drop", false]]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // a browser would leave the page and open the file
    document.body.classList.toggle("dragging", isOver);
  });
}
document.addEventListener("drop", (event) => {
  const files = [...(event.dataTransfer?.files ?? [])];
  if (files.length) current?.drop(files);
});

takeToken();
document.getElementById("tabs").append(...Object.entries(TABS).map(([name, [title]]) => element("li", {}, element("a", { href: `#${name}` }, title))));
addEventListener("hashchange", () => {
  takeToken();
  open();
});
open();
watch();
