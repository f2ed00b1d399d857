// The figures, the pipeline of queues, and the two plots.

import { by, el, keyed, setText } from "./dom.js";
import { count, rate } from "./format.js";
import { Plot, smoothed } from "./plot.js";

const MEAN_OF = 5; // samples: ten seconds
const LAST_MINUTE = 30;
const NAMES = ["makechallenge", "testchallenge", "issue", "done"];

const throughput = new Plot(by("plot-throughput"), {
  id: "throughput", title: "Throughput", unit: "a second, mean of 10 s", least: 0.5, show: rate,
  series: [
    { name: "issued", kind: "area", class: "issued" },
    { name: "retired", kind: "line", class: "retired" },
    { name: "retried", kind: "line", class: "retried" },
    { name: "rejected", kind: "line", class: "rejected" },
  ],
});
const lengths = new Plot(by("plot-queues"), {
  id: "lengths", title: "Sessions in the queues", unit: "queued, at work and delayed", least: 4, show: count, stacked: true,
  series: NAMES.map((name, n) => ({ name, kind: "area", class: `q${n}` })),
});

const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);

export function showQueues(found) {
  showFigures(found);
  keyed(by("pipeline"), found.queues, (queue) => queue.queue, makeQueue, updateQueue);
  const samples = found.samples;
  if (!samples || !samples.up.length) return;
  const perSecond = (column) => smoothed(column, MEAN_OF).map((value) => value / samples.step);
  throughput.set([samples.issued, samples.retired, samples.retried, samples.rejected].map(perSecond), samples.up, samples.at, samples.step);
  const standing = NAMES.map((_, q) => samples.pending[q].map((value, n) => value + samples.delayed[q][n] + samples.at_work[q][n]));
  lengths.set(standing, samples.up, samples.at, samples.step);
}

function showFigures(found) {
  const { store, queues, samples, timeline } = found;
  const minute = samples ? samples.issued.slice(-LAST_MINUTE) : [];
  const unknown = "–";
  const figures = [
    ["issued a second", minute.length ? rate(sum(minute) / (minute.length * samples.step)) : unknown, "mean of a minute", ""],
    ["at work", count(sum(queues.map((queue) => queue.at_work))), `of ${count(sum(queues.map((queue) => queue.concurrency)))}`, ""],
    ["queued", count(sum(queues.map((queue) => queue.pending))), "", ""],
    ["retrying", count(sum(queues.map((queue) => queue.delayed))), "", ""],
    ["waiting", store ? count(sum(Object.entries(store.waiting).filter(([name]) => name !== "done").map(([, n]) => n))) : unknown, "for their clients", ""],
    ["undelivered", store ? count(store.undelivered) : unknown, "", ""],
    ["failed", store ? count(store.failed) : unknown, store ? `${count(store.rejected)} in all` : "", store?.failed ? "bad" : ""],
    ["certificates", timeline ? count(sum(timeline.counts)) : unknown, store ? `${count(store.revoked)} revoked` : "", ""],
  ];
  if (store?.quarantined) figures.push(["set aside", count(store.quarantined), "unreadable", "bad"]);
  keyed(by("figures"), figures, ([name]) => name,
    ([name]) => el("div", { class: "figure" }, el("dt", {}, name), el("dd", {}), el("dd", { class: "quiet" })),
    (node, [, value, more, mood]) => {
      setText(node.children[1], value);
      setText(node.children[2], more);
      node.dataset.mood = mood;
    });
}

const milliseconds = (ms) => (ms < 0.1 ? "<0.1 ms" : `${ms < 10 ? ms.toFixed(1) : count(ms)} ms`);

function makeQueue(queue) {
  const n = NAMES.indexOf(queue.queue);
  const fact = (name) => el("div", {}, el("dt", {}, name), el("dd", {}));
  return el("li", { class: `queue queue-${n}` },
    el("h3", {}, queue.queue),
    el("p", { class: "at-work" }, el("b"), el("span", { class: "quiet" })),
    el("div", { class: "bar", "aria-hidden": "true" }, el("span")),
    el("dl", {}, fact("queued"), fact("retrying"), fact("waiting"), fact("mean")));
}

function updateQueue(node, queue) {
  const [, work, bar, facts] = node.children;
  setText(work.children[0], count(queue.at_work));
  setText(work.children[1], queue.concurrency ? ` of ${count(queue.concurrency)} at work` : " at work");
  bar.firstChild.style.width = `${queue.concurrency ? Math.min(100, (100 * queue.at_work) / queue.concurrency) : 0}%`;
  const values = [count(queue.pending), count(queue.delayed), queue.waiting === null ? "–" : count(queue.waiting),
    queue.mean_ms === null ? "–" : milliseconds(queue.mean_ms)];
  values.forEach((value, n) => {
    setText(facts.children[n].lastChild, value);
    facts.children[n].dataset.zero = value === "0" || value === "–";
  });
}
