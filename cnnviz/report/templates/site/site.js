// The pages read well without this file: it adds the search, the keys, sorting, switching and the links of tracking.
(() => {
  "use strict";
  const root = document.body.dataset.root;
  const go = (rel) => {
    const link = document.querySelector(`head link[rel="${rel}"]`);
    if (link) location.href = link.href;
  };
  for (const keys of document.querySelectorAll(".keys")) keys.hidden = false;

  // ---- keys
  const typing = (element) => element.closest("input, select, textarea, [role=radiogroup], [contenteditable]");
  const scrolls = (element) => element.closest("[tabindex='0']");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || finder.open || typing(event.target)) return;
    if (event.key === "/") { event.preventDefault(); openFinder(); }
    if (scrolls(event.target)) return;
    if (event.key === "ArrowLeft") go("prev");
    if (event.key === "ArrowRight") go("next");
    if (event.key === "ArrowUp" && window.scrollY === 0) go("up");
  });

  // ---- search
  const finder = document.getElementById("finder");
  const query = document.getElementById("query");
  const hits = document.getElementById("hits");
  const none = document.getElementById("none");
  const button = document.getElementById("find");
  button.hidden = false;
  button.addEventListener("click", openFinder);
  let chosen = 0;
  function openFinder() {
    finder.showModal();
    query.select();
    if (window.cnnvizIndex) return list();
    const script = document.createElement("script");
    script.src = `${root}assets/index.js?${document.body.dataset.version}`;
    script.onload = list;
    document.head.append(script);
  }
  const has = (sorted, number) => sorted.includes(number);
  const KINDS = /^(filters?|layers?|models?|unit|channel)$/; // said of what is meant, no part of a name
  // a number is one as a whole (3 does not find 13), a word also as a part of one
  const holds = (text, words) => words.every((word) => (/^\d+$/.test(word) ? ` ${text} `.includes(` ${word} `) : text.includes(word)));
  const spelled = (text) => text.toLowerCase().replace(/[\s/(),:_-]+/g, " ").trim();
  function* found(words) {
    const numbers = words.filter((word) => /^\d+$/.test(word)).map(Number);
    const names = words.filter((word) => !/^\d+$/.test(word) && !KINDS.test(word));
    const plain = words.map(spelled);
    for (const [text, url, more, name] of words.length ? window.cnnvizIndex.pages : []) {
      const own = spelled(text);
      if (!holds(`${own} ${spelled(more)}`, plain)) continue;
      const whole = plain.every((word) => ` ${own} `.includes(` ${word} `));
      yield { text, url, rank: spelled(name) === plain.join(" ") ? 0.2 : whole ? 0.5 : holds(own, plain) ? 1 : 1.5 };
    }
    for (const [model, layers] of window.cnnvizIndex.layers) {
      for (const [layer, url, filters, pages, told] of layers) {
        const text = `${model} ${layer}`.toLowerCase();
        const at = (n) => url.replace(/index\.html$/, `${n}.html`);
        for (const [n, said] of names.every((word) => text.includes(word)) ? [] : told) {
          if (!names.length || !holds(`${text} filter ${n} ${said}`.toLowerCase(), words)) continue;
          yield { text: `${model} / ${layer} / filter ${n}: ${said}`, url: at(n), rank: 1 };
        }
        if (!names.every((word) => text.includes(word))) continue;
        for (const n of numbers.filter((one) => one < filters)) {
          yield { text: `${model} / ${layer} / filter ${n}`, url: at(n), rank: has(pages, n) ? 0 : 2 };
        }
        if (!numbers.length) yield { text: `${model} / ${layer}`, url, rank: 1 };
      }
    }
  }
  function list() {
    const words = query.value.toLowerCase().split(/[\s/]+/).filter(Boolean);
    const all = window.cnnvizIndex ? [...found(words)].sort((a, b) => a.rank - b.rank) : [];
    hits.replaceChildren(...all.slice(0, 40).map((hit, i) => {
      const item = document.createElement("li");
      item.id = `hit-${i}`;
      item.setAttribute("role", "option");
      item.dataset.url = root + hit.url;
      item.textContent = hit.text;
      return item;
    }));
    none.textContent = all.length ? `${all.length} found` : "Nothing of this name. Found are models, layers, filters by number, classes, images, pages and notes.";
    choose(0);
  }
  function choose(i) {
    const items = [...hits.children];
    chosen = Math.max(0, Math.min(i, items.length - 1));
    items.forEach((item, n) => item.setAttribute("aria-selected", String(n === chosen)));
    if (!items.length) return query.removeAttribute("aria-activedescendant");
    query.setAttribute("aria-activedescendant", items[chosen].id);
    items[chosen].scrollIntoView({ block: "nearest" });
  }
  query.addEventListener("input", list);
  query.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
    }
    if (event.key === "Enter") {
      event.preventDefault();
      leave(hits.children[chosen]);
    }
  });
  hits.addEventListener("click", (event) => leave(event.target.closest("li")));
  function leave(item) {
    if (!item) return;
    finder.close();
    location.href = item.dataset.url;
  }

  // ---- sorting
  const order = ["dead", "weak", ""];
  for (const tools of document.querySelectorAll(".tools")) {
    const grid = document.getElementById(tools.dataset.for);
    const said = tools.querySelector("[role=status]");
    if (grid.children.length < 2) continue;
    tools.hidden = false;
    tools.querySelector("select").addEventListener("change", (event) => {
      const name = event.target.value;
      const value = (item) => {
        if (!name) return -Number(item.dataset.n);
        if (name === "status") return -order.indexOf(item.dataset.status || "");
        const number = JSON.parse(item.dataset.v)[name];
        if (number === null || number === undefined) return -Infinity;
        return name === "selectivity_rank" || name === "spectrum_distance" ? -number : number;
      };
      const items = [...grid.children].map((item) => [value(item), item]);
      items.sort((a, b) => (b[0] === a[0] ? a[1].dataset.n - b[1].dataset.n : b[0] > a[0] ? 1 : -1));
      grid.append(...items.map((pair) => pair[1]));
      said.textContent = name ? (name === "status" ? "dead and weak first" : "best or highest first") : "";
    });
  }

  // ---- feature maps, one image at a time
  for (const group of document.querySelectorAll(".switch")) {
    const buttons = [...group.querySelectorAll("button")];
    const show = (i, focus) => buttons.forEach((one, n) => {
      one.setAttribute("aria-checked", String(n === i));
      one.tabIndex = n === i ? 0 : -1;
      document.getElementById(one.dataset.show).hidden = n !== i;
      if (n === i && focus) one.focus();
    });
    group.hidden = false;
    show(0, false);
    buttons.forEach((one, i) => one.addEventListener("click", () => show(i, false)));
    group.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      show((buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length, true);
    });
  }

  // ---- heat map: a cell names its two layers
  for (const table of document.querySelectorAll(".heat")) {
    const picked = document.querySelector(".picked");
    const columns = [...table.querySelectorAll("thead th a")];
    table.tBodies[0].addEventListener("click", (event) => {
      const cell = event.target.closest("td");
      if (!cell) return;
      const row = cell.parentElement.querySelector("th a");
      table.querySelector("[data-picked]")?.removeAttribute("data-picked");
      cell.dataset.picked = "";
      const link = (from, model) => {
        const made = document.createElement("a");
        made.href = from.href;
        made.textContent = `${model} ${from.textContent}`;
        return made;
      };
      const value = (Number(cell.textContent) / 100).toFixed(2);
      picked.hidden = false;
      picked.replaceChildren(`CKA ${value}: `, link(row, table.dataset.one), " and ",
        link(columns[cell.cellIndex - 1], table.dataset.other));
    });
  }

  // ---- what tracking wrote beside the site: an <object> that is missing leaves no error behind
  const boxes = [...document.querySelectorAll(".runs")];
  if (boxes.length && document.body.dataset.published === undefined) {
    const beside = document.createElement("object");
    beside.className = "sidecar";
    beside.type = "text/html";
    beside.tabIndex = -1;
    beside.setAttribute("aria-hidden", "true");
    window.addEventListener("message", (event) => {
      if (event.source !== beside.contentWindow || typeof event.data !== "object" || !event.data) return;
      for (const box of boxes) {
        const { model, layer } = box.dataset;
        const rows = [model, `${model}/${layer}`].map((key) => event.data[key]).filter(Array.isArray).flat();
        if (!rows.length) continue;
        box.hidden = false;
        const list = box.querySelector("dl");
        for (const [name, text, url] of rows) {
          const term = document.createElement("dt");
          const value = document.createElement("dd");
          term.textContent = name;
          const inner = /^https?:\/\//.test(url || "") ? document.createElement("a") : document.createElement("code");
          inner.textContent = text;
          if (inner.tagName === "A") inner.href = url;
          value.append(inner);
          list.append(term, value);
        }
      }
    });
    beside.data = `${root}../report-links.html`;
    document.body.append(beside);
  }
})();
