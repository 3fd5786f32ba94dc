// A person says what answers are, blind; the sheet is the one that `ptst label` writes.
const SAMPLE = DATA.sample;
let labels = [];
let who = "";
let known = "";  // what this tab wrote last, or found

// Each person's labels of this sample, in this browser; another tab may have gone on with them.
const store = () => `ptst-labels-${SAMPLE.key}-${who}`;

let remembers = true;  // a private window may keep nothing

function keepLabels() {
  known = JSON.stringify(labels);
  try { localStorage.setItem(store(), known); } catch { remembers = false; }
}

function oldLabels() {
  if (!remembers) return labels;
  try {
    const kept = JSON.parse(localStorage.getItem(store()) ?? "null");
    const whole = Array.isArray(kept) && kept.length <= SAMPLE.rows.length;
    return whole && kept.every(([word, when]) => Object.hasOwn(SAMPLE.classes, word) && /^[\dTZ:-]+$/.test(when)) ? kept : [];
  } catch { return labels; }
}

const nowText = () => new Date().toISOString().replace(/\.\d+Z$/, "Z");

function say(word) {
  const kept = oldLabels();
  if (JSON.stringify(kept) !== known) { labels = kept; known = JSON.stringify(kept); ask("Another tab went on with this sample; here is where it is now. "); return; }
  if (labels.length >= SAMPLE.rows.length) return;
  labels.push([word, nowText()]);
  keepLabels();
  ask();
}

function undo() {
  labels = oldLabels();
  labels.pop();
  keepLabels();
  ask();
}

function sheet() {
  const lines = labels.map(([word, when], i) => {
    const one = SAMPLE.rows[i];
    const values = { cell: one.cell, id: one.id, label: word, who, when, stratum: one.stratum, weight: one.weight, reply: one.reply };
    return SAMPLE.columns.map((column) => values[column]);
  });
  save("labels.csv", csv([SAMPLE.columns, ...lines], false));
}

function begin() {
  const name = make("input", { type: "text", name: "who", autocomplete: "off", maxlength: "80" });
  const problem = make("p", { role: "alert", class: "warn" });
  const go = make("button", { type: "button", onclick: () => {
    if (!/^[^\p{C}+]+$/u.test(name.value.trim())) { problem.textContent = "A name of letters, please, and without +, which stands between two people."; name.focus(); return; }
    who = name.value.trim();
    labels = [];
    labels = oldLabels();
    keepLabels();
    ask();
  } }, "Begin, or go on");
  const harm = SAMPLE.rows.some((one) => !isHarmless(one.row))
    ? make("p", { class: "banner", role: "note" }, "The requests and answers that are shown next may describe serious harm.") : "";
  document.getElementById("labels").replaceChildren(harm, make("p", null, make("label", null, "Your name in the sheet ", name), " ", go), problem);
}

function ask(said = "") {
  const box = document.getElementById("labels");
  const done = labels.length, all = SAMPLE.rows.length;
  const out = make("button", { type: "button", class: "sheet", disabled: !done, onclick: sheet }, `Take out labels.csv (${done})`);
  const back = make("button", { type: "button", class: "undo", disabled: !done, onclick: undo }, "u undo");
  if (done >= all) { box.replaceChildren(make("p", { role: "status" }, `All ${all} are labelled. `), out, " ", back); return; }
  const row = SAMPLE.rows[done].row;
  const text = (number) => (textOf(number) ? long(textOf(number)) : make("p", { class: "none" }, "(empty)"));
  const words = Object.entries(SAMPLE.classes).map(([word, what], i) =>
    make("button", { type: "button", class: "word", title: what, onclick: () => say(word) }, `${i + 1} ${word}`));
  const stage = make("div", { class: "stage", tabindex: "0", role: "group", "aria-label": `Answer ${done + 1} of ${all}` },
    make("p", { role: "status" }, `${said}${done + 1} of ${all}`), make("h3", null, "Asked"), text(promptOf(row)[3]),
    make("h3", null, "Answered"), text(ROWS.text[row]), make("p", { class: "words" }, ...words, " ", back, " ", out));
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const word = Object.keys(SAMPLE.classes)[Number(event.key) - 1];
    if (word) { event.preventDefault(); say(word); }
    if (event.key === "u" && done) { event.preventDefault(); undo(); }
  });
  box.replaceChildren(stage);
  stage.focus({ preventScroll: true });
}
