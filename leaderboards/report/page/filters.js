// Which rows are shown: columns of numbers are looked through, so that 100,000 of them take milliseconds.
const FLAGS = {
  disagree: "judges disagree", worse: "turned worse", better: "turned better", unscored: "without a verdict",
};
const disagreeing = new Uint8Array(COUNT);
const unscored = new Uint8Array(COUNT);
for (let row = 0; row < COUNT; row++) {
  let first = -1;
  for (const said of DATA.said) {
    const word = said[row];
    if (word < 0) continue;
    if (DATA.verdicts[word] === "unscored") unscored[row] = 1;
    else if (first < 0) first = word;
    else if (first !== word) disagreeing[row] = 1;
  }
}

let lowered = null;

// Per text whether it holds a word; texts that many rows share are looked at once.
function holding(word) {
  lowered ??= DATA.texts.map((text) => text.toLowerCase());
  return Uint8Array.from(lowered, (text) => text.includes(word));
}

// All words must be there, in the prompt, its id or the answer; words in quotation marks as they stand.
function searcher(query) {
  const words = (query.toLowerCase().match(/"[^"]+"|\S+/g) ?? []).map((word) => word.replace(/^"(.+)"$/, "$1"));
  const hits = words.map((word) => [word, holding(word)]);
  const ids = words.length ? DATA.prompts.map((prompt) => prompt[1].toLowerCase()) : [];
  return (row) => hits.every(([word, hit]) => {
    const prompt = DATA.prompts[ROWS.prompt[row]];
    return ids[ROWS.prompt[row]].includes(word) || (prompt[3] >= 0 && hit[prompt[3]])
      || (ROWS.text[row] >= 0 && hit[ROWS.text[row]]);
  });
}

const at = (list, value) => list.indexOf(value);

function tests() {
  const found = [];
  if (state.set) { const set = at(DATA.sets, state.set); found.push((row) => DATA.prompts[ROWS.prompt[row]][0] === set); }
  if (state.test) { const test = DATA.tests.findIndex((t) => t[0] === state.test); found.push((row) => ROWS.test[row] === test); }
  if (state.train) {
    const mine = DATA.models.map((model) => (state.train === "-" ? !model[3] && !model[5] : model[3] === state.train));
    found.push((row) => mine[ROWS.model[row]]);
  }
  if (state.model) { const model = Number(state.model); found.push((row) => ROWS.model[row] === model); }
  if (state.run) { const run = Number(state.run); found.push((row) => ROWS.run[row] === run); }
  if (state.flag === "disagree") found.push((row) => disagreeing[row] === 1);
  if (state.flag === "unscored") found.push((row) => unscored[row] === 1);
  if (state.flag === "worse") found.push((row) => ROWS.turned[row] === 1);
  if (state.flag === "better") found.push((row) => ROWS.turned[row] === 2);
  if (state.cell) {
    const tasks = new Set(state.cell.split(".").map(Number));
    found.push((row) => tasks.has(ROWS.task[row]));
  }
  if (state.only) found.push((row) => isHarmless(row) === (state.only === "safe"));
  if (state.verdict) found.push(byVerdict());
  if (state.q.trim()) found.push(searcher(state.q));
  return found;
}

function byVerdict() {
  const word = at(DATA.verdicts, state.verdict);
  const judges = state.judge ? [at(DATA.judges, state.judge)] : DATA.said.map((_, judge) => judge);
  const asked = judges.map((judge) => DATA.said[judge] ?? []);
  return (row) => asked.some((said) => said[row] === word);
}

// The rows of a line of "what changed": those that got worse first.
function lineRows() {
  const one = DATA.changes[Number(state.line)];
  return one ? [...one.worse, ...one.better] : [];
}

function matching() {
  const all = state.line === "" ? null : lineRows();
  const wanted = tests();
  const found = [];
  const count = all ? all.length : COUNT;
  for (let i = 0; i < count; i++) {
    const row = all ? all[i] : i;
    if (wanted.every((test) => test(row))) found.push(row);
  }
  return found;
}

function choice(name, label, options) {
  const select = make("select", { name, onchange: () => change(name, select.value) },
    make("option", { value: "" }, "all"), ...options.map(([value, text]) => make("option", { value }, text)));
  return make("label", null, label + " ", select);
}

function drawFilters() {
  const trains = [...new Set(DATA.models.filter((m) => m[3]).map((m) => m[3]))];
  const before = DATA.models.some((m) => !m[3] && !m[5]) ? [["-", "before fine-tuning"]] : [];
  const search = make("input", { type: "search", name: "q", placeholder: "words, or \"a phrase\"", autocomplete: "off",
    oninput: () => change("q", search.value) });
  const numbered = DATA.models.map((m, i) => [String(i), (DATA.runs.length > 1 ? DATA.runs[m[0]] + ": " : "") + m[1] + (bases() > 1 ? ` of ${m[2]}` : "")]);
  const parts = [
    make("label", null, "Search ", search),
    choice("set", "Set", DATA.sets.map((set) => [set, line(set, 60)])),
    choice("test", "Tested under", DATA.tests.map(([name, short]) => [name, short || "no template"])),
    choice("train", "Trained under", [...before, ...trains.map((t) => [t, DATA.trains[t]])]),
    DATA.models.length > 1 ? choice("model", "Model", numbered) : null,
    DATA.runs.length > 1 ? choice("run", "Run", DATA.runs.map((run, i) => [String(i), run])) : null,
    choice("verdict", "Verdict", [...DATA.verdicts].sort().map((v) => [v, v])),
    DATA.judges.length > 1 ? choice("judge", "of judge", DATA.judges.map((j) => [j, j])) : null,
    choice("flag", "Only", Object.entries(FLAGS).map(([name, text]) => [name, text])),
    make("button", { type: "button", id: "clear", onclick: () => { state = { ...EMPTY }; show(); } }, "Clear"),
    make("button", { type: "button", id: "download", onclick: download }, "Download as CSV"),
  ];
  const form = document.getElementById("filters");
  form.replaceChildren(...parts.filter(Boolean));
  form.addEventListener("submit", (event) => event.preventDefault());
}

// What else narrows the answers down: a field of a table, a point of a figure, a line of the comparison.
function tellOrigin() {
  const field = state.cell && document.querySelector(`[data-cell="${CSS.escape(state.cell)}"][data-only="${CSS.escape(state.only)}"]`);
  const change = state.line === "" ? null : DATA.changes[Number(state.line)];
  const what = field ? `Answers of one field: ${field.dataset.label}` : state.cell ? "Answers of one field" : change
    ? `Prompts that turned: ${change.metric} on ${change.set}, ${change.model} tested under ${change.test}` : "";
  const box = document.getElementById("origin");
  box.replaceChildren(...(what ? [what + " ", make("button", { type: "button", onclick: () => { state.cell = state.only = state.line = ""; show(); } }, "show all")] : []));
}

// Puts what is looked for into the form, as when a link was opened.
function fillFilters() {
  tellOrigin();
  for (const control of document.querySelectorAll("#filters [name]")) {
    if (control.name !== "q" || document.activeElement !== control) control.value = state[control.name];
  }
}
