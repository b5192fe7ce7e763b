// The list of jobs: the keys that go through it as it stands there, the field that sifts it, and
// what is kept of what was chosen while the page is loaded anew.
const SL_KEPT = "stemlens";
const slKeep = (shown) => sessionStorage.setItem(SL_KEPT, JSON.stringify(shown));
function slKept() {
  document.querySelector(".sl-history").open = matchMedia("(min-width: 761px)").matches;
  return JSON.parse(sessionStorage.getItem(SL_KEPT) ?? "{}");
}
(() => {
  const STEPS = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 };
  const NARROW = matchMedia("(max-width: 760px)");
  const history = () => document.querySelector(".sl-history");

  function step(by) {
    const entries = [...document.querySelectorAll(".sl-job")];
    const at = entries.findIndex((one) => one.ariaCurrent === "true");
    const next = entries[at < 0 ? 0 : Math.max(0, Math.min(entries.length - 1, at + by))];
    if (!next) return;
    if (at >= 0) entries[at].ariaCurrent = null; // the next key may come before the panel's answer
    next.ariaCurrent = "true";
    if (document.activeElement.closest(".sl-jobs")) next.focus();
    next.click();
  }

  function leave(field) {
    if (field.id === "sl-filter") {
      field.value = "";
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    field.blur();
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const typing = event.target.closest?.("input, select, textarea");
    const arrow = event.key.startsWith("Arrow");
    if (event.key === "Escape" && typing) leave(typing);
    else if (typing || document.querySelector(".q-dialog")) return;
    else if (event.key === "/") document.getElementById("sl-filter").focus();
    else if (arrow && !event.target.closest?.(".sl-jobs")) return; // elsewhere they scroll
    else if (event.key in STEPS) step(STEPS[event.key]);
    else return;
    event.preventDefault();
  });
  document.addEventListener("input", ({ target }) => {
    if (target.id === "sl-filter" && target.value) history().open = true;
  });
  document.addEventListener("click", ({ target, isTrusted }) => {
    const chosen = isTrusted && NARROW.matches && target.closest?.(".sl-job");
    if (chosen) document.querySelector(".sl-result").scrollIntoView();
  });
})();
