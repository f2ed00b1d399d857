// Starts the page and keeps it fresh: one round every two seconds while somebody looks.

import { ask } from "./ask.js";
import { showAuthority } from "./authority.js";
import { refreshCertificates, startCertificates } from "./certificates.js";
import { by, setText } from "./dom.js";
import { clock, safe, span } from "./format.js";
import { showQueues } from "./queues.js";
import { refreshSessions, startSessions } from "./sessions.js";

const EVERY = 2000;

let timer = 0;
let paused = false;
let running = false;
let wanted = false;
let last = null;
let state = "";

async function round() {
  wanted = true;
  if (running) return;
  running = true;
  clearTimeout(timer);
  while (wanted) {
    wanted = false;
    try {
      last = await ask("/api/overview");
      showState(last);
      showQueues(last);
      showAuthority(last);
      if (!last.store_available) continue;
      await refreshCertificates(last);
      await refreshSessions(last);
    } catch (error) {
      if (error.status !== 503) showSilence(error);
    }
  }
  running = false;
  if (!paused && !document.hidden) timer = setTimeout(round, EVERY);
}

function showState(found) {
  const { program } = found;
  let mood = "good";
  let text = "ready";
  if (!found.store_available) [mood, text] = ["bad", "store away"];
  else if (program && !program.ready) [mood, text] = ["wait", program.faults[0] ?? "starting"];
  tell(mood, text);
  if (program) {
    setText(by("who"), program.supervisor ? `${safe(found.tree.issuer)} · supervisor ${safe(program.supervisor)} · lease ${program.fence} · up ${span(program.uptime)}` : safe(found.tree.issuer));
    setText(by("version"), `ca-supervisor ${safe(program.version)}.`);
  }
  setText(by("updated"), clock(found.at));
  const seen = found.store ? ` Certificates and sessions are shown as they were ${span(found.at - found.store.at)} ago.` : "";
  banner(found.store_available ? "" : `The store cannot be reached; the stages wait, and nothing is lost.${seen}`);
}

function showSilence(error) {
  tell("bad", "no answer");
  const since = last ? ` What is shown is from ${clock(last.at)}.` : "";
  banner(error.status === 401 ? "The listener asks for its token: load the page again." : `The program does not answer (${safe(error.message)}); asking again.${since}`);
}

function tell(mood, text) {
  by("state").dataset.state = mood;
  setText(by("state-text"), text);
  document.title = mood === "good" ? "ca-supervisor" : `${text} – ca-supervisor`;
  if (state && state !== text) setText(by("say"), `The program is now: ${text}`);
  state = text;
}

function banner(text) {
  by("banner").hidden = !text;
  setText(by("banner"), text);
}

by("pause").addEventListener("click", () => {
  paused = !paused;
  by("pause").setAttribute("aria-pressed", String(paused));
  setText(by("pause"), paused ? "Resume" : "Pause");
  if (!paused) round();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !paused) round();
});
startSessions(round);
startCertificates(round);
round();
