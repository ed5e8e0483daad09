// The delta knob. All frames arrive once; moving the knob never asks the server. On release the frame number goes
// back as the state "frame". `data` is made by dashboard/parts/knob.py, where its fields are described.

// Display choices outlive one sweep: a reader who inverted the film wants the next one inverted as well.
const taste = { invert: false, overlay: false, opacity: 0.6, arrows: false, organs: false };
const RELEASE_MS = 220; // arrow keys held down are one release, not twenty

class Knob {
  constructor(root) {
    this.root = root.querySelector(".knob");
    this.one = (selector) => this.root.querySelector(selector);
    this.show = (name, text) => this.root.querySelectorAll(`[data-show="${name}"]`).forEach((n) => (n.textContent = text));
    this.listeners = new AbortController();
    this.window = { centre: 0.5, width: 1 };
    this.listen();
  }

  // Called at the start and again whenever the server sends other data or the theme changes.
  update({ data, setStateValue }) {
    this.send = setStateValue;
    followTheme(this.root);
    if (this.data?.key !== data.key) this.load(data);
    this.draw();
  }

  load(data) {
    this.data = data;
    this.index = clamp(data.start, 0, data.requested.length - 1);
    this.sent = this.index;
    const panels = [...this.root.querySelectorAll(".panel")];
    this.stage?.close();
    this.canvases = panels.map((p) => {
      const canvas = p.querySelector("canvas");
      canvas.width = data.width;
      canvas.height = data.height;
      return canvas.getContext("2d");
    });
    this.images = this.canvases.map((c) => c.createImageData(data.width, data.height));
    this.stage = new Stage(panels, data.width, data.height, {
      window: (dx, dy) => this.setWindow(this.window.centre - dy / 500, this.window.width + dx / 350),
      reset: () => this.setWindow(0.5, 1),
      layout: (zoom) => this.show("zoom", `${Math.round(zoom * 100)} %`),
      point: (at) => this.point(at),
    });
    const slider = this.one('[data-set="frame"]');
    slider.max = data.requested.length - 1;
    slider.value = this.index;
    slider.setAttribute("aria-label", `Delta: how much more or less ${data.target} to ask for`);
    this.one('[data-set="opacity"]').value = taste.opacity;
    this.root.querySelectorAll('[data-show="side"]').forEach((n) => (n.hidden = data.modality !== "chest"));
    this.one('[data-row="witness"]').hidden = !data.witness;
    this.one('[data-do="arrows"]').hidden = !data.arrows;
    this.one('[data-do="organs"]').hidden = !data.organs;
    this.one('p[data-show="organs"]').hidden = !data.organs;
    this.show("less", `◂ less ${data.target}`);
    this.show("more", `more ${data.target} ▸`);
    this.show("of", data.colour ? "in brightness, changed − original" : "changed − original");
    this.show("query", `classifier ${percent(data.query)}`);
    this.show("plus", `+${data.limit}`);
    this.show("minus", `−${data.limit}`);
    this.ramp();
    this.ticks();
    for (const name of ["requested", "achieved", "witness"]) {
      if (!data[name]) continue;
      const mark = this.one(`[data-bar="${name}"] + u`);
      mark.style.left = `${100 * data[name][data.origin]}%`;
      mark.title = `at the start: ${percent(data[name][data.origin])}`;
    }
    this.unpack(data);
  }

  async unpack(data) {
    this.changes = new Array(data.requested.length).fill(null);
    this.base = null;
    this.one('[data-show="waiting"]').hidden = false;
    this.base = await decode(data.base);
    const order = data.changes.map((_, i) => i).sort((a, b) => Math.abs(a - this.index) - Math.abs(b - this.index));
    for (const i of order) {
      if (this.data !== data || this.closed) return;
      if (data.changes[i]) this.changes[i] = await decode({ mime: data.mime, data: data.changes[i] });
      if (i === order[0]) this.draw();
    }
    this.root.dataset.ready = "1";
    this.draw();
  }

  // --- what the reader does ------------------------------------------------------------------------------------

