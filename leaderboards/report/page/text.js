// What came from files and models is only ever put in as text: never as markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const ROWS = DATA.rows;
const COUNT = ROWS.run.length;

function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Marks of direction and controls would reorder or hide what stands around them: they are shown by name.
const ODD = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/gu;
const named = (char) => "⟨U+" + char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "⟩";
const visible = (text) => text.replace(ODD, named);

const LONGEST = 20000;

// A text in full, or, where it is very long, its beginning and a button.
function long(text) {
  const block = make("div", { class: "text", dir: "auto" });
  block.textContent = visible(text.slice(0, LONGEST));
  if (text.length <= LONGEST) return block;
  const more = make("button", { type: "button", onclick: () => { block.textContent = visible(text); more.remove(); } },
    `show all ${text.length.toLocaleString("en")} characters`);
  return make("div", null, block, more);
}

const line = (text, most) => visible(text.slice(0, 4 * most)).replace(/\s+/g, " ").slice(0, most);
const textOf = (at) => (at < 0 ? null : DATA.texts[at]);
const promptOf = (row) => DATA.prompts[ROWS.prompt[row]];
const setOf = (row) => DATA.sets[promptOf(row)[0]];
const modelOf = (row) => DATA.models[ROWS.model[row]];
const testOf = (row) => DATA.tests[ROWS.test[row]];
const bases = () => new Set(DATA.models.map((model) => model[2])).size;

// Whose answer a row is, as far as it has to be said here.
function nameOf(row) {
  const model = modelOf(row);
  const run = DATA.runs.length > 1 ? DATA.runs[ROWS.run[row]] + ": " : "";
  return run + model[1] + (bases() > 1 ? ` of ${model[2]}` : "");
}

const isHarmless = (row) => promptOf(row)[5] === 1;

// The verdicts on a row: [judge, word], of the judges that gave one.
function verdictsOf(row) {
  const found = [];
  DATA.said.forEach((said, judge) => { if (said[row] >= 0) found.push([judge, DATA.verdicts[said[row]]]); });
  return found;
}

function chips(row) {
  const all = verdictsOf(row);
  const words = new Set(all.map(([, word]) => word));
  if (words.size === 1 && all.length > 1) {
    const [word] = words;
    return [make("span", { class: "chip w-" + word.replace(/[^a-z]/g, ""), title: all.map(([judge]) => DATA.judges[judge]).join(", ") }, `${word}, all ${all.length}`)];
  }
  return all.map(([judge, word]) => make("span", { class: "chip w-" + word.replace(/[^a-z]/g, ""), title: DATA.judges[judge] },
    all.length > 1 ? `${DATA.judges[judge]} ${word}` : word));
}

function save(name, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// A spreadsheet runs what begins like a formula.
const guard = (text) => (/^[=+\-@\t\r]/.test(text) ? "'" + text : text);
const field = (text) => (/[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text);
const csv = (lines, safe = true) => lines.map((cells) => cells.map((cell) => field(safe ? guard(String(cell)) : String(cell))).join(",")).join("\n") + "\n";
