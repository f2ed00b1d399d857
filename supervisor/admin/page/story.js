// The story of one session: its facts, its moves, and the evidence of every test. What it shows came from strangers.

import { el } from "./dom.js";
import { iso, moment, safe, span } from "./format.js";

const when = (unix) => el("time", { datetime: iso(unix) }, moment(unix));

export function story({ session, subject, contact, at }) {
  const end = session.delivered || at;
  const parts = [facts(session, subject, contact), el("h3", {}, "Moves"), moves(session)];
  if (session.challenges.length) parts.push(el("h3", {}, "Challenges"), ...session.challenges.map(challenge));
  if (end < session.created) parts.push(el("p", { class: "note" }, "The clock was set back since this session began."));
  return parts;
}

function facts(session, subject, contact) {
  const list = el("dl", { class: "facts" });
  const add = (name, ...value) => list.append(el("div", {}, el("dt", {}, name), el("dd", {}, ...value)));
  add("session", el("code", {}, session.id));
  add("names", session.names.map(safe).join(", "));
  add("place", `${session.place}, state ${session.state}${session.live ? "" : ", not live"}`);
  if (session.error) add("error", el("span", { class: "bad" }, safe(`${session.error.kind}: ${session.error.detail}`)));
  add("created", when(session.created));
  add("account", session.account ? el("code", {}, safe(session.account)) : "none: submitted on the command line");
  if (contact.length) add("contact", contact.map(safe).join(", "));
  if (session.profile) add("profile", safe(session.profile));
  if (subject) add("subject of the CSR", safe(subject));
  if (session.serial) add("serial number", el("code", {}, session.serial));
  if (session.delivery) add("delivery", `${session.delivery}, `, when(session.delivered));
  if (session.waiting) add("waits until", when(session.waiting));
  if (session.attempts) add("failed tries", session.attempts);
  if (session.expires) add("challenges expire", when(session.expires));
  return list;
}

function moves(session) {
  let before = session.created;
  const items = session.story.map(({ at, what }) => {
    const later = at && before ? at - before : 0;
    before = at || before;
    return el("li", {}, when(at), el("span", { class: "later" }, later > 0 ? `+${span(later)}` : ""), el("span", {}, safe(what)));
  });
  return el("ol", { class: "moves" }, ...items);
}

function challenge(each) {
  const status = each.satisfied ? "satisfied" : each.failed ? "failed" : "open";
  const attempts = (each.attempts ?? []).map((attempt) => {
    const verdict = attempt.ok ? "proven" : (attempt.error?.detail ?? "not proven");
    const hops = (attempt.hops ?? []).map((hop) => {
      const used = hop.used ? ` at ${hop.used}` : "";
      const addresses = hop.addresses?.some((address) => address !== hop.used) ? `, of ${hop.addresses.join(", ")}` : "";
      return el("li", {}, safe(`${hop.target}${used}${addresses}: ${hop.seen || "nothing seen"}`));
    });
    return el("li", {}, when(attempt.at), el("span", { class: "later" }, `${attempt.took} ms`),
      el("span", { class: attempt.ok ? "good" : "bad" }, safe(verdict)), hops.length ? el("ul", { class: "hops" }, ...hops) : null);
  });
  const ready = each.ready ? [el("p", { class: "note" }, "The client said that it is ready: ", when(each.ready))] : [];
  return el("div", { class: "challenge" },
    el("h4", {}, `${safe(each.type)} for ${safe(each.name)} `, el("span", { class: "tag", "data-place": status }, status)),
    ...ready, attempts.length ? el("ol", { class: "moves" }, ...attempts) : el("p", { class: "note" }, "Not tested."));
}
