// What is looked for, kept in the address: a link restores it.
const EMPTY = { q: "", set: "", test: "", train: "", model: "", run: "", judge: "", verdict: "", flag: "", line: "", cell: "", only: "", open: "", sort: "" };
let state = { ...EMPTY };
let told = "";

function fromAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  state = { ...EMPTY };
  for (const name of Object.keys(EMPTY)) if (said.has(name)) state[name] = said.get(name);
  if (!/^\d+$/.test(state.line) || !DATA.changes[Number(state.line)]) state.line = "";
}

function toAddress() {
  const said = new URLSearchParams(Object.entries(state).filter(([, value]) => value !== ""));
  told = said.size ? "#" + said : "";
  if (told !== location.hash) history.replaceState(null, "", told || "#");
}

// Whether the address says what is looked for, and not just a part of the page.
const isState = () => location.hash.includes("=");