  listen() {
    const on = (node, name, f) => node.addEventListener(name, f, { signal: this.listeners.signal });
    on(this.root, "click", (e) => {
      const action = e.target.closest("[data-do]")?.dataset.do;
      if (action) this.act(action);
    });
    on(this.root, "input", (e) => {
      const name = e.target.dataset.set;
      const value = Number(e.target.value);
      if (name === "frame") this.go(value);
      else if (name === "opacity") {
        Object.assign(taste, { opacity: value, overlay: true });
        this.draw();
      } else if (name) this.setWindow(...(name === "centre" ? [value, this.window.width] : [this.window.centre, value]));
    });
    on(this.root, "change", (e) => {
      if (e.target.dataset.set === "frame") this.release();
    });
    on(document, "keydown", (e) => {
      const action = { d: "overlay", i: "invert", a: "arrows", o: "organs" }[e.key.toLowerCase()];
      if (action && !typing(e) && !this.one(`[data-do="${action}"]`).hidden) this.act(action);
    });
    const curve = this.one(".curve svg");
    const follow = (e) => {
      const at = new DOMPoint(e.clientX, e.clientY).matrixTransform(curve.getScreenCTM().inverse());
      const p = (at.x - PLOT.left) / (PLOT.right - PLOT.left);
      let best = 0;
      this.data.requested.forEach((r, i) => {
        if (Math.abs(r - p) < Math.abs(this.data.requested[best] - p)) best = i;
      });
      this.go(best);
    };
    on(curve, "pointerdown", (e) => {
      curve.setPointerCapture(e.pointerId);
      follow(e);
    });
    on(curve, "pointermove", (e) => e.buttons & 1 && follow(e));
    on(curve, "pointerup", () => this.release());
  }

  act(action) {
    if (action === "in") this.stage.zoom(1.25);
    else if (action === "out") this.stage.zoom(0.8);
    else if (action === "reset") this.stage.reset();
    else taste[action] = !taste[action];
    this.draw();
  }

  go(index) {
    if (index === this.index) return;
    this.index = index;
    this.one('[data-set="frame"]').value = index;
    this.draw();
  }

