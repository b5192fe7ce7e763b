// What is heard. One audio element stays while the page around it is made anew with every revision,
// so all is done from the document: whatever has data-play plays, data-seek is a picture of the
// time, data-tag chooses a tag. Going from one sound of a job to another keeps the place. Of some
// sounds one passage is meant: it plays round and round until one goes to another place.
(() => {
  const SAID = "X-Stemlens-Sound";
  const SPAN = "X-Stemlens-Span";
  const NEAR_S = 0.1;
  const GONE = "The panel does not answer. Is the server running? Try again in a moment.";
  const UNPLAYABLE = "The sound broke off. Press play once more.";
  let now = ""; // the address of what is in the player
  let span = null; // where the passage that is meant begins and ends, s
  let turn = 0; // counts choices, so that a sound that comes late is not played

  const audio = () => document.getElementById("sl-audio");
  const say = (words) => (document.getElementById("sl-said").textContent = words);
  const jobOf = (address) => address.split("/")[2] ?? "";
  const words = (element) => element.getAttribute("aria-label") ?? element.textContent;
  const shown = (name) => [...document.querySelectorAll(`[data-${name}]`)];

  async function choose(address, name, from) {
    const mine = ++turn;
    say(`${name}: one moment …`);
    let answer;
    try {
      answer = await fetch(address, { headers: { Range: "bytes=0-0" } });
    } catch {
      if (mine === turn) say(GONE);
      return;
    }
    const told = answer.ok ? decodeURIComponent(answer.headers.get(SAID)) : await answer.text();
    if (mine !== turn) return;
    say(told);
    if (!answer.ok) return;
    const player = audio();
    const meant = answer.headers.get(SPAN)?.split(" ").map(Number) ?? null;
    let at = from ?? (jobOf(address) === jobOf(now) ? player.currentTime : 0);
    if (meant && !(at >= meant[0] && at < meant[1])) at = meant[0];
    now = address;
    span = meant;
    player.src = address;
    player.addEventListener("loadedmetadata", () => (player.currentTime = at), { once: true });
    await start(player);
  }

  async function start(player) {
    try {
      await player.play();
    } catch (error) {
      // Another sound was chosen meanwhile, or the browser wants a click first.
      if (error.name === "NotAllowedError") say(`${words(player)}: press play in the player.`);
    }
    mark();
  }

  function toggle() {
    const player = audio();
    const first = shown("play")[0];
    if (!now && first) choose(first.dataset.play, first.dataset.said);
    else if (player.paused) start(player);
    else player.pause();
  }

  function seek(picture, x) {
    const box = picture.getBoundingClientRect();
    const at = Math.max(0, (x - box.left) / box.width) * picture.dataset.seconds;
    if (jobOf(picture.dataset.seek) === jobOf(now)) {
      audio().currentTime = at;
      start(audio());
    } else choose(picture.dataset.seek, "All stems", at);
  }

  // The passage once more when it is over; none any more for who has gone to another place.
  function loop() {
    const player = audio();
    if (span && !player.paused && player.currentTime >= span[1]) player.currentTime = span[0];
  }
  function leave() {
    const at = audio().currentTime;
    if (span && (at < span[0] - NEAR_S || at > span[1] + NEAR_S)) span = null;
  }

  // Shows what plays and where it is, also in what was made anew.
  function mark() {
    const player = audio();
    if (!player) return;
    for (const button of shown("play")) {
      const plays = button.dataset.play === now && !player.paused;
      button.setAttribute("aria-pressed", String(plays));
    }
    for (const picture of shown("seek")) {
      const part = player.currentTime / picture.dataset.seconds;
      const same = jobOf(picture.dataset.seek) === jobOf(now);
      picture.classList.toggle("sl-on", same);
      picture.classList.toggle("sl-loops", same && span !== null);
      if (span) {
        picture.style.setProperty("--sl-from", `${(100 * span[0]) / picture.dataset.seconds}%`);
        picture.style.setProperty("--sl-to", `${(100 * span[1]) / picture.dataset.seconds}%`);
      }
      picture.style.setProperty("--sl-at", `${100 * part}%`);
    }
    const tag = document.querySelector("[data-chosen]")?.dataset.chosen;
    for (const button of shown("tag")) {
      button.setAttribute("aria-pressed", String(button.dataset.tag === tag));
    }
  }

  function follow() {
    loop();
    mark();
    if (!audio().paused) requestAnimationFrame(follow);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-play]");
    const tag = event.target.closest?.("[data-tag]");
    const picture = event.target.closest?.("[data-seek]");
    if (button && button.dataset.play === now) toggle();
    else if (button) choose(button.dataset.play, button.dataset.said);
    else if (tag) emitEvent("tag", tag.dataset.tag);
    else if (picture) seek(picture, event.clientX);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const typing = event.target.closest?.("input, select, textarea");
    if (typing || event.key !== " " || event.target.closest?.("button, audio, a, summary")) return;
    toggle();
    event.preventDefault();
  });
  for (const type of ["play", "pause", "ended", "seeked", "emptied"]) {
    document.addEventListener(type, (event) => event.target.id === "sl-audio" && follow(), true);
  }
  // Pages that are not seen draw no frames; audio goes on in them, and tells the time still.
  document.addEventListener("timeupdate", (event) => event.target.id === "sl-audio" && loop(), true);
  document.addEventListener("seeking", (event) => event.target.id === "sl-audio" && leave(), true);
  document.addEventListener("error", (event) => {
    if (event.target.id === "sl-audio" && event.target.src) {
      now = "";
      say(UNPLAYABLE);
    }
  }, true);
  new MutationObserver(mark).observe(document, { childList: true, subtree: true });
})();
