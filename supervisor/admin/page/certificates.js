// Certificates by expiry: bars that can be chosen, and the list that belongs to the chosen one.

import { ask } from "./ask.js";
import { by, el, keyed, setText } from "./dom.js";
import { count, day, iso, moment, names, safe, short, span } from "./format.js";

const HOUR = 3600;
const DAY = 86400;
const SOON = 7 * DAY;
const KEYS = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -1000, End: 1000 };
const FOREVER = 253402300800;

let chosen = null; // {from, to}
let refresh = () => {};

export function startCertificates(again) {
  refresh = again;
  by("timeline").addEventListener("keydown", walk);
  by("certificate-reset").addEventListener("click", () => {
    choose(null);
    by("certificate-list-h").closest("section").querySelector(".scroll").focus();
  });
}

export async function refreshCertificates(overview) {
  showTimeline(overview);
  let rows = overview.ending;
  let more = false;
  if (chosen) {
    const found = await ask("/api/certificates", { from: chosen.from, to: chosen.to, count: 50 });
    ({ rows, more } = found);
  }
  setText(by("certificate-list-h"), chosen ? `Expiring ${between(chosen.from, chosen.to)}` : "The next to expire");
  setText(by("certificate-caption"), `${by("certificate-list-h").textContent}, ${rows.length} rows`);
  by("certificate-reset").hidden = !chosen;
  keyed(by("certificate-rows"), rows, (row) => row.serial, makeRow, (node, row) => updateRow(node, row, overview.at));
  setText(by("certificate-note"), rows.length ? (more ? `The first ${rows.length}.` : "") : "There are none.");
}

function showTimeline({ timeline, at }) {
  if (!timeline) return;
  const total = timeline.counts.reduce((all, number) => all + number, 0);
  const most = Math.max(1, ...timeline.counts);
  const soon = timeline.counts.filter((_, n) => timeline.start + (n + 1) * timeline.width <= at + SOON).reduce((all, number) => all + number, 0);
  const unit = timeline.width % DAY ? `${timeline.width / HOUR} h` : `${timeline.width / DAY} d`;
  setText(by("timeline-text"), `${count(total)} valid, ${count(soon)} of them until ${day(at + SOON)}; ${count(timeline.expired)} expired and still on record. A bar is ${unit}.`);
  const bars = timeline.counts.map((number, n) => ({ number, from: timeline.start + n * timeline.width, to: timeline.start + (n + 1) * timeline.width }));
  keyed(by("timeline"), bars, (bar) => bar.from, makeBar, (node, bar) => {
    node.bar = bar;
    node.firstChild.style.height = bar.number ? `${Math.max(3, (100 * bar.number) / most)}%` : "0";
    node.setAttribute("aria-pressed", String(chosen !== null && chosen.from <= bar.from && bar.to <= chosen.to));
    const label = `${between(bar.from, bar.to)}: ${count(bar.number)} ${bar.number === 1 ? "certificate" : "certificates"}`;
    node.setAttribute("aria-label", label);
    node.title = label;
    node.dataset.soon = bar.to <= at + SOON;
  });
  rove(by("timeline").querySelector('[tabindex="0"]') ?? by("timeline").firstElementChild);
  const end = timeline.start + timeline.counts.length * timeline.width;
  const label = end - timeline.start < 5 * DAY ? (unix) => moment(unix).slice(0, -3) : day;
  const shares = timeline.counts.length < 5 ? [0, 1] : [0, 0.25, 0.5, 0.75, 1];
  const ticks = shares.map((share) => label(timeline.start + share * (end - timeline.start)));
  keyed(by("timeline-axis"), ticks.map((text, n) => ({ text, n })), (tick) => tick.n, () => el("span"), (node, tick) => setText(node, tick.text));
}

function makeBar() {
  return el("button", { type: "button", tabindex: "-1", click: (event) => {
    const node = event.currentTarget;
    rove(node);
    const same = chosen && chosen.from === node.bar.from;
    choose(same ? null : { from: node.bar.from, to: Math.min(FOREVER, node.bar.to) });
  } }, el("span"));
}

function choose(next) {
  chosen = next;
  refresh();
}

// One bar is in the tab order; arrows go to the others.
function rove(node) {
  for (const each of by("timeline").children) each.tabIndex = each === node ? 0 : -1;
}

function walk(event) {
  const step = KEYS[event.key];
  if (!step) return;
  event.preventDefault();
  const bars = [...by("timeline").children];
  const place = bars.indexOf(document.activeElement);
  const next = bars[Math.max(0, Math.min(bars.length - 1, place + step))];
  rove(next);
  next.focus();
}

function between(from, to) {
  return to - from <= DAY && from % DAY === 0 ? day(from) : to - from < DAY ? `${moment(from).slice(0, -3)} for ${span(to - from)}` : `${day(from)} – ${day(to - 1)}`;
}

function makeRow() {
  return el("tr", {}, el("th", { scope: "row" }, el("span", { class: "names" })), el("td", {}, el("time"), el("span", { class: "quiet" })), el("td", {}, el("span", { class: "tag" })), el("td", {}, el("code")));
}

function updateRow(node, row, at) {
  const [name, expires, status, serial] = node.children;
  setText(name.firstChild, row.problem ? safe(row.problem) : names(row));
  name.firstChild.title = row.names.map(safe).join("\n");
  setText(expires.firstChild, row.not_after ? moment(row.not_after) : "");
  expires.firstChild.dateTime = iso(row.not_after);
  setText(expires.lastChild, row.not_after ? ` in ${span(row.not_after - at)}` : "");
  const word = statusOf(row, at);
  setText(status.firstChild, word);
  status.firstChild.dataset.place = word.split(" ")[0];
  status.firstChild.title = row.revoked ? `revoked ${moment(row.revoked)}: ${row.reason}` : "";
  setText(serial.firstChild, short(row.serial, 20));
  serial.firstChild.title = row.serial;
}

function statusOf(row, at) {
  if (row.problem) return "unreadable";
  if (row.revoked) return `revoked (${row.reason})`;
  if (row.successor) return "replaced";
  return row.not_after - at < SOON ? "expiring" : "valid";
}
