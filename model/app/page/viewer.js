// Shows pictures of any size in tiles: the result, a frame on the other side of a divider, and an overlay.

const TILE = 512;
const MOST_TILES = 600;
const NEAR_DIVIDER = 12; // CSS pixels

export class Viewer {
  // tileUrl(layer, level, row, column) gives an address; onStroke(points) is told of what was painted, in pixels of the
  // picture.
  constructor(canvas, { tileUrl, onStroke, onChange }) {
    this.canvas = canvas;
    this.tileUrl = tileUrl;
    this.onStroke = onStroke;
    this.onChange = onChange;
    this.width = this.height = 0;
    this.versions = {};
    this.compare = null;
    this.overlay = null;
    this.opacity = 0.5;
    this.divider = 0.5;
    this.tool = "move";
    this.radius = 20; // pixels of the picture
    this.tiles = new Map();
    this.view = { scale: 1, x: 0, y: 0 };
    this.pointers = new Map();
    this.stroke = null;
    this.unfinished = []; // strokes that the server has not painted yet
    this.hover = null;
    new ResizeObserver(() => this.resize()).observe(canvas);
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.up(event));
    canvas.addEventListener("pointerleave", () => { this.hover = null; this.redraw(); });
  }

  // A picture of this size; `version` of the result changes its tiles' addresses.
  show(width, height, versions) {
    const other = width !== this.width || height !== this.height;
    Object.assign(this, { width, height, versions });
    if (other) this.fit();
    this.redraw();
  }

  clear() {
    this.width = this.height = 0;
    this.tiles.clear();
    this.redraw();
  }

  get ratio() { return window.devicePixelRatio || 1; }
  get levels() { return Math.max(0, Math.ceil(Math.log2(Math.max(this.width, this.height) / TILE))); }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    const before = [this.canvas.width, this.canvas.height];
    this.canvas.width = Math.round(box.width * this.ratio);
    this.canvas.height = Math.round(box.height * this.ratio);
    if (this.width && before[0] && this.fitted) this.fit();
    this.redraw();
  }

  fit() {
    const { width, height } = this.canvas;
    const scale = Math.min(width / this.width, height / this.height) || 1;
    this.view = { scale, x: (width - this.width * scale) / 2, y: (height - this.height * scale) / 2 };
    this.fitted = true;
    this.redraw();
  }

  zoom(factor, x = this.canvas.width / 2, y = this.canvas.height / 2) {
    const least = Math.min(1, this.canvas.width / this.width, this.canvas.height / this.height) / 2;
    const scale = Math.min(32, Math.max(least, this.view.scale * factor));
    const used = scale / this.view.scale;
    this.view = { scale, x: x - (x - this.view.x) * used, y: y - (y - this.view.y) * used };
    this.fitted = false;
    this.redraw();
  }

  full() { this.zoom(1 / this.view.scale); }

  pan(x, y) {
    this.view.x += x;
    this.view.y += y;
    this.fitted = false;
    this.redraw();
  }

  // Canvas pixels of an event, and pixels of the picture below them.
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio];
  }

  inside([x, y]) {
    const { scale } = this.view;
    return [(x - this.view.x) / scale - 0.5, (y - this.view.y) / scale - 0.5];
  }

  wheel(event) {
    if (!this.width) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 20 : 1;
    this.zoom(Math.exp(-event.deltaY * lines * 0.002), ...this.at(event));
  }

  down(event) {
    if (!this.width || event.button > 0) return;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const place = this.at(event);
    this.pointers.set(event.pointerId, place);
    if (this.pointers.size === 2) { // two fingers zoom, whatever the tool
      this.drag = "pinch";
      this.stroke = null;
    } else if (this.compare !== null && this.tool === "move"
        && Math.abs(place[0] - this.divider * this.canvas.width) < NEAR_DIVIDER * this.ratio) {
      this.drag = "divider";
    } else if (this.tool === "brush") {
      this.drag = "brush";
      this.stroke = [this.inside(place)];
    } else {
      this.drag = "pan";
    }
    this.redraw();
  }

  moved(event) {
    const place = this.at(event);
    this.hover = place;
    const before = this.pointers.get(event.pointerId);
    if (before) {
      this.pointers.set(event.pointerId, place);
      if (this.drag === "pan") this.pan(place[0] - before[0], place[1] - before[1]);
      if (this.drag === "divider") this.divider = Math.min(1, Math.max(0, place[0] / this.canvas.width));
      if (this.drag === "brush" && this.stroke) {
        const events = event.getCoalescedEvents?.() ?? [];
        for (const one of events.length ? events : [event]) this.stroke.push(this.inside(this.at(one)));
      }
      if (this.drag === "pinch") this.pinch(event.pointerId, before, place);
    } else if (this.tool === "move") {
      const near = this.compare !== null
        && Math.abs(place[0] - this.divider * this.canvas.width) < NEAR_DIVIDER * this.ratio;
      this.canvas.style.cursor = near ? "ew-resize" : "grab";
    }
    this.redraw();
  }

  pinch(moving, before, place) {
    const [, still] = [...this.pointers].find(([id]) => id !== moving) ?? [];
    if (!still) return;
    const length = (point) => Math.hypot(point[0] - still[0], point[1] - still[1]);
    const middle = [(place[0] + still[0]) / 2, (place[1] + still[1]) / 2];
    this.pan((place[0] - before[0]) / 2, (place[1] - before[1]) / 2);
    this.zoom(length(place) / Math.max(1, length(before)), ...middle);
  }

  up(event) {
    if (this.drag === "brush" && this.stroke && event.type === "pointerup") this.onStroke(this.stroke);
    this.stroke = null;
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.drag = null;
    this.redraw();
  }

  redraw() {
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => {
      this.pending = null;
      this.draw();
      this.onChange();
    });
  }

  draw() {
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.width) return;
    context.imageSmoothingEnabled = this.view.scale < 3;
    const edge = this.divider * this.canvas.width;
    this.wanted = new Set();
    if (this.compare === null) {
      this.drawLayer(context, "result", 0, this.canvas.width);
    } else {
      this.drawLayer(context, "result", 0, edge);
      this.drawLayer(context, this.compare, edge, this.canvas.width);
    }
    if (this.overlay) {
      this.drawOverlay(context);
    }
    for (const one of this.unfinished) this.drawStroke(context, one.points, one.radius);
    if (this.stroke) this.drawStroke(context, this.stroke, this.radius);
    if (this.compare !== null) this.drawDivider(context, edge);
    if (this.tool === "brush" && this.hover) this.drawBrush(context);
    this.forget();
  }

  // Drawn as a whole first: tiles that lie on each other must not be stronger than others.
  drawOverlay(context) {
    this.buffer ??= document.createElement("canvas");
    this.buffer.width = this.canvas.width; // which also clears it
    this.buffer.height = this.canvas.height;
    const drawn = this.buffer.getContext("2d");
    drawn.imageSmoothingEnabled = false;
    this.drawLayer(drawn, this.overlay, 0, this.canvas.width);
    context.globalAlpha = this.opacity;
    context.drawImage(this.buffer, 0, 0);
    context.globalAlpha = 1;
  }

  // All tiles that are there, coarse ones first, so that something is seen while finer ones are loading.
  drawLayer(context, layer, left, right) {
    const { scale, x, y } = this.view;
    const level = Math.min(this.levels, Math.max(0, Math.floor(Math.log2(1 / scale) + 0.01)));
    context.save();
    context.beginPath();
    context.rect(left, 0, right - left, this.canvas.height);
    context.clip();
    for (const one of new Set([this.levels, level])) {
      const side = TILE * 2 ** one;
      const from = (start, place) => Math.max(0, Math.floor((start - place) / scale / side));
      const to = (end, place, length) => Math.min(Math.ceil(length / side), Math.ceil((end - place) / scale / side));
      for (let row = from(0, y); row < to(this.canvas.height, y, this.height); row++) {
        for (let column = from(left, x); column < to(right, x, this.width); column++) {
          const image = this.tile(layer, one, row, column);
          if (!image) continue;
          // Edges on whole pixels: neighbors neither overlap nor leave a seam.
          const place = (offset, length) => [Math.round(offset), Math.round(offset + length * 2 ** one * scale)];
          const [x0, x1] = place(column * side * scale + x, image.naturalWidth);
          const [y0, y1] = place(row * side * scale + y, image.naturalHeight);
          context.drawImage(image, x0, y0, x1 - x0, y1 - y0);
        }
      }
    }
    context.restore();
  }

  tile(layer, level, row, column) {
    const key = `${layer}/${level}/${row}/${column}`;
    const version = this.versions[layer] ?? this.versions.other;
    this.wanted.add(key);
    const known = this.tiles.get(key) ?? {};
    if (known.version !== version && known.loading !== version) {
      const image = new Image();
      known.loading = version;
      image.onload = () => {
        if (known.loading !== version) return; // a newer one was asked for meanwhile
        Object.assign(known, { image, version, loading: null });
        this.redraw();
      };
      image.src = this.tileUrl(layer, level, row, column, version);
    }
    this.tiles.delete(key); // to the end: the one used last
    this.tiles.set(key, known);
    return known.image;
  }

  forget() {
    for (const key of this.tiles.keys()) {
      if (this.tiles.size <= MOST_TILES) break;
      if (!this.wanted.has(key)) this.tiles.delete(key);
    }
  }

  drawStroke(context, points, radius) {
    const { scale, x, y } = this.view;
    context.save();
    context.strokeStyle = "rgba(255, 210, 60, .55)";
    context.lineWidth = 2 * radius * scale;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    for (const [px, py] of points) context.lineTo((px + 0.5) * scale + x, (py + 0.5) * scale + y);
    if (points.length === 1) context.lineTo((points[0][0] + 0.5) * scale + x + 0.01, (points[0][1] + 0.5) * scale + y);
    context.stroke();
    context.restore();
  }

  drawDivider(context, edge) {
    context.fillStyle = "#000";
    context.fillRect(edge - 2, 0, 4, this.canvas.height);
    context.fillStyle = "#fff";
    context.fillRect(edge - 1, 0, 2, this.canvas.height);
  }

  drawBrush(context) {
    for (const [color, wide] of [["#000", 3], ["#fff", 1]]) {
      context.strokeStyle = color;
      context.lineWidth = wide * this.ratio;
      context.beginPath();
      context.arc(...this.hover, Math.max(1, this.radius * this.view.scale), 0, 2 * Math.PI);
      context.stroke();
    }
  }
}