  release() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.closed || this.sent === this.index) return;
      this.sent = this.index;
      this.send("frame", this.index);
    }, RELEASE_MS);
  }

  setWindow(centre, width) {
    this.window = { centre: clamp(centre, 0, 1), width: clamp(width, 0.05, 1.5) };
    this.one('[data-set="centre"]').value = this.window.centre;
    this.one('[data-set="width"]').value = this.window.width;
    this.draw();
  }

  point(at) {
    if (!at || !this.base) return this.show("readout", "");
    const i = 4 * (at.y * this.data.width + at.x);
    const before = this.grey(this.base, i) / 255;
    const change = this.changeAt(i);
    const after = clamp(before + change, 0, 1);
    this.show("readout", `x ${at.x}  y ${at.y}   ${before.toFixed(2)} → ${after.toFixed(2)}  (${signed(change, 3)})`);
  }

  // --- pixels --------------------------------------------------------------------------------------------------

  grey(rgba, i) {
    return 0.299 * rgba[i] + 0.587 * rgba[i + 1] + 0.114 * rgba[i + 2];
  }

  // The change at RGBA offset i, as a fraction of the grey range. A JPEG of "nothing" may ring by one code.
  changeAt(i) {
    const change = this.changes[this.index];
    const code = change ? this.grey(change, i) - 128 : 0;
    return Math.abs(code) <= 1 ? 0 : (code * this.data.unit) / 127 / 255;
  }

  draw() {
    if (this.waitingForFrame) return;
    this.waitingForFrame = true;
    requestAnimationFrame(() => {
      this.waitingForFrame = false;
      if (!this.closed) this.paint();
    });
  }

  paint() {
    this.numbers();
    this.curve();
    for (const name of ["invert", "overlay", "arrows", "organs"]) this.one(`[data-do="${name}"]`).setAttribute("aria-pressed", taste[name]);
    this.arrows();
    this.organs();
    if (!this.base) return;
    const ready = this.changes[this.index] !== null || !this.data.changes[this.index];
    this.one('[data-show="waiting"]').hidden = ready;
    const table = windowTable(256, 255 * this.window.centre, 255 * this.window.width, taste.invert);
    const [original, changed, difference] = this.images.map((image) => new Uint32Array(image.data.buffer));
    this.films(table, original, changed, difference);
    this.canvases.forEach((c, i) => c.putImageData(this.images[i], 0, 0));
  }

  films(table, original, changed, difference) {
    const { base, data } = this;
    const change = this.changes[this.index];
    const colour = data.colour;
    const colours = this.colours;
    const alpha = taste.overlay ? taste.opacity : 0;
    const step = new Float32Array(256).map((_, code) => (Math.abs(code - 128) <= 1 ? 0 : (code - 128) * (data.unit / 127)));
    for (let i = 0, j = 0; i < original.length; i++, j += 4) {
      let r = base[j];
      let g = colour ? base[j + 1] : r;
      let b = colour ? base[j + 2] : r;
      original[i] = 0xff000000 | (table[b] << 16) | (table[g] << 8) | table[r];
      if (!change) {
        changed[i] = original[i];
        difference[i] = colours[128];
        continue;
      }
      let shift; // in 8-bit grey levels
      if (colour) {
        const dr = step[change[j]];
        const dg = step[change[j + 1]];
        const db = step[change[j + 2]];
        shift = 0.299 * dr + 0.587 * dg + 0.114 * db;
        r = clamp(Math.round(r + dr), 0, 255);
        g = clamp(Math.round(g + dg), 0, 255);
        b = clamp(Math.round(b + db), 0, 255);
      } else {
        shift = step[change[j]];
        r = g = b = clamp(Math.round(r + shift), 0, 255);
      }
      const place = shift / (255 * data.limit); // -1 .. 1 on the colour scale
      difference[i] = colours[clamp(Math.round(128 + 127 * place), 1, 255)];
      r = table[r];
      g = table[g];
      b = table[b];
      if (alpha && place) {
        const a = alpha * Math.min(1, 1.6 * Math.abs(place));
        const tint = place > 0 ? [255, 150, 40] : [60, 150, 255];
        r += a * (tint[0] - r);
        g += a * (tint[1] - g);
        b += a * (tint[2] - b);
      }
      changed[i] = 0xff000000 | (b << 16) | (g << 8) | r;
    }
  }

  ramp() {
    // [256][3], entry 128 is "no change"; the server sends the one table every map of the app uses.
    this.colours = new Uint32Array(this.data.colours.map(([r, g, b]) => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0));
    const canvas = this.one(".ramp canvas").getContext("2d");
    const image = canvas.createImageData(1, 255);
    new Uint32Array(image.data.buffer).forEach((_, i, all) => (all[i] = this.colours[255 - i]));
    canvas.putImageData(image, 0, 0);
  }

  arrows() {
    const draw = (d) => this.root.querySelectorAll(".shafts").forEach((path) => path.setAttribute("d", d));
    const { arrows, width, height } = this.data;
    if (!taste.arrows || !arrows) return draw("");
    let d = "";
    for (const [tx, ty, dx, dy] of arrows.frames[this.index]) {
      const [x, y] = [tx * width, ty * height];
      const [ux, uy] = [dx * width * arrows.gain, dy * height * arrows.gain];
      const length = Math.hypot(ux, uy);
      const head = Math.min(length, 0.014 * width) / length;
      const [hx, hy] = [ux * head, uy * head];
      d += `M${x - ux} ${y - uy}L${x} ${y}M${x - hx - 0.6 * hy} ${y - hy + 0.6 * hx}L${x} ${y}L${x - hx + 0.6 * hy} ${y - hy - 0.6 * hx}`;
    }
    draw(d);
  }

  // The original's outlines on the original; on the changed picture its own, and where the heart was before.
  organs() {
    const { organs, width, height, origin } = this.data;
    const draw = (panel, kind, frame) => {
      const lines = taste.organs && organs ? organs.frames[frame].filter((line) => line.organ === kind.split(/[.:]/)[0]) : [];
      const d = lines.map(({ points }) => "M" + points.map(([x, y]) => `${x * width} ${y * height}`).join("L") + "Z");
      this.one(`[data-panel="${panel}"] .organ.${kind}`).setAttribute("d", d.join(""));
    };
    for (const kind of ["lungs", "heart"]) {
      draw("original", kind, origin);
      draw("changed", kind === "heart" ? "heart:not(.was)" : kind, this.index);
    }
    draw("changed", "heart.was", origin);
  }

  // --- numbers and curve ---------------------------------------------------------------------------------------

  numbers() {
    const { data, index: i } = this;
    const delta = data.requested[i] - data.query;
    const atOrigin = i === data.origin;
    this.show("delta", atOrigin ? "δ = 0" : `δ = ${signed(delta, 2)}`);
    this.show("title", atOrigin ? "Unchanged" : "Changed");
    this.show("answer", `classifier ${percent(data.achieved[i])}`);
    this.show("words", data.words[i]);
    this.show("movement", data.movement?.[i] ?? "");
    this.show("organs", data.organs?.words[i] ?? "");
    this.show("extent", atOrigin ? "no change" : `mean change ${(100 * data.distance[i]).toFixed(1)} % of the grey range`);
    const layers = [taste.overlay && "overlay on", taste.arrows && data.arrows && `movement × ${data.arrows.gain}`];
    if (taste.organs && data.organs && !atOrigin) layers.push("dashed: the heart before");
    this.show("layers", layers.filter(Boolean).join("  ·  "));
    const altered = this.window.centre !== 0.5 || this.window.width !== 1;
    const note = this.one('[data-show="window"]');
    note.textContent = altered ? `W ${this.window.width.toFixed(2)}  L ${this.window.centre.toFixed(2)}  ` : "";
    if (taste.invert) note.append(Object.assign(document.createElement("span"), { className: "amber", textContent: "Shown inverted" }));
    for (const name of ["requested", "achieved", "witness"]) {
      if (!data[name]) continue;
      this.one(`[data-bar="${name}"]`).style.width = `${100 * data[name][i]}%`;
      this.show(name, percent(data[name][i]));
      const more = document.createElement("small");
      const before = name === "achieved" ? data.query : data[name][data.origin];
      const was = atOrigin || name === "requested" ? "" : `  was ${percent(before)}`;
      const met = atOrigin || name !== "achieved" ? "" : data.reached[i] ? ", reached" : ", not reached";
      more.textContent = was + met;
      this.one(`[data-show="${name}"]`).append(more);
    }
    const slider = this.one('[data-set="frame"]');
    slider.setAttribute(
      "aria-valuetext",
      `delta ${signed(delta, 2)}, asked for ${percent(data.requested[i])}, classifier says ${percent(data.achieved[i])}` + (data.reached[i] ? "" : ", not reached"),
    );
    for (const panel of this.root.querySelectorAll(".panel")) {
      const what = { original: `the original, classifier ${percent(data.query)}`, changed: `the changed picture, classifier ${percent(data.achieved[i])}`, difference: "signed difference between the two" };
      panel.setAttribute("aria-label", `${data.target}: ${what[panel.dataset.panel]}`);
    }
    this.root.dataset.frame = i;
  }

  ticks() {
    const { data } = this;
    const last = data.requested.length - 1;
    const ticks = this.one(".ticks");
    ticks.replaceChildren();
    data.requested.forEach((p, i) => {
      const origin = i === data.origin;
      const round = i === 0 || i === last || [0.25, 0.5, 0.75].some((q) => Math.abs(p - q) < 1e-6);
      if (!origin && (!round || Math.abs(i - data.origin) < 3)) return;
      const tick = document.createElement("span");
      const text = document.createElement("b"); // near an end it is shifted to fit; the mark stays at its frame
      text.textContent = origin ? `${percent(p)}: the original` : percent(p);
      tick.className = origin ? "origin" : "";
      tick.style.left = `${(100 * i) / last}%`;
      if (origin && i < 3) text.style.transform = `translateX(${i ? "-20%" : "0"})`;
      if (origin && i > last - 3) text.style.transform = `translateX(${i < last ? "-80%" : "-100%"})`;
      tick.append(text);
      ticks.append(tick);
    });
    // On a narrow screen the original's label may reach further than its neighbours allow.
    const own = ticks.querySelector(".origin b").getBoundingClientRect();
    for (const tick of ticks.querySelectorAll("span:not(.origin)")) {
      const box = tick.firstChild.getBoundingClientRect();
      if (own.width && box.right > own.left - 4 && box.left < own.right + 4) tick.firstChild.hidden = true;
    }
  }

  curve() {
    const { data, index } = this;
    const svg = this.one(".curve svg");
    if (this.drawnCurve !== data) {
      this.drawnCurve = data;
      svg.innerHTML = curveMarkup(data); // numbers only; no text of a user goes in here
    }
    const x = px(data.requested[index]);
    const y = py(data.achieved[index]);
    svg.querySelector(".moving").innerHTML =
      `<path class="drop" d="M${x} ${PLOT.bottom}V${y}H${PLOT.left}"/><circle class="now" cx="${x}" cy="${y}" r="7"/>`;
    svg.setAttribute("aria-label", `Requested against achieved probability. Now: asked for ${percent(data.requested[index])}, got ${percent(data.achieved[index])}.`);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.listeners.abort();
    this.stage?.close();
  }
}

