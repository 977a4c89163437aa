// Elements, and messages.

/** An element with attributes (functions are event listeners) and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** A place for problems, read out when one appears; `tell()` empties it. */
export function problemBox() {
  const node = element("p", { class: "problem", role: "alert", hidden: true });
  return {
    node,
    tell(...content) {
      node.replaceChildren(...content);
      node.hidden = content.length === 0;
    },
  };
}

/** A number with two decimals, as face-api.js rounds. */
export const round = (number, places = 2) => String(Math.floor(number * 10 ** places + 0.5) / 10 ** places);

export const counted = (count, thing) => `${count} ${thing}${count === 1 ? "" : "s"}`;

/** A table with a heading for each column. */
export function table(headings, rows) {
  const head = element("tr", {}, ...headings.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map((row) => element("tr", {}, ...row.map((text) => element("td", {}, String(text)))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}
