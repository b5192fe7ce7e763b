// What to try: forms to the panel, and A beside B.
function slAsk(event, emit) {
  event.preventDefault();
  const form = event.target;
  const stem = form.elements.stem;
  emit({
    ...Object.fromEntries(new FormData(form)),
    form: form.dataset.form,
    name: stem.options[stem.selectedIndex].text,
  });
}

function slAmount(event) {
  if (event.target.name !== "amount") return;
  const amount = Number(event.target.value).toFixed(1);
  event.target.nextElementSibling.textContent = amount;
  event.target.setAttribute("aria-valuetext", amount === "1.0" ? "1.0, as it is meant" : amount);
}

function slListen(event, emit) {
  const button = event.target.closest("[data-side]");
  if (!button) return;
  for (const one of event.currentTarget.querySelectorAll("[data-side]")) {
    one.setAttribute("aria-pressed", one === button);
  }
  const words = button.parentElement.getAttribute("aria-label").replace(/^Listen: /, "");
  emit({ ...button.dataset, label: `${button.textContent}: ${words}` });
}

// Another side of the same trial goes on where the one before was.
function slPlay(url, label) {
  const figure = document.querySelector(".sl-player");
  const audio = figure.querySelector("audio");
  const pair = url.replace(/&side=.*/, "");
  const from = audio.dataset.pair === pair ? audio.currentTime : 0;
  figure.hidden = false;
  figure.querySelector("figcaption").textContent = label;
  audio.setAttribute("aria-label", label);
  audio.dataset.pair = pair;
  audio.onloadedmetadata = () => (audio.currentTime = from < audio.duration ? from : 0);
  audio.onerror = () => {
    figure.querySelector("figcaption").textContent = `${label} cannot be played: is its file gone?`;
  };
  audio.src = url;
  audio.play().catch(() => {}); // where the browser wants another click, the controls are there
}
