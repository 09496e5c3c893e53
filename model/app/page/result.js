// The fusion result in tiles: compared with a frame, below an overlay, and retouched with a brush.

import { Viewer } from "./viewer.js";

const TILE = 512; // pixels
const MOST_TILES = 600; // in memory

export class ResultViewer extends Viewer {
  // tileUrl(layer, level, row, column, version) returns the address of a tile; onStroke(points) is called with each
  // finished stroke, in pixels of the picture.
  constructor(canvas, { tileUrl, onStroke, onChange }) {
    super(canvas, onChange);
    Object.assign(this, { tileUrl, onStroke });
    this.left = "result";
    this.versions = {}; // layer to the version that its tiles must have; "other": all others
    this.overlay = null; // a layer
    this.opacity = 0.5;
    this.tool = "pan"; // or "brush"
    this.radius = 20; // of the brush, in pixels of the picture
    this.tiles = new Map();
    this.stroke = []; // points of the stroke being painted, while `drag` is "brush"
    this.unsentStrokes = []; // finished, but not painted by the server yet
    this.pointer = null; // canvas position
    canvas.onpointerleave = () => { this.pointer = null; this.redraw(); };
  }

  show(width, height, versions) {
    const resized = width !== this.width || height !== this.height;
    Object.assign(this, { width, height, versions });
    if (resized) this.fit();
    this.redraw();
  }

  // The coarsest level of the pyramid: there, one tile holds the whole picture.
  get coarsest() { return Math.max(0, Math.ceil(Math.log2(Math.max(this.width, this.height) / TILE))); }

  dragAt(position) { return this.tool === "brush" ? "brush" : super.dragAt(position); }

  onPointerDown(event) {
    this.stroke = [this.toPicture(this.position(event))];
    super.onPointerDown(event);
  }

  onPointerMove(event) {
    this.pointer = this.position(event);
    super.onPointerMove(event);
    if (this.drag === "brush" && this.pointers.has(event.pointerId)) {
      const events = event.getCoalescedEvents?.() ?? []; // finer than one for each frame of the screen
      for (const one of events.length ? events : [event]) this.stroke.push(this.toPicture(this.position(one)));
    }
    if (this.tool === "brush") this.redraw();
  }

  onPointerUp(event) {
    if (this.drag === "brush" && event.type === "pointerup") this.onStroke(this.stroke);
    super.onPointerUp(event);
  }

  draw() {
    this.wanted = new Set(); // tiles that this drawing uses
    super.draw();
    for (const key of this.tiles.keys()) {
      if (this.tiles.size <= MOST_TILES) break;
      if (!this.wanted.has(key)) this.tiles.delete(key);
    }
  }

  drawOverlays(context) {
    if (this.overlay) this.drawTransparent(context, this.overlay);
    for (const stroke of this.unsentStrokes) this.drawStroke(context, stroke.points, stroke.radius);
    if (this.drag === "brush") this.drawStroke(context, this.stroke, this.radius);
    if (this.tool === "brush" && this.pointer) this.drawBrush(context);
  }

  // Through a canvas of its own: where tiles of two levels lie on each other, the overlay must not be stronger.
  drawTransparent(context, layer) {
    this.buffer ??= document.createElement("canvas");
    this.buffer.width = this.canvas.width; // which also clears it
    this.buffer.height = this.canvas.height;
    const buffered = this.buffer.getContext("2d");
    buffered.imageSmoothingEnabled = false;
    this.drawLayer(buffered, layer, 0, this.canvas.width);
    context.globalAlpha = this.opacity;
    context.drawImage(this.buffer, 0, 0);
    context.globalAlpha = 1;
  }

  // The coarsest level first, so that something is seen while finer tiles are loading.
  drawLayer(context, layer, left, right) {
    const { scale, x, y } = this.view;
    const level = Math.min(this.coarsest, Math.max(0, Math.floor(Math.log2(1 / scale) + 0.01)));
    for (const one of new Set([this.coarsest, level])) {
      const side = TILE * 2 ** one; // pixels of the picture
      const first = (start, offset) => Math.max(0, Math.floor((start - offset) / scale / side));
      const end = (stop, offset, length) => Math.ceil(Math.min(length, (stop - offset) / scale) / side);
      for (let row = first(0, y); row < end(this.canvas.height, y, this.height); row++) {
        for (let column = first(left, x); column < end(right, x, this.width); column++) {
          const image = this.tile(layer, one, row, column);
          if (!image) continue;
          // Edges on whole pixels: neighbors neither overlap nor leave a seam.
          const edges = (offset, length) => [Math.round(offset), Math.round(offset + length * 2 ** one * scale)];
          const [x0, x1] = edges(column * side * scale + x, image.naturalWidth);
          const [y0, y1] = edges(row * side * scale + y, image.naturalHeight);
          context.drawImage(image, x0, y0, x1 - x0, y1 - y0);
        }
      }
    }
  }

  // The image of a tile, perhaps of an older version while the wanted one is loading; undefined until there is one.
  tile(layer, level, row, column) {
    const key = `${layer}/${level}/${row}/${column}`;
    const version = this.versions[layer] ?? this.versions.other;
    const tile = this.tiles.get(key) ?? {};
    if (tile.version !== version && tile.loading !== version) {
      const image = new Image();
      tile.loading = version;
      image.onload = () => {
        if (tile.loading !== version) return; // a newer version has been requested meanwhile
        Object.assign(tile, { image, version, loading: null });
        this.redraw();
      };
      image.src = this.tileUrl(layer, level, row, column, version);
    }
    this.wanted.add(key);
    this.tiles.delete(key); // and to the end: those that were used last are kept
    this.tiles.set(key, tile);
    return tile.image;
  }

  drawStroke(context, points, radius) {
    const { scale, x, y } = this.view;
    context.strokeStyle = "rgba(255, 210, 60, .55)";
    context.lineWidth = 2 * radius * scale;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    const place = ([px, py]) => [(px + 0.5) * scale + x, (py + 0.5) * scale + y];
    const [startX, startY] = place(points[0]);
    context.moveTo(startX + 0.01, startY); // a line without any length would not be drawn
    for (const point of points) context.lineTo(...place(point));
    context.stroke();
  }

  drawBrush(context) {
    for (const [color, wide] of [["#000", 3], ["#fff", 1]]) { // seen on any picture
      context.strokeStyle = color;
      context.lineWidth = wide * this.pixelRatio;
      context.beginPath();
      context.arc(...this.pointer, Math.max(1, this.radius * this.view.scale), 0, 2 * Math.PI);
      context.stroke();
    }
  }
}
