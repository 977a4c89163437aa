// Page 1: a 5×5 picture, a 3×3 filter, and the result; pointing at a result shows its nine products.
"use strict";
(() => {
  const place = document.getElementById("play-convolution");
  const picture = [[1, 1, 2, 8, 9], [1, 2, 3, 9, 9], [0, 1, 4, 9, 8], [1, 1, 3, 8, 9], [2, 1, 2, 9, 9]];
  const filters = {
    "vertical edges": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "horizontal edges": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "mean of nine": Array.from({ length: 3 }, () => Array(3).fill(1 / 9)),
    "sharper": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "one to the left": [[0, 0, 0], [0, 0, 1], [0, 0, 0]],
  };
  let filter = filters["vertical edges"].map((row) => [...row]);
  let chosen = null; // row and column of the result whose products are shown

  // As TensorFlow does: how many zeros are before the first pixel, and how many results there are.
  function sizes(padding, stride) {
    if (padding === "valid") return { before: 0, count: Math.floor((5 - 3) / stride) + 1 };
    const count = Math.ceil(5 / stride);
    return { before: Math.floor(Math.max((count - 1) * stride + 3 - 5, 0) / 2), count };
  }

  function convolve(image, weights, padding, stride) {
    const { before, count } = sizes(padding, stride);
    const at = (y, x) => (image[y] ?? [])[x] ?? 0;
    return Array.from({ length: count }, (_, row) => Array.from({ length: count }, (_, column) => {
      const terms = [];
      for (let i = 0; i < 3; i++) {
        for (let j = 0; j < 3; j++) {
          const y = row * stride - before + i, x = column * stride - before + j;
          terms.push({ y, x, pixel: at(y, x), weight: weights[i][j] });
        }
      }
      return { terms, sum: terms.reduce((sum, term) => sum + term.pixel * term.weight, 0) };
    }));
  }

  const shown = (value) => String(+value.toFixed(2)).replace("-", "−");
  // White at 0, blue above, orange below; light enough for black text.
  function shade(value, largest) {
    const part = Math.min(1, Math.abs(value) / (largest || 1)) * 0.6;
    return `rgb(${(value < 0 ? [213, 94, 0] : [0, 114, 178]).map((c) => Math.round(255 + (c - 255) * part)).join()})`;
  }

  const { element } = play;
  const select = (options) => element("select", {}, ...options.map((text) => element("option", {}, text)));
  const figure = (caption, cells) => element("figure", {}, cells, element("figcaption", {}, caption));

  const preset = select([...Object.keys(filters), "your own"]), padding = select(["same", "valid"]), stride = select(["1", "2"]);
  const cells = (count, name) => element("div", { class: "play-cells", role: "group", "aria-label": name, style: `grid-template-columns: repeat(${count}, auto)` });
  const pictureCells = cells(5, "picture"), filterCells = cells(3, "filter");
  let resultCells = cells(5, "result");
  const sum = element("p", { class: "play-sum", role: "status" });
  place.append(
    element("p", {}, "Change a pixel or a weight. Point at a number of the result, or move to it with Tab and the arrow keys, to see its nine products."),
    element("div", { class: "play-controls" },
      element("label", {}, "filter ", preset), element("label", {}, "padding ", padding), element("label", {}, "stride ", stride)),
    element("div", { class: "play-parts" }, figure("picture", pictureCells), figure("filter", filterCells), figure("result", resultCells)),
    sum,
  );

  function inputs(parent, table, name, changed) {
    parent.replaceChildren(...table.flatMap((row, y) => row.map((value, x) => {
      const input = element("input", { inputmode: "decimal", "aria-label": `${name}, row ${y}, column ${x}`, value: +value.toFixed(2) });
      input.addEventListener("input", () => {
        const number = Number(input.value.replace("−", "-").replace(",", "."));
        input.setAttribute("aria-invalid", !Number.isFinite(number));
        if (Number.isFinite(number)) {
          table[y][x] = number;
          changed();
        }
      });
      return input;
    })));
  }

  function draw() {
    const result = convolve(picture, filter, padding.value, +stride.value), count = result.length;
    const largest = Math.max(...result.flat().map((cell) => Math.abs(cell.sum)));
    if (!chosen || chosen.some((index) => index >= count)) chosen = [Math.floor(count / 2), Math.floor(count / 2)];
    const focused = [...resultCells.children].indexOf(document.activeElement);
    const buttons = result.flatMap((row, y) => row.map((cell, x) => {
      const button = element("button", { type: "button", "aria-label": `row ${y}, column ${x}: ${shown(cell.sum)}` }, shown(cell.sum));
      button.style.background = shade(cell.sum, largest);
      const choose = () => {
        chosen = [y, x];
        mark(result, buttons);
      };
      for (const event of ["mouseenter", "focus", "click"]) button.addEventListener(event, choose);
      button.addEventListener("keydown", (event) => {
        const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
        if (!way) return;
        event.preventDefault();
        const [toY, toX] = [y + way[0], x + way[1]];
        if (Math.min(toY, toX) >= 0 && Math.max(toY, toX) < count) buttons[toY * count + toX].focus();
      });
      return button;
    }));
    resultCells.style.gridTemplateColumns = `repeat(${count}, auto)`;
    resultCells.replaceChildren(...buttons);
    buttons[focused]?.focus();
    mark(result, buttons);
  }

  function mark(result, buttons) {
    const cell = result[chosen[0]][chosen[1]];
    buttons.forEach((button, index) => {
      const isChosen = index === chosen[0] * result.length + chosen[1];
      button.setAttribute("aria-pressed", isChosen);
      button.tabIndex = isChosen ? 0 : -1; // Tab leads to the chosen one, the arrow keys to the others
    });
    [...pictureCells.children].forEach((input, index) => {
      const y = Math.floor(index / 5), x = index % 5, value = picture[y][x];
      input.style.background = `hsl(0 0% ${55 + 4.5 * Math.min(10, Math.max(0, value))}%)`;
      input.classList.toggle("in-window", cell.terms.some((term) => term.y === y && term.x === x));
    });
    [...filterCells.children].forEach((input, index) => {
      input.style.background = shade(filter[Math.floor(index / 3)][index % 3], 2);
    });
    const rows = [0, 1, 2].map((row) => cell.terms.slice(3 * row, 3 * row + 3).map((term) => `${shown(term.pixel)}·${term.weight < 0 ? `(${shown(term.weight)})` : shown(term.weight)}`).join(" + "));
    sum.replaceChildren(`Row ${chosen[0]}, column ${chosen[1]}: ${rows.join(" + ")} = `, element("strong", {}, shown(cell.sum)));
  }

  preset.addEventListener("change", () => {
    if (!filters[preset.value]) return;
    filter = filters[preset.value].map((row) => [...row]);
    drawFilter();
    draw();
  });
  const drawFilter = () => inputs(filterCells, filter, "filter", () => {
    preset.value = "your own";
    draw();
  });
  padding.addEventListener("change", draw);
  stride.addEventListener("change", draw);
  inputs(pictureCells, picture, "picture", draw);
  drawFilter();
  draw();
  place.convolve = convolve; // for the tests
})();
