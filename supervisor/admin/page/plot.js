// Plots of the last minutes: lines or stacked areas in SVG, a legend that tells the values, and the same as a table.

import { el, keyed, setText, svg } from "./dom.js";
import { clock } from "./format.js";

const HEIGHT = 148;
const LEFT = 40;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 20;
const WINDOW = 600;
const MINUTE = 60;

// The next number whose half reads well.
function ceiling(value, least) {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].map((n) => n * power).find((n) => n >= wanted * 0.999);
}

export class Plot {
  // `series` are {name, kind: "area" | "line"}; with `stacked` the areas stand on one another. `show` writes a value.
  constructor(host, { id, title, unit, series, stacked = false, least = 1, show }) {
    Object.assign(this, { series, stacked, least, show, unit, data: null, at: null });
    this.summary = el("p", { id: `${id}-summary`, class: "hidden-text" });
    this.picture = svg("svg", { role: "img", "aria-label": title, "aria-describedby": `${id}-summary`, height: HEIGHT });
    this.when = el("span", { class: "legend-when" });
    this.values = series.map(() => el("b"));
    const items = series.map((each, n) =>
      el("li", {}, el("span", { class: `key key-${each.class}`, "aria-hidden": "true" }), `${each.name} `, this.values[n]));
    this.body = el("tbody");
    const heads = [el("th", { scope: "col" }, "Minute (UTC)"), ...series.map((each) => el("th", { scope: "col", class: "num" }, each.name))];
    const table = el("table", { class: "rows" }, el("caption", { class: "hidden-text" }, `${title}, mean of each minute, ${unit}`),
      el("thead", {}, el("tr", {}, ...heads)), this.body);
    host.append(el("figure", { class: "plot", role: "group", "aria-labelledby": `${id}-title` },
      el("figcaption", {}, el("h3", { id: `${id}-title` }, title), el("span", { class: "quiet" }, unit), this.when),
      this.picture, el("ul", { class: "legend", "aria-label": `Values of: ${title}` }, ...items), this.summary,
      el("details", {}, el("summary", {}, "As a table", el("span", { class: "hidden-text" }, `: ${title}`)),
        el("div", { class: "scroll", role: "region", "aria-label": `Table: ${title}`, tabindex: "0" }, table))));
    this.picture.addEventListener("pointermove", (event) => this.hover(event));
    this.picture.addEventListener("pointerleave", () => this.point(null));
    new ResizeObserver(() => this.draw()).observe(this.picture);
  }

  // `columns` has one list of numbers for each series, `up` says where the store answered; the last one is at `at`.
  set(columns, up, at, step) {
    this.data = { columns, up, at, step };
    this.draw();
    this.fillTable();
  }

  x(n) {
    const { columns, step } = this.data;
    return this.width - RIGHT - ((columns[0].length - 1 - n) * step * (this.width - LEFT - RIGHT)) / WINDOW;
  }

  y(value) {
    return HEIGHT - BOTTOM - (value * (HEIGHT - TOP - BOTTOM)) / this.top;
  }

