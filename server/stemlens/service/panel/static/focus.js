// What is made anew would lose the keyboard's focus. It goes to what has the same key, or where a
// button has no key, to the one with the same words in the same part, as long as no other has them:
// rather to nothing than to what does something else. slFocus(key) gives the focus to what is still
// to come.
const slFocus = (() => {
  const KEPT = "button, [data-key]";
  const PARTS = "table, form, header, section, nav, main";
  let focused = null; // what had the focus, and how it is found again

  const words = (element) => element.getAttribute("aria-label") ?? element.textContent;
  function told(element) {
    if (element.dataset.key) return element.dataset.key;
    const part = element.closest(PARTS);
    return `${part?.tagName}.${part?.className}: ${words(element)}`;
  }
  const alike = (key) => [...document.querySelectorAll(KEPT)].filter((one) => told(one) === key);
  function restore() {
    if (!focused || focused.element?.isConnected || document.activeElement !== document.body) return;
    const found = alike(focused.key);
    if (found.length === 1) found[0].focus({ preventScroll: true });
  }

  document.addEventListener("focusin", ({ target }) => {
    const key = target.matches(KEPT) ? told(target) : "";
    focused = key && alike(key).length === 1 ? { element: target, key } : null;
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (!target.closest?.("button")) focused = null;
  });
  new MutationObserver(restore).observe(document, { childList: true, subtree: true });
  return (key) => {
    focused = { element: null, key };
    restore();
  };
})();
