// A page that has lost the panel says so in the panel's own words, above everything, instead of in
// NiceGUI's popup; that one's attribute tells when. A moment's loss is not told.
addEventListener("DOMContentLoaded", () => {
  const PATIENCE_MS = 1000;
  const popup = document.getElementById("popup");
  const place = document.getElementById("sl-lost");
  let waits = 0;

  function tell() {
    clearTimeout(waits);
    const lost = popup.getAttribute("aria-hidden") === "false";
    const show = () => {
      place.textContent = lost ? place.dataset.words : "";
      document.body.classList.toggle("sl-gone", lost);
    };
    if (lost) waits = setTimeout(show, PATIENCE_MS);
    else show();
  }

  document.body.prepend(place);
  new MutationObserver(tell).observe(popup, { attributeFilter: ["aria-hidden"] });
});
