// What is made anew would lose the keyboard's focus. It goes to the button with the same key, or
// where there is no key, with the same words in the same part, as long as no other has them: rather
// to nothing than to what does something else.
(() => {
  const PARTS = "table, form, header, section, nav, main";
  let focused = null; // what had the focus, and how it is found again

  const words = (button) => button.getAttribute("aria-label") ?? button.textContent;
  function told(button) {
    if (button.dataset.key) return button.dataset.key;
    const part = button.closest(PARTS);
    return `${part?.tagName}.${part?.className}: ${words(button)}`;
  }
  const alike = (key) => [...document.querySelectorAll("button")].filter((b) => told(b) === key);

  document.addEventListener("focusin", ({ target }) => {
    const key = target.tagName === "BUTTON" ? told(target) : "";
    focused = key && alike(key).length === 1 ? { element: target, key } : null;
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (!target.closest?.("button")) focused = null;
  });
  new MutationObserver(() => {
    if (!focused || focused.element.isConnected || document.activeElement !== document.body) return;
    const found = alike(focused.key);
    if (found.length === 1) found[0].focus({ preventScroll: true });
  }).observe(document, { childList: true, subtree: true });
})();
