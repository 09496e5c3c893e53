// The page: frames, fusion, comparison, retouching and saving. The server does the work; see /openapi.json.

import { forget, keep, kept, offer } from "./kept.js";
import { showMessage, showingErrors } from "./messages.js";
import { ResultViewer } from "./result.js";
import { getJson, post, request } from "./server.js";

const $ = (id) => document.getElementById(id);
const POLL_INTERVAL = 250; // milliseconds
const BEAT_INTERVAL = 30000; // milliseconds; the server frees what nobody uses for minutes
const IMAGE_NAME = /\.(jpe?g|png|tiff?|bmp|webp|heic|heif|mpo|nef|cr2|cr3|arw|dng|raf|orf|rw2|pef)$/i;
const SURE_AFTER = 2000; // milliseconds of a stage, after which its end is estimated
const DEPTHS = { depth: "png", confidence: "png", rocking: "webp", stereo: "jpg" }; // what is made from the depth
const PAINTING = ["brush", "eraser", "undo", "redo"]; // buttons that change the result
const ERASER = -1, SECOND = -2; // numbers in place of a frame's: what was fused, and what other settings made of it
const PROJECT_NAME = /\.json$/i;
const compareNames = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" }).compare;

let workplace = null; // the address that the server gave this tab
let frames = []; // {id, name, sha256, width, height, used}
let result = null; // as the server describes it
let fusedVersion = null; // the result's version when it was fused; strokes change only the tiles of the result
let running = false;
let arriving = 0; // how many drops of files are being sent: what is fused before is without some of them
let sorted = true; // whether frames are in the order of their names: until somebody moves one
let looking = null; // the identifier of the frame that is shown alone
let began = 0; // when the fusion was begun, in milliseconds
const timed = { stage: null, done: 0, from: 0, since: 0 }; // the stage whose end is estimated
let undone = []; // strokes that can be brought back, the last one first
let erasing = false; // whether the brush paints with what was fused
let unsaved = false; // whether strokes were painted since the last saved file
let strokesSent = Promise.resolve(); // strokes reach the server one after the other

const viewer = new ResultViewer($("canvas"), {
  tileUrl: (layer, level, row, column, version) => `${workplace}/tiles/${layer}/${level}/${row}/${column}?v=${version}`,
  onStroke: sendStroke,
  onChange: showFacts,
});

window.viewer = viewer; // for tests, and for debugging

setInterval(() => workplace && fetch(`${workplace}/progress`).catch(() => {}), BEAT_INTERVAL);
addEventListener("beforeunload", (event) => { if (unsaved || running) event.preventDefault(); });
addEventListener("pagehide", () => workplace && navigator.sendBeacon(`${workplace}/end`));
addEventListener("pageshow", (event) => event.persisted && location.reload()); // its workplace has ended

// --- frames ---

const addFiles = showingErrors(async (files) => {
  workplace ??= `/workplaces/${(await post("/workplaces")).workplace}`;
  const project = files.find((file) => PROJECT_NAME.test(file.name));
  const images = files.filter((file) => IMAGE_NAME.test(file.name)).sort((a, b) => compareNames(a.name, b.name));
  if (!images.length && !project) throw new Error("none of these files is an image that can be read.");
  arriving += 1;
  for (const [number, file] of images.entries()) {
    showProgress(`reading ${file.name}`, number, images.length, false);
    await showingErrors(async () => {
      const address = `${workplace}/frames?name=${encodeURIComponent(file.name)}`;
      const frame = await (await request(address, { method: "PUT", body: file })).json();
      frames.push({ ...frame, used: true });
      if (sorted) frames.sort((a, b) => compareNames(a.name, b.name));
      listFrames();
    })();
  }
  arriving -= 1;
  listFrames();
  $("progress").hidden = true;
  if (project) await openProject(await readProject(project));
  else if (!result && framesOf(kept())?.every(Boolean)) await openProject(kept());
});

// The content of a project's file.
async function readProject(chosen) {
  const project = await chosen.text().then(JSON.parse).catch(() => null);
  if (!Array.isArray(project?.frames)) throw new Error(`not a project: ${chosen.name}.`);
  return project;
}

// The frames of a project that are here; undefined for those that are not.
const framesOf = (project) => project?.frames?.map(({ sha256 }) => frames.find((frame) => frame.sha256 === sha256));

