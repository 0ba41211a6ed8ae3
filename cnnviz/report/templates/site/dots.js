// Plots of filters and layers: one tab stop each, arrows choose a dot or a bar, Enter and a click open its page.
(() => {
  "use strict";
  const NEAR = 9; // pixels
  const root = document.body.dataset.root;
  const SVG = "http://www.w3.org/2000/svg";

  /** What can be chosen, from left to right: {x, y, url, title}; x and y in units of the plot. */
  function spots(plot) {
    const found = [...plot.querySelectorAll("a.spot, a.column")].map((link) => {
      const shape = link.querySelector("circle") || link.querySelector("rect:last-of-type");
      const box = shape.getBBox();
      const title = link.querySelector("title").textContent;
      return { x: box.x + box.width / 2, y: box.y + box.height / 2, url: link.getAttribute("href"), title, link };
    });
    const layers = plot.dataset.layers ? JSON.parse(plot.dataset.layers) : [];
    const dots = [];
    for (const path of plot.querySelectorAll(".cloud")) {
      const numbers = path.dataset.k ? path.dataset.k.split(" ").map(Number) : null;
      let which = 0;
      let before = 0;
      path.getAttribute("d").split("M").slice(1).forEach((part, i) => {
        while (!numbers && i - before >= layers[which][2]) before += layers[which++][2];
        const k = numbers ? numbers[i] : i - before;
        const [x, y] = part.replace("h0", "").split(",").map(Number);
        const [title, folder] = layers[which];
        if (x >= 0) dots.push({ x, y, url: `${root}${folder}/${k}.html`, title: `${title} ${k}` });
      });
    }
    return (dots.length ? dots : found).sort((a, b) => a.x - b.x || a.y - b.y);
  }

  for (const plot of document.querySelectorAll("svg.dotted")) {
    let known = null;
    let chosen = -1;
    const all = () => (known ??= spots(plot));
    const cloud = plot.querySelector(".cloud");
    const told = document.createElement("p");
    told.className = "told soft";
    told.setAttribute("role", "status");
    plot.after(told);
    const ring = document.createElementNS(SVG, "circle");
    ring.setAttribute("class", "ring");
    ring.setAttribute("r", "5");
    plot.tabIndex = 0;
    plot.setAttribute("aria-label", `${plot.getAttribute("aria-label")}: arrow keys choose, Enter opens`);
    function choose(i) {
      chosen = i;
      if (i < 0) {
        ring.remove();
        told.textContent = "";
        return;
      }
      const spot = all()[i];
      ring.setAttribute("cx", spot.x);
      ring.setAttribute("cy", spot.y);
      plot.append(ring);
      told.textContent = spot.title;
    }
    plot.addEventListener("keydown", (event) => {
      const many = all().length;
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageDown: 50, PageUp: -50 }[event.key];
      if (step && many) {
        event.preventDefault();
        choose(chosen < 0 ? 0 : Math.max(0, Math.min(many - 1, chosen + step)));
      }
      if (event.key === "Home" || event.key === "End") {
        event.preventDefault();
        choose(event.key === "Home" ? 0 : many - 1);
      }
      if (event.key === "Escape") choose(-1);
      if (event.key === "Enter" && chosen >= 0) location.href = all()[chosen].url;
    });
    plot.addEventListener("blur", () => choose(-1));
    if (!cloud) continue;
    const nearest = (event) => {
      const box = plot.getBoundingClientRect();
      const scale = plot.viewBox.baseVal.width / box.width;
      const x = (event.clientX - box.left) * scale;
      const y = (event.clientY - box.top) * scale;
      let best = -1;
      let least = NEAR * NEAR;
      all().forEach((spot, i) => {
        const far = (spot.x - x) ** 2 + (spot.y - y) ** 2;
        if (far < least) [best, least] = [i, far];
      });
      return best;
    };
    plot.addEventListener("pointermove", (event) => {
      const i = nearest(event);
      if (i !== chosen) choose(i);
      plot.classList.toggle("near-dot", i >= 0);
    });
    plot.addEventListener("pointerleave", () => choose(-1));
    plot.addEventListener("click", (event) => {
      const i = nearest(event);
      if (i < 0) return;
      event.preventDefault();
      location.href = all()[i].url;
    });
  }
})();
