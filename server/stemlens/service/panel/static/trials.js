// What to try: forms to the panel.
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
