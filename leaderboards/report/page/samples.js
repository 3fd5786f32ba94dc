// The table: DataTables pages and sorts it, and asks here which rows those are.
let shownRows = [];
let table = null;
const columns = ["prompt", "set", "trained", "tested", "verdicts", "answer"];
const TITLES = { trained: "trained under", tested: "tested under" };
const TURNED = ["", "worse", "better"];

function previewOf(row, number) {
  if (number < 0) return make("i", null, "not in this file");
  if (!isHarmless(row)) return make("i", null, "folded: open to read");
  return document.createTextNode(line(DATA.texts[number], 90) || "(empty)");
}

const turnedOf = (row) => (ROWS.turned[row]
  ? make("span", { class: "turned " + TURNED[ROWS.turned[row]] }, TURNED[ROWS.turned[row]]) : null);

// What a column shows of a row.
const cells = {
  prompt(row) {
    const name = line(promptOf(row)[1], 40) || "(no id)";
    return [make("button", { type: "button", class: "open", "data-row": String(row) }, name), " ", previewOf(row, promptOf(row)[3])];
  },
  set: (row) => [line(setOf(row), 40)],
  trained: (row) => [nameOf(row)],
  tested: (row) => [testOf(row)[1] + (ROWS.draw[row] >= 0 ? ` draw ${ROWS.draw[row]}` : "")],
  verdicts: (row) => [...chips(row), turnedOf(row)],
  answer: (row) => [previewOf(row, ROWS.text[row])],
};

const first = (row) => { const all = verdictsOf(row); return all.length ? all[0][1] : ""; };

// Places of texts in their order; they are compared once, not with every click.
const ranked = (texts, compare) => {
  const ranks = new Int32Array(texts.length);
  texts.map((_, i) => i).sort((a, b) => compare(texts[a], texts[b])).forEach((at, rank) => { ranks[at] = rank; });
  return ranks;
};
const plainly = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
let textRanks = null, promptRanks = null;
const keys = {
  prompt(row) {
    promptRanks ??= ranked(DATA.prompts.map((prompt) => prompt[1]), new Intl.Collator("en", { numeric: true }).compare);
    return promptRanks[ROWS.prompt[row]];
  },
  set: setOf, trained: (row) => nameOf(row), tested: (row) => ROWS.test[row], verdicts: first,
  answer(row) {
    textRanks ??= ranked(DATA.texts, plainly);
    return ROWS.text[row] < 0 ? -1 : textRanks[ROWS.text[row]];
  },
};

// Sorts by a column of the table; rows that are equal stay in their order.
function sorted(rows) {
  const [name, direction] = state.sort.split(" ");
  const key = keys[name];
  if (!key) return rows;
  const values = new Map(rows.map((row) => [row, key(row)]));
  const sign = direction === "desc" ? -1 : 1;
  return rows.slice().sort((a, b) => {
    const x = values.get(a), y = values.get(b);
    return x < y ? -sign : x > y ? sign : 0;
  });
}

function page(request, give) {
  const [by] = request.order;
  const sort = by ? `${columns[by.column]} ${by.dir}` : "";
  if (sort !== state.sort) { state.sort = sort; toAddress(); }
  shownRows = sorted(matching());
  const end = request.length < 0 ? shownRows.length : request.start + request.length;
  give({ draw: request.draw, recordsTotal: COUNT, recordsFiltered: shownRows.length,
    data: shownRows.slice(request.start, end).map((row) => ({ row })) });
  document.getElementById("count").textContent =
    `${shownRows.length.toLocaleString("en")} of ${COUNT.toLocaleString("en")} answers`;
}

function drawTable() {
  const at = columns.indexOf(state.sort.split(" ")[0]);
  table = jQuery("#table").DataTable({
    serverSide: true, ajax: page, searching: false, processing: false, autoWidth: false, pageLength: 25,
    lengthMenu: [10, 25, 50, 100], order: at < 0 ? [] : [[at, state.sort.split(" ")[1]]],
    columns: columns.map((name) => ({ title: TITLES[name] ?? name, data: "row", render: (row) => make("span", null, ...cells[name](row)) })),
    language: { lengthMenu: "_MENU_ answers a page", info: "_START_ to _END_ of _TOTAL_", infoEmpty: "", infoFiltered: "",
      zeroRecords: "No answer is like that.", emptyTable: "No answers were logged with these numbers." },
    layout: { topStart: "pageLength", topEnd: null, bottomStart: "info", bottomEnd: "paging" },
  });
  document.getElementById("table").addEventListener("click", (event) => {
    const open = event.target.closest("button.open");
    if (open) openRow(Number(open.dataset.row));
  });
}

function show() {
  fillFilters();
  toAddress();
  const at = columns.indexOf(state.sort.split(" ")[0]);
  if (table) table.order(at < 0 ? [] : [[at, state.sort.split(" ")[1] || "asc"]]).draw();
}

function change(name, value) {
  state[name] = value;
  show();
}

function download() {
  const head = ["run", "set", "prompt_id", "base", "train_template", "train_data", "adapter", "seed", "step", "test_template",
    "decoding_seed", "turned", ...DATA.judges.map((judge) => "verdict " + judge), "prompt", "answer"];
  const body = shownRows.map((row) => {
    const model = modelOf(row), prompt = promptOf(row);
    return [DATA.runs[ROWS.run[row]], setOf(row), prompt[1], model[2], model[3], model[4], model[5], model[6] ?? "", model[7] ?? "",
      testOf(row)[0], ROWS.draw[row] < 0 ? "" : ROWS.draw[row], TURNED[ROWS.turned[row]],
      ...DATA.said.map((said) => (said[row] < 0 ? "" : DATA.verdicts[said[row]])), textOf(prompt[3]) ?? "", textOf(ROWS.text[row]) ?? ""];
  });
  save("answers.csv", csv([head, ...body]));
}
