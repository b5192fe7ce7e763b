// The faders of the live mix: each says where it stands while it moves, and at each move the
// positions of all are told to the panel, as [track, dB, muted] each.
function slFaders(event, emit) {
  const mixer = event.currentTarget.querySelector(".sl-mixer");
  const row = event.target.closest(".sl-fader");
  const what = event.type === "click" ? event.target.dataset.do : event.type;
  const scale = JSON.parse(mixer.dataset.scale);
  const rows = [...mixer.querySelectorAll(".sl-fader")];
  const fader = (one) => one.querySelector("input");
  const mute = (one) => one.querySelector("[data-do=mute]");
  const muted = (one) => mute(one).getAttribute("aria-pressed") === "true";
  const toZero = (one) => (fader(one).value = scale.indexOf(0));
  const setMute = (one, on) => mute(one).setAttribute("aria-pressed", on);

  if (what === "all") {
    rows.forEach((one) => (toZero(one), setMute(one, false)));
  } else if (what === "mute") {
    setMute(row, !muted(row));
  } else if (what === "reset" || (what === "dblclick" && event.target.type === "range")) {
    toZero(row);
  } else if (what !== "input") {
    return;
  }
  const decibels = (one) => scale[Number(fader(one).value)];
  for (const one of rows) {
    const db = decibels(one);
    const told = `${db > 0 ? "+" : db < 0 ? "−" : ""}${Math.abs(db).toFixed(1)} dB`;
    one.querySelector("output").textContent = told;
    one.classList.toggle("sl-muted-fader", muted(one));
    fader(one).setAttribute("aria-valuetext", muted(one) ? `${told}, muted` : told);
  }
  emit(rows.map((one) => [one.dataset.track, decibels(one), muted(one)]));
}
