// Page 5: a cell of the tiny face detector's grid, its anchors and answers, and the part of the photo that it sees.
"use strict";
(() => {
  const place = document.getElementById("play-grid");
  const data = JSON.parse(document.getElementById("play-grid-data").textContent);
  const SIDE = 416, CELL = 32, CELLS = 13;
  const sigmoid = (v) => 1 / (1 + Math.exp(-v));
  let row = 3, column = 5;

  // The box of an anchor of a cell, in pixels of the input, and its score.
  function decode(y, x, anchor) {
    const [tx, ty, tw, th, score] = data.answers[y][x][anchor], [width, height] = data.anchors[anchor];
    const w = Math.exp(tw) * width * CELL, h = Math.exp(th) * height * CELL;
    return { x: (x + sigmoid(tx)) * CELL - w / 2, y: (y + sigmoid(ty)) * CELL - h / 2, width: w, height: h, score: sigmoid(score) };
  }

  const { element, drawn } = play;

  const svg = drawn("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img", "aria-label": "The photo with the grid; the chosen cell is described below" });
  svg.append(drawn("image", { href: data.photo, width: SIDE, height: SIDE }));
  const shadow = drawn("path", { fill: "rgb(0 0 0 / 55%)", "fill-rule": "evenodd" });
  svg.append(shadow);
  for (let i = 1; i < CELLS; i++) {
    svg.append(drawn("path", { d: `M${i * CELL} 0V${SIDE}M0 ${i * CELL}H${SIDE}`, stroke: "rgb(255 255 255 / 35%)" }));
  }
  const box = (colour, width) => {
    const made = drawn("rect", { fill: "none", stroke: colour, "stroke-width": width });
    svg.append(made);
    return made;
  };
  const anchors = data.anchors.map(() => box("#ffffff", 1.5)), answer = box("#d55e00", 3), cell = box("#f0e442", 3);
  const slider = () => element("input", { type: "range", min: 0, max: CELLS - 1, step: 1 });
  const rowSlider = slider(), columnSlider = slider(), status = element("p", { role: "status" });
  place.append(
    element("p", {}, "Point at a cell, or choose its row and column. Yellow: the cell; white: its five anchors; orange: its best answer; light: what it sees of the photo."),
    element("div", { class: "play-controls" }, element("label", {}, "row ", rowSlider), element("label", {}, "column ", columnSlider)),
    element("div", { class: "play-photo" }, svg),
    status,
  );

  const put = (rectangle, { x, y, width, height }) => {
    for (const [key, value] of Object.entries({ x, y, width, height })) rectangle.setAttribute(key, value);
  };

  function draw() {
    const [top, bottom] = data.rows[row], [left, right] = data.columns[column];
    shadow.setAttribute("d", `M0 0H${SIDE}V${SIDE}H0ZM${left} ${top}H${right}V${bottom}H${left}Z`);
    put(cell, { x: column * CELL, y: row * CELL, width: CELL, height: CELL });
    data.anchors.forEach(([width, height], index) => put(anchors[index], {
      x: (column + 0.5 - width / 2) * CELL, y: (row + 0.5 - height / 2) * CELL, width: width * CELL, height: height * CELL,
    }));
    const answers = data.anchors.map((_, index) => decode(row, column, index));
    const best = answers.reduce((a, b) => (b.score > a.score ? b : a)), passes = best.score > 0.5;
    put(answer, best);
    answer.setAttribute("stroke-dasharray", passes ? "none" : "6 4");
    rowSlider.value = row;
    columnSlider.value = column;
    status.textContent = `Row ${row}, column ${column}: best score ${best.score.toFixed(3)} (anchor ${answers.indexOf(best)}), ${passes ? "a face" : "no face"}. `
      + `The cell covers ${CELL}×${CELL} pixels; its answer depends on ${right - left}×${bottom - top}.`;
  }

  function point(event) {
    const area = svg.getBoundingClientRect(), index = (at, from, size) => Math.min(CELLS - 1, Math.max(0, Math.floor(((at - from) / size) * CELLS)));
    const y = index(event.clientY, area.top, area.height), x = index(event.clientX, area.left, area.width);
    if (y === row && x === column) return;
    [row, column] = [y, x];
    draw();
  }
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointermove", point);
  rowSlider.addEventListener("input", () => { row = Number(rowSlider.value); draw(); });
  columnSlider.addEventListener("input", () => { column = Number(columnSlider.value); draw(); });
  draw();
  place.decode = decode; // for the tests
})();
