// The table of sessions, what needs attention, and the story of one session in a dialog.

import { ask } from "./ask.js";
import { by, el, keyed, setText } from "./dom.js";
import { count, iso, moment, names, safe, short, span } from "./format.js";
import { story } from "./story.js";

const SHOWS = [
  ["newest", "Newest"], ["at-work", "At work"], ["pending", "Queued"], ["retrying", "Retrying"],
  ["waiting", "Waiting"], ["undelivered", "Undelivered"], ["failed", "Failed"],
];
const ATTENTION = [["failed", "Failed"], ["retrying", "Retrying"], ["undelivered", "Undelivered for long"]];
const EMPTY = {
  newest: "No sessions are on record.", "at-work": "Nothing is at work.", pending: "The queues are empty.",
  retrying: "Nothing is being retried.", waiting: "No session waits for its client.",
  undelivered: "Every certificate has arrived.", failed: "Nothing has failed.",
};
const ATTENTION_ROWS = 5;
const LATE = 600; // seconds after which a certificate ought to have arrived
const WHOLE_ID = /^[0-9a-f]{64}$/;

let show = "newest";
let list = null;
let opened = "";
let opener = null;
let told = "";

export function startSessions(again) {
  for (const [value, label] of SHOWS) {
    const radio = el("input", { type: "radio", name: "show", value, id: `show-${value}`, change: () => { show = value; again(); } });
    radio.checked = value === show;
    by("shows").append(radio, el("label", { for: `show-${value}` }, label));
  }
  by("find-text").addEventListener("input", () => showRows());
  by("find").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = by("find-text").value.trim().toLowerCase();
    if (WHOLE_ID.test(text)) open(text, by("find-text"));
  });
  by("detail-close").addEventListener("click", () => by("detail").close());
  by("detail").addEventListener("click", (event) => {
    if (event.target === by("detail")) by("detail").close();
  });
  by("detail").addEventListener("close", () => {
    opened = "";
    if (opener?.isConnected) opener.focus();
  });
}

export async function refreshSessions(overview) {
  list = await ask("/api/sessions", { show, count: 50 });
  showRows();
  const found = {};
  for (const [kind] of ATTENTION) found[kind] = await ask("/api/sessions", { show: kind, count: ATTENTION_ROWS });
  showAttention(found, overview);
  if (opened) await load();
}

function showRows() {
  if (!list) return;
  const wanted = by("find-text").value.trim().toLowerCase();
  const rows = wanted ? list.rows.filter((row) => row.id.startsWith(wanted) || row.names.some((name) => name.includes(wanted))) : list.rows;
  keyed(by("session-rows"), rows, (row) => row.id, makeRow, updateRow);
  const label = SHOWS.find(([value]) => value === list.show)[1];
  setText(by("session-caption"), `Sessions: ${label}, ${rows.length} rows`);
  let note = "";
  if (!rows.length) note = wanted && list.rows.length ? "No row matches the filter." : EMPTY[list.show];
  else if (list.more) note = `The first ${list.rows.length}. `;
  if (rows.length && ["waiting", "undelivered", "failed"].includes(list.show) && list.looked < list.active) {
    note += `Looked for among the newest ${count(list.looked)} of ${count(list.active)}.`;
  }
  setText(by("session-note"), note);
}

function makeRow(row) {
  return el("tr", {},
    el("th", { scope: "row" }, el("button", { type: "button", class: "link names", click: (event) => open(row.id, event.currentTarget) }), el("code", {}, short(row.id, 8))),
    el("td", {}, el("span", { class: "tag" })), el("td"), el("td", { class: "wide" }, el("code")), el("td", { class: "what" }), el("td", { class: "num" }, el("time")));
}

