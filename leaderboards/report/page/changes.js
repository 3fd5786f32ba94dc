// Fields of the tables, points of the figures and lines of the comparison lead to the answers behind them.
function goTo(wanted) {
  state = { ...EMPTY, ...wanted };
  show();
  const heading = document.getElementById("h-samples");
  heading.scrollIntoView();
  document.querySelector("#filters [name=q]").focus({ preventScroll: true });
}

// The button in the table of points that stands for a point of the picture.
function pointed(point) {
  const all = point ? [...point.closest("figure").querySelectorAll(".points button")] : [];
  return all.find((one) => one.dataset.train === point.dataset.train && one.dataset.test === (point.dataset.test ?? ""));
}

// Leads to a part of the page; the address goes on saying what is looked for.
function leadTo(part) {
  part.scrollIntoView();
  part.tabIndex = -1;
  part.focus({ preventScroll: true });
}

function listen() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-cell]") ?? pointed(event.target.closest(".ptst-point"));
    if (button) goTo({ cell: button.dataset.cell, only: button.dataset.only });
    const one = event.target.closest("button[data-line]");
    if (one) goTo({ line: one.dataset.line });
    const link = event.target.closest("nav a, .skip");
    if (link) { event.preventDefault(); leadTo(document.querySelector(link.hash)); }
  });
  for (const select of document.querySelectorAll("select[data-side]")) {
    const side = select.closest(".side");
    const pick = () => { for (const grid of side.querySelectorAll(".grid")) grid.hidden = grid.dataset.view !== select.value; };
    select.addEventListener("change", pick);
    pick();
  }
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, textarea, dialog, .stage") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); document.querySelector("#filters [name=q]").focus(); }
    if (event.key === "j" || event.key === "k") move(event.key === "j" ? 1 : -1);
  });
}

// Moves between the rows of the page that is shown.
function move(by) {
  const all = [...document.querySelectorAll("#table button.open")];
  const now = all.indexOf(document.activeElement);
  all[Math.min(Math.max(now + by, 0), all.length - 1)]?.focus();
}
