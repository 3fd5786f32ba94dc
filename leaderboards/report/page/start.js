const dark = matchMedia("(prefers-color-scheme: dark)");
const shade = () => document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", shade);
shade();
fromAddress();
drawFilters();
fillFilters();
drawTable();
listen();
if (SAMPLE) begin();
if (/^\d+$/.test(state.open)) openRow(Number(state.open));
if (isState()) document.getElementById("samples").scrollIntoView();
window.addEventListener("hashchange", () => {
  if (location.hash === told || !isState()) return;
  fromAddress();
  show();
  if (/^\d+$/.test(state.open)) openRow(Number(state.open)); else if (dialog.open) dialog.close();
});
requestIdleCallback(() => holding(""));  // so that the first search is as fast as the next
document.documentElement.dataset.ready = "yes";