function updateRow(node, row) {
  const [name, place, state, account, last, age] = node.children;
  setText(name.firstChild, names(row));
  name.firstChild.title = row.names.map(safe).join("\n");
  setText(place.firstChild, row.place);
  place.firstChild.dataset.place = row.place;
  setText(state, row.state);
  setText(account.firstChild, row.account ? short(row.account, 8) : "");
  setText(last, `${reason(row)}${row.due ? ` (again in ${span(row.due - list.at)})` : ""}`);
  last.title = safe(row.detail || row.last);
  setText(age.firstChild, row.created ? span(list.at - row.created) : "");
  age.firstChild.dateTime = iso(row.created);
}

function reason(row) {
  if (row.detail) return safe(row.error ? `${row.error}: ${row.detail}` : row.detail);
  return safe(row.last);
}

function showAttention(found, overview) {
  const late = found.undelivered;
  late.rows = late.rows.filter((row) => row.delivered < late.at - LATE);
  const groups = ATTENTION.map(([kind, label]) => ({ kind, label, ...found[kind] })).filter((group) => group.rows.length);
  const warnings = overview.warnings.length ? [{ kind: "warnings", label: "Warnings", rows: overview.warnings, more: false }] : [];
  const all = [...warnings, ...groups];
  keyed(by("attention-list"), all.length ? all : [{ kind: "none" }], (group) => group.kind, makeGroup, updateGroup);
}

function makeGroup(group) {
  if (group.kind === "none") return el("p", { class: "note" }, "Nothing failed, nothing is retried, and no certificate is undelivered for long.");
  return el("div", { class: "group" }, el("h3"), el("ul", { class: "items" }), el("p", { class: "note" }));
}

function updateGroup(node, group) {
  if (group.kind === "none") return;
  const [head, items, note] = node.children;
  setText(head, group.label);
  if (group.kind === "warnings") keyed(items, group.rows, (row) => `${row.name} ${row.subject}`, makeWarning, updateWarning);
  else keyed(items, group.rows, (row) => row.id, makeItem, (item, row) => updateItem(item, row, group));
  setText(note, group.more ? "There are more: see the table of sessions." : "");
}

const makeWarning = () => el("li", {}, el("p", {}, el("span", { class: "tag" }), el("span", { class: "quiet" })), el("p", { class: "told" }));

function updateWarning(node, row) {
  const [head, text] = node.children;
  setText(head.firstChild, row.name.replaceAll("_", " "));
  head.firstChild.dataset.place = row.severity;
  setText(head.lastChild, ` since ${moment(row.since)}`);
  setText(text, safe(row.text));
}

function makeItem(row) {
  return el("li", {}, el("p", {}, el("button", { type: "button", class: "link", click: (event) => open(row.id, event.currentTarget) }), el("span", { class: "quiet" })),
    el("p", { class: "why" }));
}

function updateItem(node, row, group) {
  const [head, why] = node.children;
  setText(head.firstChild, names(row, 1));
  const since = row.last_at ? `${span(group.at - row.last_at)} ago` : "";
  setText(head.lastChild, row.due ? ` again in ${span(row.due - group.at)}${row.attempts ? `, try ${row.attempts + 1}` : ""}` : ` ${since}`);
  let text = reason(row);
  if (group.kind === "undelivered") text = row.delivery === "sent" ? "sent, and not confirmed yet" : "issued, and not fetched yet";
  setText(why, text);
}

async function open(id, from) {
  opened = id;
  opener = from;
  told = "";
  setText(by("detail-h"), `Session ${short(id)}`);
  by("detail-body").replaceChildren(el("p", { class: "note" }, "Asking…"));
  by("detail").showModal();
  by("detail-h").focus();
  await load();
}

async function load() {
  const id = opened;
  let found;
  try {
    found = await ask(`/api/session/${id}`);
  } catch (error) {
    if (id === opened && !told) by("detail-body").replaceChildren(el("p", { class: "note bad" }, safe(error.message)));
    return;
  }
  const text = JSON.stringify([found.session, found.subject, found.contact]);
  if (id !== opened || text === told) return;
  told = text;
  by("detail-body").replaceChildren(...story(found));
}
