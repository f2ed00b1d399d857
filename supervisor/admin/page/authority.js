// The CA: its chains from the root down, and the CRL.

import { by, el } from "./dom.js";
import { count, day, moment, safe, span } from "./format.js";

const SOON = 30 * 86400;

let told = "";

export function showAuthority({ tree, at }) {
  const text = JSON.stringify([tree, Math.floor(at / 60)]);
  if (text === told) return;
  told = text;
  const parts = tree.problems.map((problem) => el("p", { class: "note bad" }, safe(problem)));
  tree.chains.forEach((chain, n) => {
    if (tree.chains.length > 1) parts.push(el("h3", {}, n ? `Alternate chain ${n}` : "Chain for clients"));
    parts.push(branch(chain, at));
  });
  parts.push(el("h3", {}, "CRL"), revocations(tree.crl, at));
  by("tree").replaceChildren(...parts);
}

function branch(chain, at) {
  const [first, ...rest] = chain;
  const inner = rest.length ? branch(rest, at) : null;
  return el("ul", { class: "tree" }, el("li", {}, certificate(first, at, !rest.length), inner));
}

function certificate(found, at, issues) {
  const left = found.not_after - at;
  const share = Math.max(0, Math.min(1, (at - found.not_before) / (found.not_after - found.not_before)));
  const bar = el("div", { class: "bar", "aria-hidden": "true" }, el("span"));
  bar.firstChild.style.width = `${100 * share}%`;
  const mood = left < 0 ? "bad" : left < SOON ? "warn" : "";
  return el("div", { class: "certificate", "data-mood": mood },
    el("p", { class: "subject" }, el("b", {}, safe(found.subject)), el("span", { class: "tag" }, issues ? "issuer" : found.role)),
    bar,
    el("p", { class: "quiet" }, `${found.key} · until ${day(found.not_after)}, ${left < 0 ? "expired" : `${span(left)} left`}`),
    el("p", { class: "quiet digits" }, "SHA-256 ", el("code", {}, found.fingerprint.match(/.{1,4}/g).join(" "))));
}

function revocations(crl, at) {
  if (crl.problem) return el("p", { class: "note bad" }, `${safe(crl.file)}: ${safe(crl.problem)}`);
  const list = el("dl", { class: "facts" });
  const add = (name, value, mood = "") => list.append(el("div", { "data-mood": mood }, el("dt", {}, name), el("dd", {}, value)));
  const left = crl.next_update - at;
  add("number", count(crl.number));
  add("entries", count(crl.entries));
  add("this update", moment(crl.this_update));
  add("next update", `${moment(crl.next_update)} (${left < 0 ? "overdue" : `in ${span(left)}`})`, left < 0 ? "bad" : "");
  add("size", `${count(crl.size)} bytes`);
  return list;
}
