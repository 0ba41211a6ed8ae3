// The page reads well without this file: it lays the pictures over each other, sorts, and follows MLflow's port.
(() => {
  "use strict";
  const bar = document.getElementById("wipe");
  const [slider, beside] = bar.querySelectorAll("input");
  const main = document.getElementById("main");
  bar.hidden = false;
  const show = () => {
    main.classList.toggle("wiped", !beside.checked);
    slider.disabled = beside.checked;
    main.style.setProperty("--at", slider.value);
    slider.setAttribute("aria-valuetext", `${slider.value}% A, ${100 - slider.value}% B`);
  };
  slider.addEventListener("input", show);
  beside.addEventListener("change", show);
  bar.addEventListener("submit", (event) => event.preventDefault());
  show();
  const drag = (event) => {
    const box = event.buttons && !beside.checked && event.target.closest(".both");
    if (!box) return;
    const { left, width } = box.getBoundingClientRect();
    slider.value = Math.round((100 * (event.clientX - left)) / width);
    show();
  };
  main.addEventListener("pointerdown", drag);
  main.addEventListener("pointermove", drag);
  main.addEventListener("dragstart", (event) => { if (event.target.closest(".both")) event.preventDefault(); });

  // the bar lies over the page only while pictures are in sight
  const sights = new Map();
  const sight = new IntersectionObserver((found) => {
    for (const one of found) sights.set(one.target, one.isIntersecting);
    bar.classList.toggle("away", ![...sights.values()].some(Boolean));
  });
  document.querySelectorAll(".pairs").forEach((one) => sight.observe(one));

  // ---- sorting: first where B gained most, then where A did
  for (const table of document.querySelectorAll("table.each")) {
    const heads = [...table.tHead.rows[0].cells];
    for (const head of heads.filter((cell) => "sort" in cell.dataset)) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        for (const cell of heads) cell.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => {
          const text = row.cells[head.cellIndex].dataset.v;
          return text === "" ? -Infinity : (down ? 1 : -1) * Number(text);
        };
        const body = table.tBodies[0];
        const rows = [...body.rows].map((row, i) => [value(row), i, row]);
        rows.sort((one, other) => (one[0] === other[0] ? one[1] - other[1] : other[0] > one[0] ? 1 : -1));
        body.append(...rows.map((row) => row[2]));
      });
    }
  }

  // ---- MLflow: on the port that `make ui` took last
  const links = [...document.querySelectorAll("a[data-mlflow]")].filter((link) => link.hostname === "127.0.0.1");
  if (links.length) {
    const kept = document.createElement("object");
    kept.className = "sidecar";
    kept.type = "text/html";
    kept.tabIndex = -1;
    kept.setAttribute("aria-hidden", "true");
    window.addEventListener("message", (event) => {
      if (event.source !== kept.contentWindow || typeof event.data !== "object" || !event.data) return;
      const rows = Object.values(event.data).filter(Array.isArray).flat();
      const found = rows.map((row) => /^http:\/\/127\.0\.0\.1:(\d+)\/#/.exec(row?.[2] || "")).find(Boolean);
      if (found) for (const link of links) link.port = found[1];
    });
    kept.data = document.body.dataset.beside;
    document.body.append(kept);
  }
})();