async function openProject(project) {
  const chosen = framesOf(project);
  const missing = project.frames.filter((_, number) => !chosen[number]).map(({ file }) => file);
  if (missing.length) throw new Error(`drop these frames together with the project: ${missing.join(", ")}.`);
  for (const frame of frames) frame.used = chosen.includes(frame);
  frames = [...chosen, ...frames.filter((frame) => !frame.used)];
  sorted = false;
  await formReady;
  for (const select of settingSelects()) setSelect(select, project.settings?.[select.name] ?? select.dataset.default);
  listFrames();
  await fuse({ strokes: project.strokes ?? [], second: project.second });
}

// Keeps the project while something is painted over its result.
const keepProject = showingErrors(async () => {
  if (result.strokes) keep(await getJson(`${workplace}/project`));
  else forget();
});

function listFrames() {
  const focused = document.activeElement?.closest?.("#frames li") && document.activeElement;
  const held = focused && { id: focused.closest("li").dataset.id, part: focused.className };
  $("frames").replaceChildren(...frames.map(frameItem));
  if (held) $("frames").querySelector(`[data-id="${held.id}"] .${held.part}`)?.focus();
  $("new").disabled = !frames.length;
  $("browse").hidden = frames.length < 2;
  $("browser").max = frames.length;
  const place = frames.findIndex((frame) => frame.id === looking);
  if (place >= 0) $("browser").value = place + 1;
  $("browser").setAttribute("aria-valuetext", place >= 0 ? frames[place].name : "none is shown alone");
  $("fuse").disabled = running || arriving > 0 || frames.filter((frame) => frame.used).length < 2;
  showMapColors();
}

// Shows which colors stand for near and far, while the depth is laid over.
function showLegend() {
  $("legend").hidden = !(result && viewer.overlay === "depth");
  if ($("legend").hidden) return;
  $("nearest").textContent = nameOf(result.frames[0]);
  $("farthest").textContent = `${nameOf(result.frames.at(-1))}; gray: unknown`;
  $("scale").style.background = `linear-gradient(to right, ${result.depth_colors.join(", ")})`;
}

// Marks each frame with its color in the overlay of the decision map, while that is shown.
function showMapColors() {
  showLegend();
  for (const [place, item] of [...$("frames").children].entries()) {
    const number = result ? result.frames.indexOf(frames[place].id) : -1;
    item.classList.toggle("marked", number >= 0 && $("overlay").value === "map");
    if (number >= 0) item.style.setProperty("--mark", result.colors[number]);
  }
}

function frameItem(frame, place) {
  const item = $("frame-template").content.firstElementChild.cloneNode(true);
  item.classList.toggle("out", !frame.used);
  item.dataset.id = frame.id;
  const picture = item.querySelector(".picture");
  picture.setAttribute("aria-pressed", looking === frame.id);
  picture.setAttribute("aria-label", `Show ${frame.name}`);
  picture.title = "Click to see this frame alone";
  picture.onclick = () => look(looking === frame.id ? null : frame.id);
  const use = item.querySelector(".use");
  use.checked = frame.used;
  use.setAttribute("aria-label", `Use ${frame.name}`);
  use.onchange = () => { frame.used = use.checked; listFrames(); };
  const remove = item.querySelector(".remove");
  remove.setAttribute("aria-label", `Remove ${frame.name}`);
  remove.onclick = showingErrors(() => removeFrame(frame));
  // With its size known before it is loaded, no picture moves what is below it under a pointer.
  const { width, height } = frame;
  Object.assign(item.querySelector("img"), { width, height, src: `${workplace}/frames/${frame.id}/thumbnail` });
  const name = item.querySelector(".name");
  name.textContent = `${place + 1}. ${frame.name}`;
  name.title = `${frame.name}, ${frame.width}×${frame.height}`;
  const [earlier, later] = [".earlier", ".later"].map((one) => item.querySelector(one));
  for (const [button, to, word] of [[earlier, place - 1, "earlier"], [later, place + 1, "later"]]) {
    button.setAttribute("aria-label", `Move ${frame.name} ${word}`);
    button.disabled = to < 0 || to >= frames.length;
    button.onclick = () => moveFrame(place, to);
  }
  item.ondragstart = (event) => {
    event.dataTransfer.setData("text/x-frame", String(place));
    event.dataTransfer.effectAllowed = "move";
  };
  item.ondragover = (event) => {
    if (!event.dataTransfer.types.includes("text/x-frame")) return;
    event.preventDefault();
    item.classList.add("over");
  };
  item.ondragleave = () => item.classList.remove("over");
  item.ondrop = (event) => {
    const from = event.dataTransfer.getData("text/x-frame");
    if (from === "") return;
    event.preventDefault();
    event.stopPropagation();
    moveFrame(Number(from), place);
  };
  return item;
}

