// A training: one slider, its keys and Play drive every picture of the page.
(() => {
  "use strict";
  const bar = document.querySelector(".lifebar");
  if (!bar) return;
  const [button, slider, output] = ["button", "input", "output"].map((name) => bar.querySelector(name));
  const said = JSON.parse(bar.dataset.said);
  const states = JSON.parse(bar.dataset.states || "null"); // of several trainings: which of each is shown when
  const tiles = [...document.querySelectorAll(".living")];
  const last = Number(slider.max);
  const EACH = 500; // milliseconds of a checkpoint
  let timer = 0;
  const show = () => {
    const at = Number(slider.value);
    for (const tile of tiles) {
      const columns = Number(tile.dataset.columns);
      const i = states ? states[tile.dataset.of][at] : at;
      tile.style.setProperty("--x", i % columns);
      tile.style.setProperty("--y", Math.floor(i / columns));
    }
    const text = `${at + 1} of ${last + 1}: ${said[at]}`;
    slider.setAttribute("aria-valuetext", text);
    output.textContent = text;
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    button.textContent = "▶ Play";
    button.setAttribute("aria-pressed", "false");
  };
  const play = () => {
    if (Number(slider.value) === last) slider.value = 0;
    show();
    button.textContent = "❚❚ Stop";
    button.setAttribute("aria-pressed", "true");
    timer = setInterval(() => {
      if (Number(slider.value) === last) return stop();
      slider.value = Number(slider.value) + 1;
      show();
    }, EACH);
  };
  button.addEventListener("click", () => (timer ? stop() : play()));
  slider.addEventListener("input", () => { stop(); show(); });
  bar.hidden = false;
  show();
})();