const PLOT = { left: 52, right: 432, top: 8, bottom: 180 };
const px = (p) => PLOT.left + p * (PLOT.right - PLOT.left);
const py = (p) => PLOT.bottom - p * (PLOT.bottom - PLOT.top);

// The part of the curve that does not move with the knob.
function curveMarkup(data) {
  const line = (values) => "M" + values.map((v, i) => `${px(data.requested[i]).toFixed(1)} ${py(v).toFixed(1)}`).join("L");
  const marks = [0, 0.25, 0.5, 0.75, 1];
  const grid = marks.map((m) => `<path class="grid" d="M${px(m)} ${PLOT.top}V${PLOT.bottom}M${PLOT.left} ${py(m)}H${PLOT.right}"/>`).join("");
  const labels = marks
    .map((m) => `<text x="${px(m)}" y="${PLOT.bottom + 15}" text-anchor="middle">${100 * m}</text><text x="${PLOT.left - 6}" y="${py(m) + 4}" text-anchor="end">${100 * m}</text>`)
    .join("");
  const dots = data.achieved
    .map((v, i) => (data.reached[i] ? `<circle class="dot" cx="${px(data.requested[i])}" cy="${py(v)}" r="3"/>` : `<circle class="missed" cx="${px(data.requested[i])}" cy="${py(v)}" r="3.2"/>`))
    .join("");
  const qx = px(data.query);
  const qy = py(data.query);
  const missed = data.reached.some((r) => !r);
  const key = [
    ['<path class="line-f" d="M0 -4H18"/><circle class="dot" cx="9" cy="-4" r="3"/>', "classifier", 82],
    data.witness && ['<path class="line-w" d="M0 -4H18"/>', "independent network", 138],
    missed && ['<circle class="missed" cx="9" cy="-4" r="3.2"/>', "not reached", 90],
    ['<path class="query" d="M9 -10l6 6l-6 6l-6 -6z"/>', "original", 70],
  ].filter(Boolean);
  let at = PLOT.left - 30;
  const legend = key.map(([mark, text, wide]) => {
    const item = `<g transform="translate(${at} 228)">${mark}<text x="24" y="0">${text}</text></g>`;
    at += wide + 12;
    return item;
  });
  return `${grid}<path class="frame" d="M${PLOT.left} ${PLOT.top}H${PLOT.right}V${PLOT.bottom}H${PLOT.left}Z"/>
    <path class="identity" d="M${px(0)} ${py(0)}L${px(1)} ${py(1)}"/>
    ${data.witness ? `<path class="line-w" d="${line(data.witness)}"/>` : ""}
    <path class="line-f" d="${line(data.achieved)}"/>${dots}
    <path class="query" d="M${qx} ${qy - 7}l7 7l-7 7l-7 -7z"/><g class="moving"></g>${labels}
    <text class="strong" x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 29}" text-anchor="middle">asked for, %</text>
    <text class="strong" transform="translate(13 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)" text-anchor="middle">measured, %</text>
    ${legend.join("")}`;
}

export default function (component) {
  const parent = component.parentElement;
  // Streamlit calls this again with the same parent when data or theme change, without cleaning up in between.
  parent.knob ??= new Knob(parent);
  parent.knob.update(component);
  return () => {
    parent.knob?.close();
    delete parent.knob;
  };
}
