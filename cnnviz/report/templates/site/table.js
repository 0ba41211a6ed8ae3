// Tables of filters: sorted by a heading, narrowed by text, status and range. Those of a network come from a file.
(() => {
  "use strict";
  const STEP = 100; // rows of a network that are made at once
  const STATES = ["any", "rendered", "ok", "weak", "dead", "not rendered"];
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // ---- where rows come from: {count, columns: [{name, title, first, values}], number, texts, row, step}
  function ofPage(table) {
    const rows = [...table.tBodies[0].rows];
    const numbers = rows.map((row) => row.cells[0].textContent);
    const columns = [...table.tHead.rows[0].cells].slice(1).map((head, c) => {
      const texts = rows.map((row) => row.cells[c + 1].textContent.trim());
      const values = head.dataset.first ? texts.map((text) => (text === "" ? undefined : Number(text))) : texts;
      const order = head.dataset.order && JSON.parse(head.dataset.order);
      return { name: head.dataset.name, title: head.textContent, first: head.dataset.first, order, values };
    });
    return { count: rows.length, columns, number: (i) => numbers[i], place: () => "", row: (i) => rows[i], step: Infinity };
  }

  function ofFile(head, values, root) {
    const starts = [0];
    for (const layer of head.layers) starts.push(starts[starts.length - 1] + layer[2]);
    const made = head.layers.map((layer) => new Map(layer[5].map(([k, x, y]) => [k, [x, y]])));
    const columns = head.columns.map(([name, title, first, meaning, order], c) => ({ name, title, first, meaning, order, values: values[c] }));
    const at = (i) => {
      let low = 0;
      let high = head.layers.length;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (starts[middle] <= i) low = middle; else high = middle;
      }
      return low;
    };
    function picture(which, k) {
      const [, , , patches, drawn] = head.layers[which];
      const own = drawn && made[which].get(k);
      const element = make("i");
      const [sheet, x, y] = own ? [drawn, ...own] : [patches, patches && k % patches[1], patches && Math.floor(k / patches[1])];
      if (!sheet) return element;
      element.style.backgroundImage = `url("${root}${sheet[0]}")`;
      const values = { "--x": x, "--y": y, "--c": sheet[1], "--r": sheet[2] };
      for (const [name, value] of Object.entries(values)) element.style.setProperty(name, value);
      return element;
    }
    function row(i) {
      const which = at(i);
      const k = i - starts[which];
      const [title, folder] = head.layers[which];
      const link = make("a", { href: `${root}${folder}/${k}.html` }, picture(which, k), `${title} ${k}`);
      const found = make("tr", {}, make("th", { scope: "row" }, link));
      if (made[which].has(k)) found.className = "m";
      found.dataset.kind = found.className ? "made" : "natural";
      for (const column of columns) found.append(make("td", {}, String(column.values[i] ?? "")));
      return found;
    }
    const first = (i) => made[at(i)].has(i - starts[at(i)]); // rendered filters, of which there is most to say
    return {
      first, count: starts[starts.length - 1], columns, number: (i) => String(i - starts[at(i)]),
      place: (i) => head.layers[at(i)][0].toLowerCase(), row, step: STEP,
    };
  }

  // ---- one table
  function run(table, source) {
    const body = table.tBodies[0];
    const state = { by: -1, down: true, text: "", status: "any", column: -1, low: -Infinity, high: Infinity, below: false };
    const status = source.columns.findIndex((column) => column.name === "status");
    const texts = source.columns.filter((column) => !column.first);
    let picked = [];
    let limit = source.step;

    const said = make("span", { class: "small soft", role: "status" });
    const words = make("input", { type: "text", size: 14, autocomplete: "off", spellcheck: "false" });
    const states = make("select", {}, ...STATES.map((one) => make("option", {}, one)));
    const ranged = make("select", {}, make("option", { value: -1 }, "any measure"));
    source.columns.forEach((column, c) => column.first && ranged.append(make("option", { value: c }, column.title)));
    const [low, high] = ["from", "to"].map((what) => make("input", { type: "text", inputmode: "decimal", size: 7, "aria-label": what }));
    const clear = make("button", { type: "button" }, "clear");
    const pictures = make("button", { type: "button", "aria-pressed": "false" }, "as pictures");
    const more = make("button", { type: "button", hidden: "" });
    const tools = make("div", { class: "sift" }, make("label", {}, "Find ", words));
    if (status >= 0) tools.append(make("label", {}, "Status ", states));
    tools.append(make("label", {}, "Measure ", ranged), make("span", {}, "from ", low, " to ", high), clear, pictures, said);
    const box = table.closest(".every-box");
    box.before(tools);
    box.append(more);

    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, c) => {
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => sort(c - 1));
    });

    function sort(by) {
      const first = by >= 0 && source.columns[by].first === "high";
      if (state.by !== by) Object.assign(state, { by, down: first });
      else if (state.down === first && by >= 0) state.down = !first;
      else state.by = -1;
      show();
    }
    function fits(i) {
      if (state.status !== "any" && status >= 0) {
        const own = source.columns[status].values[i] || "";
        if (state.status === "rendered" ? !own : state.status === "not rendered" ? own : own !== state.status) return false;
      }
      if (state.column >= 0) {
        const value = source.columns[state.column].values[i];
        if (value === undefined || value < state.low || value > state.high || (state.below && value >= state.high)) return false;
      }
      for (const word of state.text.split(/\s+/).filter(Boolean)) {
        if (/^\d+$/.test(word) ? source.number(i) === word : source.place(i).includes(word)) continue;
        if (!texts.some((column) => (column.values[i] || "").toLowerCase().includes(word))) return false;
      }
      return true;
    }
    function show() {
      picked = [];
      for (let i = 0; i < source.count; i += 1) if (fits(i)) picked.push(i);
      if (state.by >= 0) {
        const { first, order: places, ...column } = source.columns[state.by];
        const values = places ? column.values.map((text) => (text ? places.indexOf(text) : undefined)) : column.values;
        const sign = state.down ? -1 : 1;
        const order = (a, b) => (first || places ? a - b : a < b ? -1 : a > b ? 1 : 0);
        const known = picked.filter((i) => values[i] !== undefined && values[i] !== "");
        const rest = picked.filter((i) => values[i] === undefined || values[i] === "");
        known.sort((a, b) => sign * order(values[a], values[b]) || a - b);
        picked = known.concat(rest);
      } else if (source.first) {
        picked = picked.filter(source.first).concat(picked.filter((i) => !source.first(i)));
      }
      heads.forEach((head, c) => {
        if (c - 1 === state.by && state.by >= 0) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      limit = source.step;
      draw();
      const many = (n) => n.toLocaleString("en");
      said.textContent = picked.length === source.count ? `${many(source.count)} filters` : `${many(picked.length)} of ${many(source.count)} filters`;
    }
    function draw() {
      const shown = picked.slice(0, limit);
      body.replaceChildren(...shown.map(source.row));
      more.hidden = picked.length <= limit;
      more.textContent = `${Math.min(STEP, picked.length - limit)} more`;
    }
    const number = (text, otherwise) => (text.trim() === "" || Number.isNaN(Number(text)) ? otherwise : Number(text));
    function read() {
      state.text = words.value.toLowerCase();
      state.status = states.value;
      state.column = Number(ranged.value);
      state.low = number(low.value, -Infinity);
      state.high = number(high.value, Infinity);
      state.below = false;
      show();
    }
    function empty() {
      for (const one of [words, low, high]) one.value = "";
      states.value = "any";
      ranged.value = "-1";
      read();
    }
    for (const one of [words, states, ranged, low, high]) one.addEventListener("input", read);
    clear.addEventListener("click", empty);
    more.addEventListener("click", () => { limit += STEP; draw(); });
    pictures.addEventListener("click", () => {
      const on = pictures.getAttribute("aria-pressed") !== "true";
      pictures.setAttribute("aria-pressed", String(on));
      table.classList.toggle("pictures", on);
    });

    // an address may ask: ?<measure>=<from>..<to>, to of which a < before it leaves out the end; ?sort=<measure>
    for (const [name, asked] of new URLSearchParams(location.search)) {
      const column = source.columns.findIndex((one) => one.name === (name === "sort" ? asked : name));
      if (column < 0) continue;
      if (name === "sort") Object.assign(state, { by: column, down: source.columns[column].first === "high" });
      else {
        const [from, to = ""] = asked.split("..");
        ranged.value = String(column);
        low.value = from;
        high.value = to.replace("<", "");
        const ends = { low: number(low.value, -Infinity), high: number(high.value, Infinity) };
        Object.assign(state, { column, below: to.startsWith("<"), ...ends });
      }
    }
    if (source.step !== Infinity || state.by >= 0 || state.column >= 0) show();
    else said.textContent = `${source.count.toLocaleString("en")} filters`;

    function reveal() { // a filter that the address names is shown, whatever was asked for
      const row = /^#\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
      if (location.hash.length > 1 && /^#\d+$/.test(location.hash) && !row) empty();
    }
    window.addEventListener("hashchange", reveal);
  }

  for (const table of document.querySelectorAll("table.every")) {
    if (!table.dataset.src) {
      if (table.tBodies[0].rows.length > 1) run(table, ofPage(table));
      continue;
    }
    window.cnnvizTable = (head, values) => {
      const titles = [["filter", ""], ...head.columns.map(([, title, , meaning]) => [title, meaning])];
      table.tHead.rows[0].replaceChildren(...titles.map(([title, meaning]) => make("th", { scope: "col", title: meaning }, title)));
      table.closest("[hidden]").hidden = false;
      run(table, ofFile(head, values, document.body.dataset.root));
    };
    document.head.append(make("script", { src: `${table.dataset.src}?${document.body.dataset.version}` }));
  }
})();