async function removeFrame(frame) {
  await request(`${workplace}/frames/${frame.id}`, { method: "DELETE" });
  frames = frames.filter((one) => one !== frame);
  if (looking === frame.id) look(null);
  listFrames();
}

// Shows a frame alone, as it was taken; null shows the result.
function look(id) {
  looking = id;
  const frame = frames.find((one) => one.id === id);
  if (frame) {
    if (result) setTool("pan");
    Object.assign(viewer, { left: `${$("peaking").checked ? "peaks" : "upload"}-${id}`, right: null, overlay: null });
    $("empty").hidden = true;
    viewer.show(frame.width, frame.height, { other: 0 });
  } else if (result) {
    viewer.left = "result";
    viewer.overlay = $("overlay").value || null;
    showResult(result);
    $("compare").onchange();
  } else {
    viewer.show(0, 0, {});
    $("empty").hidden = false;
  }
  listFrames();
}

// Shows the frame that is some places behind the one that is shown.
function lookOn(step) {
  const place = frames.findIndex((frame) => frame.id === looking);
  const next = frames[place < 0 ? (step > 0 ? 0 : frames.length - 1) : place + step];
  if (next) look(next.id);
}

function lookAtPlace(place) {
  if (frames[place] && frames[place].id !== looking) look(frames[place].id);
}

// Marks what is sharp in the frame that is shown alone, or in that of the slider.
function markSharp() {
  look(looking ?? frames[Number($("browser").value) - 1].id);
}

function moveFrame(from, to) {
  sorted = false;
  frames.splice(to, 0, ...frames.splice(from, 1));
  listFrames();
}

const nameOf = (id) => frames.find((frame) => frame.id === id)?.name ?? "a frame";

// --- settings ---

const settingSelects = () => [...$("settings").querySelectorAll("select")];

// Makes the form of the settings that the server offers.
const formReady = showingErrors(async () => {
  for (const { name, help, default: initial, choices } of await getJson("/settings")) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    const text = document.createElement("small");
    Object.assign(select, { name, id: name });
    const title = name.replaceAll("_", " ");
    label.append(title[0].toUpperCase() + title.slice(1), select);
    if (!choices.includes(initial)) select.append(new Option("default", ""));
    select.append(...choices.map((choice) => new Option(choice, choice)));
    select.value = select.dataset.default = initial ?? "";
    text.id = `${name}-help`;
    text.textContent = help;
    select.setAttribute("aria-describedby", text.id);
    $("settings").append(label, text);
  }
  $("strategy").onchange = () => { $("prefer").disabled = $("strategy").value === "refined"; };
})();

function readSettings() {
  const values = settingSelects().map((select) => [select.name, select.disabled ? null : select.value || null]);
  return Object.fromEntries(values);
}

function setSelect(select, value) {
  select.value = value;
  select.dispatchEvent(new Event("change"));
}

// --- fusing ---

// The strokes over the result, with the numbers that their frames have among others, and how the second result was
// decided that some of them paint with.
async function paintedOver(used) {
  if (!result?.strokes) return { strokes: [] };
  await strokesSent;
  const { strokes, second } = await getJson(`${workplace}/project`);
  const moved = strokes.map((stroke) => {
    const frame = stroke.frame < 0 ? stroke.frame : used.indexOf(result.frames[stroke.frame]);
    return stroke.frame < 0 || frame >= 0 ? { ...stroke, frame } : null;
  });
  const lost = moved.filter((stroke) => !stroke).length;
  if (lost) showMessage(`${lost} stroke${lost > 1 ? "s" : ""} painted with frames that are left out are gone.`);
  return { strokes: moved.filter(Boolean), second };
}

