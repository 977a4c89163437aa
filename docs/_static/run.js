// A Run button at each block of a page; see docs/runnable.py. Nothing is loaded before a button is pressed.
(() => {
  const script = document.currentScript;
  const folders = {
    pyodide: new URL(script.dataset.pyodide, new URL("..", script.src)).href,
    repository: new URL("repository/", script.src).href,
  };
  let worker = null; // Python, from the first Run on
  let running = null; // the cell whose Run was pressed, while it runs

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  class Cell {
    constructor(block, number) {
      this.block = block;
      this.name = `block ${number + 1}`;
      this.original = block.querySelector("pre").textContent;
      const next = block.nextElementSibling;
      this.output = next?.classList.contains("highlight-none") ? next : null;
      this.stated = this.output ? this.output.querySelector("pre").textContent : "";
      this.editor = null; // in place of the block
      this.button = element("button", { type: "button", className: "run-button", onclick: () => press(this) });
      this.edit = element("button", { type: "button", className: "run-button", onclick: () => (this.editor ? this.close() : this.open()) });
      this.state = element("span", { className: "run-state", role: "status" });
      this.label("Run", "Edit");
      block.after(element("div", { className: "run-bar", role: "group", ariaLabel: this.name }, this.button, this.edit, this.state));
    }

    get code() {
      return this.editor ? `${this.editor.value.trimEnd()}\n` : this.original;
    }

    label(run, edit) {
      Object.assign(this.button, { textContent: run, ariaLabel: `${run} ${this.name}` });
      Object.assign(this.edit, { textContent: edit, ariaLabel: `${edit} ${this.name}` });
    }

    say(text, kind = "") {
      this.state.textContent = text;
      this.state.dataset.kind = kind;
    }

    open() {
      this.editor = element("textarea", { className: "run-editor", value: this.original, ariaLabel: `Code of ${this.name}` });
      Object.assign(this.editor, { rows: this.original.split("\n").length, spellcheck: false, autocapitalize: "off" });
      this.block.before(this.editor);
      this.block.hidden = true;
      this.label(this.button.textContent, "Undo");
      this.editor.focus();
    }

    close() {
      this.editor.remove();
      this.editor = null;
      this.block.hidden = false;
      this.label(this.button.textContent, "Edit");
      this.show(this.stated);
      this.say("");
    }

    show(printed) {
      if (!this.output) {
        this.output = element("div", { className: "highlight-none" }, element("div", { className: "highlight" }, element("pre")));
        this.state.parentElement.after(this.output);
      }
      Object.assign(this.output.querySelector("pre"), { textContent: printed, tabIndex: 0 }); // it may scroll
      this.output.hidden = !printed;
    }

    finish(printed, seconds, failed) {
      this.show(printed);
      const same = printed === this.stated;
      const what = failed ? "an error" : !same ? "not what the page says" : printed ? "as the page says" : "no output";
      this.say(`${seconds.toFixed(1)} s, ${what}`, failed ? "failed" : same ? "same" : "other");
    }
  }

  const cells = [...document.querySelectorAll(".runnable")].map((block, number) => new Cell(block, number));

  function press(cell) {
    if (cell === running) return end("Stopped. The next Run starts Python again.");
    if (running) return cell.say(`Wait: ${running.name} is running.`);
    if (location.protocol === "file:") return cell.say("Run needs the site on a server: python -m http.server", "failed");
    running = cell;
    cell.label("Stop", cell.edit.textContent);
    worker ??= started();
    worker.postMessage({ ...folders, codes: cells.slice(0, cells.indexOf(cell) + 1).map((each) => each.code) });
  }

  function started() {
    const made = new Worker(new URL("run-worker.js", script.src), { type: "module" });
    made.onmessage = ({ data }) => hear(data);
    made.onerror = (event) => end(event.message || "The worker did not start.");
    return made;
  }

  function hear({ say, number, printed, seconds, failed, done, error }) {
    const cell = cells[number];
    if (say) running.say(say);
    else if (error) end(error);
    else if (done) ready();
    else if (seconds !== undefined) {
      cell.finish(printed, seconds, failed);
      if (failed && cell !== running) running.say(`Not run: ${cell.name} above fails.`, "failed");
    } else {
      cell.say("Running …");
      if (cell !== running) running.say(`Running ${cell.name} first …`);
    }
  }

  function ready() {
    running.label("Run", running.edit.textContent);
    running = null;
    for (const cell of cells) if (cell.state.textContent.startsWith("Wait")) cell.say("");
  }

  // Without Python: it could not start, or the reader stopped it, which only the end of the worker does.
  function end(why) {
    worker.terminate();
    worker = null;
    for (const cell of cells) if (cell.state.textContent.startsWith("Running")) cell.say("");
    running.say(why, "failed");
    ready();
  }
})();
