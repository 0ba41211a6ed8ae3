// Which filters fire at a place of an image, and where in an image a filter fires. What that needs lies beside the pages
// (report/site/places.py) as scripts that call cnnvizPlaces: pages in a folder can load these, and nothing else.
(() => {
  "use strict";
  const { root, version } = document.body.dataset;
  const told = new Map();
  const asked = new Map();
  window.cnnvizPlaces = (name, value) => told.get(name)?.(value);
  function ask(name, src) {
    if (!asked.has(name)) {
      asked.set(name, new Promise((resolve, reject) => {
        told.set(name, resolve);
        const script = document.createElement("script");
        script.src = `${src}?${version}`;
        script.onerror = () => { asked.delete(name); reject(new Error(`${src} is not there`)); };
        document.head.append(script);
      }));
    }
    return asked.get(name);
  }

  // ---- levels: an image's numbers of all filters of a model, 0 to model.levels, cell by cell, in one row
  async function unpacked(text) {
    if (!window.DecompressionStream) throw new Error("this browser is too old to unpack it (DecompressionStream)");
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }
  async function model(key, src) {
    const found = await ask(key, src);
    let start = 0;
    let filters = 0;
    for (const layer of found.layers) {
      layer.across = layer.columns.length - 1;
      layer.cells = (layer.rows.length - 1) * layer.across;
      layer.start = start;
      layer.first = filters; // in the numbering of `over`
      layer.faint = found.faint * Math.max(...layer.highest); // a share of next to nothing says little: such come last
      layer.at = (k) => layer.url.replace(/index\.html$/, `${k}.html`);
      start += layer.highest.length * layer.cells;
      filters += layer.highest.length;
    }
    return found;
  }
  async function image(address, base) {
    const [text, over] = await ask(address, base + address);
    return { levels: await unpacked(text), over };
  }
  // how much each filter fires all over the image: of equally strong ones that which fires least elsewhere comes first
  function everywhere(of, shown) {
    shown.all = new Float32Array(of.layers.reduce((sum, layer) => sum + layer.highest.length, 0));
    for (const layer of of.layers) {
      for (let k = 0, at = layer.start; k < layer.highest.length; k += 1) {
        let sum = 0;
        for (const end = at + layer.cells; at < end; at += 1) sum += shown.levels[at];
        shown.all[layer.first + k] = sum / (layer.cells * of.levels);
      }
    }
    return shown;
  }
  const cellOf = (edges, share) => {
    let i = edges.length - 2;
    while (i > 0 && edges[i] > share) i -= 1;
    return i;
  };
  // a filter's output: in its own units, and as a share of its highest; over: what a level means where it is another
  const output = (of, layer, shown, k, level) => {
    const highest = layer.highest[k];
    const over = shown.over[layer.first + k];
    const share = Math.sqrt(level / of.levels);
    const value = share * (over ?? highest);
    return [value, over === undefined ? share : highest > 0 ? value / highest : Infinity];
  };
  function strongest(of, layer, shown, cell, count) {
    const best = [];
    for (let k = 0, at = layer.start + cell; k < layer.highest.length; k += 1, at += layer.cells) {
      const level = shown.levels[at];
      if (!level) continue;
      const [value, share] = output(of, layer, shown, k, level);
      const rank = share - 1e-4 * shown.all[layer.first + k] - (share <= 1 && layer.highest[k] < layer.faint ? 2 : 0);
      if (best.length === count && best[count - 1].rank >= rank) continue;
      let i = best.length;
      while (i > 0 && best[i - 1].rank < rank) i -= 1;
      best.splice(i, 0, { k, value, share, rank });
      if (best.length > count) best.pop();
    }
    return best;
  }

  // ---- a map over an image
  const INFERNO = [[0, 0, 4], [33, 12, 74], [87, 16, 110], [138, 34, 106], [188, 55, 84], [228, 90, 49], [249, 142, 9],
    [249, 203, 53], [252, 255, 164]];
  const opacity = (share) => 0.25 + 0.6 * share;
  function colour(share) {
    const at = Math.min(Math.max(share, 0), 1) * 8;
    const [a, b] = [INFERNO[Math.floor(at)], INFERNO[Math.ceil(at)]];
    return a.map((v, i) => Math.round(v + (b[i] - v) * (at % 1)));
  }
  function draw(canvas, layer, shares) {
    canvas.width = canvas.height = 560;
    const pen = canvas.getContext("2d");
    const [rows, columns] = [layer.rows, layer.columns].map((edges) => edges.map((e) => Math.round(e * 560)));
    shares.forEach((share, i) => {
      const [y, x] = [Math.floor(i / layer.across), i % layer.across];
      pen.fillStyle = `rgb(${colour(share).join(" ")} / ${opacity(share)})`;
      pen.fillRect(columns[x], rows[y], columns[x + 1] - columns[x], rows[y + 1] - rows[y]);
    });
  }
  const number = (value) => Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(3));
  const percent = (share) => share === Infinity ? "new" : share >= 0.1 ? `${Math.round(100 * share)}%` : `${(100 * share).toFixed(1)}%`;
  // the map of a filter; own: bright is what is strongest in this image, not on any. Returns what to say of it.
  function map(canvas, scale, of, layer, shown, k, own) {
    const from = layer.start + k * layer.cells;
    const values = Array.from(shown.levels.subarray(from, from + layer.cells), (v) => output(of, layer, shown, k, v)[0]);
    const most = Math.max(...values);
    const top = own || !layer.highest[k] ? most : layer.highest[k];
    draw(canvas, layer, values.map((v) => (top > 0 ? v / top : 0)));
    canvas.hidden = false;
    const ramp = document.createElement("div");
    ramp.className = "ramp";
    ramp.style.background = `linear-gradient(90deg, ${INFERNO.map((c) => `rgb(${c.join(" ")})`).join(", ")})`;
    const ends = document.createElement("div");
    ends.className = "ends";
    const what = own ? "its highest in this image" : "its highest on any image here";
    ends.append(span("dark: 0, it does not fire"), span(top > 0 ? `bright: ${number(top)}, ${what}` : "it fires nowhere"));
    scale.replaceChildren(ramp, ends);
    scale.hidden = false;
    if (layer.highest[k] === null) return "Its outputs are not numbers on some image: unknown where it fires.";
    const share = layer.highest[k] > 0 ? ` (${percent(most / layer.highest[k])} of its highest on any image here)` : "";
    return (most > 0 ? `Strongest in this image: ${number(most)}${share}.` : "It does not fire in this image.")
      + (layer.assumed ? " Units of this layer see all of the image: their places are spread over it evenly." : "");
  }
  function span(text) {
    const made = document.createElement("span");
    made.textContent = text;
    return made;
  }
  const failed = (said) => (error) => { said.textContent = `Not to be had: ${error.message}.`; };

  // ---- a filter as a link: its picture, its best natural patch
  const place = (sheet, k) => {
    if (!sheet) return null;
    const i = sheet[3] ? sheet[3].indexOf(k) : k;
    return i < 0 ? null : [i % sheet[1], Math.floor(i / sheet[1])];
  };
  function put(tile, sheet, k) {
    const at = place(sheet, k);
    if (!at) return;
    const inset = sheet[5][k] || [0, 0];
    tile.dataset.kind = sheet[4];
    tile.style.cssText = `--c:${sheet[1]};--r:${sheet[2]};--x:${at[0]};--y:${at[1]}` +
      (inset[0] || inset[1] ? `;--t:${inset[0]};--l:${inset[1]}` : "");
    const src = root + sheet[0];
    const picture = tile.firstChild
      ?? tile.appendChild(Object.assign(document.createElement("img"), { alt: "", loading: "lazy", decoding: "async" }));
    if (picture.getAttribute("src") !== src) picture.src = src;
  }
  function tile() {
    const made = span("");
    made.className = "tile";
    return made;
  }
  function chip() {
    const link = document.createElement("a");
    link.className = "chip";
    const inset = span("");
    inset.className = "inset";
    inset.append(tile());
    const [said, name, much] = [span(""), document.createElement("b"), span("")];
    said.className = "said";
    much.className = "soft";
    said.append(name, " ", much);
    link.append(tile(), inset, said);
    return link;
  }
  function fill(link, layer, one) {
    const [picture, inset, said] = link.children;
    const [rendered, patches] = layer.sheets;
    const made = place(rendered, one.k);
    inset.hidden = !made || !patches;
    if (layer.url) link.href = root + layer.at(one.k);
    if (made || patches) {
      put(picture, made ? rendered : patches, one.k);
      if (!inset.hidden) put(inset.firstChild, patches, one.k);
    } else {
      picture.hidden = true;
    }
    said.firstChild.textContent = one.k;
    said.lastChild.textContent = `${percent(one.share)}, ${number(one.value)}`;
    link.setAttribute("aria-label", `${layer.title} filter ${one.k}, ${percent(one.share)} of its highest, output ${number(one.value)}`);
    link.dataset.filter = one.k;
  }

  // ---- an image's page: which filters fire here?
  const FEW = 4;
  const MANY = 24;
  function look(box) {
    const [stage, here] = [box.querySelector(".stage"), box.querySelector(".here")];
    const [models, layers] = [here.querySelector("[name=model]"), here.querySelector("[name=layer]")];
    const [list, said] = [here.querySelector(".fires"), here.querySelector("[role=status]")];
    const [as, scale] = [box.querySelector(".as"), box.querySelector(".scale")];
    const picture = stage.querySelector("img");
    const plain = [picture.src, stage.style.cssText];
    const local = box.dataset.local;
    const asks = JSON.parse(box.dataset.asks);
    const spot = document.createElement("i");
    const canvas = document.createElement("canvas");
    canvas.hidden = spot.hidden = true;
    spot.className = "spot";
    stage.append(canvas, spot);
    stage.classList.add("live");
    stage.tabIndex = 0;
    stage.setAttribute("role", "application");
    stage.setAttribute("aria-label", "The image: arrow keys choose a place, Enter holds it");
    stage.setAttribute("aria-describedby", "how");
    here.hidden = false;
    let of = null;
    let shown = null;
    let at = [0.5, 0.5];
    let held = false;
    let due = 0;
    let turn = 0;

    async function load() {
      const [key, described, levels, seen, what] = asks[models.selectedIndex];
      const mine = turn += 1;
      said.textContent = "loading …";
      const got = await Promise.all([model(key, local + described), image(levels, local)]);
      if (mine !== turn) return; // another model was chosen meanwhile
      of = got[0];
      shown = everywhere(...got);
      picture.src = seen ? local + seen : plain[0];
      stage.style.cssText = plain[1];
      if (seen) picture.onload = () => {
        stage.style.setProperty("--ratio", `${picture.naturalWidth} / ${picture.naturalHeight}`);
        picture.style.imageRendering = picture.naturalWidth < 100 ? "pixelated" : "";
      };
      as.textContent = seen ? `As ${key} sees it: ${what}.` : "";
      as.hidden = !seen;
      const before = layers.value;
      layers.replaceChildren(...["all, the strongest of each", ...of.layers.map((one) => one.title)].map((text, i) => {
        const option = document.createElement("option");
        option.value = i ? text : "";
        option.textContent = text;
        return option;
      }));
      layers.value = of.layers.some((one) => one.title === before) ? before : "";
      list.replaceChildren();
      clear();
      show();
    }
    const wanted = () => of.layers.filter((one) => !layers.value || one.title === layers.value);
    function show() {
      due = 0;
      if (!of) return;
      const [x, y] = at;
      const found = wanted();
      list.classList.toggle("one", found.length === 1);
      let best = null;
      found.forEach((layer, n) => {
        const item = list.children[n] ?? list.appendChild(row(layer));
        const cell = cellOf(layer.rows, y) * layer.across + cellOf(layer.columns, x);
        const top = strongest(of, layer, shown, cell, found.length > 1 ? FEW : MANY);
        const chips = item.querySelector(".chips");
        top.forEach((one, i) => {
          const link = (chips.children[i] ?? chips.appendChild(entry())).firstChild;
          fill(link, layer, one);
          link.dataset.layer = of.layers.indexOf(layer);
          link.parentElement.hidden = false;
        });
        [...chips.children].slice(top.length).forEach((one) => { one.hidden = true; });
        item.querySelector(".none").hidden = top.length > 0;
        if (top.length && (!best || top[0].rank > best[1].rank)) best = [layer, top[0]];
      });
      const last = found[found.length - 1];
      const [row0, column0] = [cellOf(last.rows, y), cellOf(last.columns, x)];
      const box = [last.columns[column0], last.rows[row0], last.columns[column0 + 1], last.rows[row0 + 1]];
      const percents = box.map((v) => v * 100);
      spot.style.cssText = `left:${percents[0]}%;top:${percents[1]}%;width:${percents[2] - percents[0]}%;height:${percents[3] - percents[1]}%`;
      spot.hidden = false;
      said.textContent = `${Math.round(100 * x)}% across, ${Math.round(100 * y)}% down: `
        + (best ? `${best[0].title} filter ${best[1].k} fires most, at ${percent(best[1].share)} of its highest` : "no filter fires")
        + (held ? "; held, Enter or click lets go" : "")
        + (found.some((one) => one.assumed) ? `; in ${found.filter((one) => one.assumed).map((one) => one.title).slice(0, 3).join(", ")} places are spread evenly over the image, for units there see all of it` : "");
    }
    const entry = () => {
      const item = document.createElement("li");
      item.append(chip());
      return item;
    };
    function row(layer) {
      const [item, title, chips] = [document.createElement("li"), document.createElement("a"), document.createElement("ul")];
      if (layer.url) title.href = root + layer.url;
      title.textContent = layer.title;
      chips.className = "chips";
      const none = span("no filter fires here");
      none.className = "none soft";
      item.append(title, chips, none);
      return item;
    }
    const clear = () => { canvas.hidden = scale.hidden = true; };
    const later = () => { due = due || requestAnimationFrame(show); };
    function point(event) {
      const area = stage.getBoundingClientRect();
      at = [(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height]
        .map((v) => Math.min(Math.max(v, 0), 1));
      clear();
      later();
    }
    function hold(now) {
      held = now;
      stage.classList.toggle("held", held);
      later();
    }
    stage.addEventListener("pointermove", (event) => { if (!held && event.pointerType === "mouse") point(event); });
    stage.addEventListener("click", (event) => {
      if (!held || event.pointerType !== "mouse") point(event);
      hold(event.pointerType === "mouse" ? !held : true);
    });
    stage.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (move && of) {
        const layer = wanted().at(-1);
        const cells = [layer.columns, layer.rows].map((edges, n) => {
          const i = Math.min(Math.max(cellOf(edges, at[n]) + move[n], 0), edges.length - 2);
          return (edges[i] + edges[i + 1]) / 2;
        });
        event.preventDefault();
        at = cells;
        clear();
        later();
      }
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); hold(!held); }
      if (event.key === "Escape") hold(false);
    });
    const over = (event) => {
      const link = event.target.closest(".chip");
      if (!link || !of) return;
      map(canvas, scale, of, of.layers[link.dataset.layer], shown, Number(link.dataset.filter), false);
    };
    list.addEventListener("pointerover", over);
    list.addEventListener("focusin", over);
    list.addEventListener("pointerleave", clear);
    list.addEventListener("focusout", clear);
    models.addEventListener("change", () => load().catch(failed(said)));
    layers.addEventListener("change", () => { list.replaceChildren(); show(); });
    load().catch(failed(said));
  }
  document.querySelectorAll(".look[data-asks]").forEach(look);

  // ---- a filter's page: where does it fire in any image?
  const FORM = `<h2>Where it fires in any image</h2>
    <div class="sides"><div class="stage" style="--ratio: 1"></div><div>
    <div class="choose"><label>Image <select name="image"></select></label>
    <label><input type="checkbox" name="on" checked> map over the image</label>
    <label><input type="checkbox" name="own"> scaled to this image</label></div>
    <div class="thumbs" role="group" aria-label="Images that drive it most"></div>
    <p class="small said" role="status"></p><div class="scale"></div></div></div>`;
  function anywhere(box) {
    box.innerHTML = FORM;
    const [select, on, whole] = ["[name=image]", "[name=on]", "[name=own]"].map((name) => box.querySelector(name));
    const [stage, scale, said, thumbs] = [".stage", ".scale", "[role=status]", ".thumbs"].map((name) => box.querySelector(name));
    const picture = document.createElement("img");
    const canvas = document.createElement("canvas");
    const { model: key, layer: index, filter, first } = box.dataset;
    let turn = 0;
    let shown = null;
    const group = (label, options) => {
      const made = document.createElement("optgroup");
      made.label = label;
      made.append(...options);
      return made;
    };
    async function fillIn() {
      const sets = await ask("images", `${root}assets/places/images.js`);
      const entries = new Map(sets.flatMap(([name, kept, every]) => every.slice(0, kept).map((one, i) => [`${name}/${i}`, one])));
      const option = (id) => {
        const made = document.createElement("option");
        made.value = id;
        made.textContent = `${entries.get(id)[0]} (${id.replace("/", " ")})`;
        return made;
      };
      const strongest = first.trim().split(/\s+/).filter((id) => entries.has(id));
      select.replaceChildren(
        ...(strongest.length ? [group("that drive it most", strongest.map(option))] : []),
        ...sets.filter((one) => one[1]).map(([name, kept]) => group(name, Array.from({ length: kept }, (_, i) => option(`${name}/${i}`)))),
      );
      thumbs.replaceChildren(...strongest.map((id) => {
        const [title, src] = entries.get(id);
        const picture = Object.assign(document.createElement("img"), { src: root + src, alt: "", loading: "lazy" });
        const button = Object.assign(document.createElement("button"), { type: "button", title });
        button.setAttribute("aria-label", `Show ${title}`);
        button.dataset.image = id;
        button.append(picture);
        button.addEventListener("click", () => { select.value = id; select.dispatchEvent(new Event("change")); });
        return button;
      }));
      return entries;
    }
    async function show(entries) {
      const id = select.value;
      const mine = turn += 1;
      const [title, src, page, width, height] = entries.get(id);
      said.textContent = "loading …";
      for (const one of thumbs.children) one.setAttribute("aria-pressed", String(one.dataset.image === id));
      const own = `assets/places/${encodeURIComponent(key)}`;
      const got = await Promise.all([model(key, `${root}${own}.js`),
        image(`${own}/${id.split("/").map(encodeURIComponent).join("_")}.js`, root)]);
      if (mine !== turn) return;
      picture.src = root + src;
      picture.alt = `The image: ${title}`;
      stage.replaceChildren(picture, canvas);
      stage.style.setProperty("--ratio", `${width} / ${height}`);
      shown = [...got, page];
      paint();
    }
    function paint() {
      const [of, levels, page] = shown;
      const text = map(canvas, scale, of, of.layers[index], levels, Number(filter), whole.checked);
      canvas.hidden = scale.hidden = !on.checked;
      const link = document.createElement("a");
      link.href = root + page;
      link.textContent = "All filters in this image";
      said.replaceChildren(`${text} `, link);
    }
    const start = async () => {
      const entries = await fillIn();
      if (!entries.size) throw new Error("no image was kept");
      select.addEventListener("change", () => show(entries).catch(failed(said)));
      for (const one of [on, whole]) one.addEventListener("change", () => shown && paint());
      await show(entries);
    };
    box.hidden = false;
    const near = new IntersectionObserver((found) => {
      if (!found.some((one) => one.isIntersecting)) return;
      near.disconnect();
      start().catch(failed(said));
    }, { rootMargin: "200px" });
    near.observe(box);
  }
  document.querySelectorAll(".anywhere").forEach(anywhere);
})();