  draw() {
    this.width = this.picture.clientWidth;
    if (!this.data || !this.width) return;
    const { columns, up } = this.data;
    const length = columns[0].length;
    const heights = columns.map(() => []);
    for (let n = 0; n < length; n += 1) {
      let sum = 0;
      columns.forEach((column, s) => {
        sum = this.stacked ? sum + column[n] : column[n];
        heights[s].push(sum);
      });
    }
    this.top = ceiling(Math.max(0, ...heights.flat()), this.least);
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      const y = Math.round(this.y(this.top * share)) + 0.5;
      parts.push(svg("line", { class: share ? "grid" : "base", x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y }),
        svg("text", { class: "tick", x: LEFT - 6, y: y + 3.5, "text-anchor": "end" }, this.show(this.top * share)));
    }
    for (let back = 0; back <= WINDOW; back += 2 * MINUTE) {
      const x = this.width - RIGHT - (back * (this.width - LEFT - RIGHT)) / WINDOW;
      parts.push(svg("text", { class: "tick", x, y: HEIGHT - 5, "text-anchor": back ? "middle" : "end" }, back ? `−${back / MINUTE} min` : "now"));
    }
    this.outages(up).forEach(([from, to]) => {
      const x = this.x(from - 0.5);
      parts.push(svg("rect", { class: "outage", x, y: TOP, width: Math.max(2, this.x(to + 0.5) - x), height: HEIGHT - TOP - BOTTOM }));
    });
    const drawn = this.series.map((each, s) => this.shape(each, heights[s], this.stacked && s ? heights[s - 1] : null));
    parts.push(...(this.stacked ? drawn : drawn.reverse()));
    this.cross = svg("line", { class: "cross", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    this.picture.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.picture.replaceChildren(...parts, this.cross);
    this.point(this.at);
  }

  shape(each, top, below) {
    const line = top.map((value, n) => `${n ? "L" : "M"}${this.x(n).toFixed(1)} ${this.y(value).toFixed(1)}`).join("");
    if (each.kind === "line" && top.every((value) => value === 0)) return svg("g");
    if (each.kind === "line") return svg("path", { class: `line line-${each.class}`, d: line });
    if (this.stacked && top.every((value, n) => value === (below?.[n] ?? 0))) return svg("g");
    const floor = below ?? top.map(() => 0);
    const back = floor.map((value, n) => `L${this.x(n).toFixed(1)} ${this.y(value).toFixed(1)}`).reverse().join("");
    return svg("g", {}, svg("path", { class: `area area-${each.class}`, d: `${line}${back}Z` }), this.stacked ? "" : svg("path", { class: `line line-${each.class}`, d: line }));
  }

  outages(up) {
    const found = [];
    up.forEach((is, n) => {
      if (is) return;
      const last = found.at(-1);
      if (last && last[1] === n - 1) last[1] = n;
      else found.push([n, n]);
    });
    return found;
  }

  hover(event) {
    if (!this.data) return;
    const { columns, step } = this.data;
    const x = event.clientX - this.picture.getBoundingClientRect().left;
    const back = ((this.width - RIGHT - x) * WINDOW) / (this.width - LEFT - RIGHT) / step;
    const n = columns[0].length - 1 - Math.round(back);
    this.point(n >= 0 && n < columns[0].length ? columns[0].length - 1 - n : null);
  }

  // `back` counts samples from the last one; null is the last one, without a line.
  point(back) {
    if (!this.data) return;
    this.at = back;
    const { columns, at, step } = this.data;
    const n = columns[0].length - 1 - (back ?? 0);
    columns.forEach((column, s) => setText(this.values[s], this.show(column[n] ?? 0)));
    setText(this.when, back === null ? "" : clock(at - back * step));
    if (!this.cross) return;
    this.cross.setAttribute("visibility", back === null ? "hidden" : "visible");
    this.cross.setAttribute("x1", this.x(n));
    this.cross.setAttribute("x2", this.x(n));
  }

  fillTable() {
    const { columns, at, step } = this.data;
    const minutes = new Map();
    columns[0].forEach((_, n) => {
      const minute = Math.floor((at - (columns[0].length - 1 - n) * step) / MINUTE) * MINUTE;
      if (!minutes.has(minute)) minutes.set(minute, []);
      minutes.get(minute).push(n);
    });
    const mean = (column, places) => places.reduce((sum, n) => sum + column[n], 0) / places.length;
    keyed(this.body, [...minutes].reverse(), ([minute]) => minute,
      ([minute]) => el("tr", {}, el("th", { scope: "row" }, clock(minute).slice(0, 5)), ...columns.map(() => el("td", { class: "num" }))),
      (row, [, places]) => columns.forEach((column, s) => setText(row.children[s + 1], this.show(mean(column, places)))));
    const told = this.series.map((each, s) => {
      const most = Math.max(0, ...columns[s]);
      return `${each.name}: now ${this.show(columns[s].at(-1) ?? 0)}, at most ${this.show(most)}`;
    });
    setText(this.summary, `The last ten minutes, ${this.unit}. ${told.join("; ")}. The table below has each minute.`);
  }
}

// The mean of the last `size` values at each place.
export function smoothed(column, size) {
  let sum = 0;
  return column.map((value, n) => {
    sum += value - (n >= size ? column[n - size] : 0);
    return sum / Math.min(size, n + 1);
  });
}