// Fuses the frames in use; `painted` has the strokes over the result and the settings of the second one.
async function fuse(painted = null) {
  const used = frames.filter((frame) => frame.used).map((frame) => frame.id);
  running = true; // nothing is painted meanwhile: it would be lost
  if (result) setTool("pan");
  for (const id of PAINTING) $(id).disabled = true;
  listFrames();
  let task;
  try {
    await formReady;
    painted ??= await paintedOver(used);
    began = performance.now();
    await post(`${workplace}/fuse`, { frames: used, settings: readSettings(), ...painted });
    do {
      task = await getJson(`${workplace}/progress`);
      showProgress(task.state === "waiting" ? "waiting for another tab" : task.stage, task.done, task.total, true);
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
    } while (["waiting", "running"].includes(task.state));
    if (task.state === "failed") throw new Error(task.error);
    if (task.state === "done") {
      undone = [];
      showNewResult(await getJson(`${workplace}/result`));
    }
  } finally {
    running = false;
    $("progress").hidden = true;
    for (const id of PAINTING) $(id).disabled = false;
    if (result && looking === null) showResult(result); // which tells what can be undone
    listFrames();
  }
}

function inWords(seconds) {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

// The time that has passed, and what is left of a stage that has run for some seconds.
function showTime(stage, done, total) {
  const now = performance.now();
  if (stage !== timed.stage || done < timed.done) Object.assign(timed, { stage, done, from: done, since: now });
  timed.done = done;
  const rate = (done - timed.from) / (now - timed.since);
  const known = total > 1 && rate > 0 && now - timed.since > SURE_AFTER;
  const left = known ? `, ${inWords((total - done) / rate / 1000)} of this left` : "";
  $("time").textContent = `${inWords((now - began) / 1000)}${left}`;
}

function showProgress(stage, done, total, cancellable) {
  $("progress").hidden = false;
  if (cancellable) showTime(stage, done, total);
  else $("time").textContent = "";
  $("stage").textContent = stage;
  $("bar").max = total || 1;
  $("bar").value = done;
  $("cancel").hidden = !cancellable;
}

function showNewResult(description) {
  looking = null;
  viewer.left = "result";
  viewer.overlay = $("overlay").value || null;
  const before = $("compare").value;
  const compared = result?.frames[before]; // is compared again, whatever its number is now
  const options = description.frames.map((id, number) => {
    const option = new Option(`${number + 1}. ${nameOf(id)}`, String(number));
    option.disabled = description.left_out.includes(id);
    return option;
  });
  const { second } = description;
  if (second !== null) options.unshift(new Option(`other result: ${second}`, String(SECOND)));
  $("compare").replaceChildren(new Option("nothing", ""), ...options);
  compareWith(before === String(SECOND) ? SECOND : description.frames.indexOf(compared));
  fusedVersion = description.version;
  $("save-name").value = savedName(description.frames[0]);
  description.remarks.forEach(showMessage);
  showResult(description);
}

// Shows a result, fused or retouched.
function showResult(description) {
  result = description;
  $("tools").hidden = $("formats").disabled = false;
  $("empty").hidden = true;
  $("undo").disabled = !result.strokes;
  $("redo").disabled = !undone.length;
  $("overlay").querySelector("[value=depth]").disabled = !result.depth;
  for (const kind of Object.keys(DEPTHS)) document.querySelector(`[data-save=${kind}]`).disabled = !result.depth;
  if (!result.depth && $("overlay").value === "depth") setSelect($("overlay"), "");
  viewer.show(result.width, result.height, { result: result.version, other: fusedVersion });
  showMapColors();
}

// Compares with a frame by its number in the result, or with SECOND; with -1 or a frame that was left out, with none.
function compareWith(number) {
  const option = [...$("compare").options].find((one) => one.value === String(number) && !one.disabled);
  setSelect($("compare"), option ? option.value : "");
}

function showFacts() {
  const shown = frames.find((frame) => frame.id === looking);
  const zoom = `zoom ${Math.round(viewer.view.scale * 100)}%`;
  if (shown) $("facts").textContent = `${shown.name} · ${shown.width}×${shown.height} pixels · ${zoom}`;
  if (shown || !result) return;
  const frame = $("compare").value;
  const facts = [
    `${result.width}×${result.height} pixels`,
    zoom,
    ...(frame === "" ? [] : [`left: result, right: ${comparedName(frame)}`]),
    ...(result.strokes ? [`${result.strokes} stroke${result.strokes > 1 ? "s" : ""}`] : []),
  ];
  $("facts").textContent = facts.join(" · ");
}

const comparedName = (number) =>
  (Number(number) === SECOND ? `other result: ${result.second}` : nameOf(result.frames[number]));

// --- retouching ---

function setTool(tool, erases = false) {
  if (running && tool === "brush") return;
  if (tool === "brush" && looking !== null) look(null);
  erasing = erases;
  if (tool === "brush" && !erases && $("compare").value === "") {
    compareWith(result.frames.findIndex((id) => !result.left_out.includes(id)));
  }
  viewer.tool = tool;
  $("pan").setAttribute("aria-pressed", tool === "pan");
  $("brush").setAttribute("aria-pressed", tool === "brush" && !erases);
  $("eraser").setAttribute("aria-pressed", erases);
  $("brush-options").hidden = tool !== "brush";
  setRadius();
}

// Sets the radius from 1 pixel to an eighth of the picture; equal steps of the slider are equal ratios.
function setRadius() {
  const largest = Math.max(result.width, result.height) / 8;
  viewer.radius = Math.max(1, largest ** ($("size").value / 100));
  viewer.redraw();
}

function sendStroke(points) {
  const spaced = points.filter(([x, y], n) => n === 0 || n === points.length - 1
    || Math.hypot(x - points[n - 1][0], y - points[n - 1][1]) >= 0.5);
  const round = (value) => Math.round(value * 100) / 100;
  const stroke = {
    frame: erasing ? ERASER : Number($("compare").value),
    points: spaced.map((point) => point.map(round)),
    radius: round(viewer.radius),
    softness: $("softness").value / 100,
    opacity: $("strength").value / 100,
  };
  undone = [];
  paint(stroke);
}

function paint(stroke) {
  unsaved = true;
  viewer.unsentStrokes.push(stroke);
  strokesSent = strokesSent.then(async () => {
    await showingErrors(async () => showResult(await post(`${workplace}/strokes`, stroke)))();
    keepProject();
    viewer.unsentStrokes = viewer.unsentStrokes.filter((one) => one !== stroke);
    viewer.redraw();
  });
}

function undo() {
  strokesSent = strokesSent.then(showingErrors(async () => {
    if (!result.strokes || running) return;
    const { strokes } = await getJson(`${workplace}/project`);
    undone.push(strokes.at(-1));
    unsaved = true;
    showResult(await post(`${workplace}/undo`));
    keepProject();
  }));
}

function redo() {
  if (undone.length && !running) paint(undone.pop());
}

// Compares with the frame from which the pixel under the pointer was taken.
const takeUnderPointer = showingErrors(async () => {
  if (!viewer.pointer) return;
  const [x, y] = viewer.toPicture(viewer.pointer).map(Math.round);
  const { frame } = await getJson(`${workplace}/frame-at?x=${x}&y=${y}`);
  if (frame !== null) compareWith(frame);
});

// --- saving ---

const savedName = (id) => `${nameOf(id).replace(/\.[^.]*$/, "").replace(/[-_ ]?\d+$/, "") || "stack"}-fused`;

const save = showingErrors(async (format) => {
  $("save").open = false;
  await strokesSent;
  const name = $("save-name").value.trim().replace(/[/\\:*?"<>|]/g, "-") || savedName(result.frames[0]);
  const quality = Math.min(100, Math.max(1, Math.round($("quality").value) || 95));
  showProgress("writing the file", 0, 0, false);
  const address = format === "json" ? "project"
    : format in DEPTHS ? `saved-depth?kind=${format}` : `saved?format=${format}&quality=${quality}`;
  const answer = await request(`${workplace}/${address}`)
    .finally(() => { $("progress").hidden = true; });
  const content = format === "json"
    ? new Blob([JSON.stringify(await answer.json(), null, 2), "\n"]) : await answer.blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = format in DEPTHS ? `${name}-${format}.${DEPTHS[format]}` : `${name}.${format}`;
  link.click();
  if (!(format in DEPTHS)) unsaved = false;
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
});

// --- what is clicked, dropped and typed ---

$("open").onclick = () => $("files").click();
$("open-folder").onclick = () => $("folder").click();
for (const input of [$("files"), $("folder")]) {
  input.onchange = () => { addFiles([...input.files]); input.value = ""; };
}
addEventListener("dragover", (event) => {
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dropping"));
addEventListener("drop", async (event) => {
  document.body.classList.remove("dropping");
  if (!event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  // Both are read before the first wait: afterwards the browser has emptied them.
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
  const files = [...event.dataTransfer.files];
  const folders = entries.filter((entry) => entry?.isDirectory);
  const inside = (await Promise.all(folders.map(filesOf))).flat();
  addFiles([...files.filter((file) => !folders.some((folder) => folder.name === file.name)), ...inside]);
});

async function filesOf(folder) {
  const reader = folder.createReader();
  const files = [];
  for (;;) { // a reader gives a hundred at a time
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) return files;
    for (const entry of entries.filter((one) => one.isFile && !one.name.startsWith("."))) {
      files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    }
  }
}

addEventListener("click", (event) => { if (!$("save").contains(event.target)) $("save").open = false; });
$("fuse").onclick = showingErrors(() => fuse());
$("cancel").onclick = showingErrors(() => post(`${workplace}/cancel`));
for (const button of document.querySelectorAll("[data-save]")) button.onclick = () => save(button.dataset.save);
$("compare").onchange = () => {
  if (looking !== null) return void look(null); // which comes back here
  const compared = $("compare").value;
  viewer.right = compared === "" ? null : Number(compared) === SECOND ? "second" : `frame-${compared}`;
  if (viewer.right === null && viewer.tool === "brush" && !erasing) setTool("pan");
  viewer.redraw();
};
$("overlay").onchange = () => {
  if (looking !== null) look(null);
  viewer.overlay = $("overlay").value || null;
  $("opacity").hidden = !viewer.overlay;
  showMapColors();
  viewer.redraw();
};
$("opacity").oninput = () => { viewer.opacity = $("opacity").value / 100; viewer.redraw(); };
$("pan").onclick = () => setTool("pan");
$("brush").onclick = () => setTool("brush");
$("eraser").onclick = () => setTool("brush", true);
$("forget").onclick = forget;
$("browser").oninput = () => lookAtPlace(Number($("browser").value) - 1);
$("peaking").onchange = markSharp;
$("new").onclick = () => location.reload();
$("size").oninput = setRadius;
$("undo").onclick = undo;
$("redo").onclick = redo;
$("fit").onclick = () => viewer.fit();
$("full").onclick = () => viewer.zoom(1 / viewer.view.scale);

function changeBrushSize(change) {
  $("size").value = Number($("size").value) + change;
  setRadius();
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    $("save").open = false;
    if (looking !== null) look(null);
  }
  const typing = event.target.matches("input, select, textarea");
  if (!typing && [",", "."].includes(event.key)) lookOn(event.key === "." ? 1 : -1);
  if (!typing && event.key === "p" && frames.length > 1 && !event.ctrlKey && !event.metaKey) $("peaking").click();
  if (!result || typing) return;
  const { key } = event;
  if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "z") {
    event.preventDefault();
    if (event.shiftKey) redo();
    else undo();
  }
  if (event.ctrlKey && key.toLowerCase() === "y") {
    event.preventDefault();
    redo();
  }
  if (key === " " && document.activeElement === $("canvas")) {
    event.preventDefault();
    viewer.moving = true;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isBrush = viewer.tool === "brush"; // without it, the brackets move the divider
  const actions = {
    b: () => setTool("brush"), e: () => setTool("brush", true), m: () => setTool("pan"), t: takeUnderPointer,
    "[": isBrush && (() => changeBrushSize(-5)), "]": isBrush && (() => changeBrushSize(5)),
  };
  if (/^\d$/.test(key)) compareWith(Number(key) - 1);
  else if (actions[key]) actions[key]();
  else if (!key.startsWith("Arrow") || document.activeElement === $("canvas")) { // elsewhere, arrows scroll the page
    if (viewer.pressKey(key)) event.preventDefault();
  }
});

addEventListener("keyup", (event) => { if (event.key === " ") viewer.moving = false; });
offer();
