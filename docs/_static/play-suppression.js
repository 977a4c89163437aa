// Page 6: boxes that can be moved, a threshold, and non-max suppression step by step.
"use strict";
(() => {
  const place = document.getElementById("play-suppression");
  const data = JSON.parse(document.getElementById("play-suppression-data").textContent);
  let boxes = structuredClone(data.boxes), threshold = 0.5, done = Infinity, chosen = null;

  function iou(a, b) {
    const width = Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x));
    const height = Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y));
    const both = width * height;
    return both / (a.width * a.height + b.width * b.height - both);
  }

  // The steps: each keeps the best box that is left, and drops the others that overlap it by more than the threshold.
  function suppress(list, most) {
    let waiting = [...list].sort((a, b) => b.score - a.score);
    const steps = [];
    while (waiting.length) {
      const [best, ...others] = waiting;
      const dropped = others.map((box) => ({ box, overlap: iou(best, box) })).filter((each) => each.overlap > most);
      steps.push({ kept: best, dropped });
      waiting = others.filter((box) => !dropped.some((each) => each.box === box));
    }
    return steps;
  }

  const { element, drawn } = play;

  const [left, top, width, height] = data.view;
  const svg = drawn("svg", { viewBox: data.view.join(" "), role: "img", "aria-label": "The photo with two faces and the boxes of the list" });
  svg.append(drawn("image", { href: data.photo, x: left, y: top, width, height }));
  const slider = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: threshold });
  const value = element("span", {}, threshold.toFixed(2));
  const next = element("button", { type: "button" }, "Next step"), all = element("button", { type: "button" }, "All steps");
  const again = element("button", { type: "button" }, "Back to the start"), reset = element("button", { type: "button" }, "Reset the boxes");
  const list = element("ul", { class: "play-list", "aria-label": "boxes with their scores, and what becomes of them" }), status = element("p", { role: "status" });
  place.append(
    element("p", {}, "Go back to the start and take the steps one by one. Drag a box, or choose it in the list and move it with the arrow keys; change the threshold. Each box is listed with its score, and with its overlap with a box that was kept."),
    element("div", { class: "play-controls" }, element("label", {}, "overlap above which a box is dropped ", slider, " ", value), again, next, all, reset),
    status,
    element("div", { class: "play-parts" }, element("div", { class: "play-photo" }, svg), list),
  );

  const rectangles = boxes.map((_, index) => {
    const rectangle = drawn("rect", { fill: "transparent", "vector-effect": "non-scaling-stroke", cursor: "move" });
    rectangle.addEventListener("pointerdown", (event) => {
      const scale = svg.getScreenCTM().inverse().a, { x, y } = boxes[index], from = [event.clientX, event.clientY];
      svg.setPointerCapture(event.pointerId); // not the rectangle, which loses it where draw() moves it to the front
      svg.onpointermove = (move) => moveTo(index, x + (move.clientX - from[0]) * scale, y + (move.clientY - from[1]) * scale);
      svg.onlostpointercapture = () => { svg.onpointermove = null; };
      chosen = index;
      draw();
    });
    svg.append(rectangle);
    return rectangle;
  });
  const rows = boxes.map((box, index) => {
    const button = element("button", { type: "button" }, String(box.name)), text = element("span");
    button.addEventListener("click", () => {
      chosen = chosen === index ? null : index;
      draw();
    });
    button.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-4, 0], ArrowRight: [4, 0], ArrowUp: [0, -4], ArrowDown: [0, 4] }[event.key];
      if (!way) return;
      event.preventDefault();
      chosen = index;
      moveTo(index, boxes[index].x + way[0], boxes[index].y + way[1]);
    });
    list.append(element("li", {}, button, " ", text));
    return { button, text };
  });

  function moveTo(index, x, y) {
    const box = boxes[index];
    box.x = Math.min(Math.max(x, left), left + width - box.width);
    box.y = Math.min(Math.max(y, top), top + height - box.height);
    draw();
  }

  function draw() {
    const steps = suppress(boxes, threshold);
    done = Math.min(done, steps.length);
    const kept = new Set(), dropped = new Map(), last = steps[done - 1];
    for (const step of steps.slice(0, done)) {
      kept.add(step.kept);
      for (const each of step.dropped) dropped.set(each.box, { by: step.kept, overlap: each.overlap });
    }
    boxes.forEach((box, index) => {
      const state = kept.has(box) ? "kept" : dropped.has(box) ? "dropped" : "waiting";
      const colour = { kept: "#d55e00", dropped: "#8a8a8a", waiting: "#ffffff" }[state];
      const attributes = { x: box.x, y: box.y, width: box.width, height: box.height, stroke: index === chosen ? "#56b4e9" : colour };
      attributes["stroke-width"] = state === "kept" || index === chosen ? 3 : 1.5;
      attributes["stroke-dasharray"] = state === "dropped" ? "4 3" : "none";
      for (const [key, each] of Object.entries(attributes)) rectangles[index].setAttribute(key, each);
      rows[index].button.setAttribute("aria-pressed", index === chosen);
      // A waiting box tells its overlap too: with the box kept last, which did not drop it.
      const why = dropped.get(box) ?? (state === "waiting" && last ? { by: last.kept, overlap: iou(last.kept, box) } : null);
      rows[index].text.textContent = `${box.score.toFixed(3)}, ${state}${why ? `: ${why.overlap.toFixed(2)} with ${why.by.name}` : ""}`;
    });
    for (const box of kept) svg.append(rectangles[boxes.indexOf(box)]);
    if (chosen !== null) svg.append(rectangles[chosen]); // in front of the others
    const waiting = boxes.length - kept.size - dropped.size;
    const text = done ? `Step ${done} of ${steps.length}: keeps ${last.kept.name}, drops ${last.dropped.length}; ${waiting} waiting.` : `${waiting} boxes waiting.`;
    if (status.textContent !== text) status.textContent = text;
    next.setAttribute("aria-disabled", done === steps.length); // not disabled, which would take the focus away
    value.textContent = threshold.toFixed(2);
  }

  slider.addEventListener("input", () => {
    threshold = Number(slider.value);
    done = Infinity;
    draw();
  });
  const go = (button, steps) => button.addEventListener("click", () => {
    done = steps();
    draw();
  });
  go(next, () => done + 1);
  go(all, () => Infinity);
  go(again, () => 0);
  reset.addEventListener("click", () => {
    data.boxes.forEach((box, index) => Object.assign(boxes[index], box));
    done = Infinity;
    draw();
  });
  draw();
  place.suppress = suppress; // for the tests
})();
