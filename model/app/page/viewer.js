// Zoom, pan and a divider between two pictures of equal size on one canvas.
// The page draws its layers in tiles (result.js); model/experiments/report.py copies this file into its report.

const SMOOTH_BELOW = 2; // canvas pixels per picture pixel: beyond it, single pixels are what one wants to see
const DIVIDER_REACH = 12; // CSS pixels on either side of the divider that drag it
const KEY_STEP = 60; // CSS pixels
const CURSORS = { pan: "grab", divider: "ew-resize", brush: "none" };

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// Subclasses draw: drawLayer(context, layer, left, right) draws what of a layer lies between two canvas columns.
export class Viewer {
  // onChange() is called after each redraw.
  constructor(canvas, onChange) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.width = this.height = 0; // pixels of the pictures; 0: there are none
    this.left = this.right = null; // layers; with a right one, the divider separates the two
    this.divider = 0.5; // 0 to 1 of the canvas's width
    this.view = { scale: 1, x: 0, y: 0 }; // canvas pixels per picture pixel; canvas position of the upper left corner
    this.pointers = new Map(); // pointers that are down: identifier to canvas position
    this.moving = false; // whether a key is held that moves the picture with any tool
    this.drag = null; // what they drag: "pan", "divider", "pinch" or a subclass's
    new ResizeObserver(() => this.resize()).observe(canvas);
    canvas.onwheel = (event) => this.onWheel(event);
    canvas.onpointerdown = (event) => this.onPointerDown(event);
    canvas.onpointermove = (event) => this.onPointerMove(event);
    canvas.onpointerup = canvas.onpointercancel = (event) => this.onPointerUp(event);
  }

  get pixelRatio() { return window.devicePixelRatio || 1; }

  // The scale at which the whole picture just fits.
  get fitScale() { return Math.min(this.canvas.width / this.width, this.canvas.height / this.height) || 1; }

  get scaleRange() { return [Math.min(1, this.fitScale) / 2, 32]; }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    this.canvas.width = Math.round(box.width * this.pixelRatio);
    this.canvas.height = Math.round(box.height * this.pixelRatio);
    if (this.width && this.fitted) this.fit();
    this.redraw();
  }

  setView(view) {
    this.view = view;
    this.fitted = false;
    this.redraw();
  }

  fit() {
    const scale = this.fitScale;
    const { width, height } = this.canvas;
    this.setView({ scale, x: (width - this.width * scale) / 2, y: (height - this.height * scale) / 2 });
    this.fitted = true; // and so after the window has been resized
  }

  // Zooms so that what is at this canvas position stays there.
  zoom(factor, [x, y] = [this.canvas.width / 2, this.canvas.height / 2]) {
    const before = this.view;
    const scale = clamp(before.scale * factor, ...this.scaleRange);
    const used = scale / before.scale;
    this.setView({ scale, x: x - (x - before.x) * used, y: y - (y - before.y) * used });
  }

  pan(x, y) {
    const before = this.view;
    this.setView({ scale: before.scale, x: before.x + x, y: before.y + y });
  }

  setDivider(divider) {
    this.divider = clamp(divider, 0, 1);
    this.redraw();
  }

  // Does what a key of the viewer does; returns whether it is one.
  pressKey(key) {
    const step = KEY_STEP * this.pixelRatio;
    const actions = {
      ArrowLeft: () => this.pan(step, 0), ArrowRight: () => this.pan(-step, 0),
      ArrowUp: () => this.pan(0, step), ArrowDown: () => this.pan(0, -step),
      "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8), f: () => this.fit(),
      "[": () => this.setDivider(this.divider - 0.02), "]": () => this.setDivider(this.divider + 0.02),
    };
    actions[key]?.();
    return key in actions;
  }

  // Canvas position of an event.
  position(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * this.pixelRatio, (event.clientY - box.top) * this.pixelRatio];
  }

  // Pixel coordinates in the picture of a canvas position; the center of the first pixel is (0, 0).
  toPicture([x, y]) {
    const { scale } = this.view;
    return [(x - this.view.x) / scale - 0.5, (y - this.view.y) / scale - 0.5];
  }

  onWheel(event) {
    if (!this.width) return;
    event.preventDefault();
    const pixels = event.deltaMode === 1 ? 20 : 1; // Firefox counts lines
    this.zoom(Math.exp(-event.deltaY * pixels * 0.002), this.position(event));
  }

  onPointerDown(event) {
    if (!this.width || event.button > 1) return; // the middle one moves, whatever the tool
    if (event.button === 1) event.preventDefault(); // no scrolling by itself
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const position = this.position(event);
    this.pointers.set(event.pointerId, position);
    const moves = event.button === 1 || this.moving;
    this.drag = this.pointers.size > 1 ? "pinch" : moves ? "pan" : this.dragAt(position);
    this.redraw();
  }

  // What a pointer that goes down at this canvas position would drag.
  dragAt([x]) {
    const distance = Math.abs(x - this.divider * this.canvas.width);
    return this.right !== null && distance < DIVIDER_REACH * this.pixelRatio ? "divider" : "pan";
  }

  onPointerMove(event) {
    const position = this.position(event);
    const before = this.pointers.get(event.pointerId);
    this.canvas.style.cursor = CURSORS[this.dragAt(position)];
    if (!before) return;
    this.pointers.set(event.pointerId, position);
    if (this.drag === "pan") this.pan(position[0] - before[0], position[1] - before[1]);
    if (this.drag === "divider") this.setDivider(position[0] / this.canvas.width);
    if (this.drag === "pinch") this.pinch(event.pointerId, before, position);
  }

  // Zooms by the distance of two pointers, of which one has moved.
  pinch(moving, before, after) {
    const [, still] = [...this.pointers].find(([id]) => id !== moving) ?? [];
    if (!still) return;
    const distance = (point) => Math.hypot(point[0] - still[0], point[1] - still[1]);
    this.pan((after[0] - before[0]) / 2, (after[1] - before[1]) / 2);
    this.zoom(distance(after) / Math.max(1, distance(before)), [(after[0] + still[0]) / 2, (after[1] + still[1]) / 2]);
  }

  onPointerUp(event) {
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.drag = null;
    this.redraw();
  }

  // Draws once before the next frame of the screen, however often it is called.
  redraw() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.draw();
      this.onChange();
    });
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    context.clearRect(0, 0, width, height);
    if (!this.width) return;
    context.imageSmoothingEnabled = this.view.scale < SMOOTH_BELOW;
    context.imageSmoothingQuality = "high";
    const edge = this.right === null ? width : this.divider * width;
    this.drawSide(context, this.left, 0, edge);
    if (this.right !== null) this.drawSide(context, this.right, edge, width);
    this.drawOverlays(context);
    if (this.right === null) return;
    for (const [color, wide] of [["#000", 4], ["#fff", 2]]) { // seen on any picture
      context.fillStyle = color;
      context.fillRect(edge - wide / 2, 0, wide, height);
    }
  }

  drawSide(context, layer, left, right) {
    context.save();
    context.beginPath();
    context.rect(left, 0, right - left, this.canvas.height);
    context.clip();
    this.drawLayer(context, layer, left, right);
    context.restore();
  }

  // What subclasses draw over the layers.
  drawOverlays() {}
}
