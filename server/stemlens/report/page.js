// What the page does beside being read. Sounds are in the page as base64, and become files of the
// browser's when they are first played. Whatever has data-play plays, data-seek is a picture of the
// time, data-tag leads to a tag. Going from one sound to another keeps the place in the song. In a
// data-fade both sounds of a pair run in step, and its slider says how much of each is heard.
(() => {
  const table = JSON.parse(document.getElementById("sl-sounds")?.textContent ?? "{}");
  const player = document.getElementById("sl-audio");
  const files = new Map();
  let now = ""; // the address of what is in the player

  const shown = (name) => [...document.querySelectorAll(`[data-${name}]`)];
  const say = (words) => (document.getElementById("sl-said").textContent = words);
  const place = () => (now ? table[now].start + player.currentTime : 0);
  const holds = (sound, at) => at >= sound.start - 0.01 && at < sound.end;

  function bytes(clip) {
    const text = document.querySelector(`[data-clip="${clip}"]`).textContent;
    return Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  }

  function file(clip) {
    if (!files.has(clip)) {
      files.set(clip, URL.createObjectURL(new Blob([bytes(clip)], { type: "audio/mpeg" })));
    }
    return files.get(clip);
  }

  function choose(address, from) {
    const sound = table[address];
    const at = from ?? (now ? place() : sound.start);
    now = address;
    say(`${sound.said}.`);
    player.src = file(sound.clip);
    const start = () => (player.currentTime = holds(sound, at) ? at - sound.start : 0);
    player.addEventListener("loadedmetadata", start, { once: true });
    play();
  }

  async function play() {
    try {
      await player.play();
    } catch (error) {
      // Another sound was chosen meanwhile, or the browser wants a click first.
      if (error.name === "NotAllowedError") say("Press play in the player.");
    }
    mark();
  }

  function toggle() {
    const first = shown("play")[0];
    if (!now && first) choose(first.dataset.play);
    else if (player.paused) play();
    else player.pause();
  }

  // Plays from a time of the song, in what is chosen or else in what holds that time.
  function seek(at, address) {
    const others = [now, address, `${address}/whole`, ...Object.keys(table)];
    const found = others.find((one) => table[one] && holds(table[one], at));
    if (!found) say("What plays there is not in this page.");
    else choose(found, at);
  }

  let fading = null; // the pair that plays: its element, its AudioContext and the gain of each side

  // Equal power, as in the crossfades that are written as files: the sides are different stems,
  // whose powers add up, so that it stays as loud all the way.
  function balance(soon) {
    const { box, context, gains } = fading;
    const angle = (box.querySelector("input").value / 100) * (Math.PI / 2);
    [Math.cos(angle), Math.sin(angle)].forEach((gain, side) => {
      gains[side]?.gain.setTargetAtTime(gain, context.currentTime, soon);
    });
  }

  async function fade(box) {
    stopFading();
    player.pause();
    const context = new AudioContext();
    const own = (fading = { box, context, gains: [] });
    say(`${box.querySelector("button").dataset.said}. The slider fades.`);
    mark();
    const sides = [box.dataset.only, box.dataset.without].map((address) =>
      context.decodeAudioData(bytes(table[address].clip).buffer),
    );
    const buffers = await Promise.all(sides);
    if (fading !== own) return; // it was stopped meanwhile
    const start = context.currentTime + 0.05;
    for (const buffer of buffers) {
      const source = new AudioBufferSourceNode(context, { buffer, loop: true });
      const gain = new GainNode(context, { gain: 0 });
      source.connect(gain).connect(context.destination);
      source.start(start);
      own.gains.push(gain);
    }
    balance(0.005);
  }

  function stopFading() {
    fading?.context.close();
    fading = null;
    mark();
  }

  function mark() {
    for (const box of shown("fade")) {
      box.querySelector("button").setAttribute("aria-pressed", String(fading?.box === box));
    }
    for (const button of shown("play")) {
      const plays = button.dataset.play === now && !player.paused;
      button.setAttribute("aria-pressed", String(plays));
    }
    for (const picture of shown("seek")) {
      picture.classList.toggle("sl-on", now !== "");
      picture.style.setProperty("--sl-at", `${(100 * place()) / picture.dataset.seconds}%`);
    }
  }

  function follow() {
    mark();
    if (!player.paused) requestAnimationFrame(follow);
  }

  let led = null; // the heading that one was led to, which space is not to fold
  function lead(tag) {
    const about = shown("about").find((one) => one.dataset.about === tag);
    if (!about) return;
    about.open = true;
    about.scrollIntoView();
    const heading = about.querySelector("summary");
    heading.focus({ preventScroll: true });
    led = heading;
    for (const button of shown("tag")) {
      button.setAttribute("aria-pressed", String(button.dataset.tag === tag));
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-play]");
    const pair = event.target.closest?.("[data-fade] button")?.parentElement;
    const tag = event.target.closest?.("[data-tag]");
    const picture = event.target.closest?.("[data-seek]");
    if (pair && fading?.box === pair) stopFading();
    else if (pair) fade(pair);
    else if (button && button.dataset.play === now && !button.dataset.from) toggle();
    else if (button) choose(button.dataset.play, button.dataset.from && Number(button.dataset.from));
    else if (tag) lead(tag.dataset.tag);
    else if (picture && player) {
      const box = picture.getBoundingClientRect();
      const part = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
      seek(part * picture.dataset.seconds, picture.dataset.seek);
    }
  });
  document.addEventListener("input", (event) => {
    if (fading && event.target.closest("[data-fade]") === fading.box) balance(0.02);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key >= "1" && event.key <= "9") {
      const tag = shown("about")[Number(event.key) - 1];
      if (tag) lead(tag.dataset.about);
    }
    if (!player || event.key !== " ") return;
    if (event.target !== led && event.target.closest?.("button, audio, a, summary, input")) return;
    if (fading) stopFading();
    else toggle();
    event.preventDefault();
  });
  if (player) {
    for (const type of ["play", "pause", "ended", "seeked"]) player.addEventListener(type, follow);
    player.addEventListener("play", stopFading);
  }
  // On paper nothing is folded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const one of folded) one.open = true;
  });
  addEventListener("afterprint", () => folded.forEach((one) => (one.open = false)));
})();
