// How a picture grew: a slider through its snapshots.
(() => {
  "use strict";
  const said = (mark) => (mark === null ? "–" : Math.abs(mark) >= 100 ? Math.round(mark).toLocaleString("en") : String(Number(mark.toPrecision(3))));
  for (const film of document.querySelectorAll(".film")) {
    const [slider, tile, output] = ["input", ".tile", "output"].map((name) => film.querySelector(name));
    const { steps, marks, side, column } = slider.dataset;
    const [step, score] = [JSON.parse(steps), JSON.parse(marks)];
    const columns = Number(tile.style.getPropertyValue("--c"));
    tile.style.width = `${side * Math.max(1, Math.floor(column / side))}px`;
    const show = () => {
      const i = Number(slider.value);
      tile.style.setProperty("--x", i % columns);
      tile.style.setProperty("--y", Math.floor(i / columns));
      const text = `after step ${step[i]} of ${step.at(-1)}: score ${said(score[i])}`;
      slider.setAttribute("aria-valuetext", text);
      output.textContent = text;
      tile.querySelector("img").alt = `The picture ${text}`;
    };
    slider.addEventListener("input", show);
    film.hidden = false;
    show();
  }
})();
