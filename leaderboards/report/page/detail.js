// One prompt, and what every model answered to it under every template, side by side.
const dialog = document.getElementById("detail");

function folded(row, number, what) {
  if (number < 0) return make("p", { class: "none" }, `The ${what} is not in this file.`);
  const text = DATA.texts[number];
  if (isHarmless(row)) return text ? long(text) : make("p", { class: "none" }, `(an empty ${what})`);
  const block = make("details", { class: "harmful", ontoggle: () => { if (block.open && block.children.length < 2) block.append(long(text)); } },
    make("summary", null, `Show the ${what}: it may describe harm`));
  return block;
}

function besides(row) {
  const found = [];
  const draw = ROWS.draw[row];
  for (let other = 0; other < COUNT; other++) {
    if (ROWS.prompt[other] === ROWS.prompt[row] && (draw < 0 || ROWS.draw[other] < 0 || ROWS.draw[other] === draw)) found.push(other);
  }
  return found.sort((a, b) => ROWS.test[a] - ROWS.test[b] || ROWS.run[a] - ROWS.run[b] || ROWS.model[a] - ROWS.model[b]);
}

function card(row, opened) {
  const thought = ROWS.thought[row];
  return make("article", { class: row === opened ? "card opened" : "card", "aria-current": row === opened ? "true" : null },
    make("h5", null, nameOf(row)),
    make("p", null, ...chips(row), turnedOf(row)),
    folded(row, ROWS.text[row], "answer"),
    thought >= 0 ? make("details", null, make("summary", null, "its thought"), folded(row, thought, "thought")) : null);
}

// A row of cards for each test template, the one that was opened first.
function groups(others, opened) {
  const mine = ROWS.test[opened];
  const tests = [...new Set(others.map((row) => ROWS.test[row]))].sort((a, b) => (b === mine) - (a === mine) || a - b);
  return tests.flatMap((test) => [
    make("h4", null, "Tested under " + (DATA.tests[test][1] || "no template")),
    make("div", { class: "cards" }, ...others.filter((row) => ROWS.test[row] === test).map((row) => card(row, opened))),
  ]);
}

function openRow(row) {
  if (!(Number.isInteger(row) && row >= 0 && row < COUNT)) return;
  state.open = String(row);
  toAddress();
  const prompt = promptOf(row);
  const place = shownRows.indexOf(row);
  const others = besides(row);
  const step = (by, name, word) => make("button", { type: "button", class: name, disabled: !(place >= 0 && shownRows[place + by] !== undefined),
    onclick: () => openRow(shownRows[place + by]) }, word);
  dialog.replaceChildren(
    make("div", { class: "bar" }, make("h3", { id: "detail-title" }, `${line(setOf(row), 60)}: ${line(prompt[1], 80)}`),
      step(-1, "back", "← before"), step(1, "next", "next →"), make("button", { type: "button", class: "close", onclick: () => dialog.close() }, "Close")),
    ...(prompt[2] ? [make("p", null, `Category: ${line(prompt[2], 200)}`)] : []),
    make("h4", null, "What was asked"), folded(row, prompt[3], "prompt"),
    ...(prompt[4] >= 0 ? [make("h4", null, "What was expected"), folded(row, prompt[4], "expected answer")] : []),
    ...groups(others, row));
  if (!dialog.open) dialog.showModal();
  dialog.querySelector(".card.opened")?.scrollIntoView({ block: "nearest" });
}

dialog.addEventListener("close", () => {
  const row = state.open;
  state.open = "";
  toAddress();
  document.querySelector(`#table button.open[data-row="${row}"]`)?.focus();
});

dialog.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") dialog.querySelector(".back:not(:disabled)")?.click();
  if (event.key === "ArrowRight") dialog.querySelector(".next:not(:disabled)")?.click();
});
